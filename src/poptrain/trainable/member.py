"""The loop form: what a user's own training loop holds in its hands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from poptrain.core.errors import ConfigError, ReportError, StateError
from poptrain.core.values import Hparams, Value
from poptrain.trainable.bindings import Bindings, Source
from poptrain.trainable.hparams import TrackedHparams
from poptrain.trainable.metrics import as_metrics

__all__ = ["Interval", "Member", "Port"]

T = TypeVar("T")
_NOTHING: Any = object()


@dataclass(frozen=True, slots=True)
class Interval:
    """One turn of the training loop.

    Args:
        index: intervals the member has completed before, >= 0.
        steps: steps to train now, >= 1.
        start: number of the first of them over the member's life: index * interval_steps.
        seed: an integer in [0, 2**63) that belongs to (study's seed, member, interval); use it for anything that the global
            random states of Python, NumPy and torch (set from the same key) do not reach, such as the order of batches.
    """

    index: int
    steps: int
    start: int
    seed: int


class Port(Protocol):
    """The other end of a member: hands out intervals and takes what was reported."""

    def next_interval(self) -> Interval:
        """Wait until there is work; raises to unwind the user's function when there is none any more."""
        ...

    def finish_interval(self) -> None:
        """Check and hand over what the interval reported."""
        ...


class Member:
    """One member of the population, as its training loop sees it.

    The function that receives it sets up its objects, registers what must travel with the member, and loops:

        def train(member):
            net = make_net(); opt = torch.optim.AdamW(net.parameters())
            member.register(net=net, opt=opt)
            member.bind(opt, lr="lr")
            for interval in member.intervals():
                ...train interval.steps steps...
                member.report(accuracy=evaluate(net))

    At the top of every turn state and hyperparameters are right: the function may by then be training another member than
    before, whose state was loaded into the same registered objects. So nothing that the next step depends on may live outside
    of registered objects or of the functional state. The loop ends by unwinding the function: `finally` clauses and context
    managers run, code behind the loop does not.
    """

    def __init__(self, index: int, hparams: Hparams, *, metric: str, port: Port) -> None:
        self._index = index
        self._metric = metric
        self._port = port
        self._hparams = TrackedHparams(hparams)
        self._objects: dict[str, Any] = {}
        self._bindings = Bindings()
        self._value: Any = _NOTHING
        self._restored = False
        self._metrics: dict[str, float] | None = None
        self._in_interval = False
        self._entered = False

    @property
    def index(self) -> int:
        """Number of the member whose state is loaded now, 0 <= index < population."""
        return self._index

    @property
    def hparams(self) -> TrackedHparams:
        """The hyperparameters in force, by name; read them inside the loop, they change between intervals."""
        return self._hparams

    def __getitem__(self, name: str) -> Value:
        return self._hparams[name]

    def register(self, **objects: Any) -> None:
        """Name the objects whose state is the member's state.

        Args:
            **objects: anything with `state_dict()` and `load_state_dict(state)`.

        Raises:
            ConfigError: an object has no such methods, a name is taken, or the loop has begun.
        """
        if self._entered:
            raise ConfigError("register must come before the first turn of member.intervals(): move it up")
        for name, target in objects.items():
            if not (hasattr(target, "state_dict") and hasattr(target, "load_state_dict")):
                raise ConfigError(
                    f"register needs objects with state_dict and load_state_dict, got {name}={type(target).__name__}: "
                    f"give it these two methods, or pass its value through report(..., state=...)"
                )
            if name in self._objects:
                raise ConfigError(f"{name!r} is registered already: choose another name")
            self._objects[name] = target

    def bind(self, target: Any, /, *, group: int | None = None, **fields: Source) -> None:
        """Let fields of an object follow hyperparameters; see `Bindings.bind`.

        The values are written at the top of every turn, after any restore, read back at once and again when the turn ends.

        Example: `member.bind(opt, lr="lr", betas=lambda h: (h["beta1"], 0.999))`

        Raises:
            ConfigError: the object has no such field, or the space has no such hyperparameter.
        """
        for source in fields.values():
            if isinstance(source, str) and source not in self._hparams:
                _ = self._hparams[source]  # raises with the nearest name
        self._bindings.bind(target, group=group, **fields)

    def intervals(self) -> Iterator[Interval]:
        """Yield the intervals to train, one after another; each must end with one `report`."""
        if self._entered:
            raise ConfigError("member.intervals() can be entered once only: use one loop")
        self._entered = True
        while True:
            interval = self._port.next_interval()
            self._in_interval = True
            yield interval
            self._in_interval = False
            self._port.finish_interval()

    def restore(self, default: T | Callable[[], T]) -> T:
        """Return the member's functional state (what it last passed to `report(state=...)`), or `default` for a new member.

        Call it at the top of every turn: after a copy it returns the donor's state.

        Args:
            default: first state, or a function without arguments that makes it.
        """
        self._restored = True
        if self._value is _NOTHING:
            self._value = default() if callable(default) else default
        value: T = self._value
        return value

    def report(self, score: float | None = None, /, *, state: Any = _NOTHING, **metrics: Any) -> None:
        """End the interval with its metrics; the study's metric must be among them.

        Args:
            score: the study's metric without its name.
            state: functional state, where the member's state is a value and not in registered objects.
            **metrics: numbers by name. NaN marks the member as diverged.

        Raises:
            ReportError: called outside of an interval or twice in one, the study's metric is missing, or a value is no number.
        """
        if not self._in_interval:
            raise ReportError("report was called outside of an interval: call it inside the member.intervals() loop")
        if self._metrics is not None:
            raise ReportError("report was called twice in one interval: report all metrics in one call, once")
        if score is not None:
            metrics = {self._metric: score, **metrics}
        found = as_metrics(metrics, self._metric)
        if state is not _NOTHING:
            if not self._restored:
                raise StateError(
                    "report(state=...) without restore() in this interval would undo a copy: begin every turn with "
                    "state = member.restore(default)"
                )
            self._value = state
        self._metrics = found

    # What follows is for the body that runs the function, not for its author.

    def _tree(self) -> dict[str, Any]:
        tree: dict[str, Any] = {"objects": {name: one.state_dict() for name, one in self._objects.items()}}
        if self._value is not _NOTHING:
            tree["value"] = self._value
        return tree

    def _load(self, tree: Any) -> None:
        objects = tree["objects"]
        if set(objects) != set(self._objects):
            raise StateError(
                f"the state holds the objects {sorted(objects)}, but registered are {sorted(self._objects)}: "
                f"register the same names whatever the hyperparameters"
            )
        for name, state in objects.items():
            self._objects[name].load_state_dict(state)
        self._value = tree.get("value", _NOTHING)

    def _begin(self, index: int, hparams: Hparams) -> None:
        self._index = index
        self._hparams.replace(hparams)
        self._bindings.apply(self._hparams)
        self._restored = False
        self._metrics = None
