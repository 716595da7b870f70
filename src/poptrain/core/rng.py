"""Randomness by key: every draw comes from a generator named by (seed, purpose, member, interval).

No stream lives longer than the decision or interval it serves, so a draw depends neither on who trained what where, nor on
what was drawn before, nor on a crash in between.
"""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Keys", "seed_everything"]

_WORD = 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True, slots=True)
class Keys:
    """A family of generators derived from one seed.

    Example:
        >>> Keys(0).generator("explore", member=3, interval=7).random() == \
            Keys(0).generator("explore", member=3, interval=7).random()
        True
        >>> Keys(0).integer("train", 1, 2) == Keys(0).integer("train", 2, 1)
        False
    """

    seed: int

    def integer(self, purpose: str, member: int = -1, interval: int = -1) -> int:
        """Return the 128-bit integer that belongs to the key."""
        text = f"{self.seed}/{purpose}/{member}/{interval}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")

    def generator(self, purpose: str, member: int = -1, interval: int = -1) -> np.random.Generator:
        """Return a fresh generator (Philox) that belongs to the key; -1 stands for 'no member' or 'no interval'."""
        return np.random.Generator(np.random.Philox(key=self.integer(purpose, member, interval)))

    def generators(self, purpose: str, interval: int = -1) -> Callable[[int], np.random.Generator]:
        """Return a function from member to the generator that `generator` would return, for many members of one interval.

        It hands out one and the same object, set to another key at every call, so that the one before is no longer good. That
        takes a fifth of the time of making a new one.
        """
        philox = np.random.Philox(key=0)
        shared = np.random.Generator(philox)
        start = philox.state

        def of(member: int) -> np.random.Generator:
            key = self.integer(purpose, member, interval)
            start["state"]["key"] = np.array([key & _WORD, key >> 64], dtype=np.uint64)
            philox.state = start
            return shared

        return of


def seed_everything(key: int) -> None:
    """Set the global random states of Python, NumPy and, where it is loaded, torch (all devices) from one integer."""
    random.seed(key)
    # The legacy global state is seeded on purpose: it is the one that users' code and libraries draw from.
    np.random.seed(key & 0xFFFFFFFF)
    torch = sys.modules.get("torch")
    if torch is not None:
        _seed_torch(torch, key & 0x7FFFFFFFFFFFFFFF)


def _seed_torch(torch: Any, key: int) -> None:
    """Do what `torch.manual_seed` does, for the devices there are.

    torch also looks for every kind of device that it knows, and notes a stack trace for each that might appear later: 1.5 ms a
    call, at every interval of every member.
    """
    torch.default_generator.manual_seed(key)
    for kind in ("cuda", "xpu", "mps"):
        module = getattr(torch, kind, None)
        if module is not None and module.is_available():
            getattr(module, "manual_seed_all", module.manual_seed)(key)
