"""Do single agents lose their peaks, and does a population keep its own?

    poptrain compare --config recipes/sarsa-small.toml -m pbt,random,manual -k 3 -d runs/sarsa
    python benchmarks/peaks.py runs/sarsa -o peaks.svg

Every member of the manual studies is a single agent: nobody copies anybody there. For each of them, and for the best member of
the PBT population after each interval, the picture shows the score, and the text how far the last score is below the highest.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

from poptrain import Study

mpl.use("Agg")
import matplotlib.pyplot as plt

Scores = npt.NDArray[np.float64]


def scores_of(folder: Path, method: str) -> list[Scores]:
    """Return the scores of all seeds of a method, each of shape (members, intervals)."""
    found = sorted(folder.glob(f"{method}-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    return [np.asarray(Study.open(path).record.scores) for path in found if (path / "study.sqlite").exists()]


def lost(curve: Scores) -> tuple[float, float]:
    """Return the highest score and the last one."""
    return float(np.nanmax(curve)), float(curve[-1])


def main() -> None:
    """Draw, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("comparison", type=Path, help="folder of a comparison that has the methods pbt and manual")
    parser.add_argument("-o", "--output", type=Path, default=Path("peaks.svg"))
    asked = parser.parse_args()
    single, population = scores_of(asked.comparison, "manual"), scores_of(asked.comparison, "pbt")
    if not single or len(single) != len(population):
        parser.error(f"{asked.comparison} must hold as many studies manual-* as pbt-*")
    figure, axes = plt.subplots(1, len(single), figsize=(4.2 * len(single), 3.4), sharey=True, squeeze=False)
    agents, others, bests = [], [], []
    for seed, (alone, together, axis) in enumerate(zip(single, population, axes[0], strict=True)):
        x = np.arange(1, alone.shape[1] + 1)
        for member, curve in enumerate(alone):
            axis.plot(x, curve, color="#999999", alpha=0.55, lw=1, label=None if member else "single agents")
        axis.plot(x, np.nanmax(alone, 0), color="#d55e00", lw=1.6, label="best of the single agents")
        axis.plot(x, np.nanmax(together, 0), color="#0072b2", lw=2.2, label="best member of the population")
        axis.plot(x, np.nanmedian(together, 0), color="#0072b2", lw=1.2, ls="--", label="its median member")
        axis.set(title=f"seed {seed}", xlabel="interval")
        axis.grid(alpha=0.25)
        agents += [lost(curve) for curve in alone]
        others.append(lost(np.nanmax(alone, 0)))
        bests.append(lost(np.nanmax(together, 0)))
    axes[0][0].set_ylabel("return of 20 greedy episodes")
    axes[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(asked.output, metadata={"Date": None} if asked.output.suffix == ".svg" else None)
    for name, pairs in (
        ("single agents", agents),
        ("best of the single agents", others),
        ("best of the population", bests),
    ):
        peak, last = np.array(pairs).T
        kept = np.mean(last / peak)
        print(f"{name}: peak {peak.mean():.1f}, last {last.mean():.1f}, keeps {kept:.0%} ({len(pairs)} curves)")
    print(f"written to {asked.output}")


if __name__ == "__main__":
    main()
