"""Every example runs as its reader would run it, and reaches what it promises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
LEAST = {"digits.py": 0.9, "many_networks.py": 0.93, "jax_population.py": 0.95}
NEEDS = {"jax_population.py": ("jax", "optax", "sklearn")}


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
    found = re.search(r"(?:score=|accuracy )(0\.\d+|1\.0)", run.stdout)
    assert found is not None, run.stdout
    assert float(found[1]) >= LEAST[name]


def test_the_batched_example_is_short() -> None:
    lines = [line for line in (EXAMPLES / "many_networks.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 25
