"""Why frames were chosen, ready to be shown: score maps are made when somebody asks, and kept for the next time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypeVar, cast

from thrifty.project.explaining import Seeing, Why, seeing, why
from thrifty.project.project import Project
from thrifty.project.sources import ids_of
from thrifty.report.heat import measure
from thrifty.report.pictures import peak, score_layer
from thrifty.store.project.rows import Choice, Role

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Region:
    """A region of equation 5, in pixels of the stored frame.

    Attributes:
        left: x of its left edge.
        top: y of its upper edge.
        width: Pixels.
        height: Pixels.
        highest: The highest pixel score in it, nats.
    """

    left: float
    top: float
    width: float
    height: float
    highest: float


@dataclass(frozen=True, slots=True)
class ScoreMaps:
    """The score maps of a frame, to lay over its picture.

    Attributes:
        total: PNG of the sum over the heads (equation 4), by a scale of its own.
        total_peak: Upper end of that scale, nats.
        heads: A PNG for each head; all by one scale, so that they can be compared.
        head_peaks: The highest value of each head, nats.
        regions: The highest regions, highest first.
        score: Of the frame, before smoothing, nats.
    """

    total: bytes
    total_peak: float
    heads: tuple[bytes, ...]
    head_peaks: tuple[float, ...]
    regions: tuple[Region, ...]
    score: float


class Reasons:
    """What explains the choices of one project.

    Args:
        kept: Frames whose maps are kept.
    """

    def __init__(self, kept: int = 512) -> None:
        self._lock = threading.Lock()
        self._detectors = _Kept(2)
        self._maps = _Kept(kept)
        self._reserved = _Kept(1)

    def why(self, project: Project, record_id: str) -> Why:
        """As `thrifty.project.explaining.why`."""
        sources = [*project.store.sources(Role.START), *project.store.sources(Role.TEST)]
        key = tuple((one.number, one.digest) for one in sources)
        with self._lock:
            reserved = self._reserved.get(
                key, lambda: ids_of(project, Role.START) | ids_of(project, Role.TEST)
            )
        return why(project, record_id, reserved)

    def maps(self, project: Project, choice: Choice) -> ScoreMaps:
        """The score maps of a chosen frame, as the detector that scored it sees it.

        Raises:
            CapabilityError: It gives none.
            DataError: The picture or the detector is gone.
        """
        # One frame at a time: whoever opens a gallery asks for all of its maps at once.
        with self._lock:
            return self._maps.get(choice.record.id, lambda: self._draw(project, choice))

    def _draw(self, project: Project, choice: Choice) -> ScoreMaps:
        batch = next(one for one in project.store.batches() if one.number == choice.batch)
        asked = self._detectors.get(batch.number, lambda: seeing(project, batch))
        return _draw(project, choice, asked)


def _draw(project: Project, choice: Choice, asked: Seeing) -> ScoreMaps:
    heat = measure(asked.maps(project, choice), asked.settings)
    height, width = heat.total.shape
    across, down = choice.record.width / width, choice.record.height / height
    regions = [
        Region(
            left * across,
            top * down,
            (right - left) * across,
            (bottom - top) * down,
            float(highest),
        )
        for (left, top, right, bottom), highest in zip(
            heat.regions.tolist(), heat.maxima, strict=True
        )
    ]
    total_peak, head_peak = peak([heat.total]), peak(list(heat.levels))
    return ScoreMaps(
        score_layer(heat.total, total_peak).getvalue(),
        total_peak,
        tuple(score_layer(one, head_peak).getvalue() for one in heat.levels),
        tuple(float(one.max()) for one in heat.levels),
        tuple(regions),
        heat.score,
    )


class _Kept:
    """The values that were asked for last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, object] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        if key not in self._values:
            self._values[key] = make()
        self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)
        return cast("Made", self._values[key])
