"""Modules whose noise and rates belong to a member, put in place of torch's own in a network.

A network is changed by giving some of its modules another class; parameters keep their names. Rates of dropout become the
buffer `rate`, which may differ from member to member.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from poptrain.core.errors import ConfigError
from poptrain.torch.noise import uniform_like

__all__ = ["adapt", "drop", "dropout_modules", "fixed_rates", "set_rate", "wake"]

_TINY = 1e-12


def drop(x: torch.Tensor, uniform: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    """Return `x` with the entries zero whose uniform number is below the rate, and the others scaled up."""
    return x * ((uniform >= rate) / (1 - rate).clamp(min=_TINY)).to(x.dtype)


class _Rated(nn.Module):
    """A module with a rate of dropout."""

    rate: torch.Tensor
    idle: bool
    """Whether the rate is zero for good."""

    def _drop(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.idle or not self.training else drop(x, uniform_like(x), self.rate)


class MemberDropout(_Rated, nn.Dropout):
    """Dropout."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self._drop(input)


class _MemberChannelDropout(_Rated):
    """Dropout of whole channels of (batch, channels, ...)."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if self.idle or not self.training:
            return input
        example = input.detach().flatten(2).select(2, 0)
        return drop(input, uniform_like(example).reshape(*example.shape, *[1] * (input.dim() - 2)), self.rate)


class MemberDropout1d(_MemberChannelDropout, nn.Dropout1d):
    """Dropout of whole channels."""


class MemberDropout2d(_MemberChannelDropout, nn.Dropout2d):
    """Dropout of whole channels."""


class MemberDropout3d(_MemberChannelDropout, nn.Dropout3d):
    """Dropout of whole channels."""


class MemberEmbedding(nn.Embedding):
    """Embeddings whose padding gets no gradient under vmap either (torch 2.13 forgets it there)."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        found = F.embedding(input, self.weight)
        if self.padding_idx is None:
            return found
        return torch.where((input == self.padding_idx).unsqueeze(-1), found.detach(), found)


class MemberAttention(_Rated, nn.MultiheadAttention):
    """Multi-head attention written out, with dropout of the attention weights."""

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        need_weights: bool = True,
        attn_mask: torch.Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        single = query.dim() == 2
        if single:
            query, key, value = (x.unsqueeze(0 if self.batch_first else 1) for x in (query, key, value))
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        if not self.batch_first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        q, k, v = (self._heads(x) for x in self._project(query, key, value))
        scores = q @ k.mT * (1.0 / math.sqrt(self.head_dim))
        scores = self._masked(scores, attn_mask, key_padding_mask)
        weights = self._drop(scores.softmax(-1))
        mixed = (weights @ v).transpose(1, 2).flatten(2)
        out = F.linear(mixed, self.out_proj.weight, self.out_proj.bias)
        out = out if self.batch_first else out.transpose(0, 1)
        shown = (weights.mean(1) if average_attn_weights else weights) if need_weights else None
        if single:
            return out.squeeze(0 if self.batch_first else 1), None if shown is None else shown.squeeze(0)
        return out, shown

    def _project(self, *inputs: torch.Tensor) -> Iterator[torch.Tensor]:
        biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        if self._qkv_same_embed_dim:
            weights: Any = self.in_proj_weight.chunk(3)
        else:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        for x, weight, bias in zip(inputs, weights, biases, strict=True):
            yield F.linear(x, weight, bias)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(*x.shape[:2], self.num_heads, self.head_dim).transpose(1, 2)

    def _masked(self, scores: torch.Tensor, mask: torch.Tensor | None, padding: torch.Tensor | None) -> torch.Tensor:
        """Return scores of shape (batch, heads, queries, keys) with what may not be looked at at minus infinity."""
        if mask is not None:
            mask = mask if mask.dim() == 2 else mask.reshape(-1, self.num_heads, *mask.shape[1:])
            scores = scores.masked_fill(mask, -math.inf) if mask.dtype == torch.bool else scores + mask
        if padding is not None:
            padding = padding[:, None, None, :]
            scores = scores.masked_fill(padding, -math.inf) if padding.dtype == torch.bool else scores + padding
        return scores


