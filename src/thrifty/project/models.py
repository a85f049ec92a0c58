"""The detectors of a project: those from elsewhere, which one scores, and how the next is trained."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from thrifty.chance import stage_seed
from thrifty.data.frames import CachedFrames, FrameLoader, JoinedFrames
from thrifty.data.sources import Opened
from thrifty.data.stills import content_hash
from thrifty.detectors.catalogue import absolute, identify, open_detector
from thrifty.detectors.checked import CheckedDetector
from thrifty.detectors.paper import (
    Weights,
    load_trained,
    load_weights,
    save_weights,
    trained_section,
)
from thrifty.detectors.protocol import Detector
from thrifty.detectors.trainable import trainable
from thrifty.errors import DataError, RunError, TrainingError
from thrifty.files import replace_file
from thrifty.progress import Progress
from thrifty.project.artifacts import MODELS, Artifacts
from thrifty.project.labelling import lessons
from thrifty.project.pictures import kept_frames
from thrifty.project.project import Project
from thrifty.project.settings import ProjectSettings
from thrifty.project.sources import labelled_sets
from thrifty.store.project.rows import Label, Model, Role
from thrifty.store.project.store import Told
from thrifty.strategies.catalogue import make_strategy
from thrifty.strategies.strategy import goes_on
from thrifty.training import Example, Plan, fit
from thrifty.types import Detections


@dataclass(frozen=True, slots=True)
class ProjectDetector:
    """The detector of a project, before it is loaded, by this process or another.

    Attributes:
        artifacts: The project's.
        settings: The project's.
        model: Which.
    """

    artifacts: Artifacts
    settings: ProjectSettings
    model: Model

    @classmethod
    def of(cls, project: Project, model: Model) -> ProjectDetector:
        """One of a project's detectors."""
        return cls(project.artifacts, project.settings, model)

    @property
    def identity(self) -> str:
        """What decides its outputs."""
        return f"{self.model.digest}:{self.settings.detector.model_dump_json()}"

    def open(self, device: str) -> CheckedDetector:
        """Load it for scoring; raises as `load`."""
        return CheckedDetector(self.model.name, self.load(device))

    def load(self, device: str) -> Detector:
        """Load it.

        Raises:
            DataError: Its file is gone or has changed.
            CapabilityError: What it needs is not installed.
        """
        form = self.model.form
        if form is not None:
            if identify(form) != self.model.digest:
                raise DataError(
                    f"{form}: has changed since it was added; put it back, or add it again as it is now"
                )
            return open_detector(form, device)
        settings = self.settings
        trained, weights = load_trained(self.file)
        # Of a time with fewer classes, or another network, it goes on as it was until there is a new one.
        section = settings.detector if trained.network == settings.detector.network else trained
        kind = trainable(section, settings.training)
        return kind.detector(weights, settings.evaluation.threshold, device)

    @property
    def fits(self) -> bool:
        """Whether its weights are of the network that the settings describe now."""
        return trained_section(self.file).network == self.settings.detector.network

    @property
    def file(self) -> Path:
        """The file of its weights, as it was written."""
        path = self.artifacts.at_hand(str(self.model.file), self.model.digest)
        if not path.is_file() or content_hash(path) != self.model.digest:
            raise DataError(
                f"{path}: is missing or was changed since it was written; restore it from a copy of the project"
            )
        return path

    def of_project(self, found: Detections) -> Detections:
        """Its boxes by the project's classes; those of other classes are left out."""
        wanted = self.model.classes or tuple(range(len(self.settings.classes)))
        places = {kind: place for place, kind in enumerate(wanted)}
        kept = np.array([kind in places for kind in found.classes.tolist()], dtype=np.bool_)
        classes = np.array([places[kind] for kind in found.classes[kept].tolist()], dtype=np.int64)
        return Detections(found.boxes[kept], found.scores[kept], classes)


def current(project: Project) -> ProjectDetector | None:
    """The detector that scores: the newest."""
    models = project.store.models()
    return ProjectDetector.of(project, models[-1]) if models else None


