"""How long work reports how far it is, without knowing who listens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Step(Protocol):
    """One bar: call it with the number of units done since the last call."""

    def __call__(self, units: int = 1) -> None: ...


class Progress(Protocol):
    """Opens bars."""

    def __call__(self, what: str, total: int, unit: str) -> AbstractContextManager[Step]:
        """Open a bar for `total` units of work, shown as `what`, counted in `unit` ("frames", "steps")."""
        ...


@contextmanager
def silent(what: str, total: int, unit: str) -> Iterator[Step]:  # noqa: ARG001 - the signature of `Progress`
    """A `Progress` that shows nothing."""
    yield lambda units=1: None
