"""Start-up: importing poptrain against importing numpy, and a whole study of one interval against a bare process.

python benchmarks/startup.py [--repeats 7]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STUDY = """
import poptrain as pt
def train(member):
    for interval in member.intervals():
        member.report(x=member["h"])
if __name__ == "__main__":
    pt.tune(train, {"h": pt.Float(0.0, 1.0)}, metric="x", population=2, intervals=1, executor=%r, workers=2,
            algorithm=pt.PBT(exploit=pt.exploit.truncation(0.5)), directory=%r, preflight=False)
"""


def seconds(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    rows: dict[str, list[float]] = {}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            cases = {
                "python alone": "pass",
                "import numpy": "import numpy",
                "import poptrain": "import poptrain",
                "study, inline": STUDY % ("inline", f"{folder}/a"),
                "study, 2 processes": STUDY % ("processes", f"{folder}/b"),
            }
            for name, code in cases.items():
                rows.setdefault(name, []).append(seconds(code))
    base = statistics.median(rows["import numpy"])
    print(f"{'what':<22}{'s':>7}{'x numpy':>9}")
    for name, found in rows.items():
        print(f"{name:<22}{statistics.median(found):>7.3f}{statistics.median(found) / base:>9.2f}")


if __name__ == "__main__":
    main()
