"""`poptrain doctor`: whether this machine is fit for a study."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from poptrain.cli.options import AsJson
from poptrain.cli.terminal import labelled, say, say_json, size
from poptrain.core.errors import StoreError
from poptrain.core.version import __version__
from poptrain.executors.devices import visible_devices

__all__ = ["doctor"]

_PROBE_BYTES = 64 << 20
_EXTRAS = {"torch": ("torch",), "translation": ("torch", "sentencepiece", "sacrebleu", "babel"), "pandas": ("pandas",)}


def doctor(
    directory: Annotated[
        Path, typer.Option("--directory", "-d", help="Folder whose disk is measured (64 MB are written and removed).")
    ] = Path("."),
    as_json: AsJson = False,
) -> None:
    """Show versions, devices, memory, disk and installed extras of this machine."""
    import psutil

    speed, free = _disk(directory)
    memory = psutil.virtual_memory()
    found: dict[str, Any] = {
        "poptrain": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": _torch(),
        "gpus": visible_devices(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": memory.total,
        "memory_free_bytes": memory.available,
        "disk_free_bytes": free,
        "disk_durable_bytes_per_second": round(speed),
        "extras": {name: _missing(modules) for name, modules in _EXTRAS.items()},
    }
    if as_json:
        say_json(found)
        return
    for line in _lines(found, directory):
        say(line)


def _lines(found: dict[str, Any], directory: Path) -> list[str]:
    torch, gpus = found["torch"], ", ".join(found["gpus"]) or "none"
    extras = [
        f"{name}: " + ("installed" if not missing else f"{', '.join(missing)} missing (pip install 'poptrain[{name}]')")
        for name, missing in found["extras"].items()
    ]
    memory = f"{size(found['memory_bytes'])}, {size(found['memory_free_bytes'])} free"
    disk = f"{size(found['disk_free_bytes'])} free in {directory}, {size(found['disk_durable_bytes_per_second'])}/s with fsync"
    return labelled(
        [
            ("poptrain", found["poptrain"]),
            ("python", f"{found['python']} in {sys.prefix}"),
            ("platform", found["platform"]),
            ("torch", f"{torch['version']} on {', '.join(torch['devices'])}" if torch else "not installed"),
            ("GPUs for workers", gpus),
            ("cores", f"{found['cores']} (one worker each by default)"),
            ("memory", memory),
            ("disk", disk),
            ("extras", "\n".join(extras)),
        ]
    )


def _torch() -> dict[str, Any] | None:
    """Return the version of torch and what it computes on; None where it is not installed."""
    try:
        import torch
    except ImportError:
        return None
    devices = ["cpu", *(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return {"version": str(torch.__version__), "devices": devices}


def _missing(modules: tuple[str, ...]) -> list[str]:
    return [name for name in modules if importlib.util.find_spec(name) is None]


def _disk(directory: Path) -> tuple[float, int]:
    """Return bytes a second that reach the disk for good, and free bytes."""
    data = os.urandom(1 << 20)
    try:
        with tempfile.NamedTemporaryFile(dir=directory) as file:
            began = time.perf_counter()
            for _ in range(_PROBE_BYTES // len(data)):
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
            seconds = time.perf_counter() - began
        return _PROBE_BYTES / seconds, shutil.disk_usage(directory).free
    except OSError as error:
        raise StoreError(f"the disk of {directory} cannot be measured: {error.strerror or error}") from error
