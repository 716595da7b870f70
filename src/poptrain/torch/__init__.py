"""Populations of PyTorch networks, trained many at a time or one by one from the same few lines."""

from poptrain.torch.data import Batches, DataSource
from poptrain.torch.hyperparameters import Hyperparameters, Setting
from poptrain.torch.losses import Accuracy, CrossEntropy, EachRow, Loss, MeanSquaredError, Score
from poptrain.torch.noise import normal_like, uniform_like
from poptrain.torch.optimisers import SGD, Adam, AdamW, BoundOptimiser, Optimiser, RMSprop
from poptrain.torch.population import Recipe, StackedPopulation, TorchPopulation, population
from poptrain.torch.stack import Stack

__all__ = [
    "SGD",
    "Accuracy",
    "Adam",
    "AdamW",
    "Batches",
    "BoundOptimiser",
    "CrossEntropy",
    "DataSource",
    "EachRow",
    "Hyperparameters",
    "Loss",
    "MeanSquaredError",
    "Optimiser",
    "RMSprop",
    "Recipe",
    "Score",
    "Setting",
    "Stack",
    "StackedPopulation",
    "TorchPopulation",
    "normal_like",
    "population",
    "uniform_like",
]