class _MemberRecurrent(_Rated):
    """A recurrent network step by step: the fused kernels cannot be batched, or draw their dropout from one generator."""

    gates: int
    num_layers: int
    bidirectional: bool
    batch_first: bool
    hidden_size: int
    bias: bool

    def forward(self, input: Any, hx: Any = None) -> Any:
        if not isinstance(input, torch.Tensor):
            return super().forward(input, hx)  # a packed sequence, which only torch's own kernel can take, for one member
        single = input.dim() == 2
        x = input.unsqueeze(0 if self.batch_first else 1) if single else input
        x = x.transpose(0, 1) if self.batch_first else x
        starts = self._starts(x, hx, single=single)
        ends = []
        for layer in range(self.num_layers):
            x = self._drop(x) if layer else x
            parts = []
            for direction in range(1 + self.bidirectional):
                out, end = self._layer(x, starts[layer * (1 + self.bidirectional) + direction], layer, direction)
                parts.append(out)
                ends.append(end)
            x = torch.cat(parts, -1)
        out = x.transpose(0, 1) if self.batch_first else x
        stacked = [torch.stack(kind) for kind in zip(*ends, strict=True)]
        if single:
            out, stacked = out.squeeze(0 if self.batch_first else 1), [s.squeeze(1) for s in stacked]
        return out, tuple(stacked) if len(stacked) > 1 else stacked[0]

    def _starts(self, x: torch.Tensor, hx: Any, *, single: bool) -> list[list[torch.Tensor]]:
        kinds = 2 if isinstance(self, nn.LSTM) else 1
        count = self.num_layers * (1 + self.bidirectional)
        if hx is None:
            zero = x.new_zeros(x.shape[1], self.hidden_size)
            return [[zero] * kinds for _ in range(count)]
        given = [h.unsqueeze(1) if single else h for h in (hx if kinds == 2 else (hx,))]
        return [[h[index] for h in given] for index in range(count)]

    def _layer(
        self, x: torch.Tensor, start: list[torch.Tensor], layer: int, direction: int
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        suffix = f"_l{layer}" + ("_reverse" if direction else "")
        recurrent: torch.Tensor = getattr(self, f"weight_hh{suffix}")
        bias = getattr(self, f"bias_hh{suffix}") if self.bias else None
        inner = F.linear(x, getattr(self, f"weight_ih{suffix}"), getattr(self, f"bias_ih{suffix}") if self.bias else None)
        state, outs = start, []
        times = inner.unbind(0)
        for gates in reversed(times) if direction else times:
            state = self._cell(gates, F.linear(state[0], recurrent, bias), state)
            outs.append(state[0])
        return torch.stack(outs[::-1] if direction else outs), state

    def _cell(self, inner: torch.Tensor, recurrent: torch.Tensor, state: list[torch.Tensor]) -> list[torch.Tensor]:
        raise TypeError(type(self).__name__)


class MemberLSTM(_MemberRecurrent, nn.LSTM):
    """Long short-term memory, step by step."""

    def _cell(self, inner: torch.Tensor, recurrent: torch.Tensor, state: list[torch.Tensor]) -> list[torch.Tensor]:
        i, f, g, o = (inner + recurrent).chunk(4, -1)
        cell = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
        return [o.sigmoid() * cell.tanh(), cell]


class MemberGRU(_MemberRecurrent, nn.GRU):
    """Gated recurrent unit, step by step."""

    def _cell(self, inner: torch.Tensor, recurrent: torch.Tensor, state: list[torch.Tensor]) -> list[torch.Tensor]:
        (ri, zi, ni), (rh, zh, nh) = inner.chunk(3, -1), recurrent.chunk(3, -1)
        reset, update = (ri + rh).sigmoid(), (zi + zh).sigmoid()
        new = (ni + reset * nh).tanh()
        return [new + update * (state[0] - new)]


class MemberRNN(_MemberRecurrent, nn.RNN):
    """Elman network, step by step."""

    def _cell(self, inner: torch.Tensor, recurrent: torch.Tensor, state: list[torch.Tensor]) -> list[torch.Tensor]:
        return [getattr(torch, self.nonlinearity)(inner + recurrent)]


_ALWAYS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Dropout: MemberDropout,
    nn.Dropout1d: MemberDropout1d,
    nn.Dropout2d: MemberDropout2d,
    nn.Dropout3d: MemberDropout3d,
    nn.MultiheadAttention: MemberAttention,
}
_STEP_BY_STEP: dict[type[nn.Module], type[nn.Module]] = {nn.LSTM: MemberLSTM, nn.GRU: MemberGRU, nn.RNN: MemberRNN}


