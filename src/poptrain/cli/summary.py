"""What a study came to, as text and as JSON."""

from __future__ import annotations

import shlex
from typing import Any

from poptrain.cli.terminal import aligned, columns, counted, duration, labelled, number, packed
from poptrain.core.values import Hparams
from poptrain.results import Study
from poptrain.results.sparkline import number_text

__all__ = ["as_json", "hparams_text", "logarithmic", "result_lines", "score_lines", "standing_lines"]


def result_lines(study: Study) -> list[str]:
    """Return the result: what `score_lines` returns, and the schedule."""
    lines, schedule = score_lines(study), study.schedule
    if not schedule.spans:
        return lines
    course = schedule.render(logarithmic(study)).splitlines()
    return [*lines, f"schedule over the {schedule.steps} steps that made it", *(f"  {line}" for line in course)]


def score_lines(study: Study) -> list[str]:
    """Return selection score and held-out score, each called what it is, hyperparameters and model of the best checkpoint."""
    if not study.scored:
        return ["no member has a score yet"]
    best, metric = study.best, study.config.metric
    pairs = [
        ("best selection score", f"{metric} {number(best.score)}  (m{best.member} after interval {best.interval})"),
        ("held-out score", _held_out(study)),
        ("hyperparameters", hparams_text(best.hparams)),
        ("model", str(best.path)),
    ]
    return labelled(pairs)


def standing_lines(study: Study) -> list[str]:
    """Return how far the study is."""
    config = study.config
    done, total = sum(study.completed), config.population * config.intervals
    each = f"{counted(config.population, 'member')}, {counted(config.intervals, 'interval')} each"
    direction = "higher" if config.mode == "max" else "lower"
    why = {
        "finished": f" ({study.because})",
        "running": "",
    }.get(study.status, f" (go on with: poptrain resume {shlex.quote(str(study.directory))})")
    failures = f", {counted(len(study.failures), 'failure')}" if study.failures else ""
    pairs = [
        ("study", f"{study.name} in {study.directory}"),
        ("status", f"{study.status}{why}"),
        ("intervals", f"{done} of {total} ({done / total:.0%}): {each}"),
        ("trained", f"{study.steps} steps in {duration(study.seconds)}, {counted(study.copies, 'copy', 'copies')}{failures}"),
        ("selection", f"by {config.metric}, {direction} is better"),
    ]
    return labelled(pairs)


def as_json(study: Study) -> dict[str, Any]:
    """Return what the study is and came to, as JSON."""
    config, held = study.config, study.held_out
    return {
        "name": study.name,
        "directory": str(study.directory),
        "status": study.status,
        "because": study.because,
        "metric": config.metric,
        "mode": config.mode,
        "population": config.population,
        "intervals": config.intervals,
        "interval_steps": config.interval_steps,
        "seed": config.seed,
        "completed": min(study.completed, default=0),
        "steps": study.steps,
        "seconds": study.seconds,
        "copies": study.copies,
        "failures": len(study.failures),
        "best": _best(study) if study.scored else None,
        "held_out": None
        if held is None
        else {"member": held.member, "interval": held.interval, "metrics": dict(held.metrics), "notes": dict(held.notes)},
    }


def hparams_text(hparams: Hparams) -> str:
    """Return hyperparameters in lines that fit beside a label."""
    return packed((f"{name}={number_text(value)}" for name, value in hparams.items()), width=columns() - 22) or "none"


def logarithmic(study: Study) -> list[str]:
    """Return the names of the hyperparameters with a logarithmic domain."""
    return [name for name, domain in study.space.items() if domain.to_json().get("log")]


def _best(study: Study) -> dict[str, Any]:
    best = study.best
    return {
        "member": best.member,
        "interval": best.interval,
        "selection_score": best.score,
        "hparams": dict(best.hparams),
        "model": str(best.path),
    }


def _held_out(study: Study) -> str:
    held, best = study.held_out, study.best
    if held is None:
        return "not measured; the selection score is the best of many, so it flatters"
    text = "  ".join(f"{name} {number(value)}" for name, value in held.metrics.items())
    if (held.member, held.interval) != (best.member, best.interval):
        text += f"  (of m{held.member} after interval {held.interval}, which is not the best any more)"
    notes = aligned((f"  {name}:", value) for name, value in held.notes.items())
    return "\n".join([text, *notes])
