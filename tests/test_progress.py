import multiprocessing
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from thrifty.progress import Message, Relay, Step, listen


class Shown:
    """A `Progress` that remembers."""

    def __init__(self) -> None:
        self.units: dict[str, int] = defaultdict(int)
        self.closed: list[str] = []

    @contextmanager
    def __call__(self, what: str, total: int, unit: str) -> Iterator[Step]:
        def step(units: int = 1) -> None:
            self.units[what] += units

        yield step
        self.closed.append(what)


def queue() -> Any:
    return multiprocessing.get_context("spawn").Queue()


def test_what_a_worker_relays_arrives_whole() -> None:
    messages, shown = queue(), Shown()
    with Relay(messages)("scoring", 7, "frames") as step:
        for _ in range(7):
            step()
    messages.put(None)
    listen(messages, shown)
    assert shown.units == {"scoring": 7}
    assert shown.closed == ["scoring"]


def test_a_bar_whose_beginning_was_lost_is_not_shown() -> None:
    messages, shown = queue(), Shown()
    messages.put(Message((1, 0), units=4))
    messages.put(Message((1, 0), closed=True))
    with Relay(messages)("scoring", 1, "frames") as step:
        step()
    messages.put(None)
    listen(messages, shown)
    assert shown.units == {"scoring": 1}


def test_bars_of_different_workers_do_not_mix() -> None:
    messages, shown = queue(), Shown()
    for message in (
        Message((1, 0), what="first", total=9, unit="frames"),
        Message((2, 0), what="second", total=9, unit="frames"),
        Message((1, 0), units=4),
        Message((2, 0), units=5, closed=True),
        Message((1, 0), units=2, closed=True),
        None,
    ):
        messages.put(message)
    listen(messages, shown)
    assert shown.units == {"first": 6, "second": 5}
    assert shown.closed == ["second", "first"]
