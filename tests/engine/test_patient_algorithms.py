"""Every algorithm on real executors: the same study in step, and one that ends out of step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from studies import history, run

import poptrain as pt
from poptrain.engine.signals import Interrupts
from poptrain.strategies import MFPBT, FirePBT, Pairwise, Restarts, Swarm, exploit

ALGORITHMS: dict[str, Any] = {
    "MF-PBT": MFPBT(periods=(1, 3)),
    "FIRE-PBT": FirePBT(evaluation=2, significance=0.6),
    "restarts": Restarts(inner=pt.PBT(exploit=exploit.truncation(0.25)), patience=1, window=1, least_rise=5.0),
    "pairwise": Pairwise(),
    "swarm": Swarm(),
}
SIZES: dict[str, Any] = {"population": 8, "intervals": 10}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_in_step_the_result_depends_on_the_seed_alone(name: str, tmp_path: Path) -> None:
    options = {**SIZES, "algorithm": ALGORITHMS[name]}
    want = run(tmp_path / "inline", **options)
    assert want.copies
    assert bool(want.lineage.restarts) == (name == "restarts")
    spread = run(tmp_path / "processes", executor=pt.Processes(workers=3), durability=0.01, **options)
    assert spread.digest() == want.digest()
    interrupts = Interrupts()

    def watch(progress: Any) -> None:
        interrupts.requested = progress.interval >= 5

    assert run(tmp_path / "stopped", observer=watch, interrupts=interrupts, **options).status == "paused"
    assert run(tmp_path / "stopped", **options).digest() == want.digest()
    assert history(tmp_path / "stopped") == history(tmp_path / "inline")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_out_of_step_studies_end(name: str, tmp_path: Path) -> None:
    pace = pt.Simulated(workers=3, duration=lambda member, interval, hparams: 1.0 + 0.37 * member)
    for executor in (pace, pt.Processes(workers=2)):
        directory = tmp_path / type(executor).__name__
        study = run(directory, algorithm=ALGORITHMS[name], executor=executor, synchronous=False, **SIZES)
        assert study.status == "finished"
        assert study.completed == (10,) * 8
        assert study.copies
