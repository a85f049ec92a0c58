"""Why a frame was chosen: what the detector made of it, where it stands among the others, and what it kept out."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thrifty.detectors.protocol import Detector
from thrifty.errors import CapabilityError
from thrifty.maps import ClassMaps
from thrifty.project.drawing import chosen
from thrifty.project.models import ProjectDetector
from thrifty.project.pictures import kept_frames
from thrifty.project.project import Project
from thrifty.project.selecting import score_file
from thrifty.project.settings import ProjectSettings, parse_settings
from thrifty.project.sources import pools
from thrifty.scored_pool import Looking
from thrifty.scoring.forms import DivergenceSettings
from thrifty.scoring.smoothing import smooth
from thrifty.store.project.rows import Batch, Choice, Held, Label, Model
from thrifty.store.scored_frames import ScoredFrames, read_scores
from thrifty.strategies.catalogue import divergence_settings, make_strategy
from thrifty.strategies.scored import SCORE, ScoredStrategy
from thrifty.types import Annotations, Detections, FloatArray, IntArray, Need

_UNSEEN = Detections([], [])  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scores of the frames beside which a chosen one stands: its video's, or, for a still, its pool's stills'.

    Attributes:
        ids: Of the `N` frames.
        places: `N` int64, in the video; for stills, the rank by score, from 1.
        raw: `N` float64, before smoothing.
        smoothed: `N` float64, by which frames were ranked; NaN where a frame could not be chosen.
        share: Share of the whole pool whose score before smoothing is lower, in [0, 1].
    """

    ids: Sequence[str]
    places: IntArray
    raw: FloatArray
    smoothed: FloatArray
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class Why:
    """Why a frame was chosen.

    Attributes:
        choice: Which frame.
        batch: Its batch.
        model: The detector that scored it; `None` where there was none yet.
        scores: What it stands beside; `None` where nothing was scored, or the scores are gone.
        here: Chosen frames of the same video and batch, for a still of the same pool and batch; itself among them.
        earlier: The same of earlier batches.
        held: What was passed over because of it, in this batch and later ones, with the batch's number.
        found: What the detector saw in it.
        label: The label that counts; `None` if nobody has labelled the frame.
    """

    choice: Choice
    batch: Batch
    model: Model | None
    scores: Scores | None
    here: Sequence[Choice]
    earlier: Sequence[Choice]
    held: Sequence[tuple[int, Held]]
    found: Detections
    label: Label | None

    @property
    def place(self) -> int | None:
        """Its place on the axis of `scores`."""
        [place] = self.places([self.choice.record.id])
        return place

    def places(self, ids: Sequence[str]) -> list[int | None]:
        """Places of some frames on the axis of `scores`; `None` for one that is not there."""
        if self.scores is None:
            return [None for _ in ids]
        known = dict(zip(self.scores.ids, self.scores.places.tolist(), strict=True))
        return [known.get(one) for one in ids]

    def counts(self, classes: Sequence[str], sure: float) -> list[tuple[str, int, int | None]]:
        """Of every class: objects that the detector was sure of, and those that people drew, once they have."""
        seen = self.found.classes[self.found.scores >= sure]
        drawn = None if self.label is None else _kinds(self.label.drawn)
        return [
            (
                name,
                int(np.count_nonzero(seen == kind)),
                None if drawn is None else int(np.count_nonzero(drawn == kind)),
            )
            for kind, name in enumerate(classes)
        ]


def why(project: Project, record_id: str, reserved: Set[str] = frozenset()) -> Why:
    """Say why a frame was chosen.

    Args:
        project: Whose.
        record_id: Which frame.
        reserved: Ids of frames that were never to be chosen: those of the start and test sets.

    Raises:
        DataError: No such frame was chosen, or the scores of its pool cannot be read.
    """
    store = project.store
    choices = store.choices()
    choice = chosen(choices, record_id)
    batch = next(one for one in store.batches() if one.number == choice.batch)
    beside = [one for one in choices if _beside(one, choice) and one.batch <= batch.number]
    held = [
        (number, one)
        for number in (other.number for other in store.batches() if other.number >= batch.number)
        for one in store.held(number)
        if one.because == record_id
    ]
    return Why(
        choice,
        batch,
        next((one for one in store.models() if one.number == batch.model), None),
        _scores(project, batch, choice, choices, reserved),
        [one for one in beside if one.batch == batch.number],
        [one for one in beside if one.batch < batch.number],
        held,
        store.found([record_id]).get(record_id, _UNSEEN),
        store.labels().get(record_id),
    )


