"""From a recipe to a finished run in an output folder."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from thrifty.config import Recipe
from thrifty.cycle.context import Context
from thrifty.cycle.loop import remaining, run_all, whole_run
from thrifty.detectors.trainable import trainable
from thrifty.engine.ray_cluster import Cluster
from thrifty.progress import Progress, silent
from thrifty.store.store import RunStore, check_folder, open_store
from thrifty.strategies.catalogue import make_strategies
from thrifty.strategies.strategy import Strategy
from thrifty.study.parallel import Job, run_parallel
from thrifty.study.sets import describe, digest, make_context, open_sets

_PACKAGES = ("thrifty", "torch", "numpy", "av", "pillow", "pyarrow", "sqlalchemy")


@dataclass(frozen=True, eq=False)
class Run:
    """An open run: what the page and the table are made from.

    Attributes:
        context: Data, settings and memory.
        strategies: In the recipe's order.
        recipe_text: As the user wrote it.
        job: The same run, for worker processes.
    """

    context: Context
    strategies: list[Strategy]
    recipe_text: str
    job: Job


@contextmanager
def open_run(
    recipe: Recipe,
    recipe_text: str,
    out: Path,
    data: Path | None = None,
    device: str = "cpu",
    progress: Progress = silent,
) -> Iterator[Run]:
    """Check everything that can be checked, then open the output folder.

    Nothing is written before recipe, data and folder have been found sound.

    Args:
        recipe: What to run.
        recipe_text: Its text, kept for the page.
        out: Output folder, new, empty, or this recipe's own.
        data: The data folder; only the rendered street does without.
        device: "cpu" or "cuda".
        progress: Told how far long work is.

    Raises:
        ThriftyError: Something about recipe, data or folder is wrong.
    """
    make_strategies(recipe, trainable(recipe.detector, recipe.training).gives)
    check_folder(out)
    sets = open_sets(recipe, data)
    with open_store(out, recipe.name, digest(recipe, sets)) as store:
        store.describe_once(describe(recipe, sets))
        context, strategies = make_context(recipe, sets, store, progress, device)
        yield Run(context, strategies, recipe_text, Job(recipe, out, data, device, threads=1))


def execute(
    run: Run,
    jobs: int = 1,
    only: Collection[str] | None = None,
    cluster: Cluster | None = None,
) -> RunStore:
    """Run every stage that is not done yet.

    Each process computes with one thread on a CPU, so that the figures do not depend on how many run side by side.

    Args:
        run: From `open_run`.
        jobs: Worker processes, >= 1; no more are started than there are arms. 1 runs everything in this process.
        only: Names of the strategies that are wanted; all of the recipe's if left out. The others can follow later.
        cluster: Whose workers do it instead, on its own devices.

    Returns:
        The store, with all stages in it.

    Raises:
        ThriftyError: Whatever a stage raises.
    """
    recipe, store = run.context.recipe, run.context.store
    wanted = [one for one in run.strategies if only is None or one.name in only]
    if not any(remaining(store, [whole_run(recipe, wanted)])):
        return store
    store.describe_process(_machine(run.job.device, cluster))
    workers = min(jobs, len(recipe.seeds) * len(wanted))
    if cluster is not None or workers > 1:
        run_parallel(run.context, wanted, run.job, workers, cluster)
    else:
        torch.set_num_threads(run.job.threads)
        run_all(run.context, run.strategies, wanted)
    return store


def _machine(device: str, cluster: Cluster | None) -> dict[str, str]:
    """Where figures come from: this process, or the workers of a cluster, whose packages are the same."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    if cluster is not None:
        place, machine = ("a GPU each" if cluster.gpus else "CPU"), "workers of a Ray cluster"
    elif device == "cuda":
        place = torch.cuda.get_device_name()
    else:
        place = "CPU, one thread a process"
    facts = {
        "device": place,
        "machine": machine,
        "version python": platform.python_version(),
    }
    return facts | {f"version {package}": version(package) for package in _PACKAGES}
