"""The search space as a whole."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from poptrain.core.errors import SpaceError
from poptrain.space import Choice, Constant, Float, Int, Space

SPACE = Space(
    {
        "opt": {"lr": Float(1e-4, 1.0, log=True), "name": "adam"},
        "layers": Int(1, 8, structural=True),
        "act": Choice(["relu", "gelu"]),
        "epochs": 3,
    }
)


def test_nested_mappings_are_joined_with_dots_in_order() -> None:
    assert list(SPACE) == ["opt.lr", "opt.name", "layers", "act", "epochs"]
    assert SPACE["epochs"] == Constant(3)
    assert len(SPACE) == 5
    assert "opt" not in SPACE


def test_who_is_tuned_structural_and_movable() -> None:
    assert SPACE.tuned == ("opt.lr", "layers", "act")
    assert SPACE.structural == ("layers",)
    assert SPACE.movable == ("opt.lr", "act")


def test_a_space_of_a_space_is_equal() -> None:
    assert Space(SPACE) == SPACE
    assert Space({"lr": Float(0, 1)}) != Space({"lr": Float(0, 2)})


def test_json_and_back_is_exact_and_keeps_the_order() -> None:
    back = Space.from_json(json.loads(json.dumps(SPACE.to_json())))
    assert list(back.items()) == list(SPACE.items())


def test_samples_are_valid_and_depend_on_the_generator_alone() -> None:
    one, two = (SPACE.sample(np.random.default_rng(5)) for _ in range(2))
    assert one == two
    assert SPACE.validate(one) == one
    assert one["opt.name"] == "adam"
    assert SPACE.sample(np.random.default_rng(6)) != one


def test_nest_undoes_the_dots() -> None:
    nested = SPACE.nest({"opt.lr": 0.1, "opt.name": "sgd", "layers": 2})
    assert nested == {"opt": {"lr": 0.1, "name": "sgd"}, "layers": 2}


def test_clip_brings_every_value_inside() -> None:
    outside: dict[str, Any] = {"opt.lr": 7.0, "opt.name": "adam", "layers": 99, "act": "gelu", "epochs": 3}
    assert SPACE.clip(outside) == {**outside, "opt.lr": 1.0, "layers": 8}


def test_validate_fills_in_constants_and_converts() -> None:
    found = SPACE.validate({"opt.lr": 1, "layers": np.int64(2), "act": "relu"})  # type: ignore[dict-item]
    assert found == {"opt.lr": 1.0, "opt.name": "adam", "layers": 2, "act": "relu", "epochs": 3}
    assert [type(found[name]) for name in ("opt.lr", "layers")] == [float, int]
    assert Space({"n": Choice([1, 2])}).validate({"n": 1.0}) == {"n": 1}


GOOD: dict[str, Any] = {"opt.lr": 0.1, "layers": 2, "act": "relu"}
BAD: list[tuple[Callable[[], Any], list[str]]] = [
    (lambda: SPACE.validate({**GOOD, "opt.lr": 2.0}), ["'opt.lr'", "[0.0001, 1.0]", "2.0"]),
    (lambda: SPACE.validate({**GOOD, "opt.lr": math.nan}), ["'opt.lr'", "nan"]),
    (lambda: SPACE.validate({**GOOD, "layers": 2.5}), ["'layers'", "whole number", "2.5"]),
    (lambda: SPACE.validate({**GOOD, "layers": True}), ["'layers'", "True"]),
    (lambda: SPACE.validate({**GOOD, "act": "tanh"}), ["'act'", "'relu', 'gelu'", "'tanh'"]),
    (lambda: SPACE.validate({**GOOD, "epochs": 4}), ["'epochs'", "the constant 3", "4"]),
    (lambda: SPACE.validate({**GOOD, "layer": 4}), ["'layer'", "did you mean 'layers'"]),
    (lambda: SPACE.validate({"opt.lr": 0.1, "act": "relu"}), ["'layers' is missing"]),
    (lambda: SPACE.clip({"opt.lr": 0.1}), ["missing", "layers"]),
    (lambda: Space({"a b": 1}), ["letters", "'a b'"]),
    (lambda: Space({"": 1}), ["letters"]),
    (lambda: Space({"a..b": 1}), ["'a..b'"]),
    (lambda: Space({"../x": 1}), ["'../x'"]),
    (lambda: Space({"x" * 65: 1}), ["1 to 64"]),
    (lambda: Space({3: 1}), ["letters", "'3'"]),  # type: ignore[dict-item]
    (lambda: Space({"a": {"b": 1}, "a.b": 2}), ["'a.b' twice"]),
    (lambda: Space({"a": 1, "a.b": 2}), ["'a'", "'a.b'", "rename one"]),
    (lambda: Space({"lr": [0.1, 0.2]}), ["'lr'", "use Float, Int or Choice"]),
    (lambda: Space({"lr": math.nan}), ["'lr'", "finite"]),
    (lambda: Space(["lr"]), ["a mapping from name", "list"]),  # type: ignore[arg-type]
    (lambda: Space.from_json({"lr": {"type": "beta"}}), ["'lr'", "float, int, choice, constant", "'beta'"]),
    (lambda: Space.from_json({"lr": {"type": "float", "low": 0, "hi": 1}}), ["'lr'", "hi"]),
]


@pytest.mark.parametrize(("make", "says"), BAD)
def test_errors_name_the_hyperparameter_the_value_and_the_rule(make: Callable[[], Any], says: list[str]) -> None:
    with pytest.raises(SpaceError) as caught:
        make()
    assert all(part in str(caught.value) for part in says), str(caught.value)


def test_an_empty_space_is_a_population_without_hyperparameters() -> None:
    assert Space({}).sample(np.random.default_rng(0)) == {}
