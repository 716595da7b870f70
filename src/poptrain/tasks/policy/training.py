"""How actor-critics learn: they act, weigh what came of it, and move towards what was better than expected.

    advantage   A_t = sum_k (gamma lambda)^k delta_(t+k),  delta_t = r_t + gamma V(s_(t+1)) - V(s_t)
    loss        -mean(log pi(a|s) A) + 0.5 mean((V - (A + V_old))^2) - entropy * mean(H(pi))

Mnih et al. 2016 (A3C, here in step) with the advantages of Schulman et al. 2016. Policy and value share two hidden layers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import poptrain.torch as ptt
from poptrain.tasks.policy.environments import Group, Sizes, look_at
from poptrain.trainable.population import Block, PopulationInterval

if TYPE_CHECKING:
    from poptrain.tasks.policy import Settings

__all__ = ["SELECTION_SEED", "TEST_SEED", "ActorCritics", "actor", "make_net", "play", "score"]

_VALUE_WEIGHT = 0.5
SELECTION_SEED, TEST_SEED = 1_000_003, 2_000_003
"""Random states of the scored episodes; those of training are hashes of the study's seed."""


def make_net(settings: Settings, sizes: Sizes) -> nn.Module:
    """Return a fresh network: scores of the actions, then the value."""
    width = settings.width
    return nn.Sequential(
        nn.Linear(sizes.inputs, width),
        nn.Tanh(),
        nn.Linear(width, width),
        nn.Tanh(),
        nn.Linear(width, sizes.actions + 1),
    )


@dataclass(frozen=True, slots=True)
class _Experience:
    """What an update learns from; shape (members, horizon, environments, ...)."""

    observed: torch.Tensor
    actions: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor
    weights: torch.Tensor


