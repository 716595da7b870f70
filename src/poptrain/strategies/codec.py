"""Strategies as JSON and back: a study's journal names the algorithm it was run with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

from poptrain.core.errors import ConfigError

__all__ = ["completed", "policy_from_json", "policy_to_json"]

_CLASS = "class"


def policy_to_json(policy: Any) -> Any:
    """Return a frozen dataclass of options, with those inside it, as JSON.

    Example:
        >>> from poptrain.strategies.random_search import RandomSearch
        >>> policy_to_json(RandomSearch())["class"]
        'poptrain.strategies.random_search:RandomSearch'
    """
    if is_dataclass(policy) and not isinstance(policy, type):
        kind = type(policy)
        named = {field.name: policy_to_json(getattr(policy, field.name)) for field in fields(policy) if field.init}
        return {_CLASS: f"{kind.__module__}:{kind.__qualname__}", **named}
    if isinstance(policy, Mapping):
        return {str(name): policy_to_json(value) for name, value in policy.items()}
    if isinstance(policy, (list, tuple)):
        return [policy_to_json(value) for value in policy]
    if policy is None or isinstance(policy, (bool, int, float, str)):
        return policy
    raise ConfigError(f"an algorithm's options must be plain values or dataclasses of them, got {policy!r}")


def policy_from_json(data: Any) -> Any:
    """Return the policy that `policy_to_json` was given; sequences come back as tuples.

    Raises:
        ConfigError: the class is not one of this package's, or its options have changed.
    """
    if isinstance(data, list):
        return tuple(policy_from_json(value) for value in data)
    if not isinstance(data, dict):
        return data
    if _CLASS not in data:
        return {name: policy_from_json(value) for name, value in data.items()}
    module, _, name = str(data[_CLASS]).partition(":")
    if not module.startswith("poptrain."):
        raise ConfigError(
            f"the algorithm {data[_CLASS]} is not part of poptrain: take the study up again with the program that made it"
        )
    kind = getattr(import_module(module), name, None)
    options = {key: policy_from_json(value) for key, value in data.items() if key != _CLASS}
    try:
        return kind(**options)  # type: ignore[misc]
    except TypeError as error:
        raise ConfigError(f"the algorithm {data[_CLASS]} of this study is not known to this version: {error}") from error


def completed(data: Any) -> Any:
    """Return a policy's JSON with the options that it had no word for when it was written, at their defaults.

    What this version does not know comes back as it is.

    Example:
        >>> completed({"class": "poptrain.strategies.exploit.truncation:Truncation", "quantile": 0.3})["bottom"] is None
        True
    """
    try:
        return policy_to_json(policy_from_json(data))
    except (ConfigError, ImportError):
        return data
