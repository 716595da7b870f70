"""The studies of a comparison: which there are, where they lie, and how each is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from poptrain.api import tune
from poptrain.comparison.comparison import Comparison
from poptrain.comparison.outcomes import outcome_of
from poptrain.core.errors import ConfigError, StoreError, StudyMismatch
from poptrain.core.report import Mode
from poptrain.results import Study
from poptrain.space import Space
from poptrain.store.config import CodeReference
from poptrain.store.directory import StudyDirectory
from poptrain.store.files import write_whole
from poptrain.strategies import Algorithm, Replay
from poptrain.strategies.codec import completed, policy_from_json, policy_to_json

__all__ = ["Campaign", "Job", "Terms", "read_terms", "terms_of"]

_FILE = "comparison.json"
_REPLAY = "replay"
_FRESH = 10_000
"""Added to the seed of a study for that of its replay, so that the networks are others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What every study of a comparison has in common, as it is kept in its folder.

    Args:
        title: what is trained.
        metric, mode, population, intervals, interval_steps, synchronous, threads: see `poptrain.tune`.
        space: the search space, as JSON.
        methods: algorithms by name, as JSON, in the order of the table.
        labels: methods in words.
        seeds: how many; study k of a method has the seed `seed + k`, whatever the method.
        seed: the first one, >= 0.
        baseline: the method that the others are compared with.
        reference: selection score whose first time is measured; None for the baseline's median.
        replay: fresh networks to train under the winning schedule of the first method that copies; 0 for none.
        executor, workers: see `poptrain.tune`.
        code: where the training code is found again.
    """

    title: str
    metric: str
    mode: Mode
    population: int
    intervals: int
    interval_steps: int
    space: Any
    methods: dict[str, Any]
    labels: dict[str, str]
    seeds: int
    seed: int
    baseline: str
    reference: float | None = None
    replay: int = 0
    synchronous: bool = True
    threads: int = 1
    executor: str = "auto"
    workers: int | None = None
    code: CodeReference = field(default_factory=lambda: CodeReference(kind="none"))

    def __post_init__(self) -> None:
        for name in ("seeds", "population", "intervals", "interval_steps", "seed", "replay"):
            value, least = getattr(self, name), 0 if name in ("seed", "replay") else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")
        if self.baseline not in self.methods:
            raise ConfigError(f"the baseline {self.baseline!r} is not compared: choose among {', '.join(self.methods)}")

    @property
    def budget(self) -> int:
        """Member-steps of one study."""
        return self.population * self.intervals * self.interval_steps


_SAME = ("metric", "mode", "population", "intervals", "interval_steps", "space", "seed", "synchronous", "threads", "code")


@dataclass(frozen=True, slots=True)
class Job:
    """One study to be trained: the method's name ("replay" for the replay), its seed, its folder."""

    method: str
    seed: int
    directory: Path


