"""How the adversaries train: a generator that makes pictures from noise, a discriminator that tells them from real ones.

    hinge            D: mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z)))       G: -mean D(G(z))
    non-saturating   D: cross entropy, real ones labelled 1 - smoothing        G: -mean log sigmoid(D(G(z)))

Radford et al. 2016 (DCGAN), Goodfellow et al. 2014, Miyato et al. 2018 (hinge and spectral norm).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import relu, softplus
from torch.nn.utils.parametrizations import spectral_norm

import poptrain.torch as ptt
from poptrain.core.errors import DataError
from poptrain.tasks.gan import score_names
from poptrain.tasks.gan.judge import Looks, features_of, frechet_distance, inception_score, load_judge
from poptrain.tasks.images import Images, prepare
from poptrain.trainable.population import Block, PopulationInterval, PopulationTrainable

if TYPE_CHECKING:
    from poptrain.tasks.gan import Settings

__all__ = ["Gans", "check_shape", "make_discriminator", "make_generator", "score"]

_SELECTION_SEED, _TEST_SEED = 1, 2
_AT_A_TIME = 250
_GRID = 8


def check_shape(shape: tuple[int, int, int]) -> None:
    """Refuse pictures that two halvings do not fit.

    Raises:
        DataError: a side is no multiple of four.
    """
    _, height, width = shape
    if height % 4 or width % 4:
        raise DataError(f"the pictures have {width} x {height} pixels: both sides must be multiples of 4 for this network")


def make_generator(settings: Settings, shape: tuple[int, int, int]) -> nn.Module:
    """Return a fresh generator: from (batch, latent) to pictures from -1 to 1."""
    channels, height, width = shape
    inner = 2 * settings.width
    return nn.Sequential(
        nn.Linear(settings.latent, inner * (height // 4) * (width // 4), bias=False),
        nn.Unflatten(1, (inner, height // 4, width // 4)),
        nn.BatchNorm2d(inner),
        nn.ReLU(),
        nn.ConvTranspose2d(inner, settings.width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(settings.width),
        nn.ReLU(),
        nn.ConvTranspose2d(settings.width, channels, 4, stride=2, padding=1),
        nn.Tanh(),
    )


def make_discriminator(settings: Settings, shape: tuple[int, int, int]) -> nn.Module:
    """Return a fresh discriminator: from pictures to one number each."""
    channels, height, width = shape
    inner = 2 * settings.width
    layers = [
        nn.Conv2d(channels, settings.width, 4, stride=2, padding=1),
        nn.Conv2d(settings.width, inner, 4, stride=2, padding=1),
        nn.Linear(inner * (height // 4) * (width // 4), 1),
    ]
    first, second, last = [spectral_norm(layer) for layer in layers] if settings.spectral_norm else layers
    return nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2), nn.Flatten(), last)


class Gans(PopulationTrainable):
    """Members of a block: pairs of a generator and a discriminator.

    Args:
        block: the rows.
        settings: of the task.
        folder: where images and classifier are kept.
    """

    def __init__(self, block: Block, *, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._images, self._judge = _prepared(settings, folder)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        optimisers = [ptt.Adam(lr=lr, beta1="beta1") for lr in ("generator_lr", "discriminator_lr")]
        makes = [partial(make, settings, self._images.shape) for make in (make_generator, make_discriminator)]
        stacks = [
            ptt.Stack(make, block.seeds, moments=optimiser.moments, device=device)
            for make, optimiser in zip(makes, optimisers, strict=True)
        ]
        self._generator, self._discriminator = stacks
        self._update_generator, self._update_discriminator = (
            ptt.BoundOptimiser(optimiser, stack) for optimiser, stack in zip(optimisers, stacks, strict=True)
        )
        self._rounds = int(str(block.structure["discriminator_steps"]))
        self._data = ptt.Batches((torch.from_numpy(self._images.train.pixels * 2 - 1),))
        self._h = ptt.Hyperparameters({}, device)
        self._device = device

    def configure(self, hparams: Mapping[str, NDArray[Any]]) -> None:
        """Keep the hyperparameters for the next interval."""
        self._h = ptt.Hyperparameters(hparams, self._device)

    def step(self, interval: PopulationInterval) -> None:
        """Train both; one update of the generator is a step."""
        self._generator.train(interval.seeds)
        self._discriminator.train(interval.seeds)
        starts = torch.tensor(interval.starts, device=self._device)
        size = self._settings.batch_size
        batches = self._data.batches(interval, batch_size=size, parts=self._rounds, device=self._device)
        for index in range(interval.steps):
            for _ in range(self._rounds):
                self._tell_apart(next(batches)[0])
                self._update_discriminator.update(self._h, starts + index)
            self._deceive()
            self._update_generator.update(self._h, starts + index)

    def _made(self) -> torch.Tensor:
        """Return pictures from fresh noise."""
        noise = self._generator.noise.draw((self._settings.batch_size, self._settings.latent), torch.float32, normal=True)
        return self._generator.forward(noise)

    def _tell_apart(self, real: torch.Tensor) -> None:
        with torch.no_grad():
            made = self._made()
        on_real, on_made = self._discriminator.forward(real)[..., 0], self._discriminator.forward(made)[..., 0]
        if self._settings.loss == "hinge":
            losses = relu(1 - on_real).mean(1) + relu(1 + on_made).mean(1)
        else:
            smoothing = self._h["label_smoothing"].unsqueeze(1)
            losses = (softplus(-on_real) + smoothing * on_real).mean(1) + softplus(on_made).mean(1)
        self._discriminator.backward(losses)

    def _deceive(self) -> None:
        on_made = self._discriminator.forward(self._made())[..., 0]
        self._generator.backward(-on_made.mean(1) if self._settings.loss == "hinge" else softplus(-on_made).mean(1))

    @torch.no_grad()
    def evaluate(self) -> dict[str, list[float]]:
        """Return both scores of pictures made from the same noise for every member."""
        self._generator.eval()
        real = _real_features(self._settings, self._folder, "validation")
        rows = self._generator.rows.rows
        parts = [self._generator.forward(z.to(self._device).expand(rows, *z.shape)).cpu() for z in _latent(self._settings)]
        scores = [_scores(self._settings, self._judge, part, real) for part in torch.cat(parts, 1)]
        return {name: [one[name] for one in scores] for name in scores[0]}

    def copy(self, donors: Sequence[int], recipients: Sequence[int]) -> None:
        """Copy rows within the block's memory."""
        self._generator.rows.copy(donors, recipients)
        self._discriminator.rows.copy(donors, recipients)

    def state_dict(self, row: int) -> dict[str, Any]:
        """Return a row's networks and optimisers."""
        return {"generator": self._generator.rows.state(row), "discriminator": self._discriminator.rows.state(row)}

    def load_state_dict(self, row: int, state: Any) -> None:
        """Let a row take over a state."""
        self._generator.rows.load(row, state["generator"])
        self._discriminator.rows.load(row, state["discriminator"])

    def effective(self) -> dict[str, list[float]]:
        """Return the hyperparameters that were read."""
        return {name: self._h[name].tolist() for name in sorted(self._h.read)}


