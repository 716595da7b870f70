"""Keyed generators: the shared ones give what fresh ones give."""

from __future__ import annotations

from poptrain.core.rng import Keys


def test_shared_generators_draw_what_fresh_ones_draw() -> None:
    keys = Keys(7)
    of = keys.generators("exploit", 3)
    for member in (0, 5, 0, 123456):
        shared, fresh = of(member), keys.generator("exploit", member, 3)
        shared.integers(3, dtype="int32")  # half of a word stays behind in the generator's buffer
        fresh.integers(3, dtype="int32")
        assert shared.random(5).tolist() == fresh.random(5).tolist()
        assert shared.normal() == fresh.normal()


def test_a_key_forgets_what_was_drawn_before() -> None:
    of = Keys(0).generators("exploit", 1)
    first = of(4).random(3).tolist()
    of(9).integers(2, dtype="int32")
    assert of(4).random(3).tolist() == first
