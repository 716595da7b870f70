"""The adversaries' scores are those of their definitions, and both sides train."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poptrain.baselines import RandomSearch
from poptrain.core.errors import DataError
from poptrain.results import Study
from poptrain.tasks.run import run_task

pytest.importorskip("torch")

import torch

from poptrain.tasks.gan import Settings
from poptrain.tasks.gan.judge import frechet_distance, inception_score
from poptrain.tasks.gan.training import check_shape, make_discriminator, make_generator


def test_the_inception_score_at_its_ends() -> None:
    sure = np.eye(5)[np.arange(100) % 5]
    assert inception_score(sure) == pytest.approx(5.0)
    assert inception_score(np.full((100, 5), 0.2)) == pytest.approx(1.0)
    assert inception_score(np.eye(5)[np.zeros(100, dtype=int)]) == pytest.approx(1.0)


def test_the_frechet_distance_of_known_distributions() -> None:
    rng = np.random.default_rng(0)
    left = rng.normal(0.0, 1.0, (200_000, 3))
    right = rng.normal(0.0, 2.0, (200_000, 3)) + np.array([3.0, 0.0, 0.0])
    assert frechet_distance(left, left) == pytest.approx(0.0, abs=1e-6)
    # |shift|^2 + sum of (sigma1 - sigma2)^2
    assert frechet_distance(left, right) == pytest.approx(9.0 + 3.0, rel=0.02)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 16, 24)])
def test_the_networks_fit_pictures_of_many_shapes(shape: tuple[int, int, int]) -> None:
    settings = Settings(width=4, latent=5)
    made = make_generator(settings, shape)(torch.randn(2, 5))
    assert made.shape == (2, *shape)
    assert make_discriminator(settings, shape)(made).shape == (2, 1)


def test_sides_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="30 x 28 pixels: both sides must be multiples of 4"):
        check_shape((1, 28, 30))


def run(directory: Path, executor: str, **settings: Any) -> Study:
    small = {
        "data": "digits",
        "width": 4,
        "latent": 8,
        "samples": 100,
        "test_samples": 100,
        "judge_steps": 60,
        "batch_size": 16,
    }
    return run_task(
        "gan",
        {**small, **settings},
        directory=directory,
        executor=executor,
        population=4,
        intervals=2,
        interval_steps=6,
        seed=5,
        workers=2,
    )


@pytest.mark.parametrize("loss", ["hinge", "non-saturating"])
def test_members_are_the_same_together_and_apart(loss: str, tmp_path: Path) -> None:
    together, apart = run(tmp_path / "together", "vectorised", loss=loss), run(tmp_path / "apart", "inline", loss=loss)
    scores = [[m.score for m in study.members()] for study in (together, apart)]
    assert scores[0] == pytest.approx(scores[1], rel=0.05)
    assert together.held_out is not None
    assert set(together.held_out.metrics) == {"classifier_inception_score", "classifier_frechet_distance"}
    assert (tmp_path / "together" / "pictures.png").stat().st_size > 100
    state = together.best.load()
    fresh = make_generator(Settings(data="digits", width=4, latent=8), (1, 8, 8))
    fresh.load_state_dict(state["generator"]["net"])
    assert state["generator"]["optimiser"]["step"] >= 6


def test_spectral_norm_trains_one_at_a_time(tmp_path: Path) -> None:
    study = run(tmp_path / "study", "auto", spectral_norm=True)
    assert study.config.executor == "processes"
    assert "_SpectralNorm" in study.config.arrangement


@pytest.mark.parametrize(("made", "real"), [(30, 40), (20, 300)])
def test_the_frechet_distance_with_more_features_than_pictures(made: int, real: int) -> None:
    rng = np.random.default_rng(0)
    few, many = rng.normal(size=(made, 60)), rng.normal(0.3, 1.5, size=(real, 60))
    a, b = np.cov(few, rowvar=False), np.cov(many, rowvar=False)
    roots = np.linalg.eigvals(a @ b).real
    want = ((few.mean(0) - many.mean(0)) ** 2).sum() + np.trace(a) + np.trace(b) - 2 * np.sqrt(np.maximum(roots, 0)).sum()
    assert frechet_distance(few, many) == pytest.approx(want, rel=1e-4)


# The Inception network, which the user brings; here it is a small one with the same face.


class Small(torch.nn.Module):
    def forward(self, x: torch.Tensor, return_features: bool = False, no_output_bias: bool = False) -> torch.Tensor:
        assert x.dtype == torch.uint8
        found = x.to(torch.float32).mean((2, 3)) / 50
        if return_features:
            return found
        return torch.softmax(found if no_output_bias else found + 1, 1)


class Featureless(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def scripted(net: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(net).save(path)
    return path


def test_the_inception_network_scores_in_the_classifier_s_place(tmp_path: Path) -> None:
    from poptrain.tasks.gan.inception import Inception

    file = scripted(Small(), tmp_path / "inception.pt")
    grey = torch.linspace(0, 1, 120).view(120, 1, 1, 1).expand(-1, -1, 12, 12)
    features, probabilities = Inception(file).look(grey)
    assert (features.shape, probabilities.shape) == ((120, 3), (120, 3))
    np.testing.assert_allclose(features[:, 0], np.round(np.linspace(0, 255, 120)) / 50, rtol=1e-5)
    np.testing.assert_array_equal(features, Inception(file).look(grey.expand(-1, 3, -1, -1))[0])
    study = run_task(
        "gan",
        {"data": "digits", "samples": 10, "test_samples": 10, "width": 4, "inception": str(file)},
        directory=tmp_path / "study",
        population=2,
        intervals=1,
        interval_steps=1,
        executor="inline",
        algorithm=RandomSearch(),
        preflight=False,
    )
    assert study.config.metric == "inception_score"
    assert study.held_out is not None
    assert set(study.held_out.metrics) == {"inception_score", "frechet_inception_distance"}
    assert (study.held_out.metrics["inception_score"] or 0) >= 1


def test_other_networks_are_refused(tmp_path: Path) -> None:
    from poptrain.tasks.gan.inception import Inception

    with pytest.raises(DataError, match=r"absent.pt cannot be read as a network"):
        Inception(tmp_path / "absent.pt")
    (tmp_path / "text.pt").write_text("no network")
    with pytest.raises(DataError, match=r"text.pt cannot be read as a network.*give the TorchScript program"):
        Inception(tmp_path / "text.pt")
    with pytest.raises(DataError, match="is another network than Inception"):
        Inception(scripted(Featureless(), tmp_path / "other.pt"))
