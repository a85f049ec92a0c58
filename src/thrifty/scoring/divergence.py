r"""Local divergence: equations 1 to 4 of *Active Learning for Deep Detection Neural Networks* (ICCV 2019).

For the probability map \(p^k\) of head `k` and the window \(N(m, n)\) of `2 r + 1` pixels a side,

* equation 1: \(\hat p^k_{mn} = \mathrm{mean}_{N(m, n)}\, p^k\),
* equation 2: \(s^k_{mn} = H(\hat p^k_{mn}) - \mathrm{mean}_{N(m, n)}\, H(p^k)\),
* equation 3: \(H(z) = -z \ln z - (1 - z) \ln (1 - z)\),
* equation 4: \(s_{mn} = \sum_k s^k_{mn}\).

Borders are part of the definition: a window is cut at the image's edge and averages only the pixels inside.
Since H is concave, every score is >= 0; what rounding leaves below zero is set to zero.
"""

from __future__ import annotations

import torch
from torch import Tensor

from thrifty.errors import ScoreError

PAPER_RADIUS = 9
RELEASED_RADIUS = 4


def binary_entropy(probabilities: Tensor) -> Tensor:
    """Entropy of a Bernoulli variable in nats (equation 3); 0 at probability 0 and 1.

    >>> binary_entropy(torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64))
    tensor([0.3251, 0.6931, 0.3251], dtype=torch.float64)
    """
    complement = 1 - probabilities
    return -(torch.xlogy(probabilities, probabilities) + torch.xlogy(complement, complement))


def box_mean(maps: Tensor, radius: int) -> Tensor:
    """Mean over a square window around every pixel, cut at the image's edge (equation 1).

    Two running sums, one along each axis, so the cost is the same for every radius. Sums are carried in
    float64: a float32 sum over a few hundred thousand pixels is off in the fifth digit.

    Args:
        maps: `... x H x W`, floating.
        radius: Window half-size `r` in pixels, >= 0; the window is `2 r + 1` pixels a side.

    Returns:
        The means, same shape, float64.
    """
    return _windowed_mean(_windowed_mean(maps.double(), radius, -1), radius, -2)


def _windowed_mean(values: Tensor, radius: int, dim: int) -> Tensor:
    length = values.shape[dim]
    reach = min(radius, length - 1)
    sums = values.cumsum(dim)
    # With the running sums continued past both ends, the sum of every window is one difference.
    before = torch.zeros_like(sums.narrow(dim, 0, 1)).expand(_resized(sums, dim, reach + 1))
    after = sums.narrow(dim, length - 1, 1).expand(_resized(sums, dim, reach))
    sums = torch.cat([before, sums, after], dim)
    window = 2 * reach + 1
    totals = sums.narrow(dim, window, length) - sums.narrow(dim, 0, length)
    positions = torch.arange(length, device=values.device)
    counts = (positions + reach).clamp(max=length - 1) - (positions - reach).clamp(min=0) + 1
    shape = [1] * values.dim()
    shape[dim] = length
    return totals.div_(counts.view(shape))


def _resized(values: Tensor, dim: int, length: int) -> list[int]:
    shape = list(values.shape)
    shape[dim] = length
    return shape


def divergence_per_map(probabilities: Tensor, radius: int = PAPER_RADIUS) -> Tensor:
    """Score every pixel of every map (equations 1 to 3).

    Args:
        probabilities: `B x K x H x W`, floating, in [0, 1].
        radius: Window half-size in pixels, >= 0.

    Returns:
        `B x K x H x W` float64, nats, in [0, ln 2].

    Raises:
        ScoreError: The maps are not four-dimensional, have no pixels, or hold a value that is not finite or
            lies outside [0, 1]. Values are never repaired.
    """
    _check_probabilities(probabilities)
    if radius < 0:
        raise ScoreError(f"radius is {radius}; it must be 0 or more pixels")
    entropy_of_mean = binary_entropy(box_mean(probabilities, radius).clamp_(0.0, 1.0))
    mean_of_entropy = box_mean(binary_entropy(probabilities), radius)
    return (entropy_of_mean - mean_of_entropy).clamp_(min=0.0)


def pixel_scores(probabilities: Tensor, radius: int = PAPER_RADIUS) -> Tensor:
    """Score every pixel by the sum over maps (equation 4).

    Args:
        probabilities: `B x K x H x W`, floating, in [0, 1].
        radius: Window half-size in pixels, >= 0.

    Returns:
        `B x H x W` float64, nats, in [0, K ln 2].

    Raises:
        ScoreError: As `divergence_per_map`.
    """
    return divergence_per_map(probabilities, radius).sum(dim=1)


def _check_probabilities(probabilities: Tensor) -> None:
    if probabilities.dim() != 4 or 0 in probabilities.shape[1:]:
        raise ScoreError(
            f"expected class maps of shape B x K x H x W with at least one pixel, got {tuple(probabilities.shape)}"
        )
    # A NaN fails both comparisons, so one test covers range and finiteness.
    sound = ((probabilities >= 0) & (probabilities <= 1)).flatten(1).all(dim=1)
    if not bool(sound.all()):
        bad = [int(index) for index in torch.nonzero(~sound).flatten()]
        raise ScoreError(
            f"class maps of batch entries {bad} hold values that are not probabilities (NaN, infinite, or outside "
            "[0, 1]); look for a diverged detector or an unsuitable image"
        )
