"""Contract tests that users run on their own training code."""

from poptrain.testing.trainable import TrainableContract

__all__ = ["TrainableContract"]
