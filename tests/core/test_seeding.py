"""The global generators."""

from __future__ import annotations

import random

import numpy as np
import pytest

from poptrain.core.rng import seed_everything


def test_every_generator_is_seeded_as_torch_itself_would() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(123)
    want = torch.rand(3)
    seed_everything(123)
    first = (random.random(), float(np.random.rand()), torch.rand(3))
    assert torch.equal(first[2], want)
    seed_everything(123)
    assert (random.random(), float(np.random.rand())) == first[:2]
