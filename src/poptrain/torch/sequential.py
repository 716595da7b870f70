"""Sequences of known modules over stacked members: one batched operation for each, without the cost of vmap.

Values have one of two forms: "rows" (members, batch, ...), or "channels" (batch, members * channels, area...), in which
convolutions of all members are one grouped convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from poptrain.torch.modules import MemberDropout, drop
from poptrain.torch.noise import Noise

__all__ = ["StackedSequential"]

_ELEMENTWISE = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Tanh,
    nn.Sigmoid,
    nn.Softplus,
    nn.Softsign,
    nn.Hardtanh,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Identity,
)
_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Upsample, nn.ZeroPad2d)


@dataclass(slots=True)
class _Value:
    """What flows through: a tensor, and whether it has the form of channels."""

    x: torch.Tensor
    rows: int
    channels: bool = False

    def as_rows(self) -> torch.Tensor:
        """Return (rows, batch, ...)."""
        if not self.channels:
            return self.x
        batch, _, *area = self.x.shape
        return self.x.reshape(batch, self.rows, -1, *area).transpose(0, 1)

    def as_channels(self) -> torch.Tensor:
        """Return (batch, rows * channels, area...); those of images innermost in memory."""
        if self.channels:
            return self.x
        _, batch, channels, *area = self.x.shape
        merged = self.x.transpose(0, 1).reshape(batch, self.rows * channels, *area)
        return merged.contiguous(memory_format=torch.channels_last) if merged.dim() == 4 else merged


Tensors = Mapping[str, torch.Tensor]
_Operation = Callable[[_Value, Tensors, Noise], _Value]


@dataclass(frozen=True, slots=True)
class StackedSequential:
    """A sequence of modules over stacked members.

    Args:
        operations: what each module does, in their order.
    """

    operations: tuple[_Operation, ...] = field(repr=False)

    @classmethod
    def of(cls, module: nn.Module) -> StackedSequential | None:
        """Return the stacked form of a tree of nn.Sequential; None where one of its modules has none."""
        leaves = _leaves(module, "")
        if leaves is None:
            return None
        found = [_operation(leaf, name) for name, leaf in _pool_first(leaves)]
        return None if any(operation is None for operation in found) else cls(tuple(o for o in found if o is not None))

    def __call__(self, x: torch.Tensor, tensors: Tensors, noise: Noise) -> torch.Tensor:
        """Return the outputs, shape (rows, batch, ...).

        Args:
            x: inputs, shape (rows, batch, ...).
            tensors: parameters, buffers and rates by name, with a leading axis of rows.
            noise: what dropout draws from.
        """
        value = _Value(x, x.shape[0])
        for operation in self.operations:
            value = operation(value, tensors, noise)
        return value.as_rows()


def _leaves(module: nn.Module, prefix: str) -> list[tuple[str, nn.Module]] | None:
    """Return the modules of a tree of sequences in order; None where something else or a hook is among them."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    if any(getattr(module, name) for name in hooks) or hasattr(module, "parametrizations"):
        return None
    if type(module) is not nn.Sequential:
        return [(prefix, module)]
    found: list[tuple[str, nn.Module]] = []
    for name, child in module.named_children():
        inner = _leaves(child, f"{prefix}{name}.")
        if inner is None:
            return None
        found += inner
    return found


def _pool_first(leaves: list[tuple[str, nn.Module]]) -> list[tuple[str, nn.Module]]:
    """Move ReLU behind a maximum pooling that follows it: the result and its gradient are the same, over fewer numbers."""
    order = list(leaves)
    for index, ((_, first), (_, second)) in enumerate(pairwise(leaves)):
        if type(first) is nn.ReLU and type(second) is nn.MaxPool2d and not second.return_indices:
            order[index], order[index + 1] = leaves[index + 1], leaves[index]
    return order


def _operation(module: nn.Module, prefix: str) -> _Operation | None:
    """Return what a module does to stacked members; `prefix` ends with a point."""
    if type(module) in _ELEMENTWISE:
        return lambda value, tensors, noise: _Value(module(value.x), value.rows, value.channels)
    if type(module) in _POOLS and not getattr(module, "return_indices", False):
        return lambda value, tensors, noise: _Value(module(value.as_channels()), value.rows, channels=True)
    makers: dict[type[nn.Module], Callable[..., _Operation | None]] = {
        nn.Linear: _linear,
        nn.Conv2d: _conv,
        nn.ConvTranspose2d: _conv_transpose,
        nn.BatchNorm1d: _batch_norm,
        nn.BatchNorm2d: _batch_norm,
        nn.LayerNorm: _layer_norm,
        MemberDropout: _dropout,
        nn.Flatten: _flatten,
        nn.Unflatten: _unflatten,
    }
    maker = makers.get(type(module))
    return None if maker is None else maker(module, prefix)


