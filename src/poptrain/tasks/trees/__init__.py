"""Tree ensembles on tables: boosting continued from its own state, and forests that grow.

`training.py` shows how the ensembles grow; `tables.py` where the numbers come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from poptrain.core.errors import ConfigError, MissingExtra
from poptrain.core.values import Hparams
from poptrain.space import Float, Int
from poptrain.strategies import PBT, exploit, explore
from poptrain.tasks.base import HeldOutScores, TaskStudy

__all__ = ["SUMMARY", "Settings", "make_study", "search_space"]

SUMMARY = "gradient boosting (XGBoost, LightGBM) and random forests on tables: scikit-learn's, your CSV or Parquet file"

_FOLDER = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Which table, and which ensemble.

    Args:
        data: breast-cancer, digits, wine, diabetes, or a .csv or .parquet file.
        target: the column to predict; for files only.
        kind: "classification" or "regression"; "auto": regression where the target has fractions or more than 20 values.
        model: "xgboost", "lightgbm" or "forest".
        validation, test: shares of the rows in these parts.
        data_seed: decides which row is in which part.
    """

    data: str = "breast-cancer"
    target: str = ""
    kind: Literal["auto", "classification", "regression"] = "auto"
    model: Literal["xgboost", "lightgbm", "forest"] = "xgboost"
    validation: float = 0.25
    test: float = 0.25
    data_seed: int = 0

    def __post_init__(self) -> None:
        for name in ("validation", "test"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name} must be a share between 0 and 1, got {getattr(self, name)}")
        if self.validation + self.test >= 1:
            raise ConfigError(
                f"validation and test together must leave rows to train on, got {self.validation} + {self.test}: lower one"
            )


def search_space(settings: Settings) -> dict[str, Any]:
    """Return what is tuned: it may change from interval to interval, also the depth of further trees."""
    if settings.model == "forest":
        return {
            "max_depth": Int(1, 20),
            "max_features": Float(0.1, 1.0),
            "max_samples": Float(0.2, 1.0),
            "min_samples_leaf": Int(1, 20),
        }
    return {
        "learning_rate": Float(0.01, 1.0, log=True),
        "max_depth": Int(1, 10),
        "subsample": Float(0.3, 1.0),
        "column_sample": Float(0.3, 1.0),
        "l2": Float(1e-3, 100.0, log=True),
        "min_child_weight": Float(0.1, 30.0, log=True),
    }


def make_study(settings: Settings, folder: Path) -> TaskStudy:
    """Prepare the table in the study's folder, unless that was done before, and return the study.

    Raises:
        ConfigError: there is no such table or column.
        DataError: the table is malformed; the message names the column.
        MissingExtra: a package is not installed.
    """
    try:
        from poptrain.tasks.trees.tables import prepare
        from poptrain.tasks.trees.training import Ensemble, check_installed
    except ImportError:
        raise MissingExtra("the trees task", "trees") from None
    check_installed(settings.model)
    place = (folder / _FOLDER).absolute()
    table = prepare(settings, place)
    sizes = [len(table.parts[name][1]) for name in ("train", "validation", "test")]
    what = f"{table.classes} classes" if table.classes else "a number to predict"
    return TaskStudy(
        train=partial(Ensemble, settings=settings, folder=place),
        space=search_space(settings),
        metric="log_loss" if table.classes else "rmse",
        mode="min",
        population=12,
        intervals=15,
        interval_steps=10,
        algorithm=PBT(exploit=exploit.truncation(0.25), explore=explore.perturb((0.8, 1.25))),
        held_out=partial(_held_out, settings, place),
        manual=_by_hand(settings),
        about=(
            f"{table.origin}: {table.columns} columns, {what}",
            f"{sizes[0]} rows to train on, {sizes[1]} to select by, {sizes[2]} held out; a step is a tree of each class",
        ),
    )


def _by_hand(settings: Settings) -> tuple[dict[str, Any], ...]:
    if settings.model == "forest":
        return ({"max_depth": 20, "max_features": 0.3, "max_samples": 1.0, "min_samples_leaf": 1},)
    usual = {"subsample": 0.8, "column_sample": 0.8, "l2": 1.0, "min_child_weight": 1.0}
    return tuple({"learning_rate": rate, "max_depth": depth, **usual} for rate in (0.1, 0.3) for depth in (3, 6))


def _held_out(settings: Settings, folder: Path, state: Any, hparams: Hparams) -> HeldOutScores:
    from poptrain.tasks.trees.training import score

    metrics, trees = score(settings, folder, state)
    return HeldOutScores(metrics, {"trees": str(trees)})
