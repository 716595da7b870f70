"""Options from flags and from a TOML file."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptrain.cli.settings import Asked, parse_sets, read_config
from poptrain.core.errors import ConfigError


def config(folder: Path, text: str) -> Asked:
    path = folder / "study.toml"
    path.write_text(text)
    return read_config(path)


def test_a_file_has_options_settings_and_space(tmp_path: Path) -> None:
    asked = config(
        tmp_path,
        """
        target = "train.py:train"
        population = 4
        synchronous = false
        durability = 0
        [settings]
        width = 64
        [space]
        lr = {type = "float", low = 1e-4, high = 1.0, log = true}
        """,
    )
    assert asked.target == str(tmp_path / "train.py:train")
    assert asked.options() == {"population": 4, "synchronous": False, "durability": 0.0}
    assert asked.settings == {"width": 64}
    assert asked.space == {"lr": {"type": "float", "low": 1e-4, "high": 1.0, "log": True}}


def test_flags_win_one_by_one() -> None:
    file = Asked(population=4, seed=1, settings={"a": 1, "b": 2}, space={"lr": 1})
    flags = Asked(population=8, preflight=False, settings={"b": "3"})
    both = flags.over(file)
    assert both == Asked(population=8, seed=1, preflight=False, settings={"a": 1, "b": "3"}, space={"lr": 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("populaton = 3", "unknown key 'populaton': did you mean 'population'?"),
        ("xyzzy = 3", "known are target, directory"),
        ('population = "3"', "Expected `int`, got `str` - at `population`"),
        ("synchronous = 1", "Expected `bool`, got `int` - at `synchronous`"),
        ("population = ", "is not TOML"),
        ("settings = 3", "Expected `object`, got `int` - at `settings`"),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        config(tmp_path, text)
    assert message in str(refused.value)
    assert "study.toml" in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read: No such file"):
        read_config(tmp_path / "none.toml")


def test_sets_keep_what_is_behind_the_first_equals_sign() -> None:
    assert parse_sets(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}


@pytest.mark.parametrize("text", ["a", "=1", " =1"])
def test_sets_need_a_key_and_an_equals_sign(text: str) -> None:
    with pytest.raises(ConfigError, match="--set takes KEY=VALUE"):
        parse_sets([text])
