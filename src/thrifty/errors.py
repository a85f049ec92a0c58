"""Every error that thrifty raises on purpose.

Each message is one line: what is wrong, where, and what to do about it. The command line prints that line
and exits with status 2; anything outside this tree is a defect of thrifty and shows its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence


class ThriftyError(Exception):
    """Root of the tree: catch this to catch everything thrifty raises on purpose."""


class RecipeError(ThriftyError):
    """A recipe cannot be read, has an unknown key, or a value out of its range."""


class DataError(ThriftyError):
    """Input data as a whole cannot be used: a file is missing, truncated or contradicts itself."""


class FrameError(DataError):
    """One frame cannot be decoded; the rest of its set stays usable."""


class ScoreError(ThriftyError):
    """A score cannot be computed: class maps that are not finite, or of impossible shapes.

    Attributes:
        entries: Places in the batch of the frames at fault; empty if the fault is none of a single frame.
        reason: What is wrong, without saying where.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.reason = message
        self.entries: tuple[int, ...] = ()

    @classmethod
    def at(
        cls, entries: Sequence[int], reason: str, names: Sequence[str] | None = None
    ) -> ScoreError:
        """An error of some frames of a batch, named by their place or, where known, by name."""
        if names is None:
            where = f"batch entries {list(entries)}"
        else:
            where = "frame " + ", ".join(names[entry] for entry in entries)
        error = cls(f"{where}: {reason}")
        error.entries, error.reason = tuple(entries), reason
        return error

    def named(self, names: Sequence[str]) -> ScoreError:
        """The same error with the names of the batch's frames in place of their numbers."""
        return ScoreError.at(self.entries, self.reason, names) if self.entries else self


class BudgetError(ThriftyError):
    """More frames are asked for than there are to choose from."""


class CapabilityError(ThriftyError):
    """A strategy needs something that the detector cannot give."""


class RunError(ThriftyError):
    """An output folder cannot be used: it belongs to something else, or another process works in it."""


class TrainingError(ThriftyError):
    """Training cannot go on: the loss is no longer finite, or there is nothing to learn from."""


class OracleError(ThriftyError):
    """Whoever labels cannot be reached, refuses, or answers what cannot be understood."""


class BatchGoneError(OracleError):
    """What was sent to be labelled is no longer where it was sent."""
