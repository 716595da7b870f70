"""What the documents say is what the project does."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from campaigns import campaign
from populations import context_of
from typer.testing import CliRunner

from poptrain.cli.app import app
from poptrain.space import Float

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_shows_the_example_that_is_run() -> None:
    example = (ROOT / "examples" / "digits.py").read_text(encoding="utf-8")
    program = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    assert program in example
    assert len(program.strip().splitlines()) < 25


def test_the_example_finds_a_good_classifier(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "digits.py")]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    found = re.search(r"score=([0-9.]+)", out)
    assert found, out
    assert float(found[1]) > 0.9
    assert "start_step,end_step,member,lr,momentum,batch_size" in out


def commands() -> list[str]:
    return sorted(set(re.findall(r"^\$ (?:.*\| )?poptrain ([a-z]+)", README, re.MULTILINE)))


def test_the_readme_names_commands() -> None:
    assert len(commands()) >= 10


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_readme_exists(command: str) -> None:
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_every_link_leads_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#\s]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_picture_of_the_gallery_is_made_on_its_page() -> None:
    gallery = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"\]\(images/(\w+)\.png\)", gallery))
    assert len(shown) >= 7
    for name in shown - {"dashboard"}:
        assert f'study.plot.{name}().write_image("{name}.png"' in gallery
    for block in re.findall(r"^```python\n(.*?)^```", gallery, re.DOTALL | re.MULTILINE):
        compile(block, "docs/gallery.md", "exec")


def test_no_document_speaks_of_things_outside_of_the_project() -> None:
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert len(files) > 3
    for file in files:
        assert not re.search(r"(?<![\w.])/(?:home|root|Users|tmp)/", file.read_text(encoding="utf-8")), file


def blocks(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / name).read_text(encoding="utf-8"), re.DOTALL)


def test_the_algorithm_that_the_documents_add_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ModuleType("made")
    monkeypatch.setitem(sys.modules, "made", made)
    exec(blocks("extending.md")[0], vars(made))
    context = context_of({"lr": Float(1e-6, 1.0, log=True)}, 5, intervals=6)
    run = campaign(made.Halve(), context, lambda hparams, age, interval: -float(hparams["lr"]))  # type: ignore[arg-type]
    assert sum(run.state) > 0
    for member, halved in enumerate(run.state):
        rates = [hparams["lr"] for hparams, _ in run.trained[member]]
        assert rates[-1] == pytest.approx(max(1e-6, rates[0] / 2**halved))


def test_the_loop_of_the_documents_is_python() -> None:
    assert len(blocks("trainable.md")) >= 3
    for block in blocks("trainable.md"):
        ast.parse(block)
