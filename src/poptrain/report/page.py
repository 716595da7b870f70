"""One self-contained HTML page about a study, which opens without a network."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.resources import files

from plotly.offline import get_plotlyjs

from poptrain.core.version import __version__
from poptrain.report import PLOTS
from poptrain.report.pictures import embedded, examples
from poptrain.report.tables import event_table, member_table
from poptrain.results import Study
from poptrain.results.sparkline import number_text

__all__ = [
    "EVENTS_NOTE",
    "MEMBERS_NOTE",
    "asset",
    "bar",
    "commands",
    "facts",
    "header",
    "page",
    "plot_section",
    "warnings",
]

MEMBERS_NOTE = "As each last reported; click a heading to sort."
EVENTS_NOTE = "Failures first, then the latest."

_POLICY = "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class _Fact:
    """A key figure: its label, its value, lines below it, and whether the value is words."""

    label: str
    value: str
    below: tuple[str, ...] = ()
    words: bool = False


_READ = {
    "scores": "How the search went",
    "lineage": "Who copied whom; hover over a point, or click it to keep what it says",
    "schedule": "The hyperparameters that made the best checkpoint",
    "diversity": "Whether the population still explores",
    "gains": "Which values raised the score in one interval",
    "utilisation": "What the workers did",
}


def page(study: Study) -> str:
    """Return the page.

    Scripts run only with a nonce, nothing is loaded from anywhere, and every name in the study is text.
    """
    nonce = secrets.token_urlsafe(18)
    policy = f"default-src 'none'; script-src 'nonce-{nonce}'; {_POLICY}"
    plots = {name: plot(study) for name, plot in PLOTS.items()}
    sections = "".join(
        plot_section(name, str(figure.layout.title.text), figure.layout.meta["note"], figure.layout.height)
        for name, figure in plots.items()
    )
    data = "{" + ",".join(f'"{name}":{figure.to_json()}' for name, figure in plots.items()) + "}"
    links = {name: str(figure.layout.title.text) for name, figure in plots.items()}
    left = {"pictures": embedded(study), "examples": examples(study)}
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(study.name)} · poptrain</title>
<style>{asset("page.css")}</style></head>
<body><a class="skip" href="#content">Skip to the content</a>
{header(study)}
{bar({**links, **_left_links(left), "members": "Members", "events": "Events"})}
<main id="content">
{facts(study)}
{warnings(study)}
{sections}
{"".join(left.values())}
<section id="members"><h2>Members</h2><p class="note">{MEMBERS_NOTE}</p>{member_table(study)}</section>
<section id="events"><h2>Events</h2><p class="note">{EVENTS_NOTE}</p>{event_table(study)}</section>
{commands(study)}
</main>
<footer>Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by poptrain {__version__} from {escape(str(study.directory))}.</footer>
<script id="figures" type="application/json">{_inside_script(data)}</script>
<script nonce="{nonce}">{_closed(get_plotlyjs())}</script>
<script nonce="{nonce}">{_closed(asset("page.js"))}</script>
</body></html>
"""


def _left_links(left: Mapping[str, str]) -> dict[str, str]:
    return {name: name.capitalize() for name, section in left.items() if section}


def _inside_script(json: str) -> str:
    """Return JSON that no script element ends or changes its reading in."""
    return json.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _closed(script: str) -> str:
    """Return a script in which no text looks like the end of its element."""
    return script.replace("</script", "<\\/script")


def asset(name: str) -> str:
    """Return a style sheet or a script of the page."""
    return (files("poptrain.report") / "assets" / name).read_text(encoding="utf-8")


def bar(links: Mapping[str, str]) -> str:
    """Return the links to the sections, and the switch between light and dark."""
    anchors = "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title in links.items())
    button = '<button id="theme" type="button">Dark</button>'
    return f'<nav class="bar" aria-label="Sections"><div>{anchors}{button}</div></nav>'


def header(study: Study) -> str:
    """Return the name, the status, and when it began."""
    badge = f'<span class="status {study.status}">{study.status}</span>'
    why = f" · {escape(study.because)}" if study.because else ""
    began = f"{datetime.fromtimestamp(study.config.created, UTC):%Y-%m-%d %H:%M} UTC"
    return f'<header><h1>{escape(study.name)}{badge}</h1><p class="soft">begun {began}{why}</p></header>'


def facts(study: Study) -> str:
    """Return the key figures: selection score, held-out score, budget, members, algorithm."""
    config, done = study.config, sum(study.completed)
    total = config.population * config.intervals
    algorithm = _algorithm(study)
    facts = [
        _selection(study),
        _held_out(study),
        _Fact(
            "Budget",
            f"{done / total:.0%}",
            (f"{done:,} of {total:,} member-intervals", f"{study.steps:,} steps in {_duration(study.seconds)}"),
        ),
        _Fact(
            "Members",
            f"{config.population:,}",
            (f"{study.copies:,} copies, {len(study.failures):,} failures", f"{config.executor}, {config.workers} workers"),
        ),
        _Fact("Algorithm", algorithm[0], algorithm[1:], words=True),
    ]
    boxes = "".join(
        f"<div{' class=wide' if fact.words or n < 2 else ''}><dt>{escape(fact.label)}</dt>"
        f"<dd{' class=words' if fact.words else ''}>{escape(fact.value)}</dd>"
        f"{''.join(f'<p>{escape(line)}</p>' for line in fact.below)}</div>"
        for n, fact in enumerate(facts)
    )
    return f'<dl class="figures">{boxes}</dl>'


