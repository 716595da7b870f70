"""Sounds, generated or recorded, and their spectrograms."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poptrain.core.errors import DataError, MissingExtra
from poptrain.tasks.images import Found, Images, prepare

if TYPE_CHECKING:
    from poptrain.tasks.audio import Settings

__all__ = ["CLASSES", "generate", "load", "mel_spectrogram"]

Wave = NDArray[np.float64]

_RATE = 8000
"""Samples of generated sounds in a second."""

_WINDOW, _HOP = 0.032, 0.016
"""Seconds of a window of the spectrogram, and from one to the next."""

_FLOOR = 80.0
"""Decibels below the loudest point that count as silence."""

_ENDINGS = (".wav", ".flac", ".ogg", ".mp3", ".aiff")


@lru_cache(maxsize=1)
def load(settings: Settings, folder: Path) -> Images:
    """Return the spectrograms as they are kept in a folder; make them first if they are not there.

    Raises:
        DataError: the recordings are malformed; the message names the file.
        MissingExtra: what reads recordings is not installed.
    """

    def read(data: str) -> Found:
        return _generated(settings) if data == "generated" else _recorded(Path(data).expanduser(), settings)

    shares = {"validation": settings.validation, "test": settings.test}
    return prepare(settings.data, folder, **shares, seed=settings.data_seed, read=read)


# What is generated: ten kinds of sounds of any pitch, loudness and place, in noise.


def _harmonics(phase: Wave, weights: Wave) -> Wave:
    numbers = np.arange(1, len(weights) + 1)
    return np.asarray((weights[:, None] * np.sin(numbers[:, None] * phase)).sum(0))


def _steady(weights: Callable[[NDArray[np.int64]], Wave]) -> Callable[[Wave, float, np.random.Generator], Wave]:
    """Return a tone whose harmonics have the weights given, as far as the rate can carry them."""

    def sound(time: Wave, pitch: float, rng: np.random.Generator) -> Wave:
        numbers = np.arange(1, max(2, int(_RATE / 2 / pitch)))
        return _harmonics(2 * np.pi * pitch * time, weights(numbers))

    return sound


def _sweep(direction: float) -> Callable[[Wave, float, np.random.Generator], Wave]:
    def sound(time: Wave, pitch: float, rng: np.random.Generator) -> Wave:
        octaves = direction * rng.uniform(0.5, 1.5)
        return np.asarray(np.sin(2 * np.pi * np.cumsum(pitch * 2 ** (octaves * time / time[-1])) / _RATE))

    return sound


def _tremolo(time: Wave, pitch: float, rng: np.random.Generator) -> Wave:
    return np.asarray(np.sin(2 * np.pi * pitch * time) * (1 + 0.9 * np.sin(2 * np.pi * rng.uniform(4, 9) * time)))


def _vibrato(time: Wave, pitch: float, rng: np.random.Generator) -> Wave:
    speed = rng.uniform(4, 9)
    return np.asarray(np.sin(2 * np.pi * pitch * time + 0.05 * pitch / speed * np.sin(2 * np.pi * speed * time)))


def _pluck(time: Wave, pitch: float, rng: np.random.Generator) -> Wave:
    numbers = np.arange(1, max(2, int(_RATE / 2 / pitch)))
    decays = np.exp(-numbers[:, None] * rng.uniform(2, 5) * time)
    return np.asarray((decays * np.sin(2 * np.pi * pitch * numbers[:, None] * time) / numbers[:, None]).sum(0))


def _bell(time: Wave, pitch: float, rng: np.random.Generator) -> Wave:
    partials = pitch * np.array([0.5, 1.0, 1.19, 1.56, 2.0, 2.51, 3.01])
    decays = np.exp(-np.linspace(1, 6, len(partials))[:, None] * rng.uniform(1, 2) * time)
    return np.asarray((decays * np.sin(2 * np.pi * partials[:, None] * time) * (partials[:, None] < _RATE / 2)).sum(0))


def _hiss(time: Wave, pitch: float, rng: np.random.Generator) -> Wave:
    spectrum = np.fft.rfft(rng.standard_normal(len(time)))
    frequencies = np.fft.rfftfreq(len(time), 1 / _RATE)
    return np.asarray(np.fft.irfft(spectrum * ((frequencies > pitch) & (frequencies < 2 * pitch)), len(time)))


CLASSES: dict[str, Callable[[Wave, float, np.random.Generator], Wave]] = {
    "sine": _steady(lambda n: np.where(n == 1, 1.0, 0.0)),
    "square": _steady(lambda n: np.where(n % 2 == 1, 1.0 / n, 0.0)),
    "sawtooth": _steady(lambda n: 1.0 / n),
    "rising": _sweep(1.0),
    "falling": _sweep(-1.0),
    "tremolo": _tremolo,
    "vibrato": _vibrato,
    "pluck": _pluck,
    "bell": _bell,
    "hiss": _hiss,
}
"""Kinds of generated sounds: from times in seconds, a pitch in hertz, and a generator, to a wave."""


def generate(kind: str, seconds: float, rng: np.random.Generator) -> Wave:
    """Return a sound of one kind, of random pitch, loudness and place, in noise; shape (seconds * 8000,)."""
    count = round(seconds * _RATE)
    length = int(count * rng.uniform(0.5, 1.0))
    time = np.arange(length) / _RATE
    sound = CLASSES[kind](time, 150.0 * 2 ** rng.uniform(0, 3), rng)
    sound = sound / np.sqrt(np.mean(sound**2) + 1e-12) * 10 ** (rng.uniform(-5, 20) / 20)
    edge = min(80, length // 4)
    sound[:edge] *= np.linspace(0, 1, edge)
    sound[-edge:] *= np.linspace(1, 0, edge)
    heard = rng.standard_normal(count)
    start = int(rng.integers(count - length + 1))
    heard[start : start + length] += sound
    return np.asarray(heard)


def _generated(settings: Settings) -> Found:
    rng = np.random.default_rng([settings.data_seed, 77])
    names = tuple(CLASSES)
    classes = np.arange(settings.sounds) % len(names)
    heard = [mel_spectrogram(generate(names[c], settings.seconds, rng), _RATE, settings.mels) for c in classes]
    return Found(np.stack(heard)[:, None], classes.astype(np.int64), names, f"{settings.sounds} generated sounds in noise")


# What is recorded.


def _recorded(folder: Path, settings: Settings) -> Found:
    if not folder.is_dir():
        raise DataError(
            f"{str(folder)!r} is no data set: give generated, or a folder with a folder of recordings for each class"
        )
    names = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")))
    heard: list[NDArray[np.float32]] = []
    classes: list[int] = []
    first: tuple[Path, int] | None = None
    for label, name in enumerate(names):
        for path in sorted(path for path in (folder / name).iterdir() if path.suffix.lower() in _ENDINGS):
            wave, rate = _recording(path)
            first = first or (path, rate)
            if rate != first[1]:
                raise DataError(f"{path} has {rate} samples a second, {first[0]} has {first[1]}: bring all to one rate")
            heard.append(mel_spectrogram(_stretch(wave, round(settings.seconds * rate)), rate, settings.mels))
            classes.append(label)
    if not heard:
        raise DataError(f"{folder} has no folders with recordings ({', '.join(_ENDINGS)}): make one for each class")
    return Found(np.stack(heard)[:, None], np.array(classes, np.int64), names, f"{len(heard)} recordings of {folder}")


def _recording(path: Path) -> tuple[Wave, int]:
    try:
        import soundfile  # type: ignore[import-untyped]
    except (ImportError, OSError):
        raise MissingExtra("reading recordings", "audio") from None
    try:
        samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path} cannot be read as a recording: {error}") from error
    wave = samples.mean(1)
    if not len(wave) or not np.isfinite(wave).all():
        raise DataError(f"{path} {'holds NaN or infinity' if len(wave) else 'has no samples'}")
    return wave, int(rate)


def _stretch(wave: Wave, count: int) -> Wave:
    """Return the loudest stretch of `count` samples, or the whole with silence after it."""
    if len(wave) <= count:
        return np.pad(wave, (0, count - len(wave)))
    energy = np.concatenate([[0.0], np.cumsum(wave**2)])
    start = int(np.argmax(energy[count:] - energy[:-count]))
    return wave[start : start + count]


# Spectrograms.


def mel_spectrogram(wave: Wave, rate: int, mels: int) -> NDArray[np.float32]:
    """Return how loud each band is at each moment, in decibels, scaled so that their mean is 0 and their deviation 1.

    What is 80 decibels below the loudest point, or less, is as silent as that.

    Args:
        wave: samples, shape (samples,).
        rate: samples in a second.
        mels: bands, equally wide on the mel scale (O'Shaughnessy 1987) from 0 to half the rate.

    Returns:
        Shape (mels, moments), from low to high.
    """
    window, hop = round(_WINDOW * rate), round(_HOP * rate)
    padded = np.pad(wave, (0, max(0, window - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames)) ** 2 @ _bands(rate, window, mels).T
    decibels = 10 * np.log10(np.maximum(power, 1e-20))
    decibels = np.maximum(decibels, decibels.max() - _FLOOR)
    scaled = (decibels - decibels.mean()) / max(decibels.std(), 1e-9)
    return np.ascontiguousarray(scaled.T, dtype=np.float32)


@lru_cache(maxsize=4)
def _bands(rate: int, window: int, mels: int) -> NDArray[Any]:
    """Return triangles that overlap by half, shape (mels, window // 2 + 1); bands narrower than a bin take the nearest one."""
    highest = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, mels + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(window, 1 / rate)
    up = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    weights = np.maximum(0, np.minimum(up, down))
    nearest = np.abs(bins - edges[1:-1, None]).argmin(1)
    empty = weights.sum(1) == 0
    weights[empty, nearest[empty]] = 1.0
    return np.asarray(weights)
