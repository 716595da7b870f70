"""Bodies: running instances of the user's code, each of which can hold any member's state."""

from __future__ import annotations

import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeVar, cast

from poptrain.core import errors
from poptrain.core.errors import HyperparameterNotApplied, PoptrainError, ReportError, TrainingFailed, WorkerError
from poptrain.core.rng import seed_everything
from poptrain.core.values import Hparams
from poptrain.trainable.contracts import LoopFunction, TrainableFactory, UserCode, is_class_form
from poptrain.trainable.hparams import TrackedHparams
from poptrain.trainable.member import Interval, Member
from poptrain.trainable.metrics import as_metrics
from poptrain.trainable.work import Order

__all__ = ["Body", "BodySpec", "NoThread", "Result", "UserCodeFailed", "explain", "guarded", "make_body"]


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BodySpec:
    """What every body of a study has in common.

    Args:
        train: the user's code.
        metric: name of the selection metric.
        tuned: hyperparameters that vary and act during an interval; each must be read or bound in every interval.
    """

    train: UserCode
    metric: str
    tuned: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Result:
    """What an interval gave: metrics by name, and the seconds of it that went into evaluation where that is known."""

    metrics: dict[str, float]
    evaluate_seconds: float = 0.0


class UserCodeFailed(Exception):
    """The user's code raised; `error` is the original exception, `traceback` its text."""

    def __init__(self, error: BaseException, text: str) -> None:
        super().__init__(str(error))
        self.error = error
        self.traceback = text

    @property
    def contract(self) -> bool:
        """Whether the code broke a rule of this project, which is a fault of the code and not of one member's training."""
        kind = type(self.error)
        return kind is not TrainingFailed and getattr(errors, kind.__name__, None) is kind


class Body(ABC):
    """One running instance of the user's code; at rest between intervals.

    `state` and `load` may be called at rest only. A tree given to `load` belongs to the body from then on: objects may keep
    and change its arrays.
    """

    @abstractmethod
    def state(self) -> Any:
        """Return the state of the member inside, sharing memory with the living objects."""

    @abstractmethod
    def load(self, tree: Any) -> None:
        """Replace the state inside."""

    @abstractmethod
    def run(self, order: Order) -> Result:
        """Train one interval from the state inside.

        Raises:
            UserCodeFailed: the user's code, or a check of it, raised; the body is of no further use.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the instance; it is not used again."""


def make_body(spec: BodySpec, order: Order) -> Body:
    """Return a new body whose state is the first state of `order.member`.

    Raises:
        UserCodeFailed: the user's code raised while it was set up.
    """
    seed_everything(order.init_seed)
    if is_class_form(spec.train):
        return ClassBody(spec)
    return LoopBody(spec, order)


def _unread(spec: BodySpec, hparams: TrackedHparams) -> None:
    """Raise if a tuned hyperparameter was not read during the interval; applying a binding reads it."""
    idle = hparams.unread(spec.tuned)
    if idle:
        names = ", ".join(sorted(idle))
        raise HyperparameterNotApplied(
            f"hyperparameter {names} was neither read nor bound during the interval, so tuning it has no effect: read it "
            f"inside the loop (member[...], or in configure), bind it, declare it structural=True if only the "
            f"construction needs it, or take it out of the space"
        )


class ClassBody(Body):
    """A body around one instance of a class-form trainable."""

    def __init__(self, spec: BodySpec) -> None:
        self._spec = spec
        self._instance = guarded(cast(TrainableFactory, spec.train))

    def state(self) -> Any:
        return guarded(self._instance.state_dict)

    def load(self, tree: Any) -> None:
        guarded(lambda: self._instance.load_state_dict(tree))

    def run(self, order: Order) -> Result:
        return guarded(lambda: self._run(order))

    def close(self) -> None:
        closer = getattr(self._instance, "close", None)
        if callable(closer):
            closer()

    def _run(self, order: Order) -> Result:
        hparams = TrackedHparams(order.hparams)
        self._instance.configure(hparams)
        self._compare(hparams.plain, "right after configure")
        seed_everything(order.seed)
        self._instance.step(order.steps)
        self._compare(hparams.plain, "after the interval's steps")
        began = time.perf_counter()
        metrics = as_metrics(self._instance.evaluate(), self._spec.metric)
        seconds = time.perf_counter() - began
        _unread(self._spec, hparams)
        return Result(metrics, seconds)

    def _compare(self, want: Hparams, when: str) -> None:
        effective = getattr(self._instance, "effective", None)
        if effective is None:
            return
        for name, found in effective().items():
            if found != want[name] and not _close(found, want[name]):
                raise HyperparameterNotApplied(
                    f"hyperparameter {name!r} is {want[name]!r} in the study, but {when} {found!r} is in force: "
                    f"let configure write it to every place where it acts, after load_state_dict"
                )


