"""How classifiers train: the networks, the augmentation, and what is scored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, grid_sample

import poptrain.torch as ptt
from poptrain.tasks.images import Images, Split, prepare
from poptrain.trainable.population import Block

if TYPE_CHECKING:
    from poptrain.tasks.classification import Settings

__all__ = ["Classifiers", "convolutions", "judge", "make_net", "score"]

_DEGREES, _SHIFT, _ZOOM = 20.0, 0.15, 0.15
"""Rotation, shift (of the whole picture) and zoom at the full strength of augmentation."""

_AT_A_TIME = 500


def make_net(settings: Settings, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return a fresh network for pictures of shape (channels, height, width)."""
    channels, height, width = shape
    hidden = settings.width
    if settings.model == "mlp":
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * height * width, hidden),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(hidden, classes),
        )
    return convolutions(shape, hidden, classes)


def convolutions(shape: tuple[int, int, int], hidden: int, classes: int) -> nn.Module:
    """Return a fresh network of two convolutions and a hidden layer."""
    channels, height, width = shape
    first = max(4, hidden // 8)
    return nn.Sequential(
        nn.Conv2d(channels, first, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(first, 2 * first, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * first * (height // 4) * (width // 4), hidden),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(hidden, classes),
    )


def augment(net: Any, batch: tuple[torch.Tensor, ...], h: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Turn, shift and zoom every picture of one member's batch by a random amount of the member's strength."""
    pictures, classes = batch
    draws = (2 * ptt.uniform_like(pictures[:, :1, 0, 0].expand(-1, 4)) - 1) * h["augmentation"]
    angle, zoom, shift = draws[:, 0] * math.radians(_DEGREES), 1 + draws[:, 1] * _ZOOM, draws[:, 2:4] * _SHIFT
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    rows = torch.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], 1)
    height, width = pictures.shape[2:]
    places = torch.stack([*_places(height, width, pictures.device), torch.ones(height * width, device=pictures.device)])
    grid = (rows.view(-1, 2, 3) @ places).mT.reshape(-1, height, width, 2)
    return grid_sample(pictures, grid, align_corners=False), classes


def _places(height: int, width: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the coordinates of all pixels from left to right and from top to bottom, each from -1 to 1, row by row."""
    x = (2 * torch.arange(width, device=device) + 1) / width - 1
    y = (2 * torch.arange(height, device=device) + 1) / height - 1
    return x.repeat(height), y.repeat_interleave(width)


class Classifiers(ptt.TorchPopulation):
    """Members of a block: networks that tell images apart.

    Args:
        block: the rows.
        settings: of the task.
        folder: where the images are kept.
    """

    def __init__(self, block: Block, *, settings: Settings, folder: Path) -> None:
        images = _images(settings, folder)
        train, validation = _tensors(images.train), _tensors(images.validation)
        super().__init__(
            block,
            recipe=ptt.Recipe(
                net=lambda: make_net(settings, images.shape, len(images.names)),
                loss=ptt.CrossEntropy(label_smoothing="label_smoothing"),
                data=ptt.Batches(train, batch_size=settings.batch_size),
                optimiser=ptt.SGD(lr="lr", momentum="momentum", l1="penalty", exempt=("*.bias",)),
                evaluate=ptt.Accuracy(*validation, batch_size=_AT_A_TIME),
                dropout="dropout",
                augment=augment,
            ),
        )


@lru_cache(maxsize=1)
def _images(settings: Settings, folder: Path) -> Images:
    return prepare(settings.data, folder, validation=settings.validation, test=settings.test, seed=settings.data_seed)


def _tensors(part: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(part.pixels), torch.from_numpy(part.classes)


def score(settings: Settings, folder: Path, state: Any) -> tuple[dict[str, float], str]:
    """Return accuracy and cross entropy of a state on the held-out images, and the classes most often confused."""
    images = _images(settings, folder)
    net = make_net(settings, images.shape, len(images.names))
    net.load_state_dict(state["net"])
    return judge(net, images.test, images.names)


def judge(net: nn.Module, part: Split, names: tuple[str, ...]) -> tuple[dict[str, float], str]:
    """Return accuracy and cross entropy of a network on a part of a data set, and the classes most often confused."""
    net.eval()
    pixels, classes = _tensors(part)
    with torch.no_grad():
        scores = torch.cat([net(some) for some in torch.split(pixels, _AT_A_TIME)])
    found = scores.argmax(1)
    pairs = np.zeros((len(names),) * 2, dtype=np.int64)
    np.add.at(pairs, (classes.numpy(), found.numpy()), 1)
    np.fill_diagonal(pairs, 0)
    true, said = np.unravel_index(pairs.argmax(), pairs.shape)
    often = f"{names[true]} taken for {names[said]}, {pairs.max()} times" if pairs.max() else ""
    return {
        "accuracy": float((found == classes).float().mean()),
        "cross_entropy": float(cross_entropy(scores, classes)),
    }, often
