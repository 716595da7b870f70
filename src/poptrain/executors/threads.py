"""The number of threads that numeric libraries use in one process."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

__all__ = ["THREAD_VARIABLES", "limited_threads", "thread_environment"]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def thread_environment(threads: int) -> dict[str, str]:
    """Return the variables that limit a process that is about to be started to `threads` threads a library."""
    return dict.fromkeys(THREAD_VARIABLES, str(threads))


@contextlib.contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Limit torch, where it is loaded, to `threads` threads for the time being.

    Sums are split by the number of threads, so results to the last bit depend on it: every executor uses the same number.
    """
    torch = sys.modules.get("torch")
    before = None if torch is None else torch.get_num_threads()
    if torch is not None:
        torch.set_num_threads(threads)
    saved = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(thread_environment(threads))  # for a torch that the user's code loads only now
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        torch = sys.modules.get("torch")
        if torch is not None and before is not None:
            torch.set_num_threads(before)
