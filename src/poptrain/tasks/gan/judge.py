"""Scores of made pictures by a classifier that was trained on the real ones.

    classifier_inception_score    exp(mean KL(p(y|x) || p(y))), from 1 to the number of classes    Salimans et al. 2016
    classifier_frechet_distance   |m - w|^2 + tr(C + D - 2 (C D)^(1/2)) of its features             Heusel et al. 2017

The definitions are those of the papers, the network is not: a small classifier of the data set at hand takes Inception's place.
Scores compare members and studies with the same classifier; they say nothing beside published ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy, relu

from poptrain.core.rng import seed_everything
from poptrain.store.tensorfile import read_state, write_state
from poptrain.tasks.images import Images, Split

__all__ = ["Judge", "Looks", "features_of", "frechet_distance", "inception_score", "load_judge", "prepare_judge"]

_FILE = "judge.safetensors"
_AT_A_TIME = 500
_SPLITS = 10
_FEATURES = 64


class Judge(nn.Module):
    """A small convolutional classifier that also returns its features.

    Args:
        shape: channels, height and width of the pictures.
        classes: number of classes.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.first = nn.Conv2d(channels, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 32, 3, padding=1)
        self.third = nn.Linear(32 * (height // 4) * (width // 4), _FEATURES)
        self.out = nn.Linear(_FEATURES, classes)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (features, class scores) of pictures from 0 to 1."""
        x = x.contiguous(memory_format=torch.channels_last)
        for layer in (self.first, self.second):
            x = relu(nn.functional.max_pool2d(layer(x), 2))
        features = relu(self.third(x.flatten(1)))
        return features, self.out(features)

    @torch.no_grad()
    def look(self, pictures: torch.Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (features, probabilities of the classes) of pictures."""
        parts = [self(part) for part in torch.split(pictures, _AT_A_TIME)]
        features, scores = torch.cat([p[0] for p in parts]).double(), torch.cat([p[1] for p in parts]).double()
        return features.numpy(), scores.softmax(1).numpy()


def prepare_judge(images: Images, folder: Path, steps: int) -> float:
    """Train the classifier, unless the folder has it, and return its accuracy on the held-out images."""
    path = folder / _FILE
    if path.exists():
        return float(read_state(path)["accuracy"])
    seed_everything(0)
    judge = Judge(images.shape, len(images.names))
    optimiser = torch.optim.AdamW(judge.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    pixels, classes = torch.from_numpy(images.train.pixels), torch.from_numpy(images.train.classes)
    for _ in range(steps):
        pick = torch.randint(len(pixels), (64,))
        optimiser.zero_grad()
        cross_entropy(judge(pixels[pick])[1], classes[pick]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    _, probabilities = judge.look(torch.from_numpy(images.test.pixels))
    accuracy = float((probabilities.argmax(1) == images.test.classes).mean())
    write_state(path, {"net": judge.state_dict(), "accuracy": accuracy, "shape": list(images.shape)})
    return accuracy


def load_judge(images: Images, folder: Path) -> Judge:
    """Return the classifier that `prepare_judge` left in a folder."""
    judge = Judge(images.shape, len(images.names))
    judge.load_state_dict(read_state(folder / _FILE)["net"])
    return judge.eval()


def inception_score(probabilities: NDArray[Any]) -> float:
    """Return the mean, over ten parts, of exp(mean KL(p(y|x) || p(y))).

    Args:
        probabilities: of the classes, shape (pictures, classes); ten pictures or more.
    """
    scores = []
    for part in np.array_split(probabilities, _SPLITS):
        marginal = part.mean(0)
        divergence = (part * (np.log(part + 1e-16) - np.log(marginal + 1e-16))).sum(1)
        scores.append(np.exp(divergence.mean()))
    return float(np.mean(scores))


def frechet_distance(made: NDArray[Any], real: NDArray[Any]) -> float:
    """Return the Frechet distance of two normal distributions with the moments of two sets of features, shape (n, features).

    With A and B the centred features, scaled so that C = A'A and D = B'B, the trace of (C D)^(1/2) is the sum of the singular
    values of A B', which is the smaller matrix where there are more features than pictures.
    """
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (made, real))
    if a.shape[1] > min(len(a), len(b)):
        trace = float(np.linalg.svd(a @ b.T, compute_uv=False).sum())
    else:
        roots = np.linalg.eigvals((a.T @ a) @ (b.T @ b))
        trace = float(np.sqrt(np.maximum(roots.real, 0.0)).sum())
    shift = float(((made.mean(0) - real.mean(0)) ** 2).sum())
    return max(0.0, shift + float((a**2).sum() + (b**2).sum()) - 2.0 * trace)


class Looks(Protocol):
    """A network that judges pictures."""

    def look(self, pictures: torch.Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (features, probabilities of the classes) of pictures from 0 to 1."""
        ...


def features_of(judge: Looks, part: Split) -> NDArray[np.float64]:
    """Return the features of real images."""
    return judge.look(torch.from_numpy(part.pixels))[0]
