r"""Local divergence: equations 1 to 4 of *Active Learning for Deep Detection Neural Networks* (ICCV 2019).

For the probability map \(p^k\) of head `k` and the window \(N(m, n)\) of `2 r + 1` pixels a side,

* equation 1: \(\hat p^k_{mn} = \mathrm{mean}_{N(m, n)}\, p^k\),
* equation 2: \(s^k_{mn} = H(\hat p^k_{mn}) - \mathrm{mean}_{N(m, n)}\, H(p^k)\),
* equation 3: \(H(z) = -z \ln z - (1 - z) \ln (1 - z)\),
* equation 4: \(s_{mn} = \sum_k s^k_{mn}\).

With several classes H is the categorical entropy for a softmax, and the sum over classes of equation 3 for sigmoids.

Borders are part of the definition: a window is cut at the image's edge and averages only the pixels inside.
Since H is concave, every score is >= 0; what rounding leaves below zero is set to zero.

This is the readable form, in float64 throughout. `thrifty.scoring.forms` chooses between it and the fused kernels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from thrifty.errors import ScoreError
from thrifty.maps import Activation, ClassMaps
from thrifty.scoring.entropy import entropy

PAPER_RADIUS = 9
RELEASED_RADIUS = 4


def box_mean(maps: Tensor, radius: int) -> Tensor:
    """Mean over a square window around every pixel, cut at the image's edge (equation 1).

    Two running sums, one along each axis, so the cost is the same for every radius. Sums are carried in
    float64: a float32 sum over a few hundred thousand pixels is off in the fifth digit.

    Args:
        maps: `... x H x W`, floating.
        radius: Window half-size `r` in pixels, >= 0; the window is `2 r + 1` pixels a side.

    Returns:
        The means, same shape, float64.

    Raises:
        ScoreError: The radius is negative.
    """
    if radius < 0:
        raise ScoreError(f"radius is {radius}; it must be 0 or more pixels")
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


def local_divergence(
    probabilities: Tensor,
    radius: int = PAPER_RADIUS,
    activation: Activation = Activation.SIGMOID,
) -> Tensor:
    """Score every pixel of one map (equations 1 to 3).

    Args:
        probabilities: `B x C x H x W`, floating, in [0, 1].
        radius: Window half-size in pixels, >= 0.
        activation: How the C classes compete.

    Returns:
        `B x H x W` float64, nats, in [0, C ln 2] for sigmoids and [0, ln C] for a softmax.

    Raises:
        ScoreError: The radius is negative.
    """
    probabilities = probabilities.double()
    entropy_of_mean = entropy(box_mean(probabilities, radius).clamp_(0.0, 1.0), activation)
    mean_of_entropy = box_mean(entropy(probabilities, activation), radius)
    return (entropy_of_mean - mean_of_entropy).clamp_(min=0.0)


def level_scores(maps: ClassMaps, radius: int = PAPER_RADIUS) -> Tensor:
    """Score every pixel of every level, to look at the heads one by one.

    Args:
        maps: K levels.
        radius: Window half-size in pixels, >= 0.

    Returns:
        `B x K x H x W` float64, nats.

    Raises:
        ScoreError: As `check_values`, or the radius is negative.
    """
    check_values(maps)
    levels = [
        local_divergence(maps.dense(index, torch.float64), radius, maps.activation)
        for index in range(len(maps.levels))
    ]
    return torch.stack(levels, dim=1)


def pixel_scores(maps: ClassMaps, radius: int = PAPER_RADIUS) -> Tensor:
    """Score every pixel by the sum over levels (equation 4): `B x H x W` float64, nats.

    Raises:
        ScoreError: As `level_scores`.
    """
    return level_scores(maps, radius).sum(dim=1)


def check_values(maps: ClassMaps) -> None:
    """Refuse maps that hold no sound numbers. Values are never repaired.

    Raises:
        ScoreError: A logit is NaN or infinite, or a probability is NaN or outside [0, 1]. Its `entries` are the
            places of the frames in the batch.
    """
    sound = torch.stack([maps.kind.sound(level) for level in maps.levels]).all(dim=0)
    if not bool(sound.all()):
        raise ScoreError.at(
            [int(index) for index in torch.nonzero(~sound).flatten()],
            f"class maps hold values that are not {maps.kind} (NaN, infinite, or out of range); look for a diverged "
            "detector or an unsuitable image",
        )
