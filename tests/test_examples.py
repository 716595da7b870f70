"""Every example runs as its reader would run it, and reaches what it promises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
LEAST = {
    "digits.py": 0.9,
    "many_networks.py": 0.93,
    "jax_population.py": 0.95,
    "jax_loop.py": 0.93,
    "partial_fit.py": 0.93,
    "boosted_trees.py": 0.92,
    "cart_pole.py": 150.0,
    "augmentation.py": 0.8,
}
NEEDS = {
    "jax_population.py": ("jax", "optax", "sklearn"),
    "jax_loop.py": ("jax", "optax", "sklearn"),
    "partial_fit.py": ("sklearn",),
    "boosted_trees.py": ("xgboost", "sklearn"),
    "cart_pole.py": ("torch", "gymnasium"),
}


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(LEAST)


@pytest.mark.parametrize("name", LEAST)
def test_examples(name: str, tmp_path: Path) -> None:
    for needed in NEEDS.get(name, ("torch", "sklearn")):
        pytest.importorskip(needed)
    environment = {**os.environ, "PYTHONWARNINGS": "error::DeprecationWarning:__main__"}
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110
    )
    assert run.returncode == 0, run.stderr
    found = re.search(r"accuracy (\d+\.\d+)", run.stdout) or re.search(r"score=(\d+\.\d+)", run.stdout)
    assert found is not None, run.stdout
    assert float(found[1]) >= LEAST[name]


def test_the_batched_example_is_short() -> None:
    lines = [line for line in (EXAMPLES / "many_networks.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 25
