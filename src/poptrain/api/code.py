"""Finding training code again: by task, by file, by module."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from poptrain.core.errors import ConfigError
from poptrain.store.config import CodeReference

__all__ = ["attribute", "load_code", "load_file", "parse_target", "reference_to"]


def load_file(path: Path) -> ModuleType:
    """Import a Python file by its path, under a name of its own; a second call returns the same module.

    What it defines is sent to worker processes by value, so they need not find the file.

    Raises:
        ConfigError: there is no such file, or it is not Python.
    """
    path = path.resolve()
    if not path.is_file():
        raise ConfigError(f"there is no file {path}: give FILE.py:FUNCTION")
    name = f"poptrain_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is not a Python file: give FILE.py:FUNCTION")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # so that the file can import its neighbours
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    cloudpickle.register_pickle_by_value(module)
    return module


def attribute(module: ModuleType, name: str, where: str) -> Any:
    """Return a (dotted) name of a module.

    Raises:
        ConfigError: there is no such name; the message lists the ones there are.
    """
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            own = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
            raise ConfigError(f"{where} has no {name!r}: it has {', '.join(own) or 'no functions'}")
        found = getattr(found, part)
    return found


def parse_target(text: str) -> CodeReference:
    """Return the reference that FILE.py:NAME or MODULE:NAME stands for.

    Raises:
        ConfigError: there is no colon, or nothing behind it.
    """
    where, _, name = text.rpartition(":")
    if not where or not name:
        raise ConfigError(f"training code is given as FILE.py:FUNCTION or MODULE:FUNCTION, got {text!r}")
    if where.endswith(".py"):
        return CodeReference(kind="file", target=str(Path(where).resolve()), name=name)
    return CodeReference(kind="module", target=where, name=name)


def load_code(reference: CodeReference) -> Any:
    """Return the function or class that a file or module reference names.

    Raises:
        ConfigError: there is no such file, module or name, or only the program that made the study knows its code.
    """
    if reference.kind == "file":
        return attribute(load_file(Path(reference.target)), reference.name, reference.target)
    if reference.kind == "module":
        try:
            module = importlib.import_module(reference.target)
        except ModuleNotFoundError as error:
            raise ConfigError(f"there is no module {reference.target!r} ({error}): run from the folder it lies in") from error
        return attribute(module, reference.name, reference.target)
    raise ConfigError(
        f"the training code of this study lives in the program that made it {reference.target}: "
        f"run that program again, the same line resumes"
    )


def reference_to(train: Any) -> CodeReference:
    """Return where training code can be found again; kind "none" where only its program knows it."""
    inner = train.func if isinstance(train, partial) else train
    name = getattr(inner, "__qualname__", "")
    module = sys.modules.get(getattr(inner, "__module__", "") or "")
    if module is None or not name or "<" in name or isinstance(train, partial):
        return CodeReference(kind="none")
    file = getattr(module, "__file__", None)
    if module.__name__ == "__main__" or file is None:
        return CodeReference(kind="none", target=str(file or ""))
    if module.__name__.startswith("poptrain_file_"):
        return CodeReference(kind="file", target=str(Path(inspect.getfile(inner)).resolve()), name=name)
    return CodeReference(kind="module", target=module.__name__, name=name)