def add_detector(project: Project, form: str, classes: Sequence[int] | None) -> Model | None:
    """Add a detector that was trained elsewhere; from now on it is the one that scores.

    Args:
        project: To what.
        form: As on the command line: see `thrifty.detectors.catalogue`.
        classes: Which of its classes are the project's, in the project's order; the first ones if left out.

    Returns:
        The detector, or `None` if it is the present one already.

    Raises:
        DataError: There is no such detector, or as many classes are named as the project does not have.
        CapabilityError: What it needs is not installed.
    """
    wanted = len(project.settings.classes)
    if classes is not None and len(classes) != wanted:
        raise DataError(
            f"{form}: {len(classes)} of its classes are named and the project has {wanted}; name one for each"
        )
    form = absolute(form)
    open_detector(form, project.device)
    chosen = None if classes is None else tuple(classes)
    model = Model(0, "", form, chosen, None, identify(form), None, 0.0)
    models = project.store.models()
    if models and (models[-1].digest, models[-1].classes) == (model.digest, chosen):
        return None
    told = project.told("add detector", form=form, classes=None if chosen is None else list(chosen))
    return project.store.add_model(model, (), told)


Trainer = Callable[
    [Plan, FrameLoader, Sequence[Example], Weights | None, Progress, Sequence[Example]],
    Mapping[str, Tensor],
]
"""What trains: takes the arguments of `thrifty.training.fit`, in its order, and gives weights."""


def alone(
    plan: Plan,
    frames: FrameLoader,
    examples: Sequence[Example],
    start: Weights | None,
    progress: Progress,
    earlier: Sequence[Example],
) -> Mapping[str, Tensor]:
    """Train in this process."""
    return fit(plan, CachedFrames(frames), examples, start, progress, earlier)


def train(
    project: Project,
    *,
    fresh: bool = False,
    trainer: Trainer = alone,
    labels: Mapping[str, Label] | None = None,
) -> Model | None:
    """Train what the labels ask for: the start weights, or the next model from them on the labels of the pool.

    As in the paper, each model begins from the weights that the start labels made, or from the model before if the project's
    strategy goes on; and it sees the labels of the pool alone, but for what `replay` draws from the start labels.

    Args:
        project: Whose.
        fresh: Train the start weights again.
        trainer: Who does it.
        labels: What is learned from, by record id; all labels that count if left out.

    Returns:
        The new model, or `None` where nothing has changed since the last.

    Raises:
        TrainingError: There are no labels, or the loss stops being finite.
        DataError: The store that holds the project's files does not take any, or another project's.
    """
    project.claim_files()
    start = None if fresh else _start_model(project)
    sets = labelled_sets(project, Role.START)
    if sets and (start is None or fresh):
        return _train_start(project, sets, trainer, fresh=fresh)
    labels = lessons(project) if labels is None else dict(sorted(labels.items()))
    numbers = sorted(label.number for label in labels.values())
    trained = [model for model in project.store.models() if model.file is not None]
    same = bool(trained) and project.store.lessons(trained[-1].number) == numbers
    newest = _fitting(project, trained)
    if newest is not None and same:
        return None
    if not labels:
        raise TrainingError(
            f"{project.folder}: has no labels to learn from; add some with `thrifty add start`, or collect a batch"
        )
    settings = project.settings
    strategy = make_strategy(settings.selection.strategy, settings, str(project.folder))
    begin = newest if newest is not None and goes_on(strategy) else start
    return _train_next(project, labels, begin, len(trained), trainer)


def _start_model(project: Project) -> Model | None:
    """The newest model that has learned from the start labels alone, if a model of today can begin from it."""
    store = project.store
    found = [model for model in store.models() if model.file and not store.lessons(model.number)]
    return _fitting(project, found)


def _fitting(project: Project, models: Sequence[Model]) -> Model | None:
    """The last, unless the network has changed since."""
    return models[-1] if models and ProjectDetector.of(project, models[-1]).fits else None


