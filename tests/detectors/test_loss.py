import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from thrifty.detectors.loss import detection_loss
from thrifty.detectors.targets import Asked
from thrifty.maps import upsample


def asked_of(wanted: torch.Tensor, weights: torch.Tensor, heads: int) -> Asked:
    """Dense maps `B x KC x H x W` as the pixels that weigh something."""
    places = weights.flatten().nonzero()[:, 0]
    batch, channels, height, width = weights.shape
    flat = wanted.flatten()[places], weights.flatten()[places]
    return Asked((batch, channels, height, width), heads, places, *flat)


def dense_loss(
    logits: list[torch.Tensor], wanted: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Equation 7 as it is written: every map at every pixel."""
    height, width = wanted.shape[-2:]
    dense = torch.cat([upsample(level, height, width) for level in logits], dim=1)
    losses = F.binary_cross_entropy_with_logits(dense, wanted, weight=weights, reduction="sum")
    return losses / len(wanted)


def test_hand_computed_cross_entropy() -> None:
    logits = [torch.tensor([[[[0.0, 2.0]]]]), torch.tensor([[[[-1.0, 0.0]]]])]
    wanted = torch.tensor([[[[1.0, 0.0]], [[0.0, 0.0]]]])
    weights = torch.tensor([[[[0.5, 0.5]], [[1.0, 0.0]]]])
    sigmoid = [1 / (1 + math.exp(-value)) for value in (0.0, 2.0, -1.0)]
    expected = (
        -0.5 * math.log(sigmoid[0]) - 0.5 * math.log(1 - sigmoid[1]) - math.log(1 - sigmoid[2])
    )
    loss = detection_loss(logits, asked_of(wanted, weights, 2))
    assert float(loss) == pytest.approx(expected, rel=1e-6)


@given(
    batch=st.integers(1, 3),
    classes=st.integers(1, 3),
    sizes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=3),
    image=st.tuples(st.integers(1, 17), st.integers(1, 17)),
    seed=st.integers(0, 99),
)
def test_the_pixels_that_are_asked_give_the_loss_and_gradients_of_whole_maps(
    batch: int, classes: int, sizes: list[tuple[int, int]], image: tuple[int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = (batch, classes * len(sizes), *image)
    wanted = torch.from_numpy(rng.integers(0, 2, shape).astype(np.float32))
    weights = torch.from_numpy((rng.random(shape) * (rng.random(shape) < 0.3)).astype(np.float32))
    drawn = [rng.normal(0, 3, (batch, classes, *size)).astype(np.float32) for size in sizes]
    ours, theirs = ([torch.from_numpy(one.copy()).requires_grad_() for one in drawn] for _ in "ab")
    loss = detection_loss(ours, asked_of(wanted, weights, len(sizes)))
    reference = dense_loss(theirs, wanted, weights)
    torch.testing.assert_close(loss, reference, rtol=1e-4, atol=1e-5)
    loss.backward()
    reference.backward()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)


def test_images_of_a_batch_are_averaged() -> None:
    logits, wanted, weights = (
        [torch.ones(1, 1, 2, 2)],
        torch.zeros(1, 1, 4, 4),
        torch.full((1, 1, 4, 4), 1 / 16),
    )
    one = detection_loss(logits, asked_of(wanted, weights, 1))
    twice = [part.repeat(2, 1, 1, 1) for part in (*logits, wanted, weights)]
    two = detection_loss(twice[:1], asked_of(twice[1], twice[2], 1))
    torch.testing.assert_close(one, two)


def test_pixels_without_weight_teach_nothing() -> None:
    logits = torch.randn(1, 1, 8, 8, requires_grad=True)
    weights = torch.zeros(1, 1, 8, 8)
    weights[0, 0, 3, 4] = 1.0
    detection_loss([logits], asked_of(torch.ones(1, 1, 8, 8), weights, 1)).backward()
    assert logits.grad is not None
    assert logits.grad.nonzero().tolist() == [[0, 0, 3, 4]]
