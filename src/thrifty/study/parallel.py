"""Running arms side by side, in processes of this machine or by the workers of a Ray cluster.

Worker processes do the stages and hand back what they leave behind; the main process alone commits. On a CPU, two
processes of one thread each do far more than one of two threads, because the maps are small.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from multiprocessing.connection import Connection
from multiprocessing.queues import Queue
from pathlib import Path

import torch

from thrifty.config import Recipe
from thrifty.cycle.context import Context
from thrifty.cycle.loop import Branch, Done, Task, commit, perform, remaining, whole_run
from thrifty.engine.ray_cluster import Cluster, MessageQueue
from thrifty.engine.ray_crew import Crew
from thrifty.errors import RunError
from thrifty.progress import Message, Progress, Puts, Relay, listen
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


Submit = Callable[[Task], Future[Done]]
"""Has a task done somewhere."""


def run_parallel(
    context: Context,
    strategies: Sequence[Strategy],
    job: Job,
    workers: int,
    cluster: Cluster | None = None,
) -> None:
    """Run every task that is not done yet, on several processes.

    Args:
        context: The run; its store is the only one that is written.
        strategies: The arms that are wanted, in order.
        job: The same run, for the workers.
        workers: Processes, >= 1.
        cluster: Whose workers do it instead; its machines find data and output under the same paths.

    Raises:
        ThriftyError: Whatever a stage raises; what was committed before stays.
        RunError: A worker died; on a cluster, several did of one task.
    """
    hired = (
        _pool(job, workers, context.progress)
        if cluster is None
        else _crew(job, cluster, context.progress)
    )
    with hired as submit:
        _drive(submit, context.store, whole_run(context.recipe, strategies))


def _drive(submit: Submit, store: RunStore, run: Branch) -> None:
    """Keep the next task of every open branch under way."""
    running: dict[Future[Done], Branch] = {}
    ready = list(remaining(store, [run]))
    while ready or running:
        for branch in ready:
            running[submit(branch.tasks[0])] = Branch(branch.tasks[1:], branch.then)
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        # What one has done is kept, though another failed at the same time.
        for future in finished:
            if future.exception() is None:
                commit(store, future.result())
        for future in finished:
            future.result()
        ready = list(remaining(store, [running.pop(future) for future in finished]))


@contextmanager
def _crew(job: Job, cluster: Cluster, progress: Progress) -> Iterator[Submit]:
    messages = MessageQueue()
    listener = threading.Thread(
        target=listen, args=(messages, progress), name="progress", daemon=True
    )
    listener.start()
    elsewhere = replace(
        job,
        out=job.out.absolute(),
        data=job.data and job.data.absolute(),
        device="cuda" if cluster.gpus else "cpu",
    )
    crew: Crew[Task, Done] = Crew(cluster, partial(_join, elsewhere, messages))
    try:
        yield crew.submit
    finally:
        crew.close()
        messages.put(None)
        listener.join(_PATIENCE)


def _join(job: Job, messages: Puts) -> Callable[[Task], Done]:
    """Open the run in a worker."""
    torch.set_num_threads(job.threads)
    context = open_context(job.recipe, job.data, read_store(job.out), Relay(messages), job.device)
    return partial(perform, *context)


@contextmanager
def _pool(job: Job, workers: int, progress: Progress) -> Iterator[Submit]:
    # Fresh interpreters: torch's thread pools do not survive a fork.
    processes = multiprocessing.get_context("spawn")
    messages: Queue[Message | None] = processes.Queue()
    # Workers live as long as the main process holds its end of this pipe, however either of them dies.
    lifeline, grip = processes.Pipe(duplex=False)
    listener = threading.Thread(
        target=listen, args=(messages, progress), name="progress", daemon=True
    )
    listener.start()
    pool = ProcessPoolExecutor(workers, processes, _open, (job, messages, lifeline))
    try:
        with _no_interrupts():
            # One process is started for each.
            for _ in range(workers):
                pool.submit(_stand_by)
        yield lambda task: pool.submit(_perform, task)
    except BaseException as error:
        # What the workers are doing would be thrown away; do not wait for it.
        grip.close()
        if isinstance(error, BrokenProcessPool):
            raise RunError(
                "a worker process died (out of memory, or killed); run the same command again to go on, with fewer "
                "--jobs if memory is short"
            ) from error
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        grip.close()
        messages.put(None)
        # A worker that died in the middle of a message leaves the queue unusable; bars are not worth waiting for.
        listener.join(_PATIENCE)
        messages.cancel_join_thread()


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Processes started meanwhile never see Ctrl-C, which reaches every process of a terminal."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_opened: Callable[[], Callable[[Task], Done]]


def _open(job: Job, messages: Queue[Message | None], lifeline: Connection) -> None:
    """Prepare a worker; the run is opened with its first task, whose error then reaches the main process."""
    global _opened  # noqa: PLW0603 - a pool's initialiser has no other place to leave what its tasks use
    threading.Thread(target=_leave_with, args=(lifeline,), daemon=True).start()
    # Bars that nobody shows any more must not keep this process from ending.
    messages.cancel_join_thread()
    _opened = cache(partial(_join, job, messages))


def _leave_with(lifeline: Connection) -> None:
    """End this worker when the main process lets go of its end of the pipe; nothing is ever sent through it."""
    lifeline.poll(None)
    os._exit(1)


def _stand_by() -> None:
    """Nothing; submitting it starts a worker."""


def _perform(task: Task) -> Done:
    return _opened()(task)
