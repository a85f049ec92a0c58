"""An oracle that knows the labels already: the only place in a run where hidden labels live."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from thrifty.errors import DataError
from thrifty.types import Annotations, Record


class SimulatedOracle:
    """Answers from labels that nobody else in the run can see.

    Args:
        hidden: Labels by record id.
    """

    def __init__(self, hidden: Mapping[str, Annotations]) -> None:
        self._hidden = hidden

    def submit(self, records: Sequence[Record]) -> str:
        """Name the batch after its content, so that submitting twice is submitting once."""
        digest = hashlib.sha256("\n".join(record.id for record in records).encode())
        return f"simulated-{digest.hexdigest()[:16]}"

    def collect(self, batch: str, records: Sequence[Record]) -> Mapping[str, Annotations]:
        """Give out the labels of the records.

        Raises:
            DataError: The records are not those of the batch, or one has no hidden label.
        """
        if batch != self.submit(records):
            raise DataError(
                f"batch {batch} was submitted with other frames; collect it with the frames it was made of"
            )
        missing = [record.label for record in records if record.id not in self._hidden]
        if missing:
            raise DataError(
                f"frame {missing[0]} has no hidden label; the pool and its annotations do not belong together"
            )
        return {record.id: self._hidden[record.id] for record in records}