def _selection(study: Study) -> _Fact:
    if not study.scored:
        return _Fact("Best selection score", "none yet", words=True)
    best = study.best
    hparams = ", ".join(f"{name} {number_text(value)}" for name, value in best.hparams.items())
    better = "higher" if study.config.mode == "max" else "lower"
    where = f"{study.config.metric}, {better} is better; m{best.member} after interval {best.interval}"
    return _Fact("Best selection score", f"{best.score:.6g}", (where, hparams))


def _held_out(study: Study) -> _Fact:
    held = study.held_out
    if held is None:
        return _Fact(
            "Held-out score", "not measured", ("The selection score is the best of many, so it flatters.",), words=True
        )
    if not held.metrics:
        return _Fact("Held-out score", "no number", tuple(held.notes.values()), words=True)
    names = sorted(held.metrics, key=lambda name: name != study.config.metric)  # the metric of the selection first
    (first, value), *others = ((name, held.metrics[name]) for name in names)
    lines = [f"{first}, on data that no selection saw", *(f"{name} {number_text(v)}" for name, v in others)]
    lines += [f"{name}: {note}" for name, note in held.notes.items()]
    if not study.scored or (held.member, held.interval) != (study.best.member, study.best.interval):
        lines.append(f"of m{held.member} after interval {held.interval}, which is not the best any more")
    return _Fact("Held-out score", "failed" if value is None else f"{value:.6g}", tuple(lines))


def _algorithm(study: Study) -> tuple[str, ...]:
    """Return the algorithm's name, and its policies in a line each."""
    found = study.config.algorithm
    if not isinstance(found, dict) or "class" not in found:
        return (str(found),)
    policies = [(name, value) for name, value in found.items() if isinstance(value, dict) and "class" in value]
    mode = "members wait for each other" if study.config.synchronous else "asynchronous"
    return (_named(found), *(f"{name}: {_named(value)}{_fields(value)}" for name, value in policies), mode)


def _named(policy: dict[str, object]) -> str:
    return str(policy["class"]).rpartition(":")[2]


def _fields(policy: dict[str, object]) -> str:
    plain = [
        f"{k} {_short(v)}" for k, v in policy.items() if k != "class" and isinstance(v, (int, float, str, list)) and v != []
    ]
    return f" ({', '.join(plain)})" if plain else ""


def _short(value: object) -> str:
    if isinstance(value, list):
        return "/".join(_short(one) for one in value[:6]) + ("/…" if len(value) > 6 else "")
    return (
        number_text(value) if isinstance(value, (int, float, str)) else _named(value) if isinstance(value, dict) else str(value)
    )


def warnings(study: Study) -> str:
    """Return what looks wrong, each with its remedy."""
    found = study.diagnoses()
    cards = "".join(
        f'<div class="warning"><p><strong>{escape(d.kind.capitalize())}.</strong> {escape(d.text)}</p>'
        f'<p class="soft">{escape(d.remedy)}</p></div>'
        for d in found
    )
    return f'<div role="region" aria-label="Warnings">{cards}</div>' if found else ""


def plot_section(name: str, title: str, note: str, height: int) -> str:
    """Return the place of a plot, with how to read it; the note is HTML."""
    # The notes come escaped, since plotly shows them as well.
    return (
        f'<section id="{name}"><h2>{escape(title)}</h2><p class="note"><strong>{_READ[name]}.</strong> {note}</p>'
        f'<div class="plot" data-plot="{name}" style="min-height:{int(height)}px" role="img" '
        f'aria-label="{escape(title)} plot"></div><div class="detail" id="detail-{name}" aria-live="polite"></div></section>'
    )


def commands(study: Study) -> str:
    """Return what to do next."""
    folder = shlex.quote(str(study.directory))
    resume = f"poptrain resume {folder}" + (f" --intervals {2 * study.config.intervals}" if study.status == "finished" else "")
    pairs = [
        ("Go on", resume),
        ("Train fresh networks under the schedule that was found", f"poptrain replay {folder} --seeds 3"),
        ("The schedule as a table", f"poptrain schedule {folder} --csv"),
        ("In Python", f"study = poptrain.Study.open({str(study.directory)!r}); study.best.load()"),
    ]
    return f'<section id="commands"><h2>Going on</h2>{_listed(pairs)}</section>'


def _listed(pairs: Sequence[tuple[str, str]]) -> str:
    return "".join(f'<p class="note">{escape(what)}</p><pre tabindex="0">{escape(how)}</pre>' for what, how in pairs)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.3g} s"
