"""Reinforcement learning with a plain loop over gymnasium's environments: python examples/cart_pole.py"""

import gymnasium as gym
import torch

import poptrain as pt


def play(net: torch.nn.Module, *, games: int, seed: int, greedy: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return log-probabilities, rewards and who is still playing, each of shape (moves, games)."""
    games_at_once = gym.make_vec("CartPole-v1", num_envs=games, vectorization_mode="sync")
    seen, _ = games_at_once.reset(seed=seed)
    alive = torch.ones(games, dtype=torch.bool)
    chances, rewards, playing = [], [], []
    while alive.any():
        policy = torch.distributions.Categorical(logits=net(torch.as_tensor(seen)))
        action = policy.logits.argmax(-1) if greedy else policy.sample()
        seen, reward, ended, truncated, _ = games_at_once.step(action.numpy())
        chances.append(policy.log_prob(action))
        rewards.append(torch.as_tensor(reward, dtype=torch.float32) * alive)
        playing.append(alive.clone())
        alive &= ~torch.as_tensor(ended | truncated)
    games_at_once.close()
    return torch.stack(chances), torch.stack(rewards), torch.stack(playing)


def train(member: pt.Member) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 32), torch.nn.Tanh(), torch.nn.Linear(32, 2))
    opt = torch.optim.Adam(net.parameters())
    member.register(net=net, opt=opt)
    member.bind(opt, lr="lr")
    for interval in member.intervals():
        for step in range(interval.steps):
            chances, rewards, playing = play(net, games=4, seed=(interval.seed + step) % 2**31, greedy=False)
            worth = torch.zeros_like(rewards)  # the discounted sum of what is still to come
            for t in reversed(range(len(rewards))):
                worth[t] = rewards[t] + (member["gamma"] * worth[t + 1] if t + 1 < len(rewards) else 0.0)
            lead = (worth - worth[playing].mean()) / (worth[playing].std() + 1e-6)
            loss = -(lead * chances)[playing].mean()
            opt.zero_grad(), loss.backward(), opt.step()
        with torch.no_grad():
            _, rewards, _ = play(net, games=5, seed=7, greedy=True)
        member.report(episodic_return=rewards.sum(0).mean())


if __name__ == "__main__":
    space = {"lr": pt.Float(1e-4, 1e-1, log=True), "gamma": pt.Float(0.8, 0.999, transform="1-x")}
    options = {"population": 6, "intervals": 5, "interval_steps": 5, "directory": "runs/cart_pole", "workers": 2}
    study = pt.tune(train, space, metric="episodic_return", algorithm=pt.PBT(exploit=pt.exploit.truncation(0.34)), **options)
    print(study.best, study.schedule.render(["lr"]), sep="\n")
