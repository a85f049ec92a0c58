"""What the loop asks of an oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from thrifty.types import Annotations, Record


class Oracle(Protocol):
    """People, or something that stands in for them."""

    def submit(self, records: Sequence[Record]) -> str:
        """Ask for labels; returns the name of the batch. Submitting the same records again changes nothing."""
        ...

    def collect(self, batch: str, records: Sequence[Record]) -> Mapping[str, Annotations]:
        """Labels of a submitted batch by record id, in pixels of the stored frames."""
        ...
