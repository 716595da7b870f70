"""What the diagnostics found in the studies of a comparison, once for each method."""

from __future__ import annotations

from dataclasses import dataclass

from poptrain.comparison.campaign import Campaign
from poptrain.results.diagnostics import diagnose

__all__ = ["Warned", "warnings_of"]


@dataclass(frozen=True, slots=True)
class Warned:
    """One kind of warning about one method.

    Args:
        method: its name.
        kind: what it is about.
        seeds: seeds of the studies that it is about.
        text: what was found in the first of them.
        remedy: what to try.
    """

    method: str
    kind: str
    seeds: tuple[int, ...]
    text: str
    remedy: str


def warnings_of(campaign: Campaign) -> list[Warned]:
    """Return the warnings of all finished studies, in the order of the methods."""
    found = []
    for method in campaign.terms.methods:
        by_kind: dict[str, list[tuple[int, str, str]]] = {}
        for study in campaign.studies(method):
            for one in diagnose(study):
                seeds = [seed for seed, _, _ in by_kind.get(one.kind, [])]
                if study.config.seed not in seeds:
                    by_kind.setdefault(one.kind, []).append((study.config.seed, one.text, one.remedy))
        for kind, cases in by_kind.items():
            found.append(Warned(method, kind, tuple(seed for seed, _, _ in cases), cases[0][1], cases[0][2]))
    return found
