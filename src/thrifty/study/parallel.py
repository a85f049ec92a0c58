"""Running arms side by side on one machine.

Worker processes do the stages and hand back what they leave behind; the main process alone commits. On a CPU, two
processes of one thread each do far more than one of two threads, because the maps are small.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

import torch

from thrifty.config import Recipe
from thrifty.cycle.context import Context
from thrifty.cycle.loop import (
    Done,
    Task,
    arm_chain,
    commit,
    perform,
    remaining,
    start_chain,
    survey_chain,
)
from thrifty.errors import RunError
from thrifty.progress import Message, Progress, Relay, listen
from thrifty.store.store import RunStore, read_store
from thrifty.strategies.strategy import Strategy
from thrifty.study.sets import open_context

_PATIENCE = 2.0
"""Seconds that the end of a run waits for what is not worth more."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker needs to know to open the run for itself."""

    recipe: Recipe
    out: Path
    data: Path | None
    device: str
    threads: int


def run_parallel(context: Context, job: Job, workers: int) -> None:
    """Run every task that is not done yet, on several processes.

    Args:
        context: The run; its store is the only one that is written.
        job: The same run, for the workers.
        workers: Processes, >= 1.

    Raises:
        ThriftyError: Whatever a stage raises; what was committed before stays.
        RunError: A worker died.
    """
    recipe = context.recipe
    arms = [(seed, strategy) for seed in recipe.seeds for strategy in recipe.selection.strategies]
    with _pool(job, workers, context.progress) as pool:
        _drive(pool, context.store, [survey_chain()])
        starts = [start_chain(seed) for seed in recipe.seeds]
        followers = {
            seed: [arm_chain(recipe, *arm) for arm in arms if arm[0] == seed]
            for seed in recipe.seeds
        }
        _drive(pool, context.store, starts, followers)


def _drive(
    pool: ProcessPoolExecutor,
    store: RunStore,
    chains: Sequence[Sequence[Task]],
    followers: dict[int, list[list[Task]]] | None = None,
) -> None:
    """Keep the next task of every open chain under way; a seed's arms open when its start weights are done."""
    queued = [remaining(store, chain) for chain in chains]
    for chain in chains:
        if not remaining(store, chain) and followers:
            queued += [remaining(store, arm) for arm in followers.pop(chain[0].key.seed)]
    running: dict[Future[Done], list[Task]] = {
        pool.submit(_perform, chain[0]): chain[1:] for chain in queued if chain
    }
    try:
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                rest, done = running.pop(future), future.result()
                commit(store, done)
                opened = [rest] if rest else _following(store, done.task, followers)
                running |= {pool.submit(_perform, chain[0]): chain[1:] for chain in opened}
    except BrokenProcessPool as error:
        raise RunError(
            "a worker process died (out of memory, or killed); run the same command again to go on, with fewer --jobs "
            "if memory is short"
        ) from error


def _following(
    store: RunStore, last: Task, followers: dict[int, list[list[Task]]] | None
) -> list[list[Task]]:
    if not followers or last.key.strategy:
        return []
    return [chain for arm in followers.pop(last.key.seed, []) if (chain := remaining(store, arm))]


@contextmanager
def _pool(job: Job, workers: int, progress: Progress) -> Iterator[ProcessPoolExecutor]:
    # Fresh interpreters: torch's thread pools do not survive a fork.
    processes = multiprocessing.get_context("spawn")
    messages: Queue[Message | None] = processes.Queue()
    stopped = processes.Event()
    listener = threading.Thread(
        target=listen, args=(messages, progress), name="progress", daemon=True
    )
    listener.start()
    pool = ProcessPoolExecutor(workers, processes, _open, (job, messages, stopped, os.getpid()))
    try:
        yield pool
    except BaseException:
        # What the workers are doing would be thrown away; do not wait for it.
        stopped.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        messages.put(None)
        # A worker that died in the middle of a message leaves the queue unusable; bars are not worth waiting for.
        listener.join(_PATIENCE)
        messages.cancel_join_thread()


_worker: tuple[Context, list[Strategy]]


def _open(job: Job, messages: Queue[Message | None], stopped: Event, parent: int) -> None:
    """Open the run in a worker."""
    global _worker  # noqa: PLW0603 - a pool's initialiser has no other place to leave what its tasks use
    # Ctrl-C reaches every process of the terminal; the main one decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(stopped, parent), daemon=True).start()
    torch.set_num_threads(job.threads)
    store = read_store(job.out)
    _worker = open_context(job.recipe, job.data, store, Relay(messages), job.device)


def _leave_with(stopped: Event, parent: int) -> None:
    """End this worker when it is told to stop, or when the main process is gone, however it went."""
    while not stopped.wait(_PATIENCE / 4) and os.getppid() == parent:
        pass
    os._exit(1)


def _perform(task: Task) -> Done:
    context, strategies = _worker
    return perform(context, strategies, task)
