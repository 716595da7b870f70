"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("poptrain", deadline=None)  # on a busy machine any example may take long
settings.load_profile("poptrain")
