"""Hyperparameters reach the place where they act, after every restore, or an error says so."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from poptrain.core.errors import ConfigError, HyperparameterNotApplied
from poptrain.trainable import Bindings, TrackedHparams


def net() -> torch.nn.Linear:
    return torch.nn.Linear(2, 1)


def groups(model: torch.nn.Linear, **second: float) -> Any:
    return [{"params": [model.weight]}, {"params": [model.bias], **second}]


def test_all_parameter_groups_follow() -> None:
    model = net()
    opt = torch.optim.SGD(groups(model, lr=5.0), lr=1.0)
    bindings = Bindings()
    bindings.bind(opt, lr="lr")
    bindings.apply({"lr": 0.25})
    assert [g["lr"] for g in opt.param_groups] == [0.25, 0.25]


def test_one_group_follows_after_the_groups_were_replaced_by_a_load() -> None:
    model = net()
    opt = torch.optim.SGD(groups(model), lr=1.0)
    bindings = Bindings()
    bindings.bind(opt, group=1, lr="lr")
    opt.load_state_dict(opt.state_dict())
    bindings.apply({"lr": 0.25})
    assert [g["lr"] for g in opt.param_groups] == [1.0, 0.25]


def test_a_parameter_group_on_its_own_is_refused() -> None:
    opt = torch.optim.SGD(net().parameters(), lr=1.0)
    with pytest.raises(ConfigError, match="group=INDEX"):
        Bindings().bind(opt.param_groups[0], lr="lr")


def test_functions_of_several_hyperparameters() -> None:
    opt = torch.optim.Adam(net().parameters())
    bindings = Bindings()
    bindings.bind(opt, betas=lambda h: (h["beta1"], 0.99))
    bindings.apply({"beta1": 0.5})
    assert opt.param_groups[0]["betas"] == (0.5, 0.99)


def test_a_tensor_learning_rate_is_filled_in_place() -> None:
    rate = torch.tensor(1.0)
    opt = torch.optim.Adam(net().parameters(), lr=rate, capturable=False)
    held = opt.param_groups[0]["lr"]
    bindings = Bindings()
    bindings.bind(opt, lr="lr")
    bindings.apply({"lr": 0.3})
    assert opt.param_groups[0]["lr"] is held
    assert float(held) == pytest.approx(0.3)


def test_lists_of_modules_mappings_and_attributes() -> None:
    drops, table = [torch.nn.Dropout(0.1), torch.nn.Dropout(0.2)], {"gamma": 0.9}
    bindings = Bindings()
    bindings.bind(drops, p="dropout")
    bindings.bind(table, gamma="gamma")
    bindings.apply({"dropout": 0.4, "gamma": 0.5})
    assert [d.p for d in drops] == [0.4, 0.4]
    assert table == {"gamma": 0.5}
    assert bindings.effective() == {"dropout": 0.4, "gamma": 0.5}


@pytest.mark.parametrize("target", [torch.nn.Dropout(), {"a": 1}, torch.optim.SGD([torch.zeros(1)], lr=1.0)])
def test_unknown_fields_are_refused(target: Any) -> None:
    with pytest.raises(ConfigError, match="learning"):
        Bindings().bind(target, learning="lr")


def test_a_field_that_keeps_its_old_value_is_an_error() -> None:
    class Stubborn:
        @property
        def rate(self) -> float:
            return 1.0

        @rate.setter
        def rate(self, value: float) -> None:
            pass

    bindings = Bindings()
    bindings.bind(Stubborn(), rate="lr")
    with pytest.raises(HyperparameterNotApplied, match=r"Stubborn.rate must follow 'lr' = 0.5.*it is 1.0"):
        bindings.apply({"lr": 0.5})


def test_a_scheduler_that_was_not_bound_is_found_out() -> None:
    opt = torch.optim.SGD(net().parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(opt, step_size=1, gamma=0.5)
    bindings = Bindings()
    bindings.bind(opt, lr="lr")
    bindings.apply({"lr": 0.2})
    opt.step()
    scheduler.step()
    with pytest.raises(HyperparameterNotApplied, match="bind\\(scheduler, lr="):
        bindings.check({"lr": 0.2}, "at the end of the interval")


@pytest.mark.parametrize("kind", ["lambda", "step", "cosine"])
def test_a_bound_scheduler_scales_its_whole_course(kind: str) -> None:
    def make(rate: float) -> tuple[torch.optim.Optimizer, Any]:
        opt = torch.optim.SGD(net().parameters(), lr=rate)
        if kind == "lambda":
            return opt, torch.optim.lr_scheduler.LambdaLR(opt, lambda t: 1 / (1 + t))
        if kind == "step":
            return opt, torch.optim.lr_scheduler.StepLR(opt, step_size=2, gamma=0.5)
        return opt, torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=10)

    def walk(opt: torch.optim.Optimizer, scheduler: Any, steps: int) -> list[float]:
        rates = []
        for _ in range(steps):
            rates.append(opt.param_groups[0]["lr"])
            opt.step()
            scheduler.step()
        return rates

    opt, scheduler = make(1.0)
    bindings = Bindings()
    bindings.bind(scheduler, lr="lr")
    walk(opt, scheduler, 3)
    bindings.apply({"lr": 0.1})
    reference = make(0.1)
    walk(*reference, 3)
    assert walk(opt, scheduler, 4) == pytest.approx(walk(*reference, 4))


def test_reads_are_tracked() -> None:
    hparams = TrackedHparams({"lr": 1.0, "wd": 0.0})
    assert hparams["lr"] == 1.0
    assert hparams.unread(["lr", "wd"]) == {"wd"}
    hparams.replace({"lr": 2.0, "wd": 0.0})
    assert hparams.unread(["lr", "wd"]) == {"lr", "wd"}
    with pytest.raises(ConfigError, match="did you mean 'lr'"):
        hparams["lrr"]
