"""What the commands of the pages do, in words when it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from thrifty.errors import RunError
from thrifty.oracles.catalogue import tools
from thrifty.pages.jobs import Command, Order
from thrifty.project import evaluating, labelling, models, selecting, standing, wording
from thrifty.project.project import Project


def obey(project: Project, order: Order) -> Iterator[str]:
    """Do what an order says, and say line by line what was done.

    Raises:
        ThriftyError: As the command.
    """
    return _COMMANDS[order.command](project, order)


def _collect(project: Project, _order: Order) -> Iterator[str]:
    harvest = labelling.collect(project, tools(project.folder / "batches"))
    yield from wording.left_out_in_words(harvest)
    yield from wording.collected_in_words(harvest)


def _evaluate(project: Project, _order: Order) -> Iterator[str]:
    yield from map(wording.judged_in_words, evaluating.evaluate(project))


def _select(project: Project, order: Order) -> Iterator[str]:
    count = order.budget
    if count is not None and order.minutes is not None:
        raise RunError("frames and minutes exclude each other; give one")
    if order.minutes is not None:
        count = standing.frames_for(project, order.minutes)
    batch, new = selecting.select(project, count, more=order.more)
    frames = len(project.store.choices(batch.number))
    yield wording.chosen_in_words(batch, frames, new=new)


def _send(project: Project, order: Order) -> Iterator[str]:
    made = tools(project.folder / "batches")
    yield wording.sent_in_words(labelling.send(project, order.to, made))


def _train(project: Project, _order: Order) -> Iterator[str]:
    yield wording.trained_in_words(models.train(project))


_COMMANDS: Mapping[Command, Callable[[Project, Order], Iterator[str]]] = {
    "collect": _collect,
    "evaluate": _evaluate,
    "select": _select,
    "send": _send,
    "train": _train,
}
