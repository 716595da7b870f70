"""Several networks trained as one are what each would be, trained alone by torch itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from networks import CASES, Case
from torch import nn
from torch.nn import functional as F

import poptrain as pt
import poptrain.torch as ptt
from poptrain.core.rng import seed_everything

SEEDS = (11, 12, 13)
STEPS = 4


def columns(**values: list[Any]) -> dict[str, Any]:
    return {name: np.array(column) for name, column in values.items()}


def interval(seeds: tuple[int, ...] = SEEDS, steps: int = STEPS, start: int = 0) -> pt.PopulationInterval:
    return pt.PopulationInterval(steps, (start,) * len(seeds), seeds)


def fixed(case: Case) -> Callable[[pt.PopulationInterval], Any]:
    """A data source that gives everybody the same batch."""
    x = case.inputs()
    y = torch.arange(len(x)) % case.classes

    def batches(interval: pt.PopulationInterval) -> Any:
        rows = len(interval.seeds)
        for _ in range(interval.steps):
            yield x.expand(rows, *x.shape), y.expand(rows, *y.shape)

    return batches


def make(case: Case, seeds: tuple[int, ...] = SEEDS, **options: Any) -> ptt.TorchPopulation:
    recipe: dict[str, Any] = {
        "net": case.make,
        "loss": ptt.CrossEntropy(),
        "data": fixed(case),
        "optimiser": ptt.AdamW(lr="lr", eps=1e-3),  # a bias before a normalisation has no gradient but rounding
        "evaluate": ptt.Accuracy(case.inputs(), torch.zeros(6, dtype=torch.int64)),
    }
    return ptt.population(**{**recipe, **options})(pt.Block(seeds))


def alone(case: Case, seed: int, lr: float) -> nn.Module:
    seed_everything(seed)
    net = case.make()
    net.train()
    optimiser = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=lr, eps=1e-3)
    x = case.inputs()
    y = torch.arange(len(x)) % case.classes
    for _ in range(STEPS):
        optimiser.zero_grad()
        F.cross_entropy(net(x), y).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return net


@pytest.mark.parametrize("name", CASES)
def test_rows_are_what_they_would_be_alone(name: str) -> None:
    case = CASES[name]
    rates = [0.01, 0.003, 0.03]
    form = make(case)
    form.configure(columns(lr=rates))
    form.step(interval())
    for row, (seed, lr) in enumerate(zip(SEEDS, rates, strict=True)):
        want = alone(case, seed, lr).state_dict()
        have = form.state_dict(row)["net"]
        assert set(have) == set(want)
        for part, tensor in want.items():
            torch.testing.assert_close(have[part], tensor, rtol=2e-4, atol=2e-5, msg=part)


@pytest.mark.parametrize("name", CASES)
def test_a_state_loads_into_an_ordinary_network_that_scores_the_same(name: str) -> None:
    case = CASES[name]
    inputs = case.inputs()
    form = make(case, evaluate=lambda net: {"first": net(inputs).flatten()[0]})
    form.configure(columns(lr=[0.01, 0.003, 0.03]))
    form.step(interval())
    scores = form.evaluate()["first"]
    for row in range(3):
        net = case.make()
        net.load_state_dict(form.state_dict(row)["net"])
        net.eval()
        with torch.no_grad():
            assert net(inputs).flatten()[0].item() == pytest.approx(scores[row], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_one_row_is_what_three_rows_are(name: str) -> None:
    case = CASES[name]
    together = make(case)
    together.configure(columns(lr=[0.01, 0.003, 0.03]))
    together.step(interval())
    single = make(case, SEEDS[1:2])
    single.configure(columns(lr=[0.003]))
    single.step(interval(SEEDS[1:2]))
    want, have = together.state_dict(1), single.state_dict(0)
    assert have["optimiser"]["step"] == want["optimiser"]["step"] == STEPS
    for part in want["net"]:
        torch.testing.assert_close(have["net"][part], want["net"][part], rtol=2e-4, atol=2e-5)


def test_evaluation_changes_nothing() -> None:
    form = make(CASES["convolutions"])
    form.configure(columns(lr=[0.01, 0.003, 0.03]))
    form.step(interval())
    before = {name: tensor.clone() for name, tensor in form.state_dict(1)["net"].items()}
    form.evaluate()
    for name, tensor in form.state_dict(1)["net"].items():
        assert torch.equal(tensor, before[name]), name


def test_gradients_of_several_batches_are_averaged() -> None:
    case = CASES["linear"]
    x, y = case.inputs(), torch.arange(6) % 3

    def halves(interval: pt.PopulationInterval) -> Any:
        for _ in range(interval.steps):
            for part in (slice(0, 3), slice(3, 6)):
                yield x[part].expand(3, 3, 5), y[part].expand(3, 3)

    whole, parts = make(case), make(case, data=halves, accumulate=2)
    for form in (whole, parts):
        form.configure(columns(lr=[0.01, 0.003, 0.03]))
        form.step(interval())
    for row in range(3):
        for name, tensor in whole.state_dict(row)["net"].items():
            torch.testing.assert_close(parts.state_dict(row)["net"][name], tensor)


def test_mixed_precision_trains_close_to_full_precision() -> None:
    case = CASES["own forward"]
    full, mixed = make(case), make(case, autocast=torch.bfloat16)
    for form in (full, mixed):
        form.configure(columns(lr=[0.01, 0.003, 0.03]))
        form.step(interval())
    have, want = mixed.state_dict(0)["net"], full.state_dict(0)["net"]
    assert have["first.weight"].dtype == torch.float32
    assert not torch.equal(have["first.weight"], want["first.weight"])
    torch.testing.assert_close(have["first.weight"], want["first.weight"], rtol=0.1, atol=0.03)


OPTIMISERS: dict[str, tuple[ptt.Optimiser, Callable[..., torch.optim.Optimizer]]] = {
    "sgd": (ptt.SGD(lr="lr"), torch.optim.SGD),
    "sgd, momentum": (
        ptt.SGD(lr="lr", momentum="m", weight_decay="wd"),
        lambda p, lr, m, wd: torch.optim.SGD(p, lr, momentum=m, weight_decay=wd),
    ),
    "sgd, nesterov": (
        ptt.SGD(lr="lr", momentum="m", nesterov=True),
        lambda p, lr, m, wd: torch.optim.SGD(p, lr, momentum=m, nesterov=True),
    ),
    "adam": (
        ptt.Adam(lr="lr", beta1="m", beta2="b", weight_decay="wd"),
        lambda p, lr, m, wd, b: torch.optim.Adam(p, lr, betas=(m, b), weight_decay=wd),
    ),
    "adamw": (
        ptt.AdamW(lr="lr", beta1="m", beta2="b", weight_decay="wd", eps=1e-6),
        lambda p, lr, m, wd, b: torch.optim.AdamW(p, lr, betas=(m, b), weight_decay=wd, eps=1e-6),
    ),
    "rmsprop": (
        ptt.RMSprop(lr="lr", alpha="b", weight_decay="wd"),
        lambda p, lr, m, wd, b: torch.optim.RMSprop(p, lr, alpha=b, weight_decay=wd),
    ),
    "rmsprop, momentum": (
        ptt.RMSprop(lr="lr", alpha="b", momentum="m"),
        lambda p, lr, m, wd, b: torch.optim.RMSprop(p, lr, alpha=b, momentum=m),
    ),
}
VALUES = {"lr": [0.02, 0.005, 0.01], "m": [0.9, 0.5, 0.1], "wd": [0.1, 0.0, 0.01], "b": [0.99, 0.9, 0.999]}


@pytest.mark.parametrize("clip", [None, [0.1, 100.0, 0.5]])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers_are_those_of_torch(name: str, clip: list[float] | None) -> None:
    ours, theirs = OPTIMISERS[name]
    case = CASES["linear"]
    if clip is not None:
        ours = type(ours)(**{**{f: getattr(ours, f) for f in ours.__dataclass_fields__}, "clip_norm": "clip"})
    names = [*theirs.__code__.co_varnames[1:]] if hasattr(theirs, "__code__") else ["lr"]
    form = make(case, optimiser=ours)
    form.configure(columns(**VALUES, clip=clip or [1.0] * 3))
    form.step(interval(steps=6))
    x, y = case.inputs(), torch.arange(6) % 3
    for row, seed in enumerate(SEEDS):
        seed_everything(seed)
        net = case.make()
        optimiser = theirs(net.parameters(), **{n: VALUES[n][row] for n in names})
        for _ in range(6):
            optimiser.zero_grad()
            F.cross_entropy(net(x), y).backward()  # type: ignore[no-untyped-call]
            if clip is not None:
                nn.utils.clip_grad_norm_(net.parameters(), clip[row])
            optimiser.step()
        for part, tensor in net.state_dict().items():
            torch.testing.assert_close(form.state_dict(row)["net"][part], tensor, rtol=1e-4, atol=1e-5)
