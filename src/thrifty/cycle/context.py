"""What every stage may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from thrifty.config import Recipe
from thrifty.data.frames import CachedFrames, CachedSet, FrameSet, JoinedFrames
from thrifty.detectors.paper import Weights, load_weights
from thrifty.detectors.protocol import Detector
from thrifty.detectors.trainable import Trainable, trainable
from thrifty.oracles.protocol import Oracle
from thrifty.progress import Progress
from thrifty.store.schema import Key
from thrifty.store.store import RunStore
from thrifty.types import Annotations, Record


@dataclass(frozen=True, eq=False)
class LabelledFrames:
    """Frames whose labels may be seen: the start set and the test set."""

    frames: FrameSet
    labels: Mapping[str, Annotations]


@dataclass(frozen=True, eq=False)
class Context:
    """One run's data, settings and memory.

    Attributes:
        recipe: Settings.
        start: X_l.
        pool: X_u, without labels.
        test: What the detector is judged by.
        oracle: Labels the chosen frames.
        store: The run's memory.
        progress: Told how far long work is.
        device: Where detectors run and train.
        members: Networks trained beside the detector, for ensembles.
    """

    recipe: Recipe
    start: LabelledFrames
    pool: FrameSet
    test: LabelledFrames
    oracle: Oracle
    store: RunStore
    progress: Progress
    device: str
    members: int = 0

    @cached_property
    def by_id(self) -> Mapping[str, Record]:
        """Records of the pool by id."""
        return {record.id: record for record in self.pool.records}

    @cached_property
    def cached_pool(self) -> CachedSet:
        """The pool with as many pictures as fit kept in memory."""
        return CachedSet(self.pool)

    @cached_property
    def cached_test(self) -> CachedSet:
        """Likewise the test set."""
        return CachedSet(self.test.frames)

    @cached_property
    def cached_lessons(self) -> CachedFrames:
        """What a cycle learns from: the pool, and where the recipe replays X_l that too."""
        if not self.recipe.training.replay:
            return self.cached_pool
        start = self.start
        return CachedFrames(
            JoinedFrames([(self.by_id, self.cached_pool), (start.labels, start.frames)])
        )

    @cached_property
    def kind(self) -> Trainable:
        """The kind of detector that this run trains."""
        return trainable(self.recipe.detector, self.recipe.training)

    def detector(self, key: Key) -> Detector:
        """The detector with the weights trained in one cycle.

        Raises:
            DataError: The weights cannot be read.
            RunError: They were changed since they were written.
        """
        return self._with(self.weights(key))

    def member(self, key: Key, number: int) -> Detector:
        """A further network of the arm's ensemble, counted from 1; raises as `detector`."""
        return self._with(load_weights(self.store.file(key, f"member {number}")))

    def _with(self, weights: Weights) -> Detector:
        return self.kind.detector(weights, self.recipe.evaluation.threshold, self.device)

    def weights(self, key: Key) -> Weights:
        """The weights trained in one cycle; raises as `detector`."""
        return load_weights(self.store.file(key, "weights"))

    def readable(self, frames: FrameSet, finder: Key) -> list[Record]:
        """The frames of a set that one arm (or the survey) has not found unreadable."""
        bad = {row.record_id for row in self.store.unreadable(finder)}
        return [record for record in frames.records if record.id not in bad]


SURVEY = Key(seed=-1)
"""Where the survey of the data is remembered; it belongs to no arm."""


def previous(key: Key) -> Key:
    """Where the weights of the cycle before stand; the first cycle follows the start weights."""
    return Key(key.seed) if key.cycle == 1 else Key(key.seed, key.strategy, key.cycle - 1)
