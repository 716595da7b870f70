"""Rows: copies, states, noise and data that do not depend on the rows beside them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import CASES, Case, floats
from test_agreement import columns, interval, make
from torch import nn

import poptrain as pt
import poptrain.torch as ptt
from poptrain.core.errors import HyperparameterNotApplied
from poptrain.torch.layout import Layout, Rows
from poptrain.torch.noise import Noise

CPU = torch.device("cpu")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=6, unique_by=lambda pair: pair[1]))
def test_copies_take_donors_as_they_were(pairs: list[tuple[int, int]]) -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    rows = Rows(Layout(net, ("moment",)), 6, CPU)
    for row in range(6):
        for tensor in rows.tensors.values():
            tensor[row].fill_(row)
        rows.moments["moment"][row].fill_(row)
        rows.steps[row] = row
    rows.copy([d for d, _ in pairs], [r for _, r in pairs])
    want = {row: row for row in range(6)} | {r: d for d, r in pairs}
    for row, source in want.items():
        for tensor in (*rows.tensors.values(), rows.moments["moment"], rows.steps):
            assert bool((tensor[row] == source).all())


@pytest.mark.parametrize("name", ["convolutions", "tied weights", "transformer"])
def test_a_row_goes_on_from_a_state_as_its_donor_does(name: str) -> None:
    form = make(CASES[name])
    form.configure(columns(lr=[0.01, 0.01, 0.01]))
    form.step(interval())
    form.load_state_dict(2, form.state_dict(0))
    form.copy([0], [1])
    form.step(pt.PopulationInterval(3, (4, 4, 4), (5, 5, 5)))
    first, second, third = (form.state_dict(row) for row in range(3))
    for part, tensor in first["net"].items():
        torch.testing.assert_close(second["net"][part], tensor, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(third["net"][part], tensor, rtol=1e-5, atol=1e-7)
    assert first["optimiser"]["step"] == second["optimiser"]["step"] == 7


def test_a_row_is_contiguous_memory() -> None:
    rows = Rows(Layout(CASES["linear"].make(), ("exp_avg", "exp_avg_sq")), 3, CPU)
    state = rows.state(1)
    tensors = [*state["net"].values(), state["optimiser"]["exp_avg"], state["optimiser"]["exp_avg_sq"]]
    begin = min(t.data_ptr() for t in tensors)
    end = max(t.data_ptr() + t.nbytes for t in tensors)
    assert end - begin == sum(t.nbytes for t in tensors) == rows.nbytes // 3


def test_noise_of_a_row_is_its_own() -> None:
    together, single = Noise(CPU, (4, 5, 6)), Noise(CPU, (5,))
    for shape in ((3,), (2, 2)):
        for normal in (False, True):
            want = single.draw(shape, torch.float32, normal=normal)[0]
            assert torch.equal(together.draw(shape, torch.float32, normal=normal)[1], want)
    with Noise(CPU, (7,)).active():
        inside = ptt.uniform_like(torch.zeros(100))
    assert float(inside.min()) >= 0
    assert float(inside.max()) < 1
    assert abs(float(ptt.normal_like(torch.zeros(10_000)).mean())) < 0.1  # outside of any training


def drawn(source: ptt.Batches, seeds: tuple[int, ...], starts: tuple[int, ...], steps: int) -> list[torch.Tensor]:
    batches = source.batches(pt.PopulationInterval(steps, starts, seeds), batch_size=4, parts=2, device=CPU)
    return [inputs for (inputs,) in batches]


def test_batches_of_a_row_are_its_own() -> None:
    source = ptt.Batches((torch.arange(50.0),))
    both, alone = drawn(source, (1, 2), (0, 8), 3), drawn(source, (2,), (8,), 3)
    assert len(both) == len(alone) == 6
    assert all(torch.equal(b[1], a[0]) for b, a in zip(both, alone, strict=True))
    assert not torch.equal(both[0][0], both[0][1])


def test_shared_batches_follow_the_step() -> None:
    source = ptt.Batches((torch.arange(50.0),), shared=True)
    whole = drawn(source, (1, 2), (0, 0), 4)
    late = drawn(source, (3, 4), (2, 0), 2)
    assert all(torch.equal(batch[0], batch[1]) for batch in whole)
    assert torch.equal(late[0][0], whole[4][0])
    assert torch.equal(late[0][1], whole[0][0])


def net(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Dropout(), nn.Linear(width, 3))


def study(tmp_path: Any, executor: Any, **options: Any) -> pt.Study:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 5, generator=generator)
    y = (x @ torch.randn(5, 3, generator=generator)).argmax(1)
    form = ptt.population(
        net=net,
        loss=ptt.CrossEntropy(),
        data=ptt.Batches((x[:150], y[:150]), batch_size="batch"),
        optimiser=ptt.Adam(lr="lr"),
        dropout="dropout",
        evaluate=ptt.Accuracy(x[150:], y[150:]),
    )
    space = {
        "lr": pt.Float(1e-4, 1e-1, log=True),
        "dropout": pt.Float(0.0, 0.6),
        "width": pt.Choice([4, 8], structural=True),
        "batch": pt.Choice([8, 16], structural=True),
    }
    return pt.tune(
        form,
        {**space, **options.pop("space", {})},
        directory=tmp_path / (executor if isinstance(executor, str) else "study"),
        metric="accuracy",
        population=8,
        intervals=4,
        interval_steps=10,
        executor=executor,
        **options,
    )


@pytest.mark.parametrize("executor", ["vectorised", "processes"])
def test_a_study_is_the_same_together_and_apart(executor: str, tmp_path: Any) -> None:
    want = study(tmp_path, "inline", seed=3)
    found = study(tmp_path, executor, workers=2, seed=3)
    assert found.copies == want.copies > 0
    assert [m.hparams for m in found.members()] == [m.hparams for m in want.members()]
    assert found.best.score == pytest.approx(want.best.score)
    assert want.best.score > 0.6


def test_the_best_network_is_loaded_by_torch(tmp_path: Any) -> None:
    best = study(tmp_path, pt.Vectorised(workers=0), seed=3).best
    module = net(int(str(best.hparams["width"])))
    module.load_state_dict(best.load()["net"])


def test_a_hyperparameter_nobody_reads_is_an_error(tmp_path: Any) -> None:
    with pytest.raises(HyperparameterNotApplied, match="hyperparameter spare was not read"):
        study(tmp_path, pt.Vectorised(workers=0), space={"spare": pt.Float(0.0, 1.0)})


def test_what_cannot_be_batched_trains_on_processes_by_default(tmp_path: Any) -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> Any:
            return self.out(x) if x.sum() > 0 else -self.out(x)

    case = Case(Branching, floats(6, 5))
    form = ptt.population(
        net=case.make,
        loss=ptt.CrossEntropy(),
        data=ptt.Batches((case.inputs(), torch.arange(6) % 3)),
        optimiser=ptt.Adam(lr="lr"),
        evaluate=ptt.Accuracy(case.inputs(), torch.arange(6) % 3),
    )
    space = {"lr": pt.Float(1e-3, 1e-1, log=True)}
    options: dict[str, Any] = {"metric": "accuracy", "population": 4, "intervals": 2, "interval_steps": 3, "workers": 1}
    with pytest.raises(pt.PoptrainError, match=r"the network \(Branching\) works for one member"):
        pt.tune(form, space, directory=tmp_path / "vectorised", executor="vectorised", **options)
    found = pt.tune(form, space, directory=tmp_path / "auto", **options)
    assert found.config.executor == "processes"
    assert "Branching) works for one member" in found.config.arrangement
