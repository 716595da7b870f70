"""Which GPU a worker sees: decided before it starts, by environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["device_environment", "visible_devices"]

_VARIABLE = "CUDA_VISIBLE_DEVICES"


def visible_devices(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the CUDA devices this process may use, as CUDA names them; an empty list where there are none.

    A list in CUDA_VISIBLE_DEVICES is taken as it is (an empty one means no GPU); otherwise NVIDIA's driver is asked, without
    loading CUDA.
    """
    listed = environment.get(_VARIABLE)
    if listed is not None:
        return [name.strip() for name in listed.split(",") if name.strip()]
    folder = Path("/proc/driver/nvidia/gpus")
    return [str(i) for i in range(len(list(folder.iterdir())))] if folder.is_dir() else []


def device_environment(worker: int, devices: list[str]) -> dict[str, str]:
    """Return the variables that show worker number `worker` one device; workers take the devices in turn."""
    return {_VARIABLE: devices[worker % len(devices)]} if devices else {}
