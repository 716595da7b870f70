"""Sounds are generated and read, spectrograms show what is in them, and listeners learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poptrain.baselines.manual import Manual
from poptrain.core.errors import ConfigError, DataError
from poptrain.tasks.run import run_task

pytest.importorskip("torch")
pytest.importorskip("soundfile")

import soundfile  # type: ignore[import-untyped]
import torch

from poptrain.tasks.audio import Settings, make_study
from poptrain.tasks.audio.sounds import CLASSES, generate, load, mel_spectrogram
from poptrain.tasks.audio.training import mask


def tone(pitch: float, *, rate: int = 8000, seconds: float = 1.0) -> Any:
    return np.sin(2 * np.pi * pitch * np.arange(round(rate * seconds)) / rate)


def recordings(folder: Path, *, count: int = 12, rate: int = 8000, channels: int = 1) -> None:
    for name, pitch in (("high", 2000.0), ("low", 200.0)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            wave = tone(pitch * (1 + 0.01 * i), rate=rate, seconds=0.6)
            soundfile.write(folder / name / f"{i}.wav", np.stack([wave] * channels, 1), rate)


def test_a_tone_is_in_its_band() -> None:
    loudest = [int(mel_spectrogram(tone(pitch), 8000, 40).mean(1).argmax()) for pitch in (150, 500, 1500, 3500)]
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 4000 / 700), 42) / 2595) - 1)
    assert loudest == [int(np.abs(edges[1:-1] - pitch).argmin()) for pitch in (150, 500, 1500, 3500)]


def test_moments_follow_each_other() -> None:
    late = np.concatenate([np.zeros(4000), tone(1000, seconds=0.5)])
    seen = mel_spectrogram(late, 8000, 40)
    assert seen.shape == (40, 61)
    band = int(seen.mean(1).argmax())
    assert seen[band, :28].max() < seen[band, 34:].min()


def test_loudness_makes_no_difference_and_silence_is_no_error() -> None:
    quiet, loud = (mel_spectrogram(volume * tone(700), 8000, 40) for volume in (0.01, 1.0))
    np.testing.assert_allclose(quiet, loud, atol=1e-4)
    assert (abs(float(loud.mean())), float(loud.std())) == pytest.approx((0.0, 1.0), abs=1e-3)
    assert not mel_spectrogram(np.zeros(8000), 8000, 40).any()


@pytest.mark.parametrize("kind", CLASSES)
def test_every_kind_of_sound(kind: str) -> None:
    here, there = (generate(kind, 0.5, np.random.default_rng(3)) for _ in range(2))
    assert here.shape == (4000,)
    assert np.isfinite(here).all()
    assert np.array_equal(here, there)
    assert not np.array_equal(here, generate(kind, 0.5, np.random.default_rng(4)))


def test_sweeps_go_where_they_say() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(8000) / 8000
    for kind, sign in (("rising", 1), ("falling", -1)):
        seen = mel_spectrogram(CLASSES[kind](time, 400.0, rng), 8000, 40)
        assert sign * (int(seen[:, -3].argmax()) - int(seen[:, 3].argmax())) > 0


def test_masks_cover_what_their_strength_says() -> None:
    heard = torch.ones(200, 1, 40, 60)
    torch.manual_seed(0)
    for strength, most in ((0.0, 0.0), (0.5, 0.2), (1.0, 0.4)):
        silent = mask(None, (heard, torch.zeros(200)), {"masking": torch.tensor(strength)})[0][:, 0] == 0
        bands, moments = silent.all(2).float().mean(1), silent.all(1).float().mean(1)
        for covered in (bands, moments):
            assert float(covered.max()) <= most + 1 / 40
            assert float(covered.mean()) == pytest.approx(most / 2, abs=0.03)
    assert torch.equal(silent, silent.all(2, keepdim=True) | silent.all(1, keepdim=True))


def test_recordings_by_folder(tmp_path: Path) -> None:
    recordings(tmp_path / "mine", rate=16_000, channels=2)
    heard = load(Settings(data=str(tmp_path / "mine")), tmp_path / "kept")
    assert (heard.names, heard.shape) == (("high", "low"), (1, 40, 61))
    assert len(heard.train) + len(heard.validation) + len(heard.test) == 24
    by_class = [heard.train.pixels[heard.train.classes == c].mean((0, 1, 3)).argmax() for c in (0, 1)]
    assert by_class[0] > by_class[1]


def test_the_loudest_stretch_of_a_long_recording_is_heard(tmp_path: Path) -> None:
    recordings(tmp_path / "mine")
    wave = np.concatenate([0.01 * tone(200, seconds=3), tone(2000, seconds=0.5), 0.01 * tone(200, seconds=3)])
    soundfile.write(tmp_path / "mine" / "high" / "0.wav", wave, 8000)
    heard = load(Settings(data=str(tmp_path / "mine"), seconds=0.5), tmp_path / "kept")
    parts = (heard.train, heard.validation, heard.test)
    loudest = np.concatenate([part.pixels[part.classes == 0].mean((1, 3)).argmax(1) for part in parts])
    assert loudest.min() > 20


def test_malformed_recordings_are_named(tmp_path: Path) -> None:
    def refused(said: str) -> None:
        with pytest.raises(DataError, match=said):
            load(Settings(data=str(tmp_path / "mine")), tmp_path / "kept")

    refused("'.*mine' is no data set: give generated, or a folder")
    (tmp_path / "mine" / "empty").mkdir(parents=True)
    refused("has no folders with recordings")
    recordings(tmp_path / "mine")
    soundfile.write(tmp_path / "mine" / "low" / "5.wav", tone(300, rate=44_100), 44_100)
    refused(r"low/5.wav has 44100 samples a second, .*high/0.wav has 8000: bring all to one rate")
    (tmp_path / "mine" / "low" / "5.wav").write_text("no sound")
    refused(r"low/5.wav cannot be read as a recording")
    soundfile.write(tmp_path / "mine" / "low" / "5.wav", np.zeros(0), 8000)
    refused(r"low/5.wav has no samples")


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"mels": 4}, "mels must be at least 8, got 4"), ({"seconds": 0.0}, "between 0.1 and 60"), ({"sounds": 9}, "sounds")],
)
def test_bad_settings_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Settings(**changes)


def test_listeners_learn(tmp_path: Path) -> None:
    small = {"sounds": 400, "mels": 24, "seconds": 0.5, "width": 32}
    by_hand = make_study(Settings(**small), tmp_path / "look").manual[0]  # type: ignore[arg-type]
    study = run_task(
        "audio",
        small,
        directory=tmp_path / "study",
        population=2,
        intervals=3,
        interval_steps=40,
        executor="inline",
        algorithm=Manual((dict(by_hand), {**by_hand, "lr": 0.03})),
    )
    assert study.held_out is not None
    assert (study.held_out.metrics["accuracy"] or 0.0) > 0.3