class Campaign:
    """A comparison's folder: `comparison.json`, and one study for each method and seed.

    The same terms take it up where it stopped. More seeds and further methods may be asked for; what was trained stays.

    Args:
        directory: the folder.
        terms: of the comparison; None for those in the folder.
        algorithms: the methods' algorithms, where they are not part of poptrain and cannot be read back from the terms.

    Raises:
        StudyMismatch: the folder holds a comparison on other terms.
        StoreError: `terms` is None, and there is no comparison.
    """

    def __init__(
        self, directory: str | Path, terms: Terms | None = None, *, algorithms: Mapping[str, Algorithm[Any]] | None = None
    ) -> None:
        self.directory = Path(directory)
        self._algorithms = dict(algorithms or {})
        if not self.exists(self.directory):
            if terms is None:
                raise StoreError(f"there is no comparison in {directory}: name a folder that holds {_FILE}")
            self.terms = terms
        else:
            known = read_terms(self.directory)
            self.terms = known if terms is None else _merged(known, terms, self.directory)

    @staticmethod
    def exists(directory: Path) -> bool:
        """Return whether a folder holds a comparison."""
        return (directory / _FILE).is_file()

    def save(self) -> None:
        """Write the terms into the folder."""
        self.directory.mkdir(parents=True, exist_ok=True)
        write_whole(self.directory / _FILE, msgspec.json.format(msgspec.json.encode(self.terms), indent=1) + b"\n")

    # What is to be trained.

    @property
    def jobs(self) -> list[Job]:
        """All studies, seed by seed, so that an unfinished comparison is a fair one of fewer seeds."""
        seeds = range(self.terms.seed, self.terms.seed + self.terms.seeds)
        return [Job(method, seed, self.directory / f"{method}-{seed}") for seed in seeds for method in self.terms.methods]

    @property
    def replay_job(self) -> Job | None:
        """The replay of the winning schedule; None where none is asked for, or there is none yet."""
        winner = None if self.terms.replay == 0 or self.replayed is None else self.winner(self.replayed)
        if winner is None:
            return None
        seed = winner.config.seed
        return Job(_REPLAY, _FRESH + seed, self.directory / f"replay-of-{self.replayed}-{seed}")

    @property
    def replayed(self) -> str | None:
        """The first method whose algorithm copies members: its winning schedule is replayed."""
        return next((name for name, data in self.terms.methods.items() if not _searches(data)), None)

    def finished(self, job: Job) -> bool:
        """Return whether a study is there and at its end."""
        return StudyDirectory(job.directory).exists() and Study.open(job.directory).status == "finished"

    def train(self, job: Job, train: Any, *, held_out: Any = None, **hooks: Any) -> Study:
        """Begin a study, or take it up; return it.

        Args:
            job: which one.
            train: the training code.
            held_out: see `poptrain.tune`.
            **hooks: observer, interrupts, on_preflight, preflight of `poptrain.tune`.
        """
        terms = self.terms
        algorithm, population, intervals = self._algorithm(job)
        return tune(
            train,
            Space.from_json(terms.space),
            metric=terms.metric,
            mode=terms.mode,
            population=population,
            intervals=intervals,
            interval_steps=terms.interval_steps,
            algorithm=algorithm,
            executor=self._executor(),
            workers=terms.workers,
            threads=terms.threads,
            directory=job.directory,
            seed=job.seed,
            synchronous=terms.synchronous,
            held_out=held_out,
            name=job.directory.name,
            code=terms.code,
            **hooks,
        )

    # What came out.

    def studies(self, method: str) -> list[Study]:
        """Return a method's finished studies by seed."""
        mine = [job for job in self.jobs if job.method == method and self.finished(job)]
        return [Study.open(job.directory) for job in mine]

    def winner(self, method: str) -> Study | None:
        """Return a method's study with the best selection score; None while there is none."""
        scored = [study for study in self.studies(method) if study.scored]
        sign = 1.0 if self.terms.mode == "max" else -1.0
        return max(scored, key=lambda study: sign * (study.best.score or 0.0), default=None)

    def replay(self) -> Study | None:
        """Return the finished replay; None where there is none."""
        job = self.replay_job
        return Study.open(job.directory) if job is not None and self.finished(job) else None

    def comparison(self) -> Comparison:
        """Return what the studies that have begun came to."""
        begun = [job for job in self.jobs if StudyDirectory(job.directory).exists()]
        terms = self.terms
        return Comparison(
            title=terms.title,
            metric=terms.metric,
            mode=terms.mode,
            outcomes=tuple(outcome_of(Study.open(job.directory), method=job.method) for job in begun),
            labels=terms.labels,
            baseline=terms.baseline,
            reference=terms.reference,
        )

    def _algorithm(self, job: Job) -> tuple[Algorithm[Any], int, int]:
        """Return a study's algorithm, its population and its intervals."""
        terms = self.terms
        if job.method != _REPLAY:
            chosen = self._algorithms.get(job.method) or policy_from_json(terms.methods[job.method])
            return chosen, terms.population, terms.intervals
        winner = self.winner(self.replayed or "")
        if winner is None:
            raise StoreError(f"{self.directory} has no schedule to replay yet: no study of {self.replayed} has a score")
        schedule = winner.schedule
        return Replay.of(schedule, terms.interval_steps), terms.replay, schedule.steps // terms.interval_steps

    def _executor(self) -> str:
        """Return the executor: "auto" is measured once, by the first study."""
        if self.terms.executor != "auto":
            return self.terms.executor
        begun = next((job for job in self.jobs if StudyDirectory(job.directory).exists()), None)
        return "auto" if begun is None else Study.open(begun.directory).config.executor


def read_terms(directory: Path) -> Terms:
    """Return the terms in a comparison's folder.

    Raises:
        StoreError: they cannot be read.
    """
    try:
        return msgspec.json.decode((directory / _FILE).read_bytes(), type=Terms)
    except (OSError, msgspec.DecodeError, ConfigError) as error:
        raise StoreError(f"the comparison in {directory} cannot be read: {error}") from error


def terms_of(methods: Mapping[str, Algorithm[Any]], *, labels: Mapping[str, str], **others: Any) -> Terms:
    """Return terms with algorithms in their JSON form."""
    return Terms(methods={name: policy_to_json(a) for name, a in methods.items()}, labels=dict(labels), **others)


def _merged(known: Terms, asked: Terms, directory: Path) -> Terms:
    """Return the terms asked for, with the known methods and seeds besides."""
    for name in _SAME:
        had, wanted = getattr(known, name), getattr(asked, name)
        if had != wanted:
            raise StudyMismatch(
                f"{directory} holds a comparison with {name}={_short(had)}, asked for is {_short(wanted)}: ask for the same, "
                f"or choose another directory"
            )
    for name in set(known.methods) & set(asked.methods):
        if completed(known.methods[name]) != asked.methods[name]:
            raise StudyMismatch(
                f"{directory} holds a comparison whose method {name!r} has other options: ask for the same, or choose another "
                f"directory"
            )
    return replace(
        asked,
        methods={**known.methods, **asked.methods},
        labels={**known.labels, **asked.labels},
        seeds=max(known.seeds, asked.seeds),
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _searches(algorithm: Any) -> bool:
    return str(algorithm["class"]).startswith(("poptrain.baselines.", "poptrain.strategies.random_search"))
