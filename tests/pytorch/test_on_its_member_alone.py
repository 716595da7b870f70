"""Every hyperparameter of one member changes that member, and no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from networks import CASES, Attentive, Case, Recurrent, floats
from test_agreement import columns, interval, make
from torch import nn
from torch.nn import functional as F

import poptrain.torch as ptt


def dropping() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3))


def dropping_channels() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Dropout2d(), nn.Flatten(), nn.Linear(64, 3))


def weighted(net: Any, batch: Any, h: Mapping[str, torch.Tensor]) -> Any:
    x, y = batch
    out = net(x)
    return F.cross_entropy(out, y) + h["value"] * out.square().mean()


def halved(h: Mapping[str, torch.Tensor], step: torch.Tensor) -> torch.Tensor:
    return 0.01 * h["value"] ** (step + 1)


def jittered(net: Any, batch: Any, h: Mapping[str, torch.Tensor]) -> Any:
    x, y = batch
    return x + h["value"] * ptt.normal_like(x), y


LINEAR = CASES["linear"]
SETTINGS: dict[str, tuple[Case, dict[str, Any]]] = {
    "learning rate": (LINEAR, {"optimiser": ptt.Adam(lr="value")}),
    "weight decay": (LINEAR, {"optimiser": ptt.AdamW(lr=0.01, weight_decay="value")}),
    "decay as gradient": (LINEAR, {"optimiser": ptt.Adam(lr=0.01, weight_decay="value")}),
    "l1 penalty": (LINEAR, {"optimiser": ptt.Adam(lr=0.01, l1="value")}),
    "beta1": (LINEAR, {"optimiser": ptt.Adam(lr=0.01, beta1="value")}),
    "beta2": (LINEAR, {"optimiser": ptt.Adam(lr=0.01, beta2="value")}),
    "epsilon": (LINEAR, {"optimiser": ptt.Adam(lr=0.01, eps="value")}),
    "momentum": (LINEAR, {"optimiser": ptt.SGD(lr=0.01, momentum="value")}),
    "clip norm": (LINEAR, {"optimiser": ptt.SGD(lr=0.1, clip_norm=lambda h, step: h["value"] / 10)}),
    "alpha": (LINEAR, {"optimiser": ptt.RMSprop(lr=0.01, alpha="value")}),
    "schedule": (LINEAR, {"optimiser": ptt.SGD(lr=halved)}),
    "label smoothing": (LINEAR, {"loss": ptt.CrossEntropy(label_smoothing="value")}),
    "label smoothing, ignoring": (LINEAR, {"loss": ptt.CrossEntropy(label_smoothing="value", ignore=2)}),
    "loss weight": (LINEAR, {"loss": weighted}),
    "augmentation": (LINEAR, {"augment": jittered}),
    "dropout": (Case(dropping, floats(6, 5)), {"dropout": "value"}),
    "dropout of one module": (Case(dropping, floats(6, 5)), {"dropout": {"2": "value"}}),
    "scheduled dropout": (Case(dropping, floats(6, 5)), {"dropout": lambda h, step: h["value"] * (step > 0)}),
    "dropout of channels": (Case(dropping_channels, floats(6, 1, 6, 6)), {"dropout": "value"}),
    "dropout in attention": (
        Case(lambda: Attentive(0.5), CASES["transformer"].inputs),
        {"dropout": {f"inner.layers.{i}.self_attn": "value" for i in range(2)}},
    ),
    "dropout in a transformer": (Case(lambda: Attentive(0.5), CASES["transformer"].inputs), {"dropout": "value"}),
    "dropout in an lstm": (Case(lambda: Recurrent(nn.LSTM, num_layers=2), floats(6, 4, 5)), {"dropout": "value"}),
    "dropout in a gru": (Case(lambda: Recurrent(nn.GRU, num_layers=2), floats(6, 4, 5)), {"dropout": "value"}),
}


def trained(case: Case, options: dict[str, Any], values: list[float]) -> list[dict[str, torch.Tensor]]:
    form = make(case, **{"optimiser": ptt.SGD(lr=0.05), **options})
    form.configure(columns(value=values))
    form.step(interval())
    assert list(form.effective()) == ["value"]
    assert form.effective()["value"] == pytest.approx(values)
    return [form.state_dict(row)["net"] for row in range(3)]


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_value_changes_its_member_alone(name: str) -> None:
    case, options = SETTINGS[name]
    before = trained(case, options, [0.2, 0.3, 0.4])
    after = trained(case, options, [0.2, 0.6, 0.4])
    assert [same(a, b) for a, b in zip(before, after, strict=True)] == [True, False, True]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_value_has_the_same_effect_on_a_member_by_itself(name: str) -> None:
    case, options = SETTINGS[name]
    together = trained(case, options, [0.2, 0.3, 0.4])[1]
    if "lstm" in name or "gru" in name:
        pytest.skip("one member alone keeps torch's recurrent kernels, which draw from their own generator")
    form = make(case, (12,), **{"optimiser": ptt.SGD(lr=0.05), **options})
    form.configure(columns(value=[0.3]))
    form.step(interval((12,)))
    for part, tensor in form.state_dict(0)["net"].items():
        torch.testing.assert_close(tensor, together[part], rtol=2e-4, atol=2e-5)


def test_patterns_exempt_parameters_from_decay() -> None:
    optimiser = ptt.SGD(lr=0.05, weight_decay="value", exempt=("*.bias",))

    def still(net: Any, batch: Any, h: Any) -> Any:
        return net(batch[0]).mean() * 0

    before = {name: tensor.clone() for name, tensor in make(LINEAR).state_dict(1)["net"].items()}
    after = trained(LINEAR, {"optimiser": optimiser, "loss": still}, [0.2, 0.3, 0.4])[1]
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"0.weight", "2.weight"}


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_dropout_at_its_ends(rate: float) -> None:
    case = Case(dropping, floats(6, 5))
    nets = trained(case, {"dropout": "value"}, [rate] * 3)
    assert all(bool(tensor.isfinite().all()) for net in nets for tensor in net.values())


def test_dropout_drops_as_many_as_it_says() -> None:
    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale, self.drop = nn.Parameter(torch.ones(())), nn.Dropout(0.1)

        def forward(self, x: torch.Tensor) -> Any:
            return self.drop(x * self.scale)

    def loss(net: Any, batch: Any, h: Any) -> Any:
        return net(batch[0]).mean()

    data: Callable[..., Any] = lambda interval: iter([(torch.ones(3, 40_000),)] * interval.steps)  # noqa: E731
    form = make(Case(Watching, floats(1, 1)), loss=loss, data=data, dropout="value", optimiser=ptt.SGD(lr=1.0))
    form.configure(columns(value=[0.1, 0.5, 0.9]))
    form.step(interval(steps=1))
    seen = [form.state_dict(row)["net"]["scale"] for row in range(3)]
    # Each is 1 minus the mean of the kept and scaled inputs, which is 1 in expectation.
    assert [float(s) for s in seen] == pytest.approx([0.0] * 3, abs=0.06)
