"""What the commands of the pages do, in words when it is done. Each loads what it needs, as on the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from thrifty.errors import OracleError, RunError
from thrifty.pages.jobs import Command, Order
from thrifty.progress import Progress
from thrifty.project import wording
from thrifty.project.project import Project, open_project


def obey(folder: Path, device: str, order: Order, progress: Progress) -> Iterator[str]:
    """Do what an order says, long work when it is this process's turn, and say line by line what was done.

    Args:
        folder: The project's.
        device: `auto`, `cpu` or `cuda`.
        order: What.
        progress: Told how far it is.

    Raises:
        ThriftyError: As the command.
    """
    act = _COMMANDS[order.command]
    place = _device(device) if order.command in _COMPUTING else "cpu"
    with open_project(folder, progress, place) as project, ExitStack() as waiting:

        def wait() -> None:
            told = "waiting for another process on this project"
            waiting.enter_context(progress(told, 0, ""))

        if order.command in _AT_ANY_TIME:
            yield from act(project, order)
            return
        with project.store.turn(wait):
            waiting.close()
            yield from act(project, order)


def _device(wanted: str) -> str:
    from thrifty.detectors.device import find_device

    return find_device(wanted)


def _collect(project: Project, _order: Order) -> Iterator[str]:
    from thrifty.oracles.catalogue import tools
    from thrifty.project.labelling import collect

    harvest = collect(project, tools(project.folder / "batches"))
    yield from wording.left_out_in_words(harvest)
    yield from wording.collected_in_words(harvest)
    if harvest.failed:
        raise OracleError("; ".join(harvest.failed))


def _evaluate(project: Project, _order: Order) -> Iterator[str]:
    from thrifty.project.evaluating import evaluate

    yield from map(wording.judged_in_words, evaluate(project))


def _select(project: Project, order: Order) -> Iterator[str]:
    from thrifty.project.selecting import select
    from thrifty.project.standing import frames_for

    if order.budget is not None and order.minutes is not None:
        raise RunError("frames and minutes exclude each other; give one")
    count = order.budget if order.minutes is None else frames_for(project, order.minutes)
    batch, new = select(project, count, more=order.more)
    frames = len(project.store.choices(batch.number))
    yield wording.chosen_in_words(batch, frames, new=new)


def _send(project: Project, order: Order) -> Iterator[str]:
    from thrifty.oracles.catalogue import tools
    from thrifty.project.labelling import send_all

    made = tools(project.folder / "batches")
    yield from map(wording.sent_in_words, send_all(project, order.to, made))


def _train(project: Project, _order: Order) -> Iterator[str]:
    from thrifty.project.models import train

    yield wording.trained_in_words(train(project))


_AT_ANY_TIME = frozenset({"collect"})
_COMPUTING = frozenset({"evaluate", "select", "train"})
_COMMANDS: Mapping[Command, Callable[[Project, Order], Iterator[str]]] = {
    "collect": _collect,
    "evaluate": _evaluate,
    "select": _select,
    "send": _send,
    "train": _train,
}
