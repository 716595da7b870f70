"""What the documents say is what the project does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from poptrain.cli.app import app

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


def test_every_link_of_the_readme_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_no_document_speaks_of_things_outside_of_the_project() -> None:
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert len(files) > 3
    for file in files:
        assert not re.search(r"(?<![\w.])/(?:home|root|Users|tmp)/", file.read_text(encoding="utf-8")), file
