"""What cannot be computed for several members at once is said with its place and the way out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from networks import CASES, Case, floats
from test_agreement import columns, interval, make
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.checkpoint import checkpoint

import poptrain.torch as ptt
from poptrain.core.errors import ConfigError, NotBatchable, StateError


class Odd(nn.Module):
    """A network around something that only works for one member."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.body, self.out, self.rnn = nn.Linear(5, 5), nn.Linear(5, 3), nn.GRU(5, 5, batch_first=True)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.body(x)
        match self.kind:
            case "control flow":
                x = x if x.sum() > 0 else -x
            case "item":
                x = x * float(x.sum().item())
            case "selection":
                x = x[x[:, 0] > 0].sum(0) + x
            case "random":
                x = x + torch.rand_like(x)
            case "packed":
                lengths = torch.full((len(x),), 1)
                packed, _ = self.rnn(pack_padded_sequence(x.unsqueeze(1), lengths, batch_first=True))
                x = packed.data
            case "checkpoint":
                x = checkpoint(torch.tanh, x, use_reentrant=True)
        return self.out(x)


def odd(kind: str, seeds: tuple[int, ...]) -> ptt.TorchPopulation:
    form = make(Case(lambda: nn.Sequential(nn.Identity(), Odd(kind)), floats(6, 5)), seeds)
    form.configure(columns(lr=[0.01] * len(seeds)))
    return form


@pytest.mark.parametrize("kind", ["control flow", "item", "selection", "random", "packed", "checkpoint"])
def test_the_place_and_the_way_out_are_named(kind: str) -> None:
    with pytest.raises(
        NotBatchable, match=r"module '1(\.rnn)?' \((Odd|MemberGRU)\) works for one member.*executor='processes'"
    ):
        odd(kind, (1, 2, 3)).step(interval())


@pytest.mark.parametrize("kind", ["control flow", "item", "selection", "random", "packed", "checkpoint"])
def test_one_member_at_a_time_may_do_all_that(kind: str) -> None:
    form = odd(kind, (1,))
    before = form.state_dict(0)["net"]["1.out.weight"].clone()
    form.step(interval((1,)))
    assert not torch.equal(form.state_dict(0)["net"]["1.out.weight"], before)


def normalised(norm: Any) -> Case:
    return Case(lambda: nn.Sequential(norm(nn.Linear(5, 8)), nn.ReLU(), nn.Linear(8, 3)), floats(6, 5))


def test_weight_norm_is_batched() -> None:
    case = normalised(parametrizations.weight_norm)
    form, single = make(case), make(case, (12,))
    for one, seeds, rates in ((form, (11, 12, 13), [0.01, 0.003, 0.03]), (single, (12,), [0.003])):
        one.configure(columns(lr=rates))
        one.step(interval(seeds))
    for part, tensor in single.state_dict(0)["net"].items():
        torch.testing.assert_close(form.state_dict(1)["net"][part], tensor, rtol=2e-4, atol=2e-5)


def test_spectral_norm_is_refused() -> None:
    form = make(normalised(parametrizations.spectral_norm))
    form.configure(columns(lr=[0.01, 0.003, 0.03]))
    with pytest.raises(NotBatchable, match=r"\(_SpectralNorm\) works for one member.*executor='processes'"):
        form.step(interval())


def test_a_mistake_in_the_code_is_raised_as_it_is() -> None:
    class Wrong(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> Any:
            return self.out(x)

    form = make(Case(Wrong, floats(6, 5)))
    form.configure(columns(lr=[0.01] * 3))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        form.step(interval())


def test_slow_operations_are_remarked_once() -> None:
    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> Any:
            return torch.renorm(self.out(x), 2, 0, 1.0)

    form = make(Case(Slow, floats(6, 5)))
    form.configure(columns(lr=[0.01] * 3))
    form.step(interval())
    form.step(interval())
    slow = [remark for remark in form.remarks() if "renorm" in remark]
    assert len(slow) == 1
    assert "executor='processes'" in slow[0]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an optimiser of torch": ({"optimiser": torch.optim.SGD}, "must be one of poptrain.torch"),
    "no accumulation": ({"accumulate": 0}, "accumulate must be at least 1, got 0"),
    "an unknown hyperparameter": ({"optimiser": ptt.SGD(lr="rate")}, "no hyperparameter 'rate' in the space: it has lr"),
    "no dropout": ({"dropout": "lr"}, "the network has no dropout"),
    "dropout elsewhere": ({"dropout": {"9": "lr"}}, "no module '9' drops anything"),
    "a loss for each example": ({"loss": lambda net, batch, h: net(batch[0]).sum(1)}, r"must be one number, got shape \(6,\)"),
    "a pattern without effect": ({"optimiser": ptt.SGD(lr="lr", exempt=("bias",))}, "'bias' fits no parameter"),
    "no network": ({"net": lambda: "net"}, "must return a torch.nn.Module, got str"),
    "nothing to train": ({"net": lambda: nn.Sequential(nn.Flatten())}, "none that requires gradients"),
    "two dtypes": ({"net": lambda: nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 3).double())}, "must have one dtype"),
    "too few batches": ({"data": lambda interval: iter([])}, "ended within an interval of 4 steps"),
    "a batch size that is not structural": ({"data": ptt.Batches((torch.rand(4, 5),), batch_size="size")}, "structural=True"),
    "sparse embeddings": ({"net": lambda: nn.Sequential(nn.Embedding(5, 3, sparse=True))}, "cannot be batched"),
    "bias in attention": (
        {"net": lambda: nn.Sequential(nn.MultiheadAttention(4, 2, add_bias_kv=True))},
        "add_bias_kv or add_zero_attn cannot be batched",
    ),
    "projected lstm": ({"net": lambda: nn.Sequential(nn.LSTM(5, 4, proj_size=2))}, "proj_size cannot be batched"),
}


def start(options: dict[str, Any]) -> None:
    form = make(CASES["linear"], **options)
    form.configure(columns(lr=[0.01] * 3))
    form.step(interval())


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_refused(name: str) -> None:
    options, text = BAD[name]
    with pytest.raises(ConfigError, match=text):
        start(options)


@pytest.mark.parametrize("values", [{"lr": -1.0}, {"lr": 0.1, "weight_decay": -0.1}, {"lr": 0.1, "clip_norm": -1}])
def test_negative_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be at least 0, got -"):
        ptt.SGD(**values)


def test_unequal_examples_are_refused() -> None:
    with pytest.raises(ConfigError, match="equally many examples and at least one, got 3, 4"):
        ptt.Batches((torch.rand(3, 2), torch.rand(4)))
    with pytest.raises(ConfigError, match="batch_size must be at least 1, got 0"):
        ptt.Batches((torch.rand(3, 2),), batch_size=0)


def test_a_choice_of_words_has_no_tensor() -> None:
    form = make(CASES["linear"], optimiser=ptt.SGD(lr="kind"))
    form.configure({"kind": np.array(["a", "b", "c"], dtype=object)})
    with pytest.raises(ConfigError, match="'kind' is not a number, so it has no tensor: declare it structural=True"):
        form.step(interval())


def test_a_state_of_another_network_is_refused() -> None:
    form = make(CASES["linear"])
    state = form.state_dict(0)
    with pytest.raises(StateError, match=r"differ in 4\.weight"):
        form.load_state_dict(1, {**state, "net": {**state["net"], "4.weight": torch.rand(2)}})
    with pytest.raises(StateError, match=r"shape \(2,\) in this state, \(3,\) in the network"):
        form.load_state_dict(1, {**state, "net": {**state["net"], "2.bias": torch.rand(2)}})
