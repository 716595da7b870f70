"""How ensembles grow: so many further trees in every interval, with whatever hyperparameters hold then.

Boosting goes on from its own trees: each further one fits what is left of the error. A forest gets further trees, each on a
sample of the rows of its own, and predicts their mean. The state is the trees, in the library's own format, or as arrays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poptrain.core.errors import MissingExtra
from poptrain.core.values import Hparams
from poptrain.tasks.trees.tables import Table, load

if TYPE_CHECKING:
    from poptrain.tasks.trees import Settings

__all__ = ["Ensemble", "check_installed", "score"]

Floats = NDArray[np.float64]


class Ensemble:
    """A member: trees that grow on the training part and are scored on the validation part."""

    def __init__(self, *, settings: Settings, folder: Path) -> None:
        self._table = load(folder)
        self._trees = _KINDS[settings.model](self._table)
        self._hparams: Hparams = {}

    def configure(self, hparams: Hparams) -> None:
        """Let the further trees grow by these hyperparameters."""
        self._hparams = {name: hparams[name] for name in hparams}

    def step(self, steps: int) -> None:
        """Grow `steps` trees (of each class, where there are more than two)."""
        self._trees.grow(steps, self._hparams, seed=int(np.random.randint(2**31)))

    def evaluate(self) -> dict[str, float]:
        """Return log_loss and accuracy, or rmse, on the validation part."""
        return _metrics(self._table, "validation", self._trees)

    def state_dict(self) -> dict[str, Any]:
        """Return the trees."""
        return self._trees.state()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from other trees."""
        self._trees.load(state)


class _Trees(ABC):
    """Trees of one library.

    Args:
        table: what they grow on.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self.count = 0

    @abstractmethod
    def grow(self, steps: int, hparams: Hparams, *, seed: int) -> None:
        """Add trees."""

    @abstractmethod
    def predict(self, x: Floats) -> Floats:
        """Return the chance of each class, shape (rows, classes), or the predicted numbers, shape (rows,)."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return the trees as plain values and arrays."""

    @abstractmethod
    def load(self, state: Mapping[str, Any]) -> None:
        """Take over trees."""

    def nothing(self, x: Floats) -> Floats:
        """Return what is predicted without any tree: all classes alike, or the mean."""
        if self.table.classes:
            return np.full((len(x), self.table.classes), 1.0 / self.table.classes)
        return np.full(len(x), self.table.parts["train"][1].mean())


class _XGBoost(_Trees):
    """State: XGBoost's binary JSON."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        import xgboost

        self._library = xgboost
        x, y = table.parts["train"]
        self._data = xgboost.DMatrix(x, label=y, nthread=1)
        self._grown: Any = None

    def grow(self, steps: int, hparams: Hparams, *, seed: int) -> None:
        """Boost on."""
        classes = self.table.classes
        objective = "reg:squarederror" if not classes else "binary:logistic" if classes == 2 else "multi:softprob"
        settings = {
            "objective": objective,
            "nthread": 1,
            "seed": seed,
            "verbosity": 0,
            "eta": hparams["learning_rate"],
            "max_depth": hparams["max_depth"],
            "subsample": hparams["subsample"],
            "colsample_bytree": hparams["column_sample"],
            "lambda": hparams["l2"],
            "min_child_weight": hparams["min_child_weight"],
            **({"num_class": classes} if classes > 2 else {}),
        }
        self._grown = self._library.train(settings, self._data, num_boost_round=steps, xgb_model=self._grown)
        self.count += steps

    def predict(self, x: Floats) -> Floats:
        """Ask the booster."""
        if self._grown is None:
            return self.nothing(x)
        found = np.asarray(self._grown.predict(self._library.DMatrix(x, nthread=1)), dtype=np.float64)
        return np.stack([1.0 - found, found], axis=1) if self.table.classes == 2 else found

    def state(self) -> dict[str, Any]:
        """Return the booster."""
        return {"trees": b"" if self._grown is None else bytes(self._grown.save_raw("ubj")), "count": self.count}

    def load(self, state: Mapping[str, Any]) -> None:
        """Read the booster."""
        self._grown = self._library.Booster({"nthread": 1}, model_file=bytearray(state["trees"])) if state["trees"] else None
        self.count = int(state["count"])


class _LightGBM(_Trees):
    """State: LightGBM's text."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        import lightgbm

        self._library = lightgbm
        self._grown: Any = None

    def grow(self, steps: int, hparams: Hparams, *, seed: int) -> None:
        """Boost on."""
        classes, (x, y) = self.table.classes, self.table.parts["train"]
        depth = int(hparams["max_depth"])  # type: ignore[arg-type]
        settings = {
            "objective": "regression" if not classes else "binary" if classes == 2 else "multiclass",
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
            "seed": seed,
            "learning_rate": hparams["learning_rate"],
            "max_depth": depth,
            "num_leaves": min(2**depth, 256),
            "bagging_fraction": hparams["subsample"],
            "bagging_freq": 1,
            "feature_fraction": hparams["column_sample"],
            "lambda_l2": hparams["l2"],
            "min_child_weight": hparams["min_child_weight"],
            "min_data_in_leaf": 1,
            **({"num_class": classes} if classes > 2 else {}),
        }
        data = self._library.Dataset(x, y, free_raw_data=False, params={"verbosity": -1})
        self._grown = self._library.train(settings, data, num_boost_round=steps, init_model=self._grown)
        # Read back: a booster that has just grown holds its training data, and goes on differently from one that was loaded.
        self._grown = self._library.Booster(model_str=self._grown.model_to_string())
        self.count += steps

    def predict(self, x: Floats) -> Floats:
        """Ask the booster."""
        if self._grown is None:
            return self.nothing(x)
        found = np.asarray(self._grown.predict(x, num_threads=1), dtype=np.float64)
        return np.stack([1.0 - found, found], axis=1) if self.table.classes == 2 else found

    def state(self) -> dict[str, Any]:
        """Return the booster."""
        return {"trees": "" if self._grown is None else self._grown.model_to_string(), "count": self.count}

    def load(self, state: Mapping[str, Any]) -> None:
        """Read the booster."""
        self._grown = self._library.Booster(model_str=state["trees"]) if state["trees"] else None
        self.count = int(state["count"])