def adapt(module: nn.Module, *, batched: bool) -> None:
    """Give modules of a network their member's form, in place.

    Args:
        module: the network.
        batched: whether several members will be computed at once; one alone keeps torch's recurrent kernels.

    Raises:
        ConfigError: a module has an option that cannot be batched.
    """
    for name, part in module.named_modules():
        kind = type(part)
        if isinstance(part, nn.Embedding) and kind is nn.Embedding:
            if part.sparse or part.max_norm is not None or part.scale_grad_by_freq:
                raise ConfigError(
                    f"{name}: embeddings with sparse, max_norm or scale_grad_by_freq cannot be batched: leave them out"
                )
            part.__class__ = MemberEmbedding
        elif kind in _ALWAYS:
            if isinstance(part, nn.MultiheadAttention) and (part.bias_k is not None or part.add_zero_attn):
                raise ConfigError(f"{name}: attention with add_bias_kv or add_zero_attn cannot be batched: leave them out")
            _turn(part, _ALWAYS[kind], _rate_of(part))
        elif kind in _STEP_BY_STEP and batched:
            if part.proj_size:
                raise ConfigError(f"{name}: an LSTM with proj_size cannot be batched: use a Linear, or executor='processes'")
            _turn(part, _STEP_BY_STEP[kind], _rate_of(part))


def _turn(module: nn.Module, kind: type[nn.Module], rate: float) -> None:
    module.__class__ = kind
    module.register_buffer("rate", torch.tensor(float(rate)), persistent=False)
    cast(_Rated, module).idle = rate == 0.0


def _rate_of(module: nn.Module) -> float:
    return float(cast(Any, module).p if hasattr(module, "p") else cast(Any, module).dropout)


def dropout_modules(module: nn.Module) -> dict[str, nn.Module]:
    """Return the modules of a network that drop something, by name; its recurrent ones only where they have several layers."""
    recurrent = (nn.LSTM, nn.GRU, nn.RNN)
    return {
        name: part
        for name, part in module.named_modules()
        if (isinstance(part, _Rated) and not isinstance(part, recurrent))
        or (isinstance(part, recurrent) and part.num_layers > 1)
    }


def set_rate(module: nn.Module, rate: torch.Tensor) -> None:
    """Put a rate into force in a network of one member; shape ()."""
    if isinstance(module, _Rated):
        module.rate.copy_(rate)
        module.idle = False
    else:
        cast(Any, module).dropout = float(rate)


def fixed_rates(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the rates that are not zero, of shape (), by the names of their buffers."""
    parts = {name: part for name, part in dropout_modules(module).items() if isinstance(part, _Rated)}
    return {f"{name}.rate" if name else "rate": part.rate for name, part in parts.items() if not part.idle}


def wake(module: nn.Module) -> None:
    """Note that a module's rate will be set."""
    cast(_Rated, module).idle = False