def _kinds(drawn: Annotations) -> IntArray:
    return drawn.classes[~drawn.ignore]


def _beside(one: Choice, choice: Choice) -> bool:
    return (one.pool, one.record.sequence) == (choice.pool, choice.record.sequence)


def settings_of(project: Project, batch: Batch) -> ProjectSettings:
    """The settings by which a batch was chosen, as the log has them."""
    selects = [event for event in project.store.events() if event.command == "select"]
    event = selects[batch.number - 1]
    return parse_settings(event.settings, f"{project.folder}: event {event.number}")


def _scores(
    project: Project,
    batch: Batch,
    choice: Choice,
    choices: Sequence[Choice],
    reserved: Set[str],
) -> Scores | None:
    settings = settings_of(project, batch)
    looking = Looking(make_strategy(batch.strategy, settings, str(project.folder)), settings)
    if not looking.strategy.views:
        return None
    source = pools(project)[choice.pool]
    model = next((one for one in project.store.models() if one.number == batch.model), None)
    path = project.artifacts.at_hand(score_file(model, looking, source))
    if not path.is_file():
        return None
    frames = read_scores(path)
    if SCORE not in frames.table.column_names:
        return None
    share = float(np.mean(frames.scores < choice.score))
    own = _of_sequence(frames, choice.record.sequence)
    if choice.record.sequence is None:
        order = np.argsort(-own.scores, kind="stable")
        raw, ranks = own.scores[order], np.arange(1, len(order) + 1)
        return Scores(_ids(own, order), ranks, raw, raw, share)
    taken = set(reserved) | {one.record.id for one in choices if one.batch < batch.number}
    taken |= {one.record.id for one in choices if one.batch == batch.number and one.shadow}
    strategy = looking.strategy
    weights = strategy.pipeline.weights if isinstance(strategy, ScoredStrategy) else np.ones(1)
    return _smoothed(own, taken, weights, share)


def _of_sequence(frames: ScoredFrames, sequence: str | None) -> ScoredFrames:
    if "sequence" not in frames.table.column_names:
        return frames
    column = frames.table["sequence"]
    kept = pc.is_null(column) if sequence is None else pc.equal(column, sequence)
    return frames.where(kept)


def _smoothed(own: ScoredFrames, taken: set[str], weights: FloatArray, share: float) -> Scores:
    """As the choice saw them: frames that were no longer to be had do not weigh in."""
    order = np.argsort(own.table["place"].to_numpy(), kind="stable")
    own = ScoredFrames(own.table.take(pa.array(order)))
    left = own.without(taken)
    smoothed = np.full(len(own), np.nan)
    is_left = ~pc.is_in(own.table["id"], pa.array(sorted(taken), pa.string())).to_numpy(
        zero_copy_only=False
    )
    smoothed[is_left] = smooth(left.scores, left.timeline({}), weights)
    places = own.table["place"].to_numpy().astype(np.int64)
    return Scores(_ids(own, np.arange(len(own))), places, own.scores, smoothed, share)


def _ids(frames: ScoredFrames, order: IntArray) -> list[str]:
    return list(frames.table["id"].take(pa.array(order)).to_pylist())


@dataclass(frozen=True, slots=True, eq=False)
class Seeing:
    """The detector that scored a batch, loaded to be asked again.

    Attributes:
        detector: Gives class maps.
        settings: How they were scored.
    """

    detector: Detector
    settings: DivergenceSettings

    def maps(self, project: Project, choice: Choice) -> ClassMaps:
        """Class maps of a chosen frame (B = 1).

        Raises:
            DataError: Its picture is gone or broken.
        """
        return self.detector.class_maps([kept_frames(project).load(choice.record)])


def seeing(project: Project, batch: Batch) -> Seeing:
    """Load the detector that scored a batch.

    Raises:
        CapabilityError: There was none, it gives no class maps, or what it needs is not installed.
        DataError: Its file is gone or has changed.
    """
    model = next((one for one in project.store.models() if one.number == batch.model), None)
    if model is None:
        raise CapabilityError(f"{batch.name}: was chosen before there was a detector")
    detector = ProjectDetector.of(project, model).load(project.device)
    if Need.CLASS_MAPS not in detector.gives:
        raise CapabilityError(f"{model.name}: gives boxes and no class maps, so there is no map")
    return Seeing(detector, divergence_settings(settings_of(project, batch)))
