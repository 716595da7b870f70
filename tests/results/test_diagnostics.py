"""What looks wrong with a study is said where it is wrong, and only there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from journals import StudyWriter, random_history, write

from poptrain.core.events import Failed, HeldOut, Replaced, Restarted, Started
from poptrain.core.values import Value
from poptrain.results import Study
from poptrain.results.analysis import founders, gains, noise_of
from poptrain.store.checkpoints import Ref

Hparams = Callable[[int, int], dict[str, Value]]


def apart(member: int, interval: int) -> dict[str, Value]:
    return {"lr": 10.0 ** -(1 + member % 3), "dropout": 0.05 * (member % 9 + 1)}


def study(
    folder: Path,
    scores: Sequence[Sequence[float | None]],
    *,
    hparams: Hparams = apart,
    events: Sequence[Any] = (),
    best: tuple[int, int] | None = None,
    intervals: int | None = None,
    **changes: Any,
) -> Study:
    """Write and open a study of scores (members, intervals)."""
    writer = StudyWriter(folder, population=len(scores), intervals=intervals or len(scores[0]), **changes)
    writer.add(*(Started(member=m, hparams=hparams(m, 1)) for m in range(len(scores))))
    for i in range(len(scores[0])):
        for m, row in enumerate(scores):
            writer.report(m, i + 1, row[i], hparams(m, i + 1))
        writer.add(*(event for event in events if event.interval == i + 1))
    if best is not None:
        writer.best = (Ref(*best), hparams(*best))
    writer.finish()
    return Study.open(folder)


def rising(members: int, intervals: int) -> list[list[float]]:
    return [[float(m + 10 * i) for i in range(intervals)] for m in range(members)]


def copy(member: int, interval: int, donor: int) -> Replaced:
    common: dict[str, Any] = {"hparams": apart(member, interval), "weights": True, "because": "worst"}
    return Replaced(member=member, interval=interval, donor=donor, donor_interval=interval, **common)


def kinds(found: Study) -> list[str]:
    return [one.kind for one in found.diagnoses()]


def test_nothing_is_wrong_with_a_population_that_rises(tmp_path: Path) -> None:
    assert kinds(study(tmp_path, rising(6, 12), best=(5, 12))) == []


def test_a_study_without_a_report_has_nothing_wrong_with_it(tmp_path: Path) -> None:
    writer = StudyWriter(tmp_path)
    writer.close()
    assert kinds(Study.open(tmp_path)) == []


@pytest.mark.parametrize(("interval", "said"), [(2, True), (7, False)])
def test_one_ancestor_early_is_diversity_lost(tmp_path: Path, interval: int, said: bool) -> None:
    found = study(tmp_path, rising(4, 12), events=[copy(m, interval, 3) for m in range(3)])
    assert ("diversity" in kinds(found)) is said
    if said:
        assert "in interval 3 of 12" in found.diagnoses()[0].text


def test_a_restart_is_another_ancestor(tmp_path: Path) -> None:
    again = Restarted(member=0, interval=3, hparams=apart(0, 3), because="new blood")
    found = study(tmp_path, rising(4, 12), events=[*(copy(m, 2, 3) for m in range(2)), copy(2, 2, 3), again])
    assert found.ancestors_alive.tolist() == [4, 4, 1, *[2] * 9]


@pytest.mark.parametrize(("after", "said"), [(2, True), (8, False)])
def test_a_hyperparameter_that_collapses_early_is_greediness(tmp_path: Path, after: int, said: bool) -> None:
    def hparams(member: int, interval: int) -> dict[str, Value]:
        return {"lr": 0.01 if interval > after else 10.0 ** -(member % 4), "dropout": 0.05 * member}

    found = study(tmp_path, rising(6, 16), hparams=hparams)
    assert kinds(found) == (["greediness"] if said else [])
    if said:
        assert "lr (spread 0 of" in found.diagnoses()[0].text
        assert "dropout" not in found.diagnoses()[0].text


def test_scores_that_are_chance_are_noise(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    chance = rng.standard_normal((12, 20))
    assert kinds(study(tmp_path / "chance", chance.tolist())) == ["noise"]
    quality = np.arange(12)[:, None] + 0.1 * chance
    assert kinds(study(tmp_path / "quality", quality.tolist())) == []


def test_noise_is_the_deviation_of_one_score(tmp_path: Path) -> None:
    chance = 3.0 * np.random.default_rng(2).standard_normal((30, 60))
    found = study(tmp_path, chance.tolist())
    noise = noise_of(found.record, found.lineage)
    assert noise is not None
    assert noise.deviation == pytest.approx(3.0, rel=0.1)
    assert abs(noise.agreement) < 0.1


def test_a_winning_schedule_at_a_bound_is_said_once_for_each(tmp_path: Path) -> None:
    def hparams(member: int, interval: int) -> dict[str, Value]:
        return {"lr": 1.0 if interval > 4 else 0.1 + 0.01 * member, "dropout": 0.1 * member}

    found = study(tmp_path, rising(3, 8), hparams=hparams, best=(2, 8))
    (one,) = found.diagnoses()
    assert (one.kind, "lr at its upper bound 1 for 50% of its steps" in one.text) == ("bound", True)
    assert kinds(study(tmp_path / "less", rising(3, 6), hparams=hparams, best=(2, 6))) == []


@pytest.mark.parametrize(
    ("mode", "held", "said"),
    [("max", 50.0, True), ("max", 52.0, False), ("max", 80.0, False), ("min", 60.0, True), ("min", 40.0, False)],
)
def test_a_selection_score_far_from_the_held_out_one(tmp_path: Path, mode: str, held: float, said: bool) -> None:
    measured = HeldOut(member=2, interval=6, metrics={"score": held})
    found = study(tmp_path, [*rising(2, 6), [50.0, 50.0, 50.0, 50.0, 50.0, 53.0]], events=[measured], best=(2, 6), mode=mode)
    assert (kinds(found) == ["held-out"]) is said


def test_a_held_out_score_in_another_metric_or_of_another_checkpoint_is_not_compared(tmp_path: Path) -> None:
    other = HeldOut(member=2, interval=6, metrics={"bleu": 1.0})
    assert kinds(study(tmp_path / "a", rising(3, 6), events=[other], best=(2, 6))) == []
    earlier = HeldOut(member=2, interval=5, metrics={"score": 1.0})
    assert kinds(study(tmp_path / "b", rising(3, 6), events=[earlier], best=(2, 6))) == []


def test_many_failures_are_said_with_their_reasons(tmp_path: Path) -> None:
    failures = [Failed(member=m, interval=2, reason="diverged", detail="nan") for m in range(3)]
    (one,) = study(tmp_path / "many", rising(4, 4), events=failures).diagnoses()
    assert (one.kind, "3 failures in 16" in one.text, "learning rate" in one.remedy) == ("failures", True, True)
    assert kinds(study(tmp_path / "one", rising(4, 4), events=failures[:1])) == []


@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_founders_are_those_of_the_lineage(tmp_path: Path, seed: int, synchronous: bool) -> None:
    history = random_history(seed, population=5, turns=9 if synchronous else 60, synchronous=synchronous)
    best = next((r.member, r.interval) for r in reversed(history.reports) if r.metrics)
    write(history, tmp_path, best)
    found = Study.open(tmp_path)
    ours = founders(found.lineage, found.record.intervals)
    for m, done in enumerate(found.completed):
        for i in range(1, done + 1):
            assert ours[m, i] == found.lineage.founder(m, i)


def test_a_gain_is_over_the_weights_that_an_interval_began_with(tmp_path: Path) -> None:
    again = Restarted(member=1, interval=2, hparams=apart(1, 2), because="new")
    found = study(tmp_path, [[1.0, 2.0, 9.0], [5.0, 7.0, 1.0], [6.0, None, 7.0]], events=[copy(0, 2, 1), again])
    expected = [[np.nan, 1.0, 2.0], [np.nan, 2.0, np.nan], [np.nan, np.nan, np.nan]]
    np.testing.assert_array_equal(gains(found.record, found.lineage), expected)
