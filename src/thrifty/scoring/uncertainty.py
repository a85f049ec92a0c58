r"""Other measures of doubt on the same class maps, each a score per pixel, higher meaning more in doubt.

One pass over an image needs `entropy` or `margin`; several (dropout left on, or an ensemble) allow `variation_ratio`,
`bald` and `mean_deviation`; several heads allow `disagreement`. Every function returns `B x H x W` float64, which
`thrifty.scoring.regions.frame_scores` turns into a number per frame.

Sources: entropy, margin: Settles, *Active Learning Literature Survey* (2009). BALD: Houlsby et al. (2011) as
\(H[\bar p] - \mathrm{mean}_t\, H[p_t]\). Variation ratio and mean standard deviation: Gal (2016). Disagreement: Roy et al.
(2018), over the heads that look at one place.

With several levels, measures are summed over levels, as equation 4 sums divergence over heads. A sigmoid's classes are
questions of their own, each with two answers: their measures are summed over classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum

import torch
from torch import Tensor

from thrifty.errors import ScoreError
from thrifty.maps import Activation, ClassMaps
from thrifty.scoring.divergence import check_values
from thrifty.scoring.entropy import entropy as class_entropy


def entropy(maps: ClassMaps) -> Tensor:
    """Entropy of the prediction at every pixel, nats.

    Args:
        maps: One pass over B images.

    Returns:
        `B x H x W` float64, >= 0.

    Raises:
        ScoreError: As `check_values`.
    """
    check_values(maps)
    return _total(class_entropy(level, maps.activation) for level in _levels(maps))


def margin(maps: ClassMaps) -> Tensor:
    """One minus the lead of the likeliest answer over the second, at every pixel.

    Args:
        maps: One pass over B images.

    Returns:
        `B x H x W` float64, >= 0: 0 where every answer is certain.

    Raises:
        ScoreError: As `check_values`.
    """
    check_values(maps)
    return _total(_one_minus_lead(level, maps.activation) for level in _levels(maps))


def bald(passes: Sequence[ClassMaps]) -> Tensor:
    """What the passes know about the answer that their mean does not: `H[mean] - mean H`, nats.

    Args:
        passes: P >= 2 stochastic passes, or members of an ensemble, over the same B images.

    Returns:
        `B x H x W` float64, >= 0.

    Raises:
        ScoreError: There are fewer than two passes, they do not fit each other, or as `check_values`.
    """

    def score(mean: Tensor, spread: _Moments, activation: Activation) -> Tensor:
        return (class_entropy(mean, activation) - spread.entropy).clamp_(min=0.0)

    return _over_passes(passes, score)


def variation_ratio(passes: Sequence[ClassMaps]) -> Tensor:
    """One minus the mean probability of the likeliest answer.

    Args:
        passes: As `bald`.

    Returns:
        `B x H x W` float64, >= 0.

    Raises:
        ScoreError: As `bald`.
    """

    def score(mean: Tensor, _spread: _Moments, activation: Activation) -> Tensor:
        if activation is Activation.SOFTMAX:
            return 1 - mean.amax(dim=1)
        return torch.minimum(mean, 1 - mean).sum(dim=1)

    return _over_passes(passes, score)


def mean_deviation(passes: Sequence[ClassMaps]) -> Tensor:
    """Standard deviation of the probabilities over the passes, averaged over classes.

    Args:
        passes: As `bald`.

    Returns:
        `B x H x W` float64, >= 0.

    Raises:
        ScoreError: As `bald`.
    """

    def score(mean: Tensor, spread: _Moments, _activation: Activation) -> Tensor:
        return (spread.square - mean**2).clamp_(min=0.0).sqrt_().mean(dim=1)

    return _over_passes(passes, score)


def disagreement(maps: ClassMaps) -> Tensor:
    """Highest minus lowest probability that the levels give at one place, summed over classes.

    Args:
        maps: One pass with K >= 2 levels of the same classes.

    Returns:
        `B x H x W` float64, in [0, C].

    Raises:
        ScoreError: There is one level only, the levels differ in their classes, or as `check_values`.
    """
    check_values(maps)
    _check_comparable(maps)
    levels = iter(_levels(maps))
    highest = lowest = next(levels)
    for level in levels:
        highest, lowest = torch.maximum(highest, level), torch.minimum(lowest, level)
    return (highest - lowest).sum(dim=1)


class Measure(StrEnum):
    """A measure of this module, by name."""

    ENTROPY = "entropy"
    MARGIN = "margin"
    BALD = "bald"
    VARIATION_RATIO = "variation-ratio"
    MEAN_DEVIATION = "mean-deviation"
    DISAGREEMENT = "disagreement"

    @property
    def over_passes(self) -> bool:
        """Whether it compares several passes, and says nothing about one."""
        return self in {Measure.BALD, Measure.VARIATION_RATIO, Measure.MEAN_DEVIATION}

    def __call__(self, passes: Sequence[ClassMaps]) -> Tensor:
        """The measure of one or, where it compares passes, several.

        Raises:
            ScoreError: As the function of that name, or there are several passes where one is wanted.
        """
        check_measurable(self, passes)
        return _OVER_PASSES[self](passes) if self.over_passes else _OVER_ONE[self](passes[0])


def check_measurable(measure: Measure, passes: Sequence[ClassMaps]) -> None:
    """Refuse passes that a measure cannot use.

    Raises:
        ScoreError: As the function of that name, or there are several passes where one is wanted.
    """
    if measure.over_passes:
        _check_passes(passes)
        return
    if len(passes) != 1:
        raise ScoreError(f"{measure} is a measure of one pass, got {len(passes)}")
    check_values(passes[0])
    if measure is Measure.DISAGREEMENT:
        _check_comparable(passes[0])


class _Moments:
    """Running means over passes at one level: probability, its square, its entropy."""

    def __init__(self, activation: Activation) -> None:
        self._activation = activation
        self._count = 0
        self._sums: list[Tensor] = []

    def add(self, probabilities: Tensor) -> None:
        new = [
            probabilities,
            probabilities**2,
            class_entropy(probabilities, self._activation),
        ]
        self._sums = [a + b for a, b in zip(self._sums, new, strict=True)] if self._count else new
        self._count += 1

    @property
    def mean(self) -> Tensor:
        """`B x C x H x W`."""
        return self._sums[0] / self._count

    @property
    def square(self) -> Tensor:
        """`B x C x H x W`."""
        return self._sums[1] / self._count

    @property
    def entropy(self) -> Tensor:
        """`B x H x W`."""
        return self._sums[2] / self._count


def _over_passes(
    passes: Sequence[ClassMaps], score: Callable[[Tensor, _Moments, Activation], Tensor]
) -> Tensor:
    _check_passes(passes)
    activation = passes[0].activation
    return _total(
        score(moments.mean, moments, activation) for moments in _moments(passes, activation)
    )


def _moments(passes: Sequence[ClassMaps], activation: Activation) -> Iterator[_Moments]:
    for index in range(len(passes[0].levels)):
        moments = _Moments(activation)
        for one in passes:
            moments.add(one.dense(index, torch.float64))
        yield moments


def _check_passes(passes: Sequence[ClassMaps]) -> None:
    if len(passes) < 2:
        raise ScoreError(f"{len(passes)} pass(es) over an image cannot disagree; give at least two")
    first = passes[0]
    for one in passes:
        check_values(one)
        if (
            [level.shape[:2] for level in one.levels] != [level.shape[:2] for level in first.levels]
            or (one.height, one.width) != (first.height, first.width)
            or one.activation is not first.activation
        ):
            raise ScoreError(
                "the passes differ in images, levels, classes or activation; compare passes over the same images only"
            )


def _check_comparable(maps: ClassMaps) -> None:
    classes = {level.shape[1] for level in maps.levels}
    if len(maps.levels) < 2 or len(classes) > 1:
        raise ScoreError(
            f"disagreement compares levels of the same classes; these are {len(maps.levels)} with {sorted(classes)} "
            "classes"
        )


def _levels(maps: ClassMaps) -> Iterator[Tensor]:
    return (maps.dense(index, torch.float64) for index in range(len(maps.levels)))


def _one_minus_lead(probabilities: Tensor, activation: Activation) -> Tensor:
    if activation is Activation.SOFTMAX:
        best = probabilities.topk(2, dim=1).values
        return 1 - (best[:, 0] - best[:, 1])
    return (1 - (2 * probabilities - 1).abs()).sum(dim=1)


def _total(levels: Iterator[Tensor]) -> Tensor:
    total = next(levels)
    for level in levels:
        total = total + level
    return total


_OVER_ONE: dict[Measure, Callable[[ClassMaps], Tensor]] = {
    Measure.ENTROPY: entropy,
    Measure.MARGIN: margin,
    Measure.DISAGREEMENT: disagreement,
}
_OVER_PASSES: dict[Measure, Callable[[Sequence[ClassMaps]], Tensor]] = {
    Measure.BALD: bald,
    Measure.VARIATION_RATIO: variation_ratio,
    Measure.MEAN_DEVIATION: mean_deviation,
}
