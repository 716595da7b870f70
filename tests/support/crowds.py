"""Large studies written straight into a journal, as quickly as SQLite takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from journals import STEPS, StudyWriter

from poptrain.core.events import Replaced, Reported, Started
from poptrain.core.values import Value
from poptrain.store.checkpoints import Ref


def crowd(folder: Path, *, members: int, intervals: int, seed: int = 0) -> Path:
    """Write a finished study in which a fifth of the members copies another fifth after every interval."""
    rng = np.random.default_rng(seed)
    writer = StudyWriter(folder, population=members, intervals=intervals)
    lr, dropout, skill = 10.0 ** rng.uniform(-4, 0, members), rng.uniform(0, 0.5, members), np.zeros(members)
    writer.add(*(Started(member=m, hparams=_hparams(lr, dropout, m)) for m in range(members)))
    best: tuple[float, Ref, dict[str, Value]] | None = None
    for i in range(1, intervals + 1):
        skill += np.exp(-np.abs(np.log10(lr) + 2.0)) + 0.1 * rng.standard_normal(members)
        for m in range(members):
            times = {"began": float(10 * i), "ended": 10 * i + 8.0, "evaluate_seconds": 1.0, "worker": m % 8}
            score, hparams = float(skill[m]), _hparams(lr, dropout, m)
            report = Reported(
                member=m,
                interval=i,
                score=score,
                metrics={"score": score},
                hparams=hparams,
                steps=STEPS,
                **times,  # type: ignore[arg-type]
            )
            writer.add(report)
            if best is None or score > best[0]:
                best = (score, Ref(m, i), hparams)
        order = np.argsort(skill)
        fifth = members // 5
        for loser, winner in zip(order[:fifth].tolist(), order[-fifth:].tolist(), strict=True) if i < intervals else ():
            skill[loser], lr[loser] = skill[winner], float(np.clip(lr[winner] * rng.choice([0.8, 1.2]), 1e-4, 1.0))
            edge = Replaced(
                member=loser,
                interval=i,
                donor=winner,
                donor_interval=i,
                hparams=_hparams(lr, dropout, loser),
                weights=True,
                because="it was among the worst",
            )
            writer.add(edge)
        if i % 50 == 0:
            writer.commit()
    assert best is not None
    writer.best = best[1:]
    writer.finish()
    return folder


def _hparams(lr: np.ndarray[tuple[int], np.dtype[np.float64]], dropout: object, m: int) -> dict[str, Value]:
    return {"lr": float(lr[m]), "dropout": float(dropout[m])}  # type: ignore[index]
