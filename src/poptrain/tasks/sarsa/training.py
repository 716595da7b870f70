"""How members act and learn.

    y        r + gamma (1 - over) Q_target(s', a'),   a': the action that was really taken in s'
    loss     Huber(Q(s, a) - y), averaged over a batch of remembered moves
    acting   with probability epsilon any action, else argmax Q(s, .); epsilon <- max(least, decay * epsilon) after every step
    target   a copy of Q, renewed after every `target_period` updates

Rummery and Niranjan 1994 (SARSA), van Seijen et al. 2009, Mnih et al. 2015 (memory and target network). Two networks, hence
double: one acts and learns, the other one says what the next action is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from poptrain.core.values import Hparams
from poptrain.tasks.policy.environments import Group, Moves, look_at
from poptrain.tasks.policy.film import episode, save_film
from poptrain.tasks.policy.training import SELECTION_SEED, TEST_SEED, play

if TYPE_CHECKING:
    from poptrain.tasks.sarsa import Settings

__all__ = ["Memory", "Sarsa", "film", "make_net", "score"]

_WARM_UP = 500
"""Moves that are remembered before the first update."""


def make_net(inputs: int, actions: int, width: int) -> nn.Module:
    """Return a fresh network: from (rows, inputs) to the value of each action, (rows, actions)."""
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, actions))


class Memory:
    """The last moves, in a ring.

    Args:
        size: how many.
        inputs: observed numbers.
    """

    def __init__(self, size: int, inputs: int) -> None:
        self.seen = np.zeros((size, inputs), np.float32)
        self.later = np.zeros((size, inputs), np.float32)
        self.action, self.next_action = np.zeros(size, np.int64), np.zeros(size, np.int64)
        self.reward, self.over = np.zeros(size, np.float32), np.zeros(size, np.float32)
        self.count = 0

    def __len__(self) -> int:
        return min(self.count, len(self.action))

    def add(self, **moves: NDArray[Any]) -> None:
        """Remember moves: seen, action, reward, later, next_action, over; one row each."""
        rows = (self.count + np.arange(len(moves["action"]))) % len(self.action)
        for name, values in moves.items():
            getattr(self, name)[rows] = values
        self.count += len(rows)

    def batch(self, size: int) -> dict[str, torch.Tensor]:
        """Return moves drawn with replacement, under NumPy's global random state."""
        rows = np.random.randint(len(self), size=size)
        names = ("seen", "action", "reward", "later", "next_action", "over")
        return {name: torch.from_numpy(getattr(self, name)[rows]) for name in names}

    def state_dict(self) -> dict[str, Any]:
        """Return what is remembered."""
        kept = ("seen", "later", "action", "next_action", "reward", "over")
        return {"count": self.count, **{name: getattr(self, name)[: len(self)].copy() for name in kept}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember something else."""
        self.count = int(state["count"])
        for name, values in state.items():
            if name != "count":
                getattr(self, name)[: len(self)] = values


class Sarsa:
    """A member: a network that acts and learns, the network that it learns from, and its memory.

    Episodes begin anew with every interval, so that environments are not part of the state.
    """

    def __init__(self, *, settings: Settings) -> None:
        self._settings = settings
        self._sizes = look_at(settings.environment)
        sizes = (self._sizes.inputs, self._sizes.actions, settings.width)
        self.net, self.target = make_net(*sizes), make_net(*sizes)
        self.target.load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.Adam(self.net.parameters())
        self.memory = Memory(settings.memory, self._sizes.inputs)
        self.epsilon, self.updates = 1.0, 0
        self.hparams: Hparams = {}
        self._group: Group | None = None

    def configure(self, hparams: Hparams) -> None:
        """Put the hyperparameters into force."""
        self.hparams = dict(hparams)
        for group in self.optimiser.param_groups:
            group["lr"] = hparams["lr"]

    def effective(self) -> dict[str, Any]:
        """Return the learning rate that the optimiser really has."""
        return {"lr": self.optimiser.param_groups[0]["lr"]}

    def step(self, steps: int) -> None:
        """Make `steps` moves in every environment, and an update after each."""
        if self._group is None:
            self._group = Group(self._settings.environment, 1, self._settings.environments)
        seen = self._group.reset([int(np.random.randint(2**31))])[0]
        action = self.act(seen)
        decay, least = float(self.hparams["epsilon_decay"]), self._settings.least_epsilon  # type: ignore[arg-type]
        for _ in range(steps):
            moves = self._group.move(action[None])
            later = moves.observed[0]
            next_action = self.act(later)
            self._remember(seen, action, moves, later, next_action)
            seen, action = later, next_action
            if len(self.memory) >= _WARM_UP:
                self.learn()
            self.epsilon = max(least, decay * self.epsilon)

    @torch.no_grad()
    def act(self, seen: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return an action for each environment, shape (environments,)."""
        greedy = self.net(torch.from_numpy(seen)).argmax(-1).numpy()
        any_action = np.random.randint(self._sizes.actions, size=len(seen))
        chosen: NDArray[np.int64] = np.where(np.random.random(len(seen)) < self.epsilon, any_action, greedy)
        return chosen

    def _remember(
        self,
        seen: NDArray[np.float32],
        action: NDArray[np.int64],
        moves: Moves,
        later: NDArray[np.float32],
        next_action: NDArray[np.int64],
    ) -> None:
        real = ~moves.void[0]  # others have only begun a new episode
        self.memory.add(
            seen=seen[real],
            action=action[real],
            reward=moves.rewards[0][real],
            later=later[real],
            next_action=next_action[real],
            over=moves.terminated[0][real].astype(np.float32),
        )

    def learn(self) -> None:
        """Make one update."""
        batch = self.memory.batch(int(self.hparams["batch_size"]))  # type: ignore[arg-type]
        with torch.no_grad():
            worth = self.target(batch["later"]).gather(1, batch["next_action"][:, None])[:, 0]
            y = batch["reward"] + float(self.hparams["gamma"]) * (1 - batch["over"]) * worth  # type: ignore[arg-type]
        value = self.net(batch["seen"]).gather(1, batch["action"][:, None])[:, 0]
        loss = nn.functional.smooth_l1_loss(value, y)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), 10.0)
        self.optimiser.step()
        self.updates += 1
        if self.updates % int(self.hparams["target_period"]) == 0:  # type: ignore[arg-type]
            self.target.load_state_dict(self.net.state_dict())

    def evaluate(self) -> dict[str, float]:
        """Return the mean return of greedy episodes, the same ones for every member, and the share of random actions."""
        returns = _returns(self._settings, self.net, self._settings.episodes, SELECTION_SEED)
        return {"episodic_return": float(returns.mean()), "epsilon": self.epsilon}

    def state_dict(self) -> dict[str, Any]:
        """Return networks, optimiser, memory, and how far the decay is."""
        parts = {name: getattr(self, name).state_dict() for name in ("net", "target", "optimiser", "memory")}
        return {**parts, "epsilon": self.epsilon, "updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over another state."""
        for name in ("net", "target", "optimiser", "memory"):
            getattr(self, name).load_state_dict(state[name])
        self.epsilon, self.updates = float(state["epsilon"]), int(state["updates"])


def score(settings: Settings, state: Mapping[str, Any]) -> dict[str, float]:
    """Return the mean return, and its standard error, of a state on episodes that selection did not see."""
    returns = _returns(settings, _net_of(settings, state), settings.test_episodes, TEST_SEED)
    found = {"episodic_return": float(returns.mean())}
    return found if len(returns) < 2 else {**found, "standard_error": float(returns.std(ddof=1) / np.sqrt(len(returns)))}


def film(settings: Settings, state: Mapping[str, Any], folder: Path) -> str:
    """Write a greedy episode as episode.gif into a folder; return its path, or why there is none."""
    net = _net_of(settings, state)
    return save_film(partial(episode, settings.environment, net), folder)


def _net_of(settings: Settings, state: Mapping[str, Any]) -> nn.Module:
    sizes = look_at(settings.environment)
    net = make_net(sizes.inputs, sizes.actions, settings.width)
    net.load_state_dict(state["net"])
    return net


@torch.no_grad()
def _returns(settings: Settings, net: nn.Module, episodes: int, seed: int) -> NDArray[np.float64]:
    group = Group(settings.environment, 1, episodes)
    found: NDArray[np.float64] = play(net, group, [seed], look_at(settings.environment))[0]
    return found
