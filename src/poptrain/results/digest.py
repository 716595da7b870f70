"""One number for everything that a study did."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from poptrain.core.errors import StoreError
from poptrain.core.events import Replaced, Reported, Restarted, Saved
from poptrain.results.reading import Reader
from poptrain.store.checkpoints import Ref
from poptrain.store.journal import Journal

__all__ = ["digest_of", "saved_digest"]

_REPORT = msgspec.json.Decoder(Reported)
_COPY = msgspec.json.Decoder(Replaced)
_RESTART = msgspec.json.Decoder(Restarted)


def digest_of(reader: Reader, intervals: int) -> str:
    """Return a SHA-256 over reports, copies, restarts and final states, in the order of (interval, member).

    Args:
        reader: the study's.
        intervals: the most intervals that a member has completed.
    """
    sha = hashlib.sha256()
    with reader.open() as journal:
        for interval in range(intervals + 1):
            for data in _events(journal, Reported.kind, interval, reader.until):
                report = _REPORT.decode(data)
                _add(sha, "report", report.member, interval, report.score, sorted(report.hparams.items()))
            for data in _events(journal, Replaced.kind, interval, reader.until):
                copy = _COPY.decode(data)
                edge = (copy.donor, copy.donor_interval, copy.weights)
                _add(sha, "copy", copy.member, interval, *edge, sorted(copy.hparams.items()))
            for data in _events(journal, Restarted.kind, interval, reader.until):
                restart = _RESTART.decode(data)
                _add(sha, "restart", restart.member, interval, sorted(restart.hparams.items()))
        for ref in sorted(reader.commit.refs):
            _add(sha, "state", ref.member, ref.interval, saved_digest(journal, ref))
    return sha.hexdigest()


def saved_digest(journal: Journal, ref: Ref) -> str:
    """Return the SHA-256 that a state's file had when it was saved.

    Raises:
        StoreError: the journal does not know the state.
    """
    rows = journal.query(
        "SELECT data FROM events WHERE member = ? AND kind = ? AND interval = ? ORDER BY seq DESC LIMIT 1",
        (ref.member, Saved.kind, ref.interval),
    )
    if not rows:
        raise StoreError(f"the journal never saved the state {ref.name} that its snapshot names: restore it from a backup")
    return msgspec.json.decode(rows[0][0], type=Saved).digest


def _events(journal: Journal, kind: str, interval: int, until: int) -> list[str]:
    rows = journal.query(
        "SELECT data FROM events INDEXED BY events_by_kind WHERE kind = ? AND interval = ? AND seq <= ? ORDER BY member, seq",
        (kind, interval, until),
    )
    return [row[0] for row in rows]


def _add(sha: Any, *values: Any) -> None:
    sha.update(json.dumps(values).encode() + b"\n")
