"""scikit-learn's partial_fit, with state passed as arrays: python examples/partial_fit.py"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier

import poptrain as pt

X, Y = load_digits(return_X_y=True)
X = X / 16.0


def train(member: pt.Member) -> None:
    for interval in member.intervals():
        model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=member["eta"], alpha=member["alpha"])
        model.classes_ = np.arange(10)
        model.coef_, model.intercept_ = member.restore((np.zeros((10, 64)), np.zeros(10)))
        draw = np.random.default_rng(interval.seed)  # everything random belongs to the member and the interval
        model.set_params(random_state=interval.seed % 2**32)
        for _ in range(interval.steps):
            pick = draw.integers(1200, size=100)
            model.partial_fit(X[pick], Y[pick])
        member.report(accuracy=model.score(X[1200:1500], Y[1200:1500]), state=(model.coef_, model.intercept_))


if __name__ == "__main__":
    space = {"eta": pt.Float(1e-5, 1.0, log=True), "alpha": pt.Float(1e-8, 1e-1, log=True)}
    study = pt.tune(
        train, space, metric="accuracy", population=8, intervals=10, interval_steps=10, directory="runs/partial_fit", workers=2
    )
    print(study.best, study.schedule.render(["eta", "alpha"]), sep="\n")
