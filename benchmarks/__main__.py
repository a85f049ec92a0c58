"""Prints the table of ratios, with the machine it was taken on."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numba
import torch

from benchmarks import cluster, detectors, evaluation, gpu, pool, scoring, selection, strategies
from benchmarks.timing import Row


def machine() -> str:
    """Processor, cores, versions."""
    cpuinfo = Path("/proc/cpuinfo")
    names = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in names if line.startswith("model name")]
    processor = names[0] if names else platform.processor()
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"{processor}, {os.cpu_count()} cores, {torch.get_num_threads()} torch threads, {where}; "
        f"Python {platform.python_version()}, torch {torch.__version__}, numba {numba.__version__}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what scoring costs.")
    parser.add_argument("--million", action="store_true", help="score a million frames too")
    parser.add_argument("--threads", type=int, help="threads of torch and of the CPU kernels")
    parser.add_argument(
        "--only",
        choices=(
            "scoring",
            "detectors",
            "pool",
            "cluster",
            "selection",
            "evaluation",
            "strategies",
            "gpu",
        ),
        help="one part",
    )
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    parts: dict[str, Iterator[Row]] = {
        "scoring": scoring.rows(),
        "detectors": detectors.rows(),
        "selection": selection.rows(),
        "evaluation": evaluation.rows(),
        "strategies": strategies.rows(),
        "gpu": gpu.rows(),
        "pool": pool.rows(million=chosen.million),
        "cluster": cluster.rows(),
    }
    print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine()}\n")  # noqa: T201
    print("| work | wanted | measured | holds | medians (middle half) |\n|---|---|---|---|---|")  # noqa: T201
    wanted = [parts[chosen.only]] if chosen.only else parts.values()
    for row in chain.from_iterable(wanted):
        print(row, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