class ActorCritics(ptt.StackedPopulation):
    """Members of a block: networks that act.

    Episodes begin anew with every interval, so that a member's state is its network and nothing else.

    Args:
        block: the rows.
        settings: of the task.
    """

    def __init__(self, block: Block, *, settings: Settings) -> None:
        self._settings = settings
        self._sizes = look_at(settings.environment)
        optimiser = ptt.RMSprop(lr="lr", clip_norm="clip_norm", eps=1e-5)
        device = torch.device("cpu")
        make = partial(make_net, settings, self._sizes)
        super().__init__(ptt.Stack(make, block.seeds, moments=optimiser.moments, device=device))
        self._optimiser = ptt.BoundOptimiser(optimiser, self._stack)
        self._group = Group(settings.environment, block.rows, settings.environments)

    def step(self, interval: PopulationInterval) -> None:
        """Act and learn."""
        self._stack.train(interval.seeds)
        seen = torch.from_numpy(self._group.reset(interval.seeds))
        starts = torch.tensor(interval.starts)
        for index in range(interval.steps):
            experience, seen = self._act(seen)
            self._stack.backward(self._losses(experience))
            self._optimiser.update(self._h, starts + index)

    @torch.no_grad()
    def _act(self, seen: torch.Tensor) -> tuple[_Experience, torch.Tensor]:
        """Return what was experienced, and what is seen at last."""
        kept: dict[str, list[torch.Tensor]] = defaultdict(list)
        for _ in range(self._settings.horizon):
            out = self._stack.forward(seen)
            uniform = self._stack.noise.draw((*out.shape[1:-1], self._sizes.actions), out.dtype, normal=False)
            action = (out[..., :-1] - (-uniform.clamp(min=1e-20).log()).log()).argmax(-1)
            moves = self._group.move(action.numpy())
            kept["seen"].append(seen)
            kept["action"].append(action)
            kept["value"].append(out[..., -1])
            kept["reward"].append(torch.from_numpy(moves.rewards))
            kept["end"].append(torch.from_numpy(moves.terminated))
            kept["over"].append(torch.from_numpy(moves.terminated | moves.truncated))
            kept["void"].append(torch.from_numpy(moves.void))
            seen = torch.from_numpy(moves.observed)
            kept["next"].append(seen)
        whole = {name: torch.stack(parts, 1) for name, parts in kept.items()}
        advantages = self._advantages(whole)
        returns = advantages + whole["value"]
        return _Experience(whole["seen"], whole["action"], advantages, returns, (~whole["void"]).float()), seen

    def _advantages(self, whole: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return generalised advantages, shape (members, horizon, environments)."""
        rows = len(whole["next"])
        after = self._stack.forward(whole["next"].reshape(rows, -1, self._sizes.inputs))[..., -1].view(whole["value"].shape)
        gamma, decay = self._h["gamma"].view(-1, 1, 1), self._h["gae_lambda"].view(-1, 1)
        delta = whole["reward"] + gamma * after * ~whole["end"] - whole["value"]
        advantages = torch.empty_like(delta)
        later = torch.zeros_like(delta[:, 0])
        for t in reversed(range(delta.shape[1])):
            later = delta[:, t] + gamma[:, 0] * decay * ~whole["over"][:, t] * later
            advantages[:, t] = later
        return advantages

    def _losses(self, experience: _Experience) -> torch.Tensor:
        rows = len(experience.actions)
        out = self._stack.forward(experience.observed.reshape(rows, -1, self._sizes.inputs))
        logp = out[..., :-1].log_softmax(-1)
        weights = experience.weights.reshape(rows, -1)
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1.0)
        advantages = experience.advantages.reshape(rows, -1)
        mean = (advantages * weights).sum(1, keepdim=True)
        spread = ((advantages - mean).square() * weights).sum(1, keepdim=True).sqrt()
        chosen = logp.gather(-1, experience.actions.reshape(rows, -1, 1)).squeeze(-1)
        policy = -(chosen * (advantages - mean) / (spread + 1e-8) * weights).sum(1)
        value = ((out[..., -1] - experience.returns.reshape(rows, -1)).square() * weights).sum(1)
        entropy = (-(logp.exp() * logp).sum(-1) * weights).sum(1)
        return policy + _VALUE_WEIGHT * value - self._h["entropy"] * entropy

    @torch.no_grad()
    def evaluate(self) -> NDArray[Any]:
        """Return the mean return of greedy episodes, the same ones for every member."""
        self._stack.eval()
        rows = self._stack.rows.rows
        group = Group(self._settings.environment, rows, self._settings.episodes)
        returns = play(lambda seen: self._stack.forward(seen)[..., :-1], group, [SELECTION_SEED] * rows, self._sizes)
        return np.asarray(returns.mean(1))

    def close(self) -> None:
        """Close the environments."""
        self._group.close()


def play(net: Any, group: Group, seeds: Sequence[int], sizes: Sizes) -> NDArray[np.float64]:
    """Return the returns of each environment's first episode under greedy actions, shape (members, environments).

    Args:
        net: from observations (members, environments, inputs) to scores of the actions.
        group: the environments, which are closed afterwards.
        seeds: a random state for each member.
        sizes: of the environment.
    """
    seen = group.reset(seeds)
    returns = np.zeros(seen.shape[:2])
    alive = np.ones(seen.shape[:2], dtype=np.bool_)
    for _ in range(sizes.longest):
        action = net(torch.from_numpy(seen)).argmax(-1)
        moves = group.move(action.numpy())
        returns += moves.rewards * alive
        alive &= ~(moves.terminated | moves.truncated)
        if not alive.any():
            break
        seen = moves.observed
    group.close()
    return returns


def actor(settings: Settings, state: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the policy of a state: from observations (..., inputs) to scores of the actions (..., actions)."""
    net = make_net(settings, look_at(settings.environment))
    net.load_state_dict(state["net"])
    return lambda seen: net(seen)[..., :-1]


def score(settings: Settings, state: Any) -> dict[str, float]:
    """Return the mean return, and its standard error, of a state on episodes that selection did not see."""
    group = Group(settings.environment, 1, settings.test_episodes)
    with torch.no_grad():
        returns = play(actor(settings, state), group, [TEST_SEED], look_at(settings.environment))[0]
    error = float(returns.std(ddof=1) / np.sqrt(len(returns))) if len(returns) > 1 else float("nan")
    found = {"episodic_return": float(returns.mean())}
    return found if np.isnan(error) else {**found, "standard_error": error}
