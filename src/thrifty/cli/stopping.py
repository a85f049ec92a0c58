"""Ctrl-C and kills, taken for a wish to stop in good order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Take Ctrl-C and a kill for a wish to stop in good order; the second one interrupts."""
    wished = threading.Event()

    def wish(_signal: int, _frame: object) -> None:
        if wished.is_set():
            raise KeyboardInterrupt
        wished.set()

    # What runs in the background of a script must not hear Ctrl-C.
    heard = [
        number
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, wish) for number in heard}
    try:
        yield wished
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
