"""Generative adversarial networks: a small DCGAN, selected by the Inception score of a classifier of the same images.

`training.py` shows how the members train; `judge.py` how their pictures are scored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from poptrain.core.errors import ConfigError, MissingExtra
from poptrain.core.values import Hparams
from poptrain.space import Choice, Float
from poptrain.strategies import PBT, exploit, explore
from poptrain.tasks.base import HeldOutScores, TaskStudy
from poptrain.tasks.images import prepare

__all__ = ["SUMMARY", "Settings", "make_study", "search_space"]

SUMMARY = "generative adversarial network (Inception score of a classifier): MNIST, CIFAR-10, your own images"

_FOLDER = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is imitated, by which networks, and how the pictures are scored.

    Args:
        data: mnist, digits, a folder with CIFAR-10's Python batches, an .npz file, or a folder of pictures by class. Height and
            width must be multiples of four.
        loss: "hinge", or "non-saturating" with label smoothing.
        spectral_norm: whether the discriminator's layers are normalised; trains on processes only.
        width: channels of the layers next to the pictures; the inner ones have twice as many.
        latent: numbers that a picture is made from.
        batch_size: real pictures, and made ones, of an update.
        samples: pictures that members are scored on.
        test_samples: further ones for the held-out scores.
        judge_steps: updates of the classifier that scores.
        inception: file of the Inception network of 2015 (inception-2015-12-05.pt, which NVIDIA publishes with the metrics of
            StyleGAN2-ADA), which then scores in the classifier's place; slow without a GPU.
        data_seed: decides which image is in which part.
    """

    data: str = "mnist"
    loss: Literal["hinge", "non-saturating"] = "hinge"
    spectral_norm: bool = False
    width: int = 16
    latent: int = 32
    batch_size: int = 64
    samples: int = 1_000
    test_samples: int = 5_000
    judge_steps: int = 400
    inception: str = ""
    data_seed: int = 0

    def __post_init__(self) -> None:
        for name in ("width", "latent", "batch_size", "judge_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("samples", "test_samples"):
            if getattr(self, name) < 10:
                raise ConfigError(f"{name} must be at least 10, got {getattr(self, name)}")


def search_space(settings: Settings) -> dict[str, Any]:
    """Return what is tuned with the chosen loss."""
    space: dict[str, Any] = {
        "generator_lr": Float(1e-5, 1e-2, log=True),
        "discriminator_lr": Float(1e-5, 1e-2, log=True),
        "beta1": Float(0.0, 0.9),
        "discriminator_steps": Choice([1, 2, 3], ordered=True, structural=True),
    }
    if settings.loss == "non-saturating":
        space["label_smoothing"] = Float(0.0, 0.3)
    return space


def score_names(settings: Settings) -> tuple[str, str]:
    """Return the names of the Inception score and of the Frechet distance: whose they are is part of them."""
    if settings.inception:
        return "inception_score", "frechet_inception_distance"
    return "classifier_inception_score", "classifier_frechet_distance"


def make_study(settings: Settings, folder: Path) -> TaskStudy:
    """Prepare the images and the classifier in the study's folder, unless that was done before, and return the study.

    Raises:
        DataError: the images are malformed, or their sides are no multiples of four.
        MissingExtra: torch, or a package that holds the images, is not installed.
    """
    try:
        from poptrain.tasks.gan.judge import prepare_judge
        from poptrain.tasks.gan.training import Gans, check_shape
    except ImportError:
        raise MissingExtra("the gan task", "images") from None
    place = (folder / _FOLDER).absolute()
    images = prepare(settings.data, place, validation=0.1, test=0.2, seed=settings.data_seed)
    check_shape(images.shape)
    if settings.inception:
        from poptrain.tasks.gan.inception import Inception

        Inception(Path(settings.inception))  # what is wrong with the file is told before anything is trained
        judged = f"scored by the Inception network of {settings.inception}"
    else:
        accuracy = prepare_judge(images, place, settings.judge_steps)
        judged = (
            f"scored by a classifier of the same images ({accuracy:.1%} of the held-out right), not by an Inception network"
        )
    return TaskStudy(
        train=partial(Gans, settings=settings, folder=place),
        space=search_space(settings),
        metric=score_names(settings)[0],
        mode="max",
        population=8,
        intervals=12,
        interval_steps=50,
        # The factors of the 2017 paper's GANs.
        algorithm=PBT(exploit=exploit.truncation(0.25), explore=explore.perturb((0.5, 2.0))),
        held_out=partial(_held_out, settings, place),
        about=(
            f"{images.origin}, {len(images.train)} to imitate",
            judged,
        ),
    )


def _held_out(settings: Settings, folder: Path, state: Any, hparams: Hparams) -> HeldOutScores:
    from poptrain.tasks.gan.training import score

    metrics, pictures = score(settings, folder, state)
    return HeldOutScores(metrics, {"pictures": str(pictures)})
