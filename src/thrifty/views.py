"""Views: the ways in which a detector can be asked about a frame.

A strategy names the views it needs. A pass over a pool takes each of them once, for all strategies that ask together; views
are equal if they are of one kind with the same settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, TypeVar, cast

from torch import Tensor

from thrifty.maps import ClassMaps
from thrifty.types import Detections, Need

Shown = TypeVar("Shown", covariant=True)  # noqa: PLC0105 - it is one letter of notation, not a name to be read


@dataclass(frozen=True, slots=True)
class View(Generic[Shown]):
    """A way of asking; the type says what the answer for a batch of B frames is.

    Attributes:
        needs: What the detector must be able to give.
    """

    needs: ClassVar[frozenset[Need]] = frozenset()
    is_costly: ClassVar[bool] = False
    """Whether it takes many times as long as to ask the detector once."""


@dataclass(frozen=True, slots=True)
class Maps(View[ClassMaps]):
    """Dense class maps."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLASS_MAPS})


@dataclass(frozen=True, slots=True)
class Passes(View[Sequence[ClassMaps]]):
    """Class maps of several passes with dropout left on, the same channels dropped in every frame.

    Attributes:
        count: P.
        drop: Share of the channels that are dropped, in (0, 1).
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.PASSES})
    is_costly: ClassVar[bool] = True

    count: int = 30
    drop: float = 0.5


@dataclass(frozen=True, slots=True)
class Members(View[Sequence[ClassMaps]]):
    """Class maps of several networks that were trained apart.

    Attributes:
        count: M.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLASS_MAPS, Need.TRAINING})
    is_costly: ClassVar[bool] = True

    count: int = 5


@dataclass(frozen=True, slots=True)
class Boxes(View[Sequence[Detections]]):
    """Boxes, in pixels of the stored frame."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.BOXES})


@dataclass(frozen=True, slots=True)
class Proposals(View[Sequence[Detections]]):
    """Boxes together with what they were refined from."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.BOXES, Need.PROPOSALS})


Alteration = Literal["flip", "cutout", "smaller"]


@dataclass(frozen=True, slots=True)
class AlteredBoxes(View[Sequence[Sequence[Detections]]]):
    """Boxes found in altered frames, mapped back: for every alteration, one `Detections` a frame.

    Attributes:
        how: `flip` mirrors the frame, `cutout` blackens a fifth of it (where, its id decides), `smaller` scales it by 0.8.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.BOXES})
    is_costly: ClassVar[bool] = True

    how: tuple[Alteration, ...] = ("flip", "cutout", "smaller")


@dataclass(frozen=True, slots=True)
class NoisyBoxes(View[Sequence[Sequence[Detections]]]):
    """Boxes found in frames with Gaussian noise added: for every level, one `Detections` a frame.

    Attributes:
        sigmas: Standard deviations, grey levels of 0 to 255; what noise a frame gets, its id decides.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.BOXES})
    is_costly: ClassVar[bool] = True

    sigmas: tuple[float, ...] = (8.0, 16.0, 24.0, 32.0, 40.0, 48.0)


@dataclass(frozen=True, slots=True)
class Features(View[Tensor]):
    """What the detector's classes are computed from: `B x D x h x w`, over the whole frame.

    Attributes:
        layer: `last` is what the class scores are computed from, `deep` the layer that sees most of the frame.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.FEATURES})

    layer: Literal["last", "deep"] = "last"


class Seen:
    """What a detector said of a batch of frames, view by view.

    Args:
        answers: By view.
        count: B.
        sizes: Stored width and height of each frame, pixels.
    """

    def __init__(
        self,
        answers: Mapping[View[object], object],
        count: int,
        sizes: Sequence[tuple[int, int]],
    ) -> None:
        self._answers = answers
        self._count = count
        self.sizes = tuple(sizes)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, view: View[Shown]) -> Shown:
        """The answer to a view; `KeyError` if it was not asked for."""
        return cast(Shown, self._answers[cast(View[object], view)])
