"""What authors of strategies and of detectors can test theirs with: the contracts, as functions to call.

```python
from thrifty.testing import check_detector, check_strategy


def test_my_strategy():
    check_strategy(Mine())


def test_my_detector():
    check_detector(MyDetector)
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from thrifty.detectors.contract import check_detector
from thrifty.detectors.viewing import look
from thrifty.errors import CapabilityError
from thrifty.maps import ClassMaps
from thrifty.selection.budget import Budget
from thrifty.strategies.strategy import Columns, Decision, Labelled, Strategy, needs_of, within
from thrifty.types import Annotations, Detections, Frame, Need, Record

__all__ = ["SmallPool", "StubDetector", "check_detector", "check_strategy", "small_pool"]

HEIGHT, WIDTH, CLASSES = 48, 64, 3
_BRIGHT = 128
_DEAREST = 3.0


class StubDetector:
    """A detector without weights that sees bright things: quick, deterministic, and able to give every view.

    Every class looks at a channel of the picture; what is darker than half of full brightness it does not find, so a dark
    frame has no detections.

    Args:
        shift: Added to every logit, so that the members of an ensemble differ.
    """

    gives = frozenset(Need)

    def __init__(self, shift: float = 0.0) -> None:
        self._shift = shift

    def class_maps(self, frames: Sequence[Frame]) -> ClassMaps:
        """Two levels of three classes."""
        features = self.features(frames, "last")
        levels = (features * 6 - 3 + self._shift, F.avg_pool2d(features, 2) * 6 - 3 - self._shift)
        height, width = frames[0].image.shape[:2]
        return ClassMaps(levels, height, width)

    def passes(self, frames: Sequence[Frame], count: int, drop: float) -> list[ClassMaps]:
        """The same maps, more or less sure."""
        steps = np.linspace(-drop, drop, count)
        return [StubDetector(self._shift + float(step)).class_maps(frames) for step in steps]

    def features(self, frames: Sequence[Frame], layer: Literal["last", "deep"]) -> Tensor:  # noqa: ARG002 - it has one
        """Brightness in cells of four pixels: `B x 3 x h x w`."""
        images = torch.from_numpy(np.stack([frame.image for frame in frames]))
        return F.avg_pool2d(images.permute(0, 3, 1, 2).float() / 255, 4)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """A box around what is bright in each channel."""
        return [self._detect(frame) for frame in frames]

    def _detect(self, frame: Frame) -> Detections:
        boxes, scores, kinds, rows = [], [], [], []
        for kind in range(CLASSES):
            places = np.argwhere(frame.image[:, :, kind] > _BRIGHT)
            if not len(places):
                continue
            (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0) + 1
            inside = frame.image[top:bottom, left:right].reshape(-1, CLASSES).mean(axis=0) / 255
            boxes.append([left, top, right, bottom])
            rows.append(inside)
            scores.append(inside[kind])
            kinds.append(kind)
        found = np.array(boxes, dtype=np.float64).reshape(-1, 4) / frame.scale
        return Detections(
            found,
            np.array(scores),
            np.array(kinds, dtype=np.int64),
            np.array(rows).reshape(-1, CLASSES),
            found * np.array([1.0, 1.0, 0.99, 0.98]),
        ).take(np.argsort(-np.array(scores), kind="stable"))


@dataclass(frozen=True, slots=True, eq=False)
class SmallPool:
    """Frames made of numbers: two videos and some stills, among them dark ones in which nothing is found.

    Attributes:
        frames: The pool.
        labelled: Further frames, labelled.
        labels: Of those, by id.
    """

    frames: tuple[Frame, ...]
    labelled: tuple[Frame, ...]
    labels: Mapping[str, Annotations] = field(default_factory=dict)


def small_pool(seed: int = 0) -> SmallPool:
    """The frames that `check_strategy` uses."""
    rng = np.random.default_rng(seed)
    names = [("a", place) for place in range(14)] + [("b", place) for place in range(9)]
    records = [
        Record(f"{rng.integers(1 << 40):010x}", f"{name}.avi", WIDTH, HEIGHT, name, place, place)
        for name, place in names
    ]
    records += [
        Record(f"{rng.integers(1 << 40):010x}", f"{number}.png", WIDTH, HEIGHT)
        for number in range(9)
    ]
    frames = [_frame(record, rng, dark=number % 6 == 5) for number, record in enumerate(records)]
    labels = {
        frame.record.id: Annotations(
            np.array([[4.0, 4, 30, 30], [20, 10, 50, 40]]),
            np.array([number % CLASSES, 0]),
            np.array([False, number % 2 == 1]),
        )
        for number, frame in enumerate(frames[-4:])
    }
    return SmallPool(tuple(frames[:-4]), tuple(frames[-4:]), labels)


def _frame(record: Record, rng: np.random.Generator, *, dark: bool) -> Frame:
    image = rng.integers(0, 60, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for _ in range(0 if dark else int(rng.integers(1, 4))):
        top, left = int(rng.integers(0, HEIGHT - 16)), int(rng.integers(0, WIDTH - 16))
        colour = rng.integers(100, 255, 3)
        image[top : top + int(rng.integers(8, 16)), left : left + int(rng.integers(8, 16))] = colour
    return Frame(record, image)


def check_strategy(strategy: Strategy) -> None:
    """Hold a strategy to the contract, on frames and with a detector made for it.

    What it observes must not depend on the batch, must have a row for each frame, and be finite, on frames without
    detections too. What it decides must be as many distinct frames of the pool as asked for, whether one, some or all,
    the same for the same chance, and the same in whatever order the pool comes; where frames cost differently, some of them and
    no dearer than the budget. It is given the labels of labelled frames alone.

    Args:
        strategy: Any.

    Raises:
        CapabilityError: It asks for views that no detector can give.
        AssertionError: It breaks the contract; the message says how.
    """
    lacking = needs_of(strategy) - frozenset(Need)
    if lacking:
        raise CapabilityError(
            f"{strategy.name}: needs {', '.join(map(str, lacking))}, which nobody gives"
        )
    pool = small_pool()
    observed = _observed(strategy, pool.frames)
    _check_columns(strategy, observed, pool.frames)
    records = [frame.record for frame in pool.frames]
    labelled = _labelled(strategy, pool)
    for budget in (1, 7, len(records)):
        decision = _decide(strategy, records, observed, budget, labelled)
        _check_decision(strategy, decision, len(records), budget)
        again = _decide(strategy, records, observed, budget, labelled)
        _demand(
            _ids(again, records) == _ids(decision, records),
            f"{strategy.name}: decides differently when it is asked again with the same chance",
        )
        order = np.random.default_rng(budget).permutation(len(records))
        shuffled = [records[place] for place in order]
        moved = {name: values[order] for name, values in observed.items()}
        other = _decide(strategy, shuffled, moved, budget, labelled)
        _demand(
            _ids(other, shuffled) == _ids(decision, records),
            f"{strategy.name}: its choice depends on the order of the pool; break ties by id",
        )
    exact = strategy.decide(
        records, observed, Budget(7, exact=True), labelled, np.random.default_rng(11)
    )
    _check_decision(strategy, exact, len(records), 7)
    # Of the second budget the dearest frame takes all.
    for amount in (7.5, _DEAREST):
        _check_costs(strategy, records, observed, labelled, amount)
    nothing = Labelled(instances=np.zeros(CLASSES, dtype=np.int64))
    _check_decision(strategy, _decide(strategy, records, observed, 3, nothing), len(records), 3)


def _observed(
    strategy: Strategy, frames: Sequence[Frame], labels: Mapping[str, Annotations] | None = None
) -> Columns:
    """What it observes in frames, in batches of four; and that single frames say the same."""
    if not strategy.views:
        return {}
    parts = []
    for size in (4, 1):
        rows = []
        for start in range(0, len(frames), size):
            batch = frames[start : start + size]
            seen = look(
                StubDetector(), batch, strategy.views, [StubDetector(0.1 * k) for k in range(1, 16)]
            )
            drawn = None if labels is None else [labels[frame.record.id] for frame in batch]
            rows.append(strategy.observe(seen, drawn))
        parts.append({name: np.concatenate([row[name] for row in rows]) for name in rows[0]})
    for name, values in parts[0].items():
        _demand(
            len(values) == len(parts[1][name]) == len(frames),
            f"{strategy.name}: column '{name}' has {len(values)} rows for {len(frames)} frames",
        )
        _demand(
            np.allclose(values, parts[1][name], rtol=1e-4, atol=1e-5),
            f"{strategy.name}: column '{name}' depends on what else is in the batch",
        )
    return parts[0]


def _check_columns(strategy: Strategy, observed: Columns, frames: Sequence[Frame]) -> None:
    for name, values in observed.items():
        finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
        bad = [
            frame.record.label
            for frame, fine in zip(frames, np.atleast_1d(finite), strict=True)
            if not fine
        ]
        _demand(not bad, f"{strategy.name}: column '{name}' is not finite in frame {bad[:1]}")


def _labelled(strategy: Strategy, pool: SmallPool) -> Labelled:
    columns = _observed(strategy, pool.labelled, pool.labels) if strategy.looks_back else {}
    return Labelled((), columns, instances=np.array([4, 1, 0]))


def _decide(
    strategy: Strategy,
    records: Sequence[Record],
    observed: Columns,
    budget: int,
    labelled: Labelled,
) -> Decision:
    return strategy.decide(records, observed, Budget(budget), labelled, np.random.default_rng(11))


def _check_costs(
    strategy: Strategy,
    records: Sequence[Record],
    observed: Columns,
    labelled: Labelled,
    amount: float,
) -> None:
    """Where frames cost differently, what the budget buys of the choice is something, and no more than it buys."""
    budget = Budget(amount, np.linspace(1.0, _DEAREST, len(records)))
    rng = np.random.default_rng(11)
    decision = within(strategy.decide(records, observed, budget, labelled, rng), budget)
    taken = decision.choice.indices
    _demand(taken, f"{strategy.name}: takes nothing although the budget buys some")
    _demand(len(set(taken)) == len(taken), f"{strategy.name}: takes a frame twice")
    spent = sum(budget.cost_of(index) for index in taken)
    _demand(spent <= amount + 1e-6, f"{strategy.name}: spends {spent:.2f} of {amount:g}")


def _ids(decision: Decision, records: Sequence[Record]) -> list[str]:
    return [records[chosen.index].id for chosen in decision.choice.chosen]


def _check_decision(strategy: Strategy, decision: Decision, count: int, budget: int) -> None:
    name = strategy.name
    taken = [chosen.index for chosen in decision.choice.chosen]
    _demand(len(taken) == budget, f"{name}: takes {len(taken)} frames instead of {budget}")
    _demand(len(set(taken)) == budget, f"{name}: takes a frame twice")
    _demand(all(0 <= index < count for index in taken), f"{name}: leaves the pool")
    for what, scores in (("scores", decision.scores), ("smoothed", decision.smoothed)):
        _demand(np.shape(scores) == (count,), f"{name}: {what} are not one a candidate")
        _demand(bool(np.isfinite(scores).all()), f"{name}: {what} are not finite")
    _demand(
        len(decision.reasons) in {0, budget},
        f"{name}: gives {len(decision.reasons)} reasons for {budget} frames",
    )


def _demand(kept: object, message: str) -> None:
    """An assertion that stays where Python leaves out its own."""
    if not kept:
        raise AssertionError(message)
