"""Figures of runs that were never made, for what is said of them."""

import numpy as np

from thrifty.study.point import Point


def point(
    strategy: str, seed: int, cycle: int, miss: float, people: int = 0, labelled: int | None = None
) -> Point:
    frames = 10 * cycle if labelled is None else labelled
    figures = (miss, miss, 0.0, 0.0, np.zeros(1), np.array([miss]))
    return Point(strategy, seed, cycle, frames, people, *figures)
