"""The same seed gives the same study, whoever trains it, however often it stops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from studies import OPTIONS, climb, history, run

import poptrain as pt
from poptrain.core.tree import difference
from poptrain.executors import Processes, Simulated


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("reference") / "study"
    run(directory)
    return directory


EXECUTORS: dict[str, Any] = {
    "inline, one body": {"bodies": 1},
    "inline, waiting for the disk": {"durability": 0},
    "inline, never saving between": {"durability": 1e6},
    "simulated, 3 workers": {"executor": lambda: Simulated(workers=3, duration=lambda m, i, h: 1.0 + m)},
    "processes, 1 worker": {"executor": lambda: Processes(workers=1)},
    "processes, 2 workers": {"executor": lambda: Processes(workers=2)},
    "processes, 2 workers, one body each": {"executor": lambda: Processes(workers=2), "bodies": 1},
    "processes, 4 workers": {"executor": lambda: Processes(workers=4)},
    "processes, waiting for the disk": {"executor": lambda: Processes(workers=2), "durability": 0},
}


@pytest.mark.parametrize("name", EXECUTORS)
def test_the_same_seed_gives_the_same_history(name: str, reference: Path, tmp_path: Path) -> None:
    options = dict(EXECUTORS[name])
    if "executor" in options:
        options["executor"] = options["executor"]()
    study = run(tmp_path / "study", **options)
    assert history(tmp_path / "study") == history(reference)
    assert study.digest() == pt.Study.open(reference).digest()
    best, want = study.best, pt.Study.open(reference).best
    assert difference(best.load(), want.load()) is None


def test_the_reference_has_copies_and_gets_better(reference: Path) -> None:
    study = pt.Study.open(reference)
    assert study.copies >= 4
    assert study.status == "finished"


def test_another_seed_gives_another_history(reference: Path, tmp_path: Path) -> None:
    run(tmp_path / "study", seed=4)
    assert history(tmp_path / "study") != history(reference)


def test_a_finished_study_is_returned_at_once(reference: Path) -> None:
    before = history(reference)
    run(reference)
    assert history(reference) == before


def test_more_intervals_go_on_as_if_asked_for_at_first(tmp_path: Path) -> None:
    run(tmp_path / "long", intervals=8)
    run(tmp_path / "raised", intervals=5)
    study = run(tmp_path / "raised", intervals=8)
    # The last interval of the shorter study decided nothing, so the copies of that interval are missing.
    first = [row for row in history(tmp_path / "raised") if row[0] < 5]
    assert first == [row for row in history(tmp_path / "long") if row[0] < 5]
    assert study.status == "finished"


def torch_train(member: pt.Member) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(16, 1))
    opt = torch.optim.Adam(net.parameters())
    member.register(net=net, opt=opt)
    member.bind(opt, lr="pace")
    member.bind(net[2], p="noise")
    for interval in member.intervals():
        net.train()
        for _ in range(interval.steps):
            x = torch.randn(32, 8)
            opt.zero_grad()
            (net(x) - x.sum(1, keepdim=True)).square().mean().backward()
            opt.step()
        with torch.no_grad():
            x = torch.linspace(-1, 1, 80).reshape(10, 8)
            member.report(height=-(net.eval()(x) - x.sum(1, keepdim=True)).square().mean().item())


def test_torch_members_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"bodies": 1},
        {"executor": Processes(workers=2)},
        {"executor": Processes(workers=2), "bodies": 1, "durability": 0},
    ]
    digests = {run(tmp_path / str(i), torch_train, **options).digest() for i, options in enumerate(settings)}
    assert len(digests) == 1


def test_asynchronous_studies_end_with_every_interval_done(tmp_path: Path) -> None:
    for name, executor in {"a": Processes(workers=2), "b": Simulated(workers=2), "c": pt.Inline()}.items():
        study = run(tmp_path / name, synchronous=False, executor=executor)
        reports = [row for row in history(tmp_path / name) if row[1] == 0]
        assert len(reports) == OPTIONS["population"] * OPTIONS["intervals"]
        assert study.status == "finished"
        assert study.copies > 0


def test_simulated_asynchronous_studies_are_repeatable(tmp_path: Path) -> None:
    def simulate(name: str) -> list[Any]:
        pace = Simulated(workers=2, duration=lambda member, interval, hparams: 1.0 + 0.3 * member)
        run(tmp_path / name, climb, synchronous=False, executor=pace)
        return history(tmp_path / name)

    assert simulate("a") == simulate("b")
