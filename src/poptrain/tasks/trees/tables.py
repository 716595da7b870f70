"""Tables: read once, checked, divided, and kept as arrays in the study's folder."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poptrain.core.errors import ConfigError, DataError, MissingExtra
from poptrain.store.files import write_whole

if TYPE_CHECKING:
    from poptrain.tasks.trees import Settings

__all__ = ["BUILT_IN", "Table", "load", "prepare"]

BUILT_IN = {
    "breast-cancer": "load_breast_cancer",
    "digits": "load_digits",
    "wine": "load_wine",
    "diabetes": "load_diabetes",
}
_FILE = "table.npz"
_MOST_CLASSES = 20

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """A table in three parts.

    Args:
        origin: where it comes from.
        classes: number of classes; 0 where a number is predicted.
        parts: by name (train, validation, test) the columns, shape (rows, columns), and the target, shape (rows,).
    """

    origin: str
    classes: int
    parts: Mapping[str, tuple[Floats, Floats]]

    @property
    def columns(self) -> int:
        """Number of columns without the target."""
        return int(self.parts["train"][0].shape[1])


def prepare(settings: Settings, folder: Path) -> Table:
    """Return the table that the settings name; read, checked and divided at the first call, from the folder afterwards."""
    if not (folder / _FILE).exists():
        origin, x, y = _read(settings)
        classes, y = _target(settings, y)
        order = np.random.default_rng(settings.data_seed).permutation(len(y))
        test, validation = round(settings.test * len(y)), round(settings.validation * len(y))
        if min(test, validation, len(y) - test - validation) < max(2, classes):
            raise DataError(f"{origin} has {len(y)} rows, too few for three parts: give more, or other shares")
        cuts = np.split(order, [test, test + validation])
        parts = dict(zip(("test", "validation", "train"), cuts, strict=True))
        arrays = {f"{name}_{axis}": of[part] for name, part in parts.items() for axis, of in (("x", x), ("y", y))}
        _check_parts(origin, classes, arrays["train_y"])
        folder.mkdir(parents=True, exist_ok=True)
        _save(folder / _FILE, {**arrays, "classes": np.array(classes), "origin": np.array(origin)})
    return load(folder)


def load(folder: Path) -> Table:
    """Return the table in a folder."""
    with np.load(folder / _FILE, allow_pickle=False) as held:
        parts = {name: (held[f"{name}_x"], held[f"{name}_y"]) for name in ("train", "validation", "test")}
        return Table(str(held["origin"]), int(held["classes"]), parts)


def _save(path: Path, arrays: Mapping[str, Any]) -> None:
    out = io.BytesIO()
    np.savez(out, **arrays)
    write_whole(path, out.getvalue())


def _read(settings: Settings) -> tuple[str, Floats, Any]:
    if settings.data in BUILT_IN:
        from sklearn import datasets

        if settings.target:
            raise ConfigError(f"target is for files, {settings.data} has one of its own: leave it out")
        x, y = getattr(datasets, BUILT_IN[settings.data])(return_X_y=True)
        return f"{settings.data} of scikit-learn", np.asarray(x, dtype=np.float64), np.asarray(y)
    path = Path(settings.data).expanduser()
    if path.suffix not in (".csv", ".parquet"):
        raise ConfigError(
            f"there is no table {settings.data!r}: choose among {', '.join(BUILT_IN)}, or name a .csv or .parquet file"
        )
    return _read_file(path, settings.target)


def _read_file(path: Path, target: str) -> tuple[str, Floats, Any]:
    try:
        import pandas
    except ImportError:
        raise MissingExtra("tables from files", "trees") from None
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    try:
        frame = pandas.read_csv(path) if path.suffix == ".csv" else pandas.read_parquet(path)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error
    if target not in frame.columns:
        given = f"got {target!r}" if target else "got none"
        raise ConfigError(f"target must be a column of {path}, {given}: it has {', '.join(map(str, frame.columns[:20]))}")
    y = frame.pop(target)
    if y.isna().any():
        raise DataError(f"the target {target!r} of {path} is missing in row {int(y.isna().to_numpy().argmax()) + 2}")
    for name in frame.columns:
        if not pandas.api.types.is_numeric_dtype(frame[name]):
            wrong = next((v for v in frame[name] if not _is_number(v)), "")
            raise DataError(f"column {name!r} of {path} must hold numbers, it has {wrong!r}: encode it, or leave it out")
    if not len(frame.columns):
        raise DataError(f"{path} has no column beside the target {target!r}")
    return str(path), frame.to_numpy(dtype=np.float64), y.to_numpy()


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _target(settings: Settings, y: Any) -> tuple[int, Floats]:
    """Return the number of classes (0 for a number) and the target: numbers of classes in their order, or the numbers."""
    numeric = np.issubdtype(y.dtype, np.number)
    values = np.unique(y)
    whole = not numeric or bool(np.all(np.mod(y, 1) == 0))
    kind = settings.kind
    if kind == "auto":
        kind = "classification" if whole and (not numeric or len(values) <= _MOST_CLASSES) else "regression"
    if kind == "regression":
        if not numeric:
            raise DataError(f"regression predicts a number, the target has {values[0]!r}: choose kind=classification")
        return 0, y.astype(np.float64)
    if len(values) < 2:
        raise DataError(f"the target has one class only, {values[0]!r}: there is nothing to tell apart")
    return len(values), np.searchsorted(values, y).astype(np.float64)


def _check_parts(origin: str, classes: int, y: Floats) -> None:
    missing = set(range(classes)) - set(y.astype(int).tolist())
    if missing:
        raise DataError(f"{origin} has a class without any row to train on (number {min(missing)}): give more rows of it")
