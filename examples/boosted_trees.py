"""XGBoost, whose trees grow interval by interval: python examples/boosted_trees.py"""

import numpy as np
import xgboost as xgb
from sklearn.datasets import load_breast_cancer

import poptrain as pt

X, Y = load_breast_cancer(return_X_y=True)
PART = np.random.default_rng(0).permutation(len(Y))
TRAIN, VALID, TEST = np.split(PART, [340, 455])


def table(rows: np.ndarray) -> xgb.DMatrix:
    return xgb.DMatrix(X[rows], label=Y[rows], nthread=1)


def train(member: pt.Member) -> None:
    known, unseen = table(TRAIN), table(VALID)  # made here: they cannot be sent to another process
    for interval in member.intervals():
        grown = member.restore(b"")  # the trees so far, in XGBoost's own binary JSON
        settings = {
            "objective": "binary:logistic",
            "nthread": 1,
            "seed": interval.seed % 2**31,
            **{name: member[name] for name in ("eta", "max_depth", "subsample", "lambda")},
        }
        before = xgb.Booster(model_file=bytearray(grown)) if grown else None
        booster = xgb.train(settings, known, num_boost_round=interval.steps, xgb_model=before)
        member.report(accuracy=accuracy(booster, unseen), loss=log_loss(booster, unseen), state=bytes(booster.save_raw("ubj")))


def accuracy(booster: xgb.Booster, data: xgb.DMatrix) -> float:
    return float(((booster.predict(data) > 0.5) == data.get_label()).mean())


def log_loss(booster: xgb.Booster, data: xgb.DMatrix) -> float:
    chance = np.clip(booster.predict(data), 1e-7, 1 - 1e-7)
    return float(-np.where(data.get_label() == 1, np.log(chance), np.log(1 - chance)).mean())


if __name__ == "__main__":
    space = {
        "eta": pt.Float(0.01, 1.0, log=True),
        "max_depth": pt.Int(1, 8),
        "subsample": pt.Float(0.3, 1.0),
        "lambda": pt.Float(1e-2, 10.0, log=True),
    }
    options = {"population": 8, "intervals": 8, "interval_steps": 5, "directory": "runs/trees", "workers": 2}
    study = pt.tune(train, space, metric="loss", mode="min", **options)
    best = xgb.Booster(model_file=bytearray(study.best.load()["value"]))
    print(
        study.best, study.schedule.render(["eta", "lambda"]), f"held-out accuracy {accuracy(best, table(TEST)):.4f}", sep="\n"
    )
