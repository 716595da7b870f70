"""Classification of sounds: a small convolutional network on mel spectrograms.

`training.py` shows how the members train; `sounds.py` what they hear.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from poptrain.core.errors import ConfigError, MissingExtra
from poptrain.core.values import Hparams
from poptrain.space import Float
from poptrain.strategies import PBT, exploit, explore
from poptrain.tasks.audio.sounds import load
from poptrain.tasks.base import HeldOutScores, TaskStudy

__all__ = ["SPACE", "SUMMARY", "Settings", "make_study"]

SUMMARY = "classification of sounds by their spectrograms (accuracy): generated sounds, or your own recordings"

SPACE = {
    "lr": Float(1e-3, 0.5, log=True),
    "momentum": Float(0.5, 0.99),
    "weight_decay": Float(1e-6, 1e-2, log=True),
    "dropout": Float(0.0, 0.6),
    "label_smoothing": Float(0.0, 0.2),
    "masking": Float(0.0, 1.0),
}

_MANUAL = tuple(
    {"lr": lr, "momentum": 0.9, "weight_decay": 1e-4, "dropout": 0.2, "label_smoothing": 0.0, "masking": masking}
    for lr in (0.1, 0.03)
    for masking in (0.0, 0.5)
)
_FOLDER = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is heard, by which network.

    Args:
        data: "generated", or a folder with a folder of recordings (.wav, .flac, .ogg, .mp3) for each class.
        seconds: length that is heard; longer recordings are cut to their loudest stretch, shorter ones end in silence.
        mels: bands of the spectrogram.
        sounds: how many are generated.
        width: units of the hidden layer; channels of the first convolution are an eighth of it.
        batch_size: sounds of a batch.
        validation, test: shares of the sounds in these parts.
        data_seed: decides what is generated, and which sound is in which part.
    """

    data: str = "generated"
    seconds: float = 1.0
    mels: int = 40
    sounds: int = 2400
    width: int = 64
    batch_size: int = 64
    validation: float = 0.2
    test: float = 0.2
    data_seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("mels", 8), ("sounds", 50), ("width", 1), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0.1 <= self.seconds <= 60:
            raise ConfigError(f"seconds must be between 0.1 and 60, got {self.seconds}")


def make_study(settings: Settings, folder: Path) -> TaskStudy:
    """Prepare the spectrograms in the study's folder, unless that was done before, and return the study.

    Raises:
        DataError: the recordings are malformed; the message names the file.
        MissingExtra: torch, or what reads recordings, is not installed.
    """
    try:
        from poptrain.tasks.audio.training import Listeners
    except ImportError:
        raise MissingExtra("the audio task", "audio") from None
    place = (folder / _FOLDER).absolute()
    heard = load(settings, place)
    _, bands, moments = heard.shape
    return TaskStudy(
        train=partial(Listeners, settings=settings, folder=place),
        space=SPACE,
        metric="accuracy",
        mode="max",
        population=8,
        intervals=16,
        interval_steps=60,
        algorithm=PBT(exploit=exploit.truncation(0.25), explore=explore.perturb((0.8, 1.2))),
        held_out=partial(_held_out, settings, place),
        manual=_MANUAL,
        about=(
            f"{heard.origin}, {len(heard.names)} classes, spectrograms of {bands} bands and {moments} moments",
            f"{len(heard.train)} to train on, {len(heard.validation)} to select by, {len(heard.test)} held out",
        ),
    )


def _held_out(settings: Settings, folder: Path, state: Any, hparams: Hparams) -> HeldOutScores:
    from poptrain.tasks.audio.training import score

    metrics, confused = score(settings, folder, state)
    return HeldOutScores(metrics, {"most often confused": confused} if confused else {})
