import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import references
from thrifty.errors import ScoreError
from thrifty.scoring.divergence import box_mean, divergence_per_map, pixel_scores


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (7, 33), (19, 19), (25, 31)])
@pytest.mark.parametrize("radius", [0, 1, 4, 9, 60])
def test_equals_the_loop_written_reference_at_every_pixel(
    size: tuple[int, int], radius: int
) -> None:
    maps = np.random.default_rng(0).random((3, *size)).astype(np.float32)
    scores = pixel_scores(torch.from_numpy(maps)[None], radius)[0].numpy()
    np.testing.assert_allclose(
        scores, references.pixel_scores(maps.astype(np.float64), min(radius, 40)), atol=1e-6, rtol=0
    )


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 14),
    st.integers(1, 14),
    st.integers(0, 10),
    st.floats(0.01, 30),
)
def test_equals_the_reference_on_saturated_and_plain_maps(
    seed: int, height: int, width: int, radius: int, spread: float
) -> None:
    logits = np.random.default_rng(seed).normal(0, spread, (2, height, width)).astype(np.float32)
    maps = torch.from_numpy(logits).sigmoid()
    scores = pixel_scores(maps[None], radius)[0].numpy()
    expected = references.pixel_scores(maps.double().numpy(), radius)
    np.testing.assert_allclose(scores, expected, atol=1e-6, rtol=0)


def test_hand_computed_pair() -> None:
    # Two pixels, 0 and 1: their mean is undecided, each alone is certain.
    scores = pixel_scores(torch.tensor([[[[0.0, 1.0]]]]), radius=1)
    assert scores.tolist() == [[[pytest.approx(math.log(2)), pytest.approx(math.log(2))]]]


def test_agreement_scores_zero_however_undecided() -> None:
    for p in (0.0, 0.3, 0.5, 1.0):
        assert pixel_scores(torch.full((1, 5, 40, 50), p)).abs().max() < 1e-7


def test_is_never_negative_and_at_most_ln_2_per_map() -> None:
    scores = divergence_per_map(torch.rand(2, 3, 50, 60), 9)
    assert scores.min() >= 0
    assert scores.max() <= math.log(2)


def test_maps_add_up() -> None:
    maps = torch.rand(1, 4, 30, 20)
    one_by_one = sum(pixel_scores(maps[:, k : k + 1]) for k in range(4))
    torch.testing.assert_close(pixel_scores(maps), one_by_one)


def test_box_mean_of_a_wide_picture_keeps_its_digits() -> None:
    values = torch.rand(1, 1, 500, 900)
    corner = box_mean(values, 9)[0, 0, -1, -1]
    assert float(corner) == pytest.approx(float(values[..., -10:, -10:].double().mean()), abs=1e-9)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_probability_is_refused_and_located(bad: float) -> None:
    maps = torch.full((3, 1, 4, 4), 0.5)
    maps[1, 0, 2, 2] = bad
    with pytest.raises(ScoreError, match=r"batch entries \[1\]"):
        pixel_scores(maps)


def test_impossible_shapes_and_radius_are_refused() -> None:
    with pytest.raises(ScoreError, match="B x K x H x W"):
        pixel_scores(torch.zeros(4, 4))
    with pytest.raises(ScoreError, match="at least one pixel"):
        pixel_scores(torch.zeros(1, 1, 0, 4))
    with pytest.raises(ScoreError, match="radius is -1"):
        pixel_scores(torch.zeros(1, 1, 4, 4), -1)
