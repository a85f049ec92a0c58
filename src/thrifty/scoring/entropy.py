"""Entropies in nats, with `0 ln 0 = 0`."""

from __future__ import annotations

import torch
from torch import Tensor

from thrifty.maps import Activation


def binary_entropy(probabilities: Tensor) -> Tensor:
    """Entropy of a Bernoulli variable (equation 3); 0 at probability 0 and 1. Same shape and dtype.

    >>> binary_entropy(torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64))
    tensor([0.3251, 0.6931, 0.3251], dtype=torch.float64)
    """
    return surprise(probabilities) + surprise(1 - probabilities)


def surprise(probabilities: Tensor) -> Tensor:
    """`-p ln p`: one class's part of a categorical entropy. Same shape and dtype."""
    return -torch.xlogy(probabilities, probabilities)


def entropy(probabilities: Tensor, activation: Activation, dim: int = 1) -> Tensor:
    """Entropy of the class distribution of every place.

    Sigmoid: the sum over classes of binary entropies. Softmax: the categorical entropy.

    Args:
        probabilities: Any shape, floating, in [0, 1].
        activation: How the classes compete.
        dim: Where the classes lie; summed over.
    """
    parts = surprise if activation is Activation.SOFTMAX else binary_entropy
    return parts(probabilities).sum(dim)
