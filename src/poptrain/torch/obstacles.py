"""Says in words what keeps a network from being computed for several members at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from poptrain.core.errors import NotBatchable

__all__ = ["explain"]

_REMEDIES = {
    "random": "draw with poptrain.torch.uniform_like or normal_like, or use nn.Dropout",
    ".item()": "keep numbers as tensors",
    "data-dependent": "replace if and while over tensors by torch.where",
    "dynamic shape": "mask instead of selecting, so that shapes do not depend on values",
    "inplace": "write out of place, so that a tensor shared by all members is not overwritten",
}


def explain(error: Exception, network: nn.Module, together: Callable[[], Any], alone: Callable[[], Any]) -> Exception:
    """Return what to raise for an error that occurred while several members were computed at once.

    Args:
        error: what was raised.
        network: in whose modules the place is looked for.
        together: what raised; it is called once more.
        alone: the same for one member.

    Returns:
        NotBatchable, or the error of one member alone if that fails as well: then the code itself is at fault.
    """
    place = _Place(network)
    place.watch(together)
    try:
        alone()
    except Exception as own:
        return own
    first = str(error).strip().partition("\n")[0] or type(error).__name__
    remedies = [remedy for sign, remedy in _REMEDIES.items() if sign in str(error)]
    hint = f"{remedies[0]}; or " if remedies else ""
    return NotBatchable(
        f"{place.where} works for one member, but not for several at once ({first}): "
        f"{hint}pass executor='processes', which trains one at a time"
    )


class _Place:
    """Finds the module in which an error occurs."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._path: list[str] = []

    def watch(self, call: Callable[[], Any]) -> None:
        """Call, note where it fails, and go on."""
        handles = []
        for name, part in self._network.named_modules():
            label = f"module {name!r} ({type(part).__name__})" if name else f"the network ({type(part).__name__})"
            handles.append(part.register_forward_pre_hook(lambda *_, label=label: self._path.append(label)))
            handles.append(part.register_forward_hook(lambda *_: self._leave()))
        try:
            call()
        except Exception as error:
            self.raised = error
        finally:
            for handle in handles:
                handle.remove()

    def _leave(self) -> None:
        self._path.pop()

    @property
    def where(self) -> str:
        """The innermost module that had not returned, or the function around the network."""
        return self._path[-1] if self._path else "the function of a member"