def _train_start(
    project: Project, sets: Sequence[Opened], trainer: Trainer, *, fresh: bool
) -> Model:
    settings = project.settings
    plan = Plan(
        settings.detector,
        settings.training,
        epochs=settings.training.start_epochs,
        steps=settings.training.start_steps,
        augmented=False,
        seed=stage_seed(settings.seed, 0, "train"),
        device=project.device,
        title="training the start weights",
    )
    examples = _examples_of(sets)
    told = project.told("train", fresh=fresh)
    course = _Course(plan, _joined(sets), examples)
    return _trained(project, course, None, (), told, trainer)


def _examples_of(sets: Sequence[Opened]) -> list[Example]:
    return [
        Example(record, opened.labels[record.id])
        for opened in sets
        for record in opened.frames.records
    ]


def _joined(sets: Sequence[Opened]) -> JoinedFrames:
    return JoinedFrames([(opened.labels, opened.frames) for opened in sets])


def _train_next(
    project: Project,
    labels: Mapping[str, Label],
    start: Model | None,
    cycle: int,
    trainer: Trainer,
) -> Model:
    settings = project.settings
    kept = kept_frames(project)
    records = {choice.record.id: choice.record for choice in kept.choices}
    examples = [Example(records[record_id], label.drawn) for record_id, label in labels.items()]
    plan = Plan(
        settings.detector,
        settings.training,
        epochs=settings.training.epochs,
        steps=settings.training.steps,
        augmented=bool(settings.training.augment),
        seed=stage_seed(settings.seed, cycle, "train"),
        device=project.device,
        title=f"training on {len(labels)} frames",
    )
    numbers = sorted(label.number for label in labels.values())
    told = project.told("train", fresh=False)
    course = _Course(plan, kept, examples)
    if settings.training.replay:
        sets = labelled_sets(project, Role.START)
        frames = JoinedFrames([(records, kept), (_all_ids(sets), _joined(sets))])
        course = _Course(plan, frames, examples, _examples_of(sets))
    return _trained(project, course, start, numbers, told, trainer)


def _all_ids(sets: Sequence[Opened]) -> frozenset[str]:
    return frozenset().union(*(opened.labels for opened in sets))


@dataclass(frozen=True, slots=True, eq=False)
class _Course:
    """What a training learns, as `fit` takes it."""

    plan: Plan
    frames: FrameLoader
    examples: Sequence[Example]
    earlier: Sequence[Example] = ()


def _trained(
    project: Project,
    course: _Course,
    start: Model | None,
    numbers: Sequence[int],
    told: Told,
    trainer: Trainer,
) -> Model:
    began = time.monotonic()
    begin = None if start is None else load_weights(ProjectDetector.of(project, start).file)
    weights = trainer(
        course.plan, course.frames, course.examples, begin, project.progress, course.earlier
    )
    seconds = time.monotonic() - began
    parent = None if start is None else start.number
    return _remember(project, weights, parent, numbers, seconds, told)


def _remember(
    project: Project,
    weights: Mapping[str, Tensor],
    parent: int | None,
    numbers: Sequence[int],
    seconds: float,
    told: Told,
) -> Model:
    """Write the weights, then say so: a file that no row names does no harm."""
    content = save_weights(weights, project.settings.detector)
    number = len(project.store.models()) + 1
    name = f"{MODELS}/model-{number:03d}.safetensors"
    try:
        # Whoever has had the turn meanwhile may have kept weights of this name.
        project.store.check_turn()
        project.artifacts.keep(name, content)
    except (DataError, RunError) as error:
        # Hours of training may be in them.
        aside = project.artifacts.path(f"{MODELS}/not-stored-{number:03d}.safetensors")
        replace_file(aside, content)
        raise type(error)(
            f"{error}; the weights are in {aside}, `thrifty add detector trained:{aside}` takes them"
        ) from error
    digest = content_hash(project.artifacts.path(name))
    model = Model(0, "", None, None, name, digest, parent, seconds)
    return project.store.add_model(model, numbers, told)
