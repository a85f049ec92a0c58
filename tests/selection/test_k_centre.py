"""k-centre in its three forms, against loops and against every possible choice."""

import os
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thrifty.errors import BudgetError, ScoreError
from thrifty.selection import k_centre as module
from thrifty.selection import robust_k_centre as robust_module
from thrifty.selection.k_centre import k_centre
from thrifty.selection.robust_k_centre import robust_k_centre
from thrifty.selection.streaming import cover_within, streaming_k_centre


def by_loops(features: np.ndarray, count: int, covered: np.ndarray) -> list[int]:
    centres = [row.astype(float) for row in covered]
    taken: list[int] = []
    for _ in range(count):
        best, farthest = -1, -1.0
        for index, row in enumerate(features.astype(float)):
            if index in taken:
                continue
            distance = min(((row - centre) ** 2).sum() for centre in centres)
            if distance > farthest:
                best, farthest = index, distance
        taken.append(best)
        centres.append(features[best].astype(float))
    return taken


def radius(features: np.ndarray, centres: np.ndarray, covered: np.ndarray, spare: int = 0) -> float:
    """Distance of the frame that is left farthest from a centre, but for a few."""
    every = np.concatenate([features[centres], covered]).astype(float)
    distances = np.sqrt(((features[:, None].astype(float) - every) ** 2).sum(-1)).min(axis=1)
    return float(np.sort(distances)[len(distances) - 1 - spare])


@settings(max_examples=200)
@given(st.integers(0, 10_000), st.integers(1, 25), st.integers(1, 4))
def test_greedy_equals_loops(seed: int, count: int, known: int) -> None:
    """Whole numbers, so that much is equally far; all the way to the last frame."""
    rng = np.random.default_rng(seed)
    features = rng.integers(0, 4, (25, 3)).astype(np.float32)
    covered = rng.integers(0, 4, (known, 3)).astype(np.float32)
    assert k_centre(features, count, covered).tolist() == by_loops(features, count, covered)


def test_bands_of_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.random.default_rng(0).normal(size=(3000, 8)).astype(np.float32)
    whole = k_centre(features, 50)
    monkeypatch.setattr(module, "_BAND", 100)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert k_centre(features, 50).tolist() == whole.tolist()


def test_a_longer_choice_begins_with_a_shorter_one() -> None:
    features = np.random.default_rng(1).normal(size=(200, 4)).astype(np.float32)
    assert k_centre(features, 30)[:10].tolist() == k_centre(features, 10).tolist()


def test_without_anything_labelled_the_first_is_the_farthest_from_the_mean() -> None:
    features = np.array([[0.0], [1], [2], [10]], dtype=np.float32)
    assert k_centre(features, 3).tolist() == [3, 0, 2]


@pytest.mark.parametrize("seed", range(8))
def test_robust_is_the_best_there_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(14, 2)).astype(np.float32)
    covered = rng.normal(size=(1, 2)).astype(np.float32)
    chosen = robust_k_centre(features, 3, covered, outliers=0.1)
    assert len(set(chosen.tolist())) == 3
    best = min(
        radius(features, np.array(choice), covered, spare=1)
        for choice in combinations(range(14), 3)
    )
    assert radius(features, chosen, covered, spare=1) == pytest.approx(best, rel=5e-3)


def test_robust_leaves_an_outlier_alone() -> None:
    features = np.array([[0.0], [1], [2], [10], [11], [12], [500]], dtype=np.float32)
    assert 6 in k_centre(features, 2)
    assert sorted(robust_k_centre(features, 2, outliers=0.15).tolist()) == [1, 4]


def test_of_a_large_pool_the_first_of_the_greedy_choice_stand_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The frames from 0 to 0.2 are 3 of 8 and may not be left out, that at 500 is one and may."""
    features = np.array([[0.0], [0.1], [0.2], [3], [5], [40], [44], [500]], dtype=np.float32)
    monkeypatch.setattr(robust_module, "_MOST_EXACT", 6)
    chosen = robust_k_centre(features, 2, outliers=0.15)
    assert k_centre(features, 6)[0] == 7
    representatives = sorted(k_centre(features, 6).tolist())
    assert set(chosen.tolist()) <= set(representatives)

    def reach(centres: tuple[int, ...]) -> float:
        """Of the representatives but one alone."""
        gaps = [
            min(abs(features[one, 0] - features[c, 0]) for c in centres) for one in (0, 3, 4, 5, 6)
        ]
        return float(max(gaps))

    assert sorted(representatives) == [0, 3, 4, 5, 6, 7]
    assert reach(tuple(chosen.tolist())) == min(map(reach, combinations(representatives, 2)))
    assert robust_k_centre(features, 6).tolist() == k_centre(features, 6).tolist()


def test_what_is_left_out_counts_for_all_that_it_stands_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two groups of four and one of three, far apart: with two centres three frames must be left out, not one representative."""
    features = np.array(
        [[x + step / 10] for x in (0, 100, 300) for step in range(4)][:11], dtype=np.float32
    )
    monkeypatch.setattr(robust_module, "_MOST_EXACT", 3)
    spared = robust_k_centre(features, 2, outliers=0.3)
    assert max(spared) < 8
    kept = robust_k_centre(features, 2, outliers=0.2)
    assert max(kept) >= 8


def test_covering_within_a_radius() -> None:
    features = np.array([[0.0], [0.5], [3], [3.2], [9]], dtype=np.float32)
    assert cover_within(features, 1.0).tolist() == [0, 2, 4]
    assert cover_within(features, 1.0, np.array([[3.1]], dtype=np.float32)).tolist() == [0, 4]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_streaming_stays_within_eight_times_the_best_radius(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.integers(0, 50, (12, 2)).astype(np.float32)
    nothing = np.zeros((0, 2), dtype=np.float32)
    chosen = streaming_k_centre(features, count)
    assert len(set(chosen.tolist())) == count
    best = min(
        radius(features, np.array(choice), nothing) for choice in combinations(range(12), count)
    )
    assert radius(features, chosen, nothing) <= 8 * best + 1e-9


@pytest.mark.parametrize("choose", [k_centre, robust_k_centre, streaming_k_centre])
def test_budgets_and_bad_numbers(choose: Callable[..., np.ndarray]) -> None:
    features = np.zeros((3, 2), dtype=np.float32)
    assert choose(features, 0).tolist() == []
    assert sorted(choose(features, 3).tolist()) == [0, 1, 2]
    with pytest.raises(BudgetError, match="only 3 are left"):
        choose(features, 4)


def test_features_must_be_finite() -> None:
    features = np.zeros((3, 2), dtype=np.float32)
    features[1, 0] = np.nan
    with pytest.raises(ScoreError, match="frame 1"):
        k_centre(features, 1)
    with pytest.raises(ScoreError, match="of shape"):
        k_centre(np.zeros(3, dtype=np.float32), 1)


@pytest.mark.parametrize("choose", [k_centre, streaming_k_centre])
def test_labelled_frames_of_another_layer_are_refused(
    choose: Callable[[np.ndarray, int, np.ndarray], np.ndarray],
) -> None:
    features, labelled = np.ones((3, 4), np.float32), np.ones((2, 1), np.float32)
    with pytest.raises(ScoreError, match="frames have 4 features, those labelled 1"):
        choose(features, 2, labelled)
