"""The Inception network of the papers, from a file that the user has.

    inception_score               Salimans et al. 2016
    frechet_inception_distance    Heusel et al. 2017

The file is the TorchScript program inception-2015-12-05.pt, which NVIDIA publishes with the metrics of StyleGAN2-ADA: the
network of the original TensorFlow graph of 2015 with its weights. It takes bytes of shape (n, 3, height, width) and resizes
them itself; `return_features=True` gives 2048 features, `no_output_bias=True` the probabilities that the Inception score is
defined on. Nothing is downloaded here.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from poptrain.core.errors import DataError

__all__ = ["Inception"]

_AT_A_TIME = 50
_REMEDY = "give the TorchScript program inception-2015-12-05.pt, which NVIDIA publishes with the metrics of StyleGAN2-ADA"


class Inception:
    """Looks at pictures as `judge.Judge` does, on a GPU where there is one.

    Args:
        path: the network's file.

    Raises:
        DataError: the file is not there, or is not that network.
    """

    def __init__(self, path: Path) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript, which the file is in
                self._net = torch.jit.load(path, map_location=self._device).eval()  # type: ignore[no-untyped-call]
        except (OSError, ValueError, RuntimeError) as error:
            raise DataError(f"{path} cannot be read as a network ({str(error).splitlines()[0]}): {_REMEDY}") from error
        try:
            features, probabilities = self.look(torch.zeros(1, 3, 32, 32))
        except (RuntimeError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is another network than Inception: {_REMEDY}") from error
        if features.ndim != 2 or probabilities.ndim != 2 or not np.allclose(probabilities.sum(1), 1, atol=1e-3):
            raise DataError(f"{path} returns no features and probabilities: {_REMEDY}")

    @torch.no_grad()
    def look(self, pictures: torch.Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (features, probabilities of the classes) of pictures from 0 to 1; grey ones are seen as coloured."""
        features, probabilities = [], []
        for part in torch.split(pictures, _AT_A_TIME):
            seen = (part.to(self._device) * 255).round().clamp(0, 255).to(torch.uint8)
            seen = seen.expand(-1, 3, -1, -1).contiguous() if seen.shape[1] == 1 else seen
            features.append(self._net(seen, return_features=True).double().cpu().numpy())
            probabilities.append(self._net(seen, no_output_bias=True).double().cpu().numpy())
        return np.concatenate(features), np.concatenate(probabilities)
