"""Classification of images: a fully connected network with an L1 penalty, or a small convolutional one.

`training.py` shows how the members train: one at a time, or many as one computation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from poptrain.core.errors import ConfigError, MissingExtra
from poptrain.core.values import Hparams
from poptrain.space import Float
from poptrain.strategies import PBT, exploit, explore
from poptrain.tasks.base import HeldOutScores, TaskStudy
from poptrain.tasks.images import prepare

__all__ = ["SPACE", "SUMMARY", "Settings", "make_study"]

SUMMARY = "image classification (accuracy): digits, MNIST, CIFAR-10, your own images"

SPACE = {
    "lr": Float(1e-3, 1.0, log=True),
    "momentum": Float(0.5, 0.99),
    "penalty": Float(1e-7, 1e-2, log=True),
    "dropout": Float(0.0, 0.6),
    "label_smoothing": Float(0.0, 0.2),
    "augmentation": Float(0.0, 1.0),
}

_MANUAL = tuple(
    {"lr": lr, "momentum": 0.9, "penalty": 1e-5, "dropout": 0.2, "label_smoothing": 0.0, "augmentation": augmentation}
    for lr in (0.1, 0.03, 0.01)
    for augmentation in (0.0, 0.5)
)
"""Momentum 0.9, some dropout, three learning rates, with augmentation and without."""

_FOLDER = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is classified, by which network.

    Args:
        data: digits, mnist, a folder with CIFAR-10's Python batches, an .npz file, or a folder of pictures by class.
        model: "mlp" (two hidden layers) or "cnn" (two convolutions).
        width: units of a hidden layer; channels of the first convolution are an eighth of it.
        batch_size: images of a batch.
        validation, test: shares of the images in these parts.
        data_seed: decides which image is in which part.
    """

    data: str = "digits"
    model: Literal["mlp", "cnn"] = "mlp"
    width: int = 128
    batch_size: int = 64
    validation: float = 0.2
    test: float = 0.2
    data_seed: int = 0

    def __post_init__(self) -> None:
        for name in ("width", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")


def make_study(settings: Settings, folder: Path) -> TaskStudy:
    """Prepare the images in the study's folder, unless that was done before, and return the study.

    Raises:
        DataError: the images are malformed.
        MissingExtra: torch, or a package that holds the images, is not installed.
    """
    try:
        from poptrain.tasks.classification.training import Classifiers
    except ImportError:
        raise MissingExtra("the classification task", "torch") from None
    place = (folder / _FOLDER).absolute()
    images = prepare(settings.data, place, validation=settings.validation, test=settings.test, seed=settings.data_seed)
    about = (
        f"{images.origin}, {len(images.names)} classes",
        f"{len(images.train)} to train on, {len(images.validation)} to select by, {len(images.test)} held out",
    )
    return TaskStudy(
        train=partial(Classifiers, settings=settings, folder=place),
        space=SPACE,
        metric="accuracy",
        mode="max",
        population=16,
        intervals=25,
        interval_steps=80,
        algorithm=PBT(exploit=exploit.truncation(0.2), explore=explore.perturb((0.8, 1.2))),
        held_out=partial(_held_out, settings, place),
        manual=_MANUAL,
        about=about,
    )


def _held_out(settings: Settings, folder: Path, state: Any, hparams: Hparams) -> HeldOutScores:
    from poptrain.tasks.classification.training import score

    metrics, confused = score(settings, folder, state)
    return HeldOutScores(metrics, {"most often confused": confused} if confused else {})
