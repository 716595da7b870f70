"""How a member carries an agent of Stable-Baselines3 through its intervals.

The agents are the library's, and so is their learning. What is done here is what a population needs: every hyperparameter is
put where the library reads it (a learning rate lives in a schedule and in the optimisers, gamma in the agent, in its buffer and
in the scaling of rewards), the state is everything that the next step depends on, and episodes begin anew with every interval,
so that environments are not part of it.

Schulman et al. 2017 (PPO), Mnih et al. 2016 (A2C), Mnih et al. 2015 (DQN), Haarnoja et al. 2018 (SAC).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.utils import FloatSchedule
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from poptrain.core.values import Hparams
from poptrain.tasks.policy.film import save_film
from poptrain.tasks.policy.training import SELECTION_SEED, TEST_SEED
from poptrain.tasks.rl.environments import make_environments

if TYPE_CHECKING:
    from poptrain.tasks.rl import Settings

__all__ = ["Agent", "film", "make_model", "score"]

_LONGEST = 30_000
"""Moves after which a scored episode is counted as it stands."""

_REMEMBERED = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def make_model(settings: Settings, venv: VecEnv) -> Any:
    """Return a fresh agent; hyperparameters are put into force later."""
    pictures = is_image_space(venv.observation_space)
    policy = "CnnPolicy" if pictures else "MlpPolicy"
    options: dict[str, Any] = {"device": "auto" if pictures else "cpu"}
    if not pictures:
        options["policy_kwargs"] = {"net_arch": [settings.width, settings.width]}
    batch = settings.moves * settings.environments
    memory: dict[str, Any] = {
        "buffer_size": settings.memory,
        "learning_starts": settings.warm_up,
        "train_freq": 1,
        "gradient_steps": settings.updates,
    }
    makers: dict[str, Callable[[], Any]] = {
        "ppo": lambda: PPO(policy, venv, n_steps=settings.moves, batch_size=batch, **options),
        "a2c": lambda: A2C(policy, venv, n_steps=settings.moves, **options),
        "dqn": lambda: DQN(policy, venv, **memory, **options),
        "sac": lambda: SAC(policy, venv, **memory, **options),
    }
    model = makers[settings.algorithm]()
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model


class Agent:
    """A member: an agent, what it remembers, and the scaling of what it sees."""

    def __init__(self, *, settings: Settings) -> None:
        self._settings = settings
        venv = make_environments(settings.environment, settings.environments, training=True)
        self.scaling = VecNormalize(venv) if settings.normalise else None
        self.model = make_model(settings, self.scaling or venv)
        self._scored: VecEnv | None = None

    def configure(self, hparams: Hparams) -> None:
        """Put the hyperparameters into force, each at every place that the library reads it from."""
        for name, value in hparams.items():
            getattr(self, f"_put_{name}")(value)

    def effective(self) -> dict[str, Any]:
        """Return what is in force, read from where it acts."""
        model, on_policy = self.model, self._settings.algorithm in ("ppo", "a2c")
        found: dict[str, Any] = {"lr": self._optimisers()[0].param_groups[0]["lr"]}
        found["gamma"] = model.rollout_buffer.gamma if on_policy else model.gamma
        if on_policy:
            found |= {"gae_lambda": model.rollout_buffer.gae_lambda, "entropy": model.ent_coef}
        own: dict[str, Callable[[], dict[str, Any]]] = {
            "ppo": lambda: {
                "clip_range": model.clip_range(1.0),
                "epochs": model.n_epochs,
                "batch_size": model.batch_size,
            },
            "a2c": lambda: {"clip_norm": model.max_grad_norm},
            "dqn": lambda: {
                "epsilon": model.exploration_schedule(1.0),
                "target_period": model.target_update_interval,
                "batch_size": model.batch_size,
            },
            "sac": lambda: {"tau": model.tau, "batch_size": model.batch_size},
        }
        return {**found, **own[self._settings.algorithm]()}

    def _optimisers(self) -> list[torch.optim.Optimizer]:
        model = self.model
        if self._settings.algorithm == "sac":
            return [model.actor.optimizer, model.critic.optimizer, model.ent_coef_optimizer]
        return [model.policy.optimizer]

    def _put_lr(self, value: float) -> None:
        self.model.learning_rate = value
        self.model.lr_schedule = FloatSchedule(value)
        for optimiser in self._optimisers():
            for group in optimiser.param_groups:
                group["lr"] = value

    def _put_gamma(self, value: float) -> None:
        self.model.gamma = value
        if self._settings.algorithm in ("ppo", "a2c"):
            self.model.rollout_buffer.gamma = value
        if self.scaling is not None:
            self.scaling.gamma = value

    def _put_gae_lambda(self, value: float) -> None:
        self.model.gae_lambda = self.model.rollout_buffer.gae_lambda = value

    def _put_entropy(self, value: float) -> None:
        self.model.ent_coef = value

    def _put_clip_range(self, value: float) -> None:
        self.model.clip_range = FloatSchedule(value)

    def _put_clip_norm(self, value: float) -> None:
        self.model.max_grad_norm = value

    def _put_epochs(self, value: int) -> None:
        self.model.n_epochs = value

    def _put_batch_size(self, value: int) -> None:
        self.model.batch_size = value

    def _put_epsilon(self, value: float) -> None:
        self.model.exploration_schedule, self.model.exploration_rate = FloatSchedule(value), value

    def _put_target_period(self, value: int) -> None:
        self.model.target_update_interval = value

    def _put_tau(self, value: float) -> None:
        self.model.tau = value

    def _put_entropy_target(self, value: float) -> None:
        self.model.target_entropy = -value * float(np.prod(self.model.action_space.shape))

    def step(self, steps: int) -> None:
        """Act and learn for `steps` times the horizon; a diverged agent does nothing more."""
        if not self._finite():
            return
        self.model.env.seed(int(np.random.randint(2**31)))
        self.model.action_space.seed(int(np.random.randint(2**31)))
        self.model._last_obs = None  # new episodes
        moves = steps * self._settings.moves * self._settings.environments
        try:
            self.model.learn(moves, reset_num_timesteps=False)
        except ValueError:  # what torch says of a distribution whose parameters are NaN
            if self._finite():
                raise

    def _finite(self) -> bool:
        return all(bool(torch.isfinite(values).all()) for values in self.model.policy.parameters())

    def evaluate(self) -> dict[str, float]:
        """Return the mean return of greedy episodes, the same ones for every member; NaN of a diverged agent."""
        if not self._finite():
            return {"episodic_return": float("nan")}
        if self._scored is None:
            self._scored = make_environments(self._settings.environment, self._settings.episodes, training=False)
        return {"episodic_return": float(self.play(self._scored, SELECTION_SEED).mean())}

    def play(self, venv: VecEnv, seed: int) -> NDArray[np.float64]:
        """Return the return of each environment's first episode under greedy actions, shape (environments,)."""
        venv.seed(seed)
        seen = venv.reset()
        returns, alive = np.zeros(venv.num_envs), np.ones(venv.num_envs, np.bool_)
        for _ in range(_LONGEST):
            seen, rewards, over, _ = venv.step(self.act(seen))
            returns += rewards * alive
            alive &= ~over
            if not alive.any():
                break
        return returns

    def act(self, seen: Any) -> NDArray[Any]:
        """Return greedy actions, shape (environments, ...)."""
        scaled = seen if self.scaling is None else self.scaling.normalize_obs(seen)
        actions: NDArray[Any] = self.model.predict(scaled, deterministic=True)[0]
        return actions

    def state_dict(self) -> dict[str, Any]:
        """Return networks, optimisers, counts, and where there are such what is remembered and the scaling."""
        model = self.model
        state: dict[str, Any] = {"parameters": model.get_parameters(), "moves": model.num_timesteps}
        if self._settings.algorithm == "dqn":
            state["calls"] = model._n_calls
        if self._settings.algorithm == "sac":
            state["log_entropy_coefficient"] = model.log_ent_coef.detach().clone()
        if self._settings.algorithm in ("dqn", "sac"):
            memory = model.replay_buffer
            filled = {name: getattr(memory, name)[: memory.size()].copy() for name in _REMEMBERED}
            state["memory"] = {**filled, "place": memory.pos, "full": memory.full}
        if self.scaling is not None:
            state["scaling"] = {name: _moments(getattr(self.scaling, name)) for name in ("obs_rms", "ret_rms")}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over another state."""
        model = self.model
        model.set_parameters(dict(state["parameters"]), device=model.device)
        model.num_timesteps = int(state["moves"])
        if "calls" in state:
            model._n_calls = int(state["calls"])
        if "log_entropy_coefficient" in state:
            model.log_ent_coef.data.copy_(torch.as_tensor(state["log_entropy_coefficient"]))
        if "memory" in state:
            memory, kept = model.replay_buffer, state["memory"]
            for name in _REMEMBERED:
                getattr(memory, name)[: len(kept[name])] = kept[name]
            memory.pos, memory.full = int(kept["place"]), bool(kept["full"])
        if self.scaling is not None:
            for name, moments in state["scaling"].items():
                for field, value in moments.items():
                    setattr(getattr(self.scaling, name), field, np.asarray(value, np.float64).copy())

    def close(self) -> None:
        """Close the environments."""
        self.model.env.close()
        if self._scored is not None:
            self._scored.close()


def _moments(running: Any) -> dict[str, NDArray[np.float64]]:
    return {name: np.asarray(getattr(running, name), np.float64).copy() for name in ("mean", "var", "count")}


def score(settings: Settings, state: Mapping[str, Any]) -> dict[str, float]:
    """Return the mean return, and its standard error, of a state on episodes that selection did not see."""
    agent = Agent(settings=settings)
    agent.load_state_dict(state)
    returns = agent.play(make_environments(settings.environment, settings.test_episodes, training=False), TEST_SEED)
    found = {"episodic_return": float(returns.mean())}
    return found if len(returns) < 2 else {**found, "standard_error": float(returns.std(ddof=1) / np.sqrt(len(returns)))}


def film(settings: Settings, state: Mapping[str, Any], folder: Path) -> str:
    """Write a greedy episode as episode.gif into a folder; return its path, or why there is none."""
    agent = Agent(settings=settings)
    agent.load_state_dict(state)
    return save_film(partial(_frames, agent, settings.environment), folder)


def _frames(agent: Agent, name: str) -> Iterator[NDArray[Any]]:
    venv = make_environments(name, 1, training=False, render_mode="rgb_array")
    venv.seed(TEST_SEED)
    seen, over = venv.reset(), np.zeros(1, np.bool_)
    while not over[0]:
        picture = venv.render(mode="rgb_array")
        if picture is None:
            raise gym.error.Error(f"{name} returned no picture")
        yield picture
        seen, _, over, _ = venv.step(agent.act(seen))
    venv.close()
