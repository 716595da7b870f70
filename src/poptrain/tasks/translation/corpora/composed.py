"""The built-in corpus: phrases composed from the Unicode CLDR's translations, which Babel brings along.

CLDR holds, for hundreds of languages, how people write dates, times and durations, amounts of money and measures, and what they
call territories and languages. A phrase is drawn once and rendered in both languages; two to three phrases make a sentence.
Translations are right by construction, and a translator has real things to learn: words, inflection, order, number formats.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from poptrain.core.errors import DataError, MissingExtra
from poptrain.tasks.translation.corpora.base import Corpus, Pair, split_by_source

__all__ = ["compose"]

Draw = Callable[[np.random.Generator, "Side", "Side"], Pair]

_UNITS = (
    *("length-meter", "length-kilometer", "length-centimeter", "mass-kilogram", "mass-gram", "volume-liter"),
    *("duration-second", "duration-minute", "duration-hour", "duration-day", "duration-week", "duration-month"),
    *("duration-year", "temperature-celsius", "area-square-meter", "speed-kilometer-per-hour", "digital-megabyte"),
)
_CURRENCIES = ("EUR", "USD", "GBP", "JPY", "CHF", "CNY", "INR", "BRL")
_SEPARATOR = "; "
_CODES: dict[Any, list[str]] = {}


def compose(
    source: str = "en", target: str = "de", *, pairs: int = 24_000, validation: int = 500, test: int = 500, seed: int = 0
) -> Corpus:
    """Return a corpus of composed phrases.

    Args:
        source, target: languages that Babel knows, such as "en" and "de" or "pt_BR".
        pairs: distinct pairs in all, training, validation and test together.
        validation, test: pairs in these parts.
        seed: decides everything.

    Raises:
        DataError: a language is unknown, or there are not so many distinct pairs.
        MissingExtra: Babel is not installed.
    """
    sides = Side(source), Side(target)
    if source == target:
        raise DataError(f"source and target must be two languages, got {source!r} twice")
    rng = np.random.default_rng(seed)
    found: dict[Pair, None] = {}
    sources: set[str] = set()
    targets: set[str] = set()
    for _ in range(20 * pairs):
        if len(found) == pairs:
            break
        pair = _sentence(rng, *sides)
        # One sentence, one translation: otherwise the two sides of a split could share one.
        if pair[0] not in sources and pair[1] not in targets:
            found[pair] = None
            sources.add(pair[0])
            targets.add(pair[1])
    if len(found) < pairs:
        raise DataError(f"only {len(found)} distinct pairs can be composed for {source}-{target}: ask for fewer than {pairs}")
    split = split_by_source(list(found), validation=validation, test=test, seed=seed)
    return Corpus(*split, source, target, f"phrases composed from CLDR data (Babel), {source} to {target}")


class Side:
    """One language: how it writes things. Renderings are remembered, as Babel's are slow."""

    def __init__(self, language: str) -> None:
        babel = _babel()
        try:
            self.locale = babel.Locale.parse(language)
        except (babel.UnknownLocaleError, ValueError, TypeError) as error:
            known = babel.localedata.locale_identifiers()
            near = get_close_matches(str(language), known, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else "use a code such as en, de, fr or pt_BR"
            raise DataError(f"Babel knows no language {language!r}: {hint}") from error
        self.date = lru_cache(None)(self._date)
        self.unit = lru_cache(None)(self._unit)
        self.money = lru_cache(None)(self._money)

    def _date(self, day: datetime.date, style: str) -> str:
        from babel.dates import format_date

        return str(format_date(day, style, locale=self.locale))

    def _unit(self, number: float, unit: str) -> str:
        from babel.units import format_unit

        return str(format_unit(number, unit, locale=self.locale))

    def _money(self, amount: float, code: str) -> str:
        from babel.numbers import format_currency

        return str(format_currency(amount, code, locale=self.locale, format_type="name"))

    def time(self, time: datetime.time) -> str:
        """Return a time of day."""
        from babel.dates import format_time

        return str(format_time(time, "short", locale=self.locale))

    def ago(self, delta: datetime.timedelta) -> str:
        """Return a span of time before or after now."""
        from babel.dates import format_timedelta

        return str(format_timedelta(delta, threshold=1.0, add_direction=True, locale=self.locale))

    def enumeration(self, items: list[str], style: Literal["standard", "or"]) -> str:
        """Return an enumeration."""
        from babel.lists import format_list

        return str(format_list(items, style, locale=self.locale))


def _babel() -> Any:
    try:
        import babel
        import babel.localedata
    except ImportError:
        raise MissingExtra("the built-in corpus", "translation") from None
    return babel


def _date(rng: np.random.Generator, a: Side, b: Side) -> Pair:
    day = datetime.date(1950, 1, 1) + datetime.timedelta(int(rng.integers(100 * 365)))
    style = ("full", "long", "medium")[int(rng.integers(3))]
    return a.date(day, style), b.date(day, style)


def _moment(rng: np.random.Generator, a: Side, b: Side) -> Pair:
    time = datetime.time(int(rng.integers(24)), int(rng.integers(60)))
    return a.time(time), b.time(time)


def _span(rng: np.random.Generator, a: Side, b: Side) -> Pair:
    seconds = int(np.exp(rng.uniform(np.log(60), np.log(3e8))))
    delta = datetime.timedelta(seconds=seconds if rng.random() < 0.5 else -seconds)
    return a.ago(delta), b.ago(delta)


def _measure(rng: np.random.Generator, a: Side, b: Side) -> Pair:
    unit = _UNITS[int(rng.integers(len(_UNITS)))]
    number = int(rng.integers(1, 100)) if rng.random() < 0.7 else round(float(rng.uniform(1, 100)), 1)
    return a.unit(number, unit), b.unit(number, unit)


def _money(rng: np.random.Generator, a: Side, b: Side) -> Pair:
    code = _CURRENCIES[int(rng.integers(len(_CURRENCIES)))]
    amount = int(rng.integers(1, 1000)) * int(10 ** rng.integers(0, 4))
    return a.money(amount, code), b.money(amount, code)


def _names(rng: np.random.Generator, a: Side, b: Side, kind: str) -> Pair:
    names_a, names_b = getattr(a.locale, kind), getattr(b.locale, kind)
    codes = _codes(a, b, kind)
    count = int(rng.integers(1, 4))
    chosen = [codes[int(i)] for i in rng.choice(len(codes), count, replace=False)]
    style: Literal["standard", "or"] = "or" if rng.random() < 0.25 else "standard"
    return a.enumeration([names_a[c] for c in chosen], style), b.enumeration([names_b[c] for c in chosen], style)


def _codes(a: Side, b: Side, kind: str) -> list[str]:
    """Return the codes of two letters that both languages have a name for."""
    key = (a.locale, b.locale, kind)
    if key not in _CODES:
        there = getattr(b.locale, kind)
        _CODES[key] = [c for c in sorted(getattr(a.locale, kind)) if len(c) == 2 and c.isalpha() and c in there]
    return _CODES[key]


def _territories(rng: np.random.Generator, a: Side, b: Side) -> Pair:
    return _names(rng, a, b, "territories")


def _languages(rng: np.random.Generator, a: Side, b: Side) -> Pair:
    return _names(rng, a, b, "languages")


_DRAWS: tuple[tuple[Draw, float], ...] = (
    (_date, 0.22),
    (_moment, 0.08),
    (_span, 0.12),
    (_measure, 0.2),
    (_money, 0.12),
    (_territories, 0.15),
    (_languages, 0.11),
)
_CUMULATIVE = np.cumsum([weight for _, weight in _DRAWS])


def _sentence(rng: np.random.Generator, a: Side, b: Side) -> Pair:
    """Return one to three phrases, joined."""
    phrases = []
    for _ in range(int(rng.integers(1, 4))):
        index = int(np.searchsorted(_CUMULATIVE, rng.random() * _CUMULATIVE[-1]))
        phrases.append(_DRAWS[index][0](rng, a, b))
    left, right = zip(*phrases, strict=True)
    return _clean(_SEPARATOR.join(left)), _clean(_SEPARATOR.join(right))


def _clean(text: str) -> str:
    """Replace CLDR's various spaces by plain ones."""
    return " ".join(text.split())
