"""Convex selection: the program's own conditions, and problems whose solution can be seen."""

from typing import Any, Literal

import numpy as np
import pytest

from thrifty.errors import ScoreError
from thrifty.selection.convex import (
    _largest_weight,
    _onto_simplex,
    confidence,
    descriptions,
)


def distances(points: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1)))


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_two_clusters_give_two_representatives(norm: Literal["l2", "linf"]) -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(0, 0.1, (10, 2)), rng.normal(5, 0.1, (15, 2))])
    shares = representatives(distances(points), np.ones(25), 0.1, norm)
    assert shares.sum() == pytest.approx(25, abs=1e-3)
    assert shares[:10].sum() == pytest.approx(10, abs=0.5)
    assert shares[10:].sum() == pytest.approx(15, abs=0.5)
    assert (shares > 0.5).sum() < 10


def test_with_little_weight_on_the_norm_everybody_stands_for_himself() -> None:
    points = np.random.default_rng(1).normal(size=(8, 2))
    assert representatives(distances(points), np.ones(8), 1e-3) == pytest.approx(
        np.ones(8), abs=0.02
    )


def test_the_cheaper_of_two_alike_is_taken() -> None:
    points = np.array([[0.0], [0.0], [1.0], [1.0]])
    shares = representatives(distances(points), np.array([1.0, 20, 20, 1]), 0.5)
    assert shares[[0, 3]] == pytest.approx([2, 2], abs=0.05)
    assert shares[[1, 2]] == pytest.approx([0, 0], abs=0.05)


def representatives(*arguments: Any, **more: Any) -> np.ndarray:
    return np.asarray(descriptions(*arguments, **more).sum(axis=1))


def test_no_other_description_is_better() -> None:
    """The solution against the same program solved by another method: projected subgradients from many starts."""
    rng = np.random.default_rng(3)
    apart = distances(rng.normal(size=(6, 2)))
    apart /= apart.max()
    costs = rng.uniform(1, 3, 6)
    solved = descriptions(apart, costs, 0.2, steps=20_000, tolerance=1e-9)
    assert (solved >= 0).all()
    assert solved.sum(axis=0) == pytest.approx(np.ones(6))
    reached = objective(solved, apart, costs)
    for _ in range(20):
        z = rng.dirichlet(np.ones(6), 6).T
        assert reached < objective(z, apart, costs)
        for step in range(1, 1500):
            lengths = np.maximum(np.sqrt((z**2).sum(axis=1)), 1e-12)
            slope = _weight(apart, costs) * (costs / lengths)[:, None] * z + apart
            z = _onto_simplex(z - slope * 0.3 / np.sqrt(step))
            assert reached <= objective(z, apart, costs) + 1e-6
        # The other method comes close, so the bound is not an empty one.
        assert objective(z, apart, costs) < reached * 1.1


def objective(z: np.ndarray, apart: np.ndarray, costs: np.ndarray) -> float:
    lengths = np.sqrt((z**2).sum(axis=1))
    return float(_weight(apart, costs) * (costs * lengths).sum() + (apart * z).sum())


def _weight(apart: np.ndarray, costs: np.ndarray) -> float:
    return 0.2 * _largest_weight(apart, costs)


def test_confidence() -> None:
    # Unsure and far: 1; sure and near: sigma; in between, in between; the smaller counts.
    values = confidence(np.array([1.0, 0.0, 0.5]), np.array([0.0, 0.0, 4.0]), sigma=20)
    assert values.tolist() == [1.0, 20.0, 1.0]
    assert confidence(np.array([0.5, 1.0]), np.zeros(2)).tolist() == [10.5, 1.0]


def test_bad_numbers_and_nothing() -> None:
    assert representatives(np.zeros((0, 0)), np.zeros(0), 0.5).tolist() == []
    assert representatives(np.zeros((1, 1)), np.ones(1), 0.5) == pytest.approx([1.0])
    with pytest.raises(ScoreError, match="finite"):
        representatives(np.array([[np.nan]]), np.ones(1), 0.5)
    with pytest.raises(ScoreError, match="positive"):
        representatives(np.zeros((1, 1)), np.zeros(1), 0.5)
