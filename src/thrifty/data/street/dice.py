"""Chance that depends on nothing but the numbers it is made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from thrifty.types import FloatArray

T = TypeVar("T")


class Dice:
    """Draws that are the same for the same key, in every process and on every machine.

    Only uniform doubles are taken from NumPy, because the streams of its other distributions may
    change from one version to the next.

    Args:
        key: Whole numbers >= 0 that name what is drawn.

    >>> Dice(1, 2).between(0.0, 1.0) == Dice(1, 2).between(0.0, 1.0)
    True
    """

    def __init__(self, *key: int) -> None:
        self._generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * float(self._generator.random())

    def chance(self, probability: float) -> bool:
        """True with this probability, 0..1."""
        return float(self._generator.random()) < probability

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices, each as likely as the others."""
        return choices[int(self._generator.random() * len(choices))]

    def grain(self, *shape: int) -> FloatArray:
        """Nearly normal noise of mean 0 and standard deviation 1."""
        total = sum(self._generator.random(shape) for _ in range(4))
        return np.asarray((total - 2.0) * np.sqrt(3.0))
