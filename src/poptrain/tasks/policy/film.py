"""An episode as a moving picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from poptrain.tasks.policy.training import TEST_SEED

__all__ = ["episode", "save_film"]

_EVERY = 3
"""One in so many moves of an episode is a picture of the film,"""

_MOST = 500
"""up to so many pictures."""


def save_film(frames: Callable[[], Iterable[NDArray[Any]]], folder: Path) -> str:
    """Write an episode as episode.gif into a folder; return its path, or why there is none.

    Args:
        frames: returns the pictures of an episode, one a move, each of shape (height, width, 3) with values 0 to 255.
        folder: where to.
    """
    from PIL import Image

    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # draws without a screen
    try:
        taken = [np.asarray(frame, np.uint8) for frame in islice(frames(), 0, _EVERY * _MOST, _EVERY)]
    except Exception as error:  # an episode without a film is scored all the same
        return f"none: the environment cannot be drawn ({error})"
    pictures = [Image.fromarray(frame).convert("P", palette=Image.Palette.ADAPTIVE) for frame in taken]
    path = folder / "episode.gif"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=60, loop=0)
    return str(path)


def episode(name: str, net: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[NDArray[Any]]:
    """Yield a picture of every move of a greedy episode.

    Args:
        name: of the environment.
        net: from observations (1, inputs) to scores of the actions (1, actions).
    """
    made = gym.make(name, render_mode="rgb_array")
    seen, _ = made.reset(seed=TEST_SEED)
    over = False
    while not over:
        picture: Any = made.render()
        yield picture
        with torch.no_grad():
            action = int(net(torch.as_tensor(np.asarray(seen, np.float32).reshape(1, -1))).argmax())
        seen, _, ended, cut, _ = made.step(action)
        over = bool(ended or cut)
    made.close()
