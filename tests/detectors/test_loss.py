import math

import pytest
import torch

from thrifty.detectors.loss import detection_loss


def test_hand_computed_cross_entropy() -> None:
    logits = [torch.tensor([[[[0.0, 2.0]]]]), torch.tensor([[[[-1.0, 0.0]]]])]
    wanted = torch.tensor([[[[1.0, 0.0]], [[0.0, 0.0]]]])
    weights = torch.tensor([[[[0.5, 0.5]], [[1.0, 0.0]]]])
    sigmoid = [1 / (1 + math.exp(-value)) for value in (0.0, 2.0, -1.0)]
    expected = (
        -0.5 * math.log(sigmoid[0]) - 0.5 * math.log(1 - sigmoid[1]) - math.log(1 - sigmoid[2])
    )
    assert float(detection_loss(logits, wanted, weights)) == pytest.approx(expected, rel=1e-6)


def test_images_of_a_batch_are_averaged() -> None:
    logits, wanted, weights = (
        [torch.ones(1, 1, 2, 2)],
        torch.zeros(1, 1, 4, 4),
        torch.full((1, 1, 4, 4), 1 / 16),
    )
    one = detection_loss(logits, wanted, weights)
    two = detection_loss(
        [logits[0].repeat(2, 1, 1, 1)], wanted.repeat(2, 1, 1, 1), weights.repeat(2, 1, 1, 1)
    )
    torch.testing.assert_close(one, two)


def test_pixels_without_weight_teach_nothing() -> None:
    logits = torch.randn(1, 1, 8, 8, requires_grad=True)
    weights = torch.zeros(1, 1, 8, 8)
    weights[0, 0, 3, 4] = 1.0
    detection_loss([logits], torch.ones(1, 1, 8, 8), weights).backward()
    assert logits.grad is not None
    assert logits.grad.nonzero().tolist() == [[0, 0, 3, 4]]
