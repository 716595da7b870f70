"""Search spaces: what a hyperparameter may be, how it is drawn, and how it moves."""

from poptrain.space.base import Parameter
from poptrain.space.choice import Choice
from poptrain.space.constant import Constant
from poptrain.space.floats import Float
from poptrain.space.integers import Int
from poptrain.space.short import choice, loguniform, randint, uniform
from poptrain.space.space import Space

__all__ = [
    "Choice",
    "Constant",
    "Float",
    "Int",
    "Parameter",
    "Space",
    "choice",
    "loguniform",
    "randint",
    "uniform",
]
