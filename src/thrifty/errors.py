"""Every error that thrifty raises on purpose.

Each message is one line: what is wrong, where, and what to do about it. The command line prints that line
and exits with status 2; anything outside this tree is a defect of thrifty and shows its traceback.
"""


class ThriftyError(Exception):
    """Root of the tree: catch this to catch everything thrifty raises on purpose."""


class RecipeError(ThriftyError):
    """A recipe cannot be read, has an unknown key, or a value out of its range."""


class DataError(ThriftyError):
    """Input data as a whole cannot be used: a file is missing, truncated or contradicts itself."""


class FrameError(DataError):
    """One frame cannot be decoded; the rest of its set stays usable."""


class ScoreError(ThriftyError):
    """A score cannot be computed: class maps that are not finite, or of impossible shapes."""


class BudgetError(ThriftyError):
    """More frames are asked for than there are to choose from."""


class CapabilityError(ThriftyError):
    """A strategy needs something that the detector cannot give."""


class RunError(ThriftyError):
    """An output folder cannot be used: it belongs to something else, or another process works in it."""


class TrainingError(ThriftyError):
    """Training cannot go on: the loss is no longer finite, or there is nothing to learn from."""
