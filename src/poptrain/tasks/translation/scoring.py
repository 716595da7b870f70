"""BLEU and chrF by sacreBLEU, always with their signatures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from poptrain.core.errors import MissingExtra

__all__ = ["Score", "bleu", "chrf"]


@dataclass(frozen=True, slots=True)
class Score:
    """A corpus score in [0, 100], and the signature that says how it was computed; compare equal signatures only."""

    value: float
    signature: str


def bleu(hypotheses: Sequence[str], references: Sequence[str], *, tokenize: str = "13a") -> Score:
    """Return corpus BLEU (Papineni et al., 2002) of one reference a sentence.

    Args:
        hypotheses, references: equally many sentences, not tokenised.
        tokenize: sacreBLEU's tokeniser; "13a" is the usual one, "char" suits languages without spaces.

    References:
        Post (2018), A Call for Clarity in Reporting BLEU Scores.
    """
    metrics = _sacrebleu()
    metric = metrics.BLEU(tokenize=tokenize)
    found = metric.corpus_score(list(hypotheses), [list(references)])
    return Score(float(found.score), str(metric.get_signature()))


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    """Return corpus chrF2 (Popovic, 2015)."""
    metrics = _sacrebleu()
    metric = metrics.CHRF()
    found = metric.corpus_score(list(hypotheses), [list(references)])
    return Score(float(found.score), str(metric.get_signature()))


def _sacrebleu() -> Any:
    try:
        from sacrebleu import metrics
    except ImportError:
        raise MissingExtra("BLEU", "translation") from None
    return metrics
