"""Who escapes the trap of greed? Every algorithm on the deceptive toy, with the same budget, over many seeds.

    python benchmarks/deceptive.py --seeds 20

Each run is a whole population of 22 members and 50 intervals of 20 steps. The number is the best score of the run.
The second column begins at draws from [0.9, 1.1], the third one at draws from the whole range.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from poptrain.space import Float
from poptrain.strategies import MFPBT, PBT, Algorithm, FirePBT, Pairwise, RandomSearch, Restarts, Swarm, exploit, explore
from poptrain.tasks.toy_deceptive import Deceptive
from poptrain.tasks.toy_plain import INTERVAL_STEPS, INTERVALS, POPULATION, SPACE

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from populations import train  # type: ignore[import-not-found, unused-ignore]

Starts = tuple[Mapping[str, float], ...]
Maker = Callable[[Starts], Algorithm[Any]]


def pbt(starts: Starts, **changes: Any) -> PBT:
    options = {"exploit": exploit.truncation(0.25), "explore": explore.perturb((0.8, 1.25)), "initial": starts}
    return PBT(**{**options, **changes})


ALGORITHMS: Mapping[str, Maker] = {
    "random search": lambda starts: RandomSearch(initial=starts),
    "PBT": pbt,
    "PBT, dead band": lambda starts: pbt(starts, exploit=exploit.dead_band()),
    "PBT, every 5 intervals": lambda starts: pbt(starts, ready_interval=5),
    "PBT, every 10 intervals": lambda starts: pbt(starts, ready_interval=10),
    "restarts": lambda starts: Restarts(inner=pbt(starts)),
    "MF-PBT, periods 1 10 25 50": lambda starts: MFPBT(periods=(1, 10, 25, 50), initial=starts),
    "MF-PBT, periods 1 5 10": lambda starts: MFPBT(periods=(1, 5, 10), initial=starts),
    "FIRE-PBT": lambda starts: FirePBT(initial=starts),
    "pairwise learning": lambda starts: Pairwise(initial=starts),
    "particle swarm": lambda starts: Swarm(initial=starts),
}


def end(make: Maker, seed: int, space: Mapping[str, Float], starts: Starts) -> float:
    sizes: dict[str, Any] = {"population": POPULATION, "intervals": INTERVALS, "steps": (INTERVAL_STEPS,)}
    return max(train(Deceptive, space, make(starts), **sizes, seed=seed))


def near(seed: int) -> Starts:
    return tuple({"h": float(h)} for h in np.random.default_rng(seed).uniform(0.9, 1.1, POPULATION))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=20)
    seeds = range(parser.parse_args().seeds)
    wide = {"h": Float(1e-4, 1.1)}
    print(f"{'algorithm':<28} {'starts near 1':>18} {'starts anywhere':>18}   mean and deviation of {len(seeds)} runs")
    for name, make in ALGORITHMS.items():
        columns: Sequence[list[float]] = (
            [end(make, seed, SPACE, near(seed)) for seed in seeds],
            [end(make, seed, wide, ()) for seed in seeds],
        )
        cells = [f"{np.mean(found):8.4f} +- {np.std(found):6.4f}" for found in columns]
        print(f"{name:<28} {cells[0]:>18} {cells[1]:>18}", flush=True)


if __name__ == "__main__":
    main()