@lru_cache(maxsize=1)
def _prepared(settings: Settings, folder: Path) -> tuple[Images, Looks]:
    images = prepare(settings.data, folder, validation=0.1, test=0.2, seed=settings.data_seed)
    if settings.inception:
        from poptrain.tasks.gan.inception import Inception

        return images, Inception(Path(settings.inception))
    return images, load_judge(images, folder)


@lru_cache(maxsize=2)
def _real_features(settings: Settings, folder: Path, part: str) -> NDArray[np.float64]:
    images, judge = _prepared(settings, folder)
    return features_of(judge, getattr(images, part))


def _latent(settings: Settings, count: int | None = None, seed: int = _SELECTION_SEED) -> Iterator[torch.Tensor]:
    """Yield the noise of the pictures to be scored, some at a time."""
    generator = torch.Generator().manual_seed(seed)
    whole = torch.randn(settings.samples if count is None else count, settings.latent, generator=generator)
    yield from torch.split(whole, _AT_A_TIME)


def _scores(settings: Settings, judge: Looks, made: torch.Tensor, real: NDArray[np.float64]) -> dict[str, float]:
    """Return both scores; those of pictures that are not finite are NaN."""
    names = score_names(settings)
    if not bool(made.isfinite().all()):
        return dict.fromkeys(names, float("nan"))
    features, probabilities = judge.look((made + 1) / 2)
    return dict(zip(names, (inception_score(probabilities), frechet_distance(features, real)), strict=True))


@torch.no_grad()
def score(settings: Settings, folder: Path, state: Any) -> tuple[dict[str, float], Path]:
    """Return the scores of new pictures beside the held-out images, and the file with some of them."""
    images, judge = _prepared(settings, folder)
    generator = make_generator(settings, images.shape)
    generator.load_state_dict(state["generator"]["net"])
    generator.eval()
    made = torch.cat([generator(z) for z in _latent(settings, settings.test_samples, _TEST_SEED)])
    real = _real_features(settings, folder, "test")
    path = folder.parent / "pictures.png"
    save_pictures(made[: _GRID * _GRID], path)
    return _scores(settings, judge, made, real), path


def save_pictures(pictures: torch.Tensor, path: Path) -> None:
    """Write pictures from -1 to 1, shape (n, channels, height, width), side by side into a PNG file."""
    from PIL import Image

    across = min(_GRID, len(pictures))
    rows = [torch.cat(list(part), 2) for part in torch.split(pictures[: len(pictures) // across * across], across)]
    whole = ((torch.cat(rows, 1) + 1) * 127.5).clamp(0, 255).byte().numpy()
    image = Image.fromarray(whole[0] if len(whole) == 1 else whole[:3].transpose(1, 2, 0))
    image.resize((image.width * 3, image.height * 3), Image.Resampling.NEAREST).save(path)