def _close(found: Any, want: Any) -> bool:
    return isinstance(found, float) and isinstance(want, (int, float)) and abs(found - want) <= 1e-6 * abs(want)


def guarded(call: Callable[[], T]) -> T:
    """Return what user code returns; what it raises becomes UserCodeFailed."""
    try:
        return call()
    except (Exception, SystemExit) as error:  # sys.exit() in training code must not end the worker, nor the study's program
        raise UserCodeFailed(error, traceback.format_exc()) from error


class NoThread(WorkerError):
    """The process has as many threads as it may have."""


class _Leave(BaseException):
    """Unwinds the user's function; no `except Exception` can stop it."""


class LoopBody(Body):
    """A body around one call of a loop-form function, which runs in a thread of its own and waits between intervals.

    Exactly one of the two threads, the host's or this one, is awake at any time.
    """

    def __init__(self, spec: BodySpec, first: Order) -> None:
        self._spec = spec
        self._inbox: SimpleQueue[Interval | None] = SimpleQueue()
        self._outbox: SimpleQueue[Result | BaseException | None] = SimpleQueue()
        self._result: Result | None = None
        self._trace = ""
        self._busy = False
        self._member = Member(first.member, first.hparams, metric=spec.metric, port=self)
        self._thread = threading.Thread(target=self._main, name=f"member-{first.member}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise NoThread(f"the operating system allows no further thread ({error}): pass a smaller bodies=...") from error
        self._answer()

    def state(self) -> Any:
        return guarded(self._member._tree)

    def load(self, tree: Any) -> None:
        guarded(lambda: self._member._load(tree))

    def run(self, order: Order) -> Result:
        guarded(lambda: self._member._begin(order.member, order.hparams))
        seed_everything(order.seed)
        seed = order.seed & 0x7FFFFFFFFFFFFFFF
        self._busy = True
        self._inbox.put(Interval(order.interval, order.steps, order.start, seed))
        result = self._answer()
        self._busy = False
        if result is None:
            raise UserCodeFailed(ReportError("the interval ended without a result"), "")
        return result

    def close(self) -> None:
        if self._thread.is_alive() and not self._busy:  # one that is in the middle of an interval cannot be unwound
            self._inbox.put(None)
            self._thread.join(timeout=10)

    # The host's side waits here.

    def _answer(self) -> Result | None:
        answer = self._outbox.get()
        if isinstance(answer, BaseException):
            raise UserCodeFailed(answer, self._trace) from answer
        return answer

    # The user's side: the function, and the port its member holds.

    def _main(self) -> None:
        train: LoopFunction = self._spec.train
        try:
            train(self._member)
            raise TrainingFailed(
                "the training function returned before its study was over: loop over member.intervals() without leaving it"
            )
        except _Leave:
            return
        except BaseException as error:
            self._trace = traceback.format_exc()
            self._outbox.put(error)

    def next_interval(self) -> Interval:
        self._outbox.put(self._result)
        self._result = None
        interval = self._inbox.get()
        if interval is None:
            raise _Leave
        return interval

    def finish_interval(self) -> None:
        member = self._member
        if member._metrics is None:
            raise ReportError("the interval ended without a report: call member.report(...) once in every turn of the loop")
        member._bindings.check(member.hparams, "at the end of the interval")
        _unread(self._spec, member.hparams)
        self._result = Result(member._metrics)


def explain(failure: UserCodeFailed) -> str:
    """Return the one line that says what failed."""
    kind = type(failure.error).__name__
    return str(failure.error) if isinstance(failure.error, PoptrainError) else f"{kind}: {failure.error}"
