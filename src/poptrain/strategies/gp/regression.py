"""The Gaussian process: scikit-learn's, with kernels whose memory fades."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel, StationaryKernelMixin, WhiteKernel

__all__ = ["Fading", "fit", "likelihood_of", "with_parameters"]

Array = NDArray[np.float64]

_LIMITS = {"variance": (0.05, 20.0), "length": (0.05, 10.0), "fading": (1e-4, 20.0), "blend": (0.05, 0.95)}


class Fading(StationaryKernelMixin, Kernel):  # type: ignore[misc]
    """A kernel over time, context, numbers and options.

        k(z, z') = variance * m * exp(-fading |t - t'|)                    (1 - eps)^(|t - t'| / 2) in time steps of the study
        m = k1 where there are no options, else (1 - blend) (k1 + k2) / 2 + blend k1 k2
        k1 = exp(-d^2 / length) or Matern-5/2 of d / length;  k2 = share of equal options

    Args:
        variance, length, fading, blend: parameters, > 0.
        options: number of the last columns that are options.
        rough: whether k1 is Matern-5/2.
    """

    def __init__(
        self,
        variance: float = 1.0,
        length: float = 0.5,
        fading: float = 1.0,
        blend: float = 0.5,
        options: int = 0,
        rough: bool = False,
    ) -> None:
        self.variance, self.length, self.fading, self.blend = variance, length, fading, blend
        self.options, self.rough = options, rough

    @property
    def hyperparameter_variance(self) -> Any:
        """What scikit-learn may fit."""
        return Hyperparameter("variance", "numeric", _LIMITS["variance"])

    @property
    def hyperparameter_length(self) -> Any:
        """What scikit-learn may fit."""
        return Hyperparameter("length", "numeric", _LIMITS["length"])

    @property
    def hyperparameter_fading(self) -> Any:
        """What scikit-learn may fit."""
        return Hyperparameter("fading", "numeric", _LIMITS["fading"])

    @property
    def hyperparameter_blend(self) -> Any:
        """What scikit-learn may fit; fixed where there are no options."""
        return Hyperparameter("blend", "numeric", _LIMITS["blend"] if self.options else "fixed")

    def __call__(self, X: Array, Y: Array | None = None, eval_gradient: bool = False) -> Array:  # noqa: N803
        """Return k between the rows of X and those of Y, shape (n, m)."""
        other = X if Y is None else Y
        last = X.shape[1] - self.options
        first, second = X[:, 1:last], other[:, 1:last]
        squared = np.maximum((first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * first @ second.T, 0.0)
        mixed = self._matern(np.sqrt(squared)) if self.rough else np.exp(-squared / self.length)
        if self.options:
            equal = (X[:, None, last:] == other[None, :, last:]).mean(axis=2)
            mixed = (1 - self.blend) * (mixed + equal) / 2 + self.blend * mixed * equal
        found: Array = self.variance * mixed * np.exp(-self.fading * np.abs(X[:, 0][:, None] - other[:, 0]))
        return found

    def diag(self, X: Array) -> Array:  # noqa: N803
        """Return k of each row with itself, shape (n,)."""
        return np.full(len(X), self.variance)

    def _matern(self, distance: Array) -> Array:
        scaled = np.sqrt(5.0) * distance / self.length
        found: Array = (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
        return found


def fit(x: Array, y: Array, *, options: int, rough: bool) -> GaussianProcessRegressor:
    """Return a process whose parameters have the highest marginal likelihood that a search without gradients finds.

    Args:
        x: shape (n, columns).
        y: shape (n,).
        options: number of the last columns that are options.
        rough: whether the kernel is Matern-5/2.
    """
    kernel = Fading(options=options, rough=rough) + WhiteKernel(0.1, (1e-3, 2.0))
    found = GaussianProcessRegressor(kernel, optimizer=_climb, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a parameter at its limit: the limits are meant
        found.fit(x, y)
    return found


def with_parameters(kernel: Any, x: Array, y: Array) -> GaussianProcessRegressor:
    """Return a process over some rows with the parameters of a fitted kernel."""
    return GaussianProcessRegressor(kernel, optimizer=None).fit(x, y)


def likelihood_of(process: GaussianProcessRegressor) -> float:
    """Return the log marginal likelihood of a fitted process for each of its rows."""
    return float(process.log_marginal_likelihood_value_) / len(process.y_train_)


def _climb(objective: Any, start: Array, bounds: Array) -> tuple[Array, float]:
    """Return the parameters (logarithms) with the lowest objective found, and that objective."""
    found = minimize(
        lambda theta: objective(theta, eval_gradient=False), start, method="L-BFGS-B", bounds=bounds, options={"maxiter": 12}
    )
    return found.x, float(found.fun)
