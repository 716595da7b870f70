"""`poptrain translate`: use the best translator of a study."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from poptrain.cli.options import StudyArgument, check_study
from poptrain.cli.terminal import say
from poptrain.core.errors import ConfigError, MissingExtra
from poptrain.results import Study

if TYPE_CHECKING:
    from poptrain.tasks.translation.translator import Translator

__all__ = ["translate"]

_BATCH = 64


def translate(directory: StudyArgument) -> None:
    """Translate standard input, line by line, with the best model of a translation study."""
    study = Study.open(check_study(directory))
    if study.config.code.target != "translation":
        raise ConfigError(f"{directory} is not a study of the translation task, it trains {study.name!r}: name another one")
    try:
        from poptrain.tasks.translation.translator import Translator
    except ImportError:
        raise MissingExtra("translation", "translation") from None
    translator = Translator.best(study)
    typing = sys.stdin.isatty()
    if typing:
        say("type a sentence and press Enter; Ctrl-D ends", err=True)
    for batch in _batches((line.rstrip("\r\n") for line in sys.stdin), 1 if typing else _BATCH):
        for line in translate_lines(translator, batch):
            say(line)


def translate_lines(translator: Translator, lines: list[str]) -> list[str]:
    """Return one line for each; empty ones stay empty."""
    full = [i for i, line in enumerate(lines) if line.strip()]
    found = [""] * len(lines)
    for i, text in zip(full, translator.translate([lines[i] for i in full]) if full else [], strict=True):
        found[i] = text
    return found


def _batches(lines: Iterable[str], count: int) -> Iterator[list[str]]:
    rest = iter(lines)
    while batch := list(islice(rest, count)):
        yield batch
