import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import references
from thrifty.errors import ScoreError
from thrifty.maps import Activation, ClassMaps, MapKind
from thrifty.scoring.divergence import box_mean, level_scores, local_divergence, pixel_scores


def given_probabilities(maps: torch.Tensor) -> ClassMaps:
    """`B x K x H x W` probabilities as K levels of full size."""
    height, width = maps.shape[-2:]
    return ClassMaps(torch.split(maps, 1, dim=1), height, width, MapKind.PROBABILITIES)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (7, 33), (19, 19), (25, 31)])
@pytest.mark.parametrize("radius", [0, 1, 4, 9, 60])
def test_equals_the_loop_written_reference_at_every_pixel(
    size: tuple[int, int], radius: int
) -> None:
    maps = np.random.default_rng(0).random((3, *size))
    scores = pixel_scores(given_probabilities(torch.from_numpy(maps)[None]), radius)[0].numpy()
    np.testing.assert_allclose(scores, references.pixel_scores(maps, radius), atol=1e-12, rtol=0)


@settings(max_examples=40)
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
    scores = pixel_scores(given_probabilities(maps[None]), radius)[0].numpy()
    expected = references.pixel_scores(maps.double().numpy(), radius)
    np.testing.assert_allclose(scores, expected, atol=1e-12, rtol=0)


def test_hand_computed_pair() -> None:
    # Two pixels, 0 and 1: their mean is undecided, each alone is certain.
    scores = local_divergence(torch.tensor([[[[0.0, 1.0]]]]), radius=1)
    assert scores.tolist() == [[[pytest.approx(math.log(2)), pytest.approx(math.log(2))]]]


def test_hand_computed_classes() -> None:
    # Left all is class 0, right all is class 1: the mean halves the two, and leaves the third out.
    maps = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 0.0]]]])
    softmaxed = local_divergence(maps, 1, Activation.SOFTMAX)
    separate = local_divergence(maps, 1, Activation.SIGMOID)
    assert softmaxed.tolist() == [[[pytest.approx(math.log(2))] * 2]]
    assert separate.tolist() == [[[pytest.approx(2 * math.log(2))] * 2]]


def test_agreement_scores_zero_however_undecided() -> None:
    for p in (0.0, 0.3, 0.5, 1.0):
        assert local_divergence(torch.full((1, 5, 40, 50), p)).abs().max() < 1e-7


def test_is_never_negative_and_at_most_ln_2_per_class() -> None:
    scores = local_divergence(torch.rand(2, 3, 50, 60), 9)
    assert scores.min() >= 0
    assert scores.max() <= 3 * math.log(2)


def test_levels_add_up() -> None:
    maps = given_probabilities(torch.rand(1, 4, 30, 20))
    torch.testing.assert_close(pixel_scores(maps), level_scores(maps).sum(dim=1))
    torch.testing.assert_close(
        level_scores(maps)[:, 2], local_divergence(maps.levels[2]), rtol=0, atol=0
    )


def test_box_mean_of_a_wide_picture_keeps_its_digits() -> None:
    values = torch.rand(1, 1, 500, 900)
    corner = box_mean(values, 9)[0, 0, -1, -1]
    assert float(corner) == pytest.approx(float(values[..., -10:, -10:].double().mean()), abs=1e-9)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_probability_is_refused_and_located(bad: float) -> None:
    maps = torch.full((3, 1, 4, 4), 0.5)
    maps[1, 0, 2, 2] = bad
    with pytest.raises(ScoreError, match=r"batch entries \[1\].*not probabilities") as caught:
        pixel_scores(given_probabilities(maps))
    assert caught.value.entries == (1,)
    assert str(caught.value.named(["a", "b", "c"])).startswith("frame b: class maps hold")


def test_an_impossible_radius_is_refused() -> None:
    with pytest.raises(ScoreError, match="radius is -1"):
        pixel_scores(given_probabilities(torch.zeros(1, 1, 4, 4)), -1)
