"""The layers of the package: left never imports right, and importing poptrain stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "poptrain"

# What each layer may import beside itself.
ALLOWED: dict[str, set[str]] = {
    "core": set(),
    "space": {"core"},
    "strategies": {"core", "space"},
    "baselines": {"core", "space", "strategies"},
    "trainable": {"core", "space"},
    "torch": {"core", "space", "trainable"},
    "executors": {"core", "trainable"},
    "store": {"core"},
    "engine": {"core", "space", "strategies", "trainable", "executors", "store"},
    "results": {"core", "space", "store", "strategies"},
    "report": {"core", "space", "store", "results"},
    "dashboard": {"core", "store", "results", "report"},
    "testing": {"core", "space", "strategies", "trainable", "store"},
    "api": {"core", "space", "strategies", "trainable", "executors", "store", "engine", "results"},
    "integrations": {"core", "space", "store", "results"},
    "comparison": {"core", "space", "strategies", "baselines", "trainable", "store", "results", "api"},
    "tasks": {"core", "space", "strategies", "trainable", "torch", "store", "results", "api"},
    "cli": {
        "core",
        "space",
        "strategies",
        "baselines",
        "trainable",
        "executors",
        "store",
        "engine",
        "results",
        "comparison",
        "integrations",
        "report",
        "dashboard",
        "tasks",
        "api",
    },
}
HEAVY = (
    "torch",
    "pandas",
    "sentencepiece",
    "sacrebleu",
    "babel",
    "sklearn",
    "jax",
    "optuna",
    "matplotlib",
    "tensorboard",
    "mlflow",
    "wandb",
    "starlette",
    "uvicorn",
    "ray",
    "plotly",
)

# Modules that need an extra, and are themselves imported by nobody before it is asked for.
BEHIND_AN_EXTRA = {"baselines/ask_optuna.py": "optuna", "strategies/gp/regression.py": "sklearn"}


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.name == "api.py")


def layer(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py")  # a module at the top is a layer of its own


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import, write the whole name"
            yield node.module or ""


def test_there_are_modules() -> None:
    assert len(modules()) > 10


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_left_never_imports_right(path: Path) -> None:
    mine = layer(path)
    assert mine in ALLOWED, f"{path}: a new layer needs a line in ALLOWED"
    for name in imports(path):
        if name.startswith("poptrain."):
            other = name.split(".")[1]
            assert other == mine or other in ALLOWED[mine], f"{path} imports {name}"
        else:
            assert name != "poptrain" or mine in ("cli", "tasks"), f"{path} imports the package's top"


@pytest.mark.parametrize(
    "path",
    [p for p in modules() if layer(p) not in ("tasks", "torch", "report", "dashboard")],
    ids=lambda p: str(p.relative_to(PACKAGE)),
)
def test_optional_dependencies_are_imported_lazily(path: Path) -> None:
    own = BEHIND_AN_EXTRA.get(str(path.relative_to(PACKAGE)))
    behind = {f"poptrain.{name.removesuffix('.py').replace('/', '.')}" for name in BEHIND_AN_EXTRA}
    names = list(imports(path, top_level_only=True))
    found = [
        name
        for name in names
        if name in behind
        or name.startswith(("poptrain.report", "poptrain.dashboard"))
        or (name.split(".")[0] in HEAVY and name.split(".")[0] != own)
    ]
    assert not found, f"{path} imports {found} at the top"


def test_importing_poptrain_loads_nothing_heavy() -> None:
    code = f"import poptrain, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