class _Forest(_Trees):
    """State: for every tree the arrays that scikit-learn documents of it; leaves have no child (-1)."""

    _NAMES = ("children_left", "children_right", "feature", "threshold", "value")

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self._grown: list[dict[str, Any]] = []

    def grow(self, steps: int, hparams: Hparams, *, seed: int) -> None:
        """Plant further trees."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        kind = RandomForestClassifier if self.table.classes else RandomForestRegressor
        forest = kind(n_estimators=steps, random_state=seed, n_jobs=1, **hparams)
        forest.fit(*self.table.parts["train"])
        for tree in forest.estimators_:
            self._grown.append({name: np.array(getattr(tree.tree_, name)) for name in self._NAMES})
            leaves = self._grown[-1].pop("value")[:, 0, :]
            self._grown[-1]["value"] = leaves if self.table.classes else leaves[:, 0]
        self.count = len(self._grown)

    def predict(self, x: Floats) -> Floats:
        """Return the mean over all trees."""
        if not self._grown:
            return self.nothing(x)
        single = x.astype(np.float32)  # scikit-learn compares in this precision
        found: Floats = np.mean([tree["value"][_leaves(tree, single)] for tree in self._grown], axis=0)
        return found

    def state(self) -> dict[str, Any]:
        """Return the trees."""
        return {"trees": [dict(tree) for tree in self._grown]}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over trees."""
        self._grown = [dict(tree) for tree in state["trees"]]
        self.count = len(self._grown)


_KINDS: Mapping[str, type[_Trees]] = {"xgboost": _XGBoost, "lightgbm": _LightGBM, "forest": _Forest}


def check_installed(model: str) -> None:
    """Raise MissingExtra where the library of a model is not installed."""
    name = {"xgboost": "xgboost", "lightgbm": "lightgbm", "forest": "sklearn"}[model]
    try:
        import_module(name)
    except ImportError:
        raise MissingExtra(f"the model {model}", "trees") from None


def score(settings: Settings, folder: Path, state: Mapping[str, Any]) -> tuple[dict[str, float], int]:
    """Return the metrics of a state on the held-out part, and the number of its trees."""
    table = load(folder)
    trees = _KINDS[settings.model](table)
    trees.load(state)
    return _metrics(table, "test", trees), trees.count


def _leaves(tree: Mapping[str, Any], x: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the leaf of each row, shape (rows,)."""
    at = np.zeros(len(x), dtype=np.int64)
    while True:
        inner = np.flatnonzero(tree["children_left"][at] >= 0)
        if not len(inner):
            return at
        node = at[inner]
        left = x[inner, tree["feature"][node]] <= tree["threshold"][node]
        at[inner] = np.where(left, tree["children_left"][node], tree["children_right"][node])


def _metrics(table: Table, part: str, trees: _Trees) -> dict[str, float]:
    x, y = table.parts[part]
    found = trees.predict(x)
    if not table.classes:
        return {"rmse": float(np.sqrt(np.mean((found - y) ** 2)))}
    own = np.clip(found[np.arange(len(y)), y.astype(int)], 1e-7, 1.0)
    return {"log_loss": float(-np.log(own).mean()), "accuracy": float((found.argmax(axis=1) == y).mean())}
