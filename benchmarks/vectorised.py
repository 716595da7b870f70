"""Many networks as one computation, against the same networks one after another, both in two processes of one thread.

    python benchmarks/vectorised.py                 every network, copies, files
    python benchmarks/vectorised.py --only mlp      one of them
    python benchmarks/vectorised.py --study         a whole study too: 32 members of the first network, 25 intervals
    python benchmarks/vectorised.py --tasks         what executor="auto" chooses for the built-in tasks, and its speed
    python benchmarks/vectorised.py --device cuda   on a GPU: one process each, and several numbers of members

The networks one after another are plain torch: a module and an optimiser for each, a loop over them. Both sides draw their own
batch for every member and step. A ratio is of two medians measured in turns in this run.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import poptrain as pt
import poptrain.torch as ptt
from poptrain.store.tensorfile import read_state, write_state
from poptrain.tasks.run import run_task
from poptrain.torch.layout import Layout, Rows

ROUNDS = 5
SECONDS = 1.0


class Classifier(nn.Module):
    """An LSTM, or a Transformer, over a sequence of tokens."""

    def __init__(self, inner: nn.Module, width: int) -> None:
        super().__init__()
        self.embedding, self.inner, self.out = nn.Embedding(500, width), inner, nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.inner(self.embedding(x))
        hidden = found[0] if isinstance(found, tuple) else found
        return self.out(hidden.mean(1))


def lstm() -> nn.Module:
    return Classifier(nn.LSTM(64, 64, batch_first=True), 64)


def transformer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
    return Classifier(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), 128)


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(784, 10),
    )


@dataclass(frozen=True)
class Workload:
    """A network and the shape of its inputs; tokens where the shape is of one dimension and `tokens` is set."""

    net: Callable[[], nn.Module]
    shape: tuple[int, ...]
    classes: int = 10
    tokens: bool = False
    members: int = 32


WORKLOADS = {
    "mlp": Workload(lambda: nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)), (64,)),
    "policy": Workload(lambda: nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 2)), (4,), classes=2),
    "cnn": Workload(cnn, (1, 28, 28)),
    "lstm": Workload(lstm, (20,), tokens=True, members=16),
    "transformer": Workload(transformer, (20,), tokens=True, members=8),
}


def data(load: Workload) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    size = (1400, *load.shape)
    x = torch.randint(500, size, generator=generator) if load.tokens else torch.rand(size, generator=generator)
    return x, torch.randint(load.classes, (1400,), generator=generator)


class OneByOne:
    """Plain torch."""

    def __init__(self, load: Workload, members: int, device: str) -> None:
        self.x, self.y = (t.to(device) for t in data(load))
        self.nets = [load.net().to(device) for _ in range(members)]
        self.optimisers = [torch.optim.Adam(net.parameters(), lr=1e-3) for net in self.nets]

    def run(self, steps: int) -> None:
        for net, optimiser in zip(self.nets, self.optimisers, strict=True):
            for _ in range(steps):
                pick = torch.randint(len(self.x), (64,), device=self.x.device)
                optimiser.zero_grad()
                cross_entropy(net(self.x[pick]), self.y[pick]).backward()
                optimiser.step()


class Together:
    """The population form."""

    def __init__(self, load: Workload, members: int, device: str) -> None:
        x, y = (t.to(device) for t in data(load))
        form = ptt.population(
            net=load.net,
            loss=ptt.CrossEntropy(),
            data=ptt.Batches((x, y)),
            optimiser=ptt.Adam(lr="lr"),
            evaluate=ptt.Accuracy(x, y),
            device=device,
        )
        self.made = form(pt.Block(tuple(range(members))))
        self.made.configure({"lr": np.full(members, 1e-3)})
        self.members, self.start = members, 0

    def run(self, steps: int) -> None:
        seeds = tuple(range(self.start, self.start + self.members))
        self.made.step(pt.PopulationInterval(steps, (self.start,) * self.members, seeds))
        self.start += steps


def worker(kind: str, name: str, members: int, device: str, pipe: Any) -> None:
    """Time what is asked for until the pipe closes."""
    torch.set_num_threads(1)
    side = {"apart": OneByOne, "together": Together}[kind](WORKLOADS[name], members, device)
    side.run(2)
    pipe.send(None)
    while (steps := pipe.recv()) is not None:
        began = time.perf_counter()
        side.run(steps)
        if device == "cuda":
            torch.cuda.synchronize()
        pipe.send(time.perf_counter() - began)


class Team:
    """Processes that train their share of the members."""

    def __init__(self, kind: str, name: str, members: int, workers: int, device: str) -> None:
        context = mp.get_context("spawn")
        self.members, self.pipes, self.processes = members, [], []
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=worker, args=(kind, name, members // workers, device, theirs), daemon=True)
            process.start()
            self.pipes.append(ours)
            self.processes.append(process)
        for pipe in self.pipes:
            pipe.recv()

    def rate(self, steps: int) -> float:
        """Return member-steps a second."""
        for pipe in self.pipes:
            pipe.send(steps)
        return self.members * steps / max(pipe.recv() for pipe in self.pipes)

    def close(self) -> None:
        for pipe, process in zip(self.pipes, self.processes, strict=True):
            pipe.send(None)
            process.join()


def speed(name: str, members: int, workers: int, device: str) -> None:
    teams = {kind: Team(kind, name, members, workers, device) for kind in ("apart", "together")}
    steps = {kind: max(2, int(team.rate(3) / members * SECONDS)) for kind, team in teams.items()}
    rates: dict[str, list[float]] = {kind: [] for kind in teams}
    for _ in range(ROUNDS):
        for kind, team in teams.items():
            rates[kind].append(team.rate(steps[kind]))
    for team in teams.values():
        team.close()
    apart, together = (statistics.median(rates[kind]) for kind in ("apart", "together"))
    least = min(t / a for a, t in zip(rates["apart"], rates["together"], strict=True))
    figures = f"{apart:9.0f} {together:9.0f} member-steps/s  {together / apart:5.2f}x  (least {least:.2f})"
    print(f"{name:12} {members:4} members  {figures}")


def fastest(call: Callable[[], Any], rounds: int = 9) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def wide(width: int) -> Layout:
    return Layout(nn.Sequential(*[nn.Linear(width, width) for _ in range(8)]), ("exp_avg", "exp_avg_sq"))


def copies() -> None:
    rows = Rows(wide(322), 8, torch.device("cpu"))
    megabytes = rows.nbytes / 8e6
    source = np.random.default_rng(0).integers(256, size=rows.nbytes // 8, dtype=np.uint8)
    target = np.empty_like(source)
    plain, ours = fastest(lambda: np.copyto(target, source), 99), fastest(lambda: rows.copy([0], [1]), 99)
    print(f"copy of {megabytes:.0f} MB: memory {1e3 * plain:.2f} ms, member {1e3 * ours:.2f} ms  {ours / plain:.2f}x")


def files(folder: Path) -> None:
    rows = Rows(wide(1020), 2, torch.device("cpu"))
    raw = np.random.default_rng(0).integers(256, size=rows.nbytes // 2, dtype=np.uint8)
    back, path, state = np.empty_like(raw), folder / "raw", folder / "state.safetensors"

    def write() -> None:
        with path.open("wb", buffering=0) as file:
            file.write(memoryview(raw))

    def read() -> None:
        with path.open("rb", buffering=0) as file:
            file.readinto(memoryview(back))

    plain = fastest(write) + fastest(read)
    ours = fastest(lambda: write_state(state, rows.state(0))) + fastest(lambda: rows.load(1, read_state(state)))
    print(f"file of {len(raw) / 1e6:.0f} MB: bytes {1e3 * plain:.0f} ms, member {1e3 * ours:.0f} ms  {ours / plain:.2f}x")


def study(folder: Path) -> None:
    x, y = data(WORKLOADS["mlp"])
    y = (x @ torch.rand(64, 10, generator=torch.Generator().manual_seed(1)) - x.sum(1, keepdim=True) / 2).argmax(1)
    form = ptt.population(
        net=WORKLOADS["mlp"].net,
        loss=ptt.CrossEntropy(),
        data=ptt.Batches((x[:1000], y[:1000])),
        optimiser=ptt.Adam(lr="lr", weight_decay="decay"),
        evaluate=ptt.Accuracy(x[1000:], y[1000:]),
    )
    space = {"lr": pt.Float(1e-4, 1e-1, log=True), "decay": pt.Float(1e-6, 1e-2, log=True)}
    seconds: dict[str, list[float]] = {"processes": [], "vectorised": []}
    events: dict[str, list[Any]] = {}
    for turn in range(3):
        for executor in seconds:
            made = pt.tune(
                form,
                space,
                directory=folder / f"{executor}-{turn}",
                metric="accuracy",
                population=32,
                intervals=25,
                interval_steps=20,
                executor=executor,
                workers=2,
            )
            seconds[executor].append(made.seconds)
            events[executor] = [made.copies, made.best.hparams]
    apart, together = (statistics.median(seconds[executor]) for executor in ("processes", "vectorised"))
    same = "the same" if events["processes"] == events["vectorised"] else "different"
    print(f"study: processes {apart:.2f} s, vectorised {together:.2f} s  {apart / together:.2f}x, {same} decisions")


TASKS: dict[str, tuple[str, dict[str, Any], int]] = {
    "classification, mlp": ("classification", {}, 80),
    "classification, cnn on mnist": ("classification", {"data": "mnist", "model": "cnn"}, 10),
    "gan": ("gan", {}, 10),
    "policy": ("policy", {}, 30),
}
"""Task, settings and steps of an interval."""


def tasks(folder: Path) -> None:
    for name, (task, settings, steps) in TASKS.items():
        seconds: dict[str, list[float]] = {"auto": [], "vectorised": [], "processes": []}
        chosen = ""
        for turn in range(3):
            for executor in seconds:
                made = run_task(
                    task,
                    settings,
                    directory=folder / f"{task}-{len(settings)}-{executor}-{turn}",
                    executor=executor,
                    population=8,
                    intervals=5,
                    interval_steps=steps,
                    workers=2,
                    preflight=False,
                )
                seconds[executor].append(made.seconds)
                chosen = made.config.executor if executor == "auto" else chosen
        auto, *others = (statistics.median(values) for values in seconds.values())
        print(f"{name:30} auto ({chosen}) {auto:6.2f} s, vectorised {others[0]:6.2f} s, processes {others[1]:6.2f} s", end="  ")
        print(f"{min(others) / auto:.2f}x of the better one")


def main() -> None:
    parser = argparse.ArgumentParser(description="Populations as one computation, measured.")
    parser.add_argument("--only", choices=[*WORKLOADS, "copies", "files"])
    parser.add_argument("--study", action="store_true")
    parser.add_argument("--tasks", action="store_true")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = [options.only] if options.only in WORKLOADS else [] if options.only else list(WORKLOADS)
    for name in names:
        counts = (1, 8, 32, 128) if options.device == "cuda" else (WORKLOADS[name].members,)
        for members in counts:
            speed(name, members, 1 if options.device == "cuda" else 2, options.device)
    with tempfile.TemporaryDirectory() as folder:
        if options.only in (None, "copies"):
            copies()
        if options.only in (None, "files"):
            files(Path(folder))
        if options.study:
            study(Path(folder))
        if options.tasks:
            tasks(Path(folder))


if __name__ == "__main__":
    main()