def _linear(module: nn.Linear, prefix: str) -> _Operation:
    weight, bias = f"{prefix}weight", f"{prefix}bias"

    def apply(value: _Value, tensors: Tensors, noise: Noise) -> _Value:
        x = value.as_rows()
        flat = x if x.dim() == 3 else x.flatten(1, -2)
        turned = tensors[weight].mT
        out = torch.bmm(flat, turned) if module.bias is None else torch.baddbmm(tensors[bias].unsqueeze(1), flat, turned)
        return _Value(out if x.dim() == 3 else out.view(*x.shape[:-1], -1), value.rows)

    return apply


def _merged(tensors: Tensors, prefix: str, name: str) -> torch.Tensor | None:
    tensor = tensors.get(f"{prefix}{name}")
    return None if tensor is None else tensor.flatten(0, 1)


def _conv(module: nn.Conv2d, prefix: str) -> _Operation | None:
    if module.padding_mode != "zeros":
        return None

    def apply(value: _Value, tensors: Tensors, noise: Noise) -> _Value:
        weight, bias = tensors[f"{prefix}weight"].flatten(0, 1), _merged(tensors, prefix, "bias")
        groups = value.rows * module.groups
        out = F.conv2d(value.as_channels(), weight, bias, module.stride, module.padding, module.dilation, groups)
        return _Value(out, value.rows, channels=True)

    return apply


def _conv_transpose(module: nn.ConvTranspose2d, prefix: str) -> _Operation:
    settings: dict[str, Any] = {
        "stride": module.stride,
        "padding": module.padding,
        "output_padding": module.output_padding,
        "dilation": module.dilation,
    }

    def apply(value: _Value, tensors: Tensors, noise: Noise) -> _Value:
        weight, bias = tensors[f"{prefix}weight"].flatten(0, 1), _merged(tensors, prefix, "bias")
        out = F.conv_transpose2d(value.as_channels(), weight, bias, groups=value.rows * module.groups, **settings)
        return _Value(out, value.rows, channels=True)

    return apply


def _batch_norm(module: nn.BatchNorm1d | nn.BatchNorm2d, prefix: str) -> _Operation | None:
    if not module.track_running_stats or module.momentum is None:
        return None
    momentum = module.momentum

    def apply(value: _Value, tensors: Tensors, noise: Noise) -> _Value:
        two_d = not value.channels and value.x.dim() == 3
        x = value.x.transpose(0, 1).flatten(1) if two_d else value.as_channels()
        mean, variance = tensors[f"{prefix}running_mean"], tensors[f"{prefix}running_var"]
        flat_mean, flat_variance = mean.flatten(), variance.flatten()
        weight, bias = _merged(tensors, prefix, "weight"), _merged(tensors, prefix, "bias")
        out = F.batch_norm(x, flat_mean, flat_variance, weight, bias, module.training, momentum, module.eps)
        if module.training:
            with torch.no_grad():
                mean.copy_(flat_mean.view_as(mean))
                variance.copy_(flat_variance.view_as(variance))
                tensors[f"{prefix}num_batches_tracked"].add_(1)
        if two_d:
            return _Value(out.reshape(len(out), value.rows, -1).transpose(0, 1), value.rows)
        return _Value(out, value.rows, channels=True)

    return apply


def _layer_norm(module: nn.LayerNorm, prefix: str) -> _Operation:
    def apply(value: _Value, tensors: Tensors, noise: Noise) -> _Value:
        x = value.as_rows()
        out = F.layer_norm(x, module.normalized_shape, None, None, module.eps)
        between = [1] * (x.dim() - 1 - len(module.normalized_shape))
        if module.elementwise_affine:
            weight = tensors[f"{prefix}weight"]
            out = out * weight.reshape(value.rows, *between, *module.normalized_shape)
            if f"{prefix}bias" in tensors:
                out = out + tensors[f"{prefix}bias"].reshape(value.rows, *between, *module.normalized_shape)
        return _Value(out, value.rows)

    return apply


def _dropout(module: MemberDropout, prefix: str) -> _Operation:
    def apply(value: _Value, tensors: Tensors, noise: Noise) -> _Value:
        if module.idle or not module.training:
            return value
        x = value.as_rows()
        uniform = noise.draw(x.shape[1:], x.dtype, normal=False)
        rate = tensors[f"{prefix}rate"]
        return _Value(drop(x, uniform, rate.reshape(-1, *[1] * (x.dim() - 1))), value.rows)

    return apply


def _flatten(module: nn.Flatten, prefix: str) -> _Operation | None:
    if (module.start_dim, module.end_dim) != (1, -1):
        return None
    return lambda value, tensors, noise: _Value(value.as_rows().flatten(2), value.rows)


def _unflatten(module: nn.Unflatten, prefix: str) -> _Operation | None:
    if module.dim != 1:
        return None
    size = tuple(int(str(n)) for n in module.unflattened_size)
    return lambda value, tensors, noise: _Value(_unfolded(value.as_rows(), size), value.rows)


def _unfolded(x: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    return x.reshape(*x.shape[:2], *size, *x.shape[3:])
