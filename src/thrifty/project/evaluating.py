"""How well a project's detector sees: on its test set, and on the frames that chance drew."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from thrifty.engine.local import usual_batch
from thrifty.errors import CapabilityError, DataError
from thrifty.judging import detect_all, judge
from thrifty.project.models import ProjectDetector, current
from thrifty.project.pictures import kept_frames, stored
from thrifty.project.project import Project
from thrifty.project.sources import labelled_sets
from thrifty.store.project.rows import SHADOW, TEST, Evaluation, Role
from thrifty.types import Annotations, Detections, Need


def evaluate(project: Project) -> list[Evaluation]:
    """Judge the newest detector; what was judged already is not judged again.

    Returns:
        Its figures: on the test set if there is one, and on the shadow sample if that holds objects.

    Raises:
        DataError: There is no detector, or nothing to judge it by.
        CapabilityError: It gives no boxes.
    """
    detector = current(project)
    if detector is None:
        raise DataError(
            f"{project.folder}: has no detector yet; train one with `thrifty train`, or add one"
        )
    sets = {TEST: _test_labels(project), SHADOW: _shadow_labels(project)}
    if not any(_objects(labels) for labels in sets.values()):
        raise DataError(
            f"{project.folder}: has nothing to judge a detector by; add labels with `thrifty add test ANNOTATIONS`"
        )
    known = {(one.model, one.data, one.digest): one for one in project.store.evaluations()}
    figures = []
    for data, labels in sets.items():
        if not _objects(labels):
            continue
        key = (detector.model.number, data, _digest(project, labels))
        figures.append(known.get(key) or _judged(project, detector, data, labels, key[2]))
    return figures


def _judged(
    project: Project,
    detector: ProjectDetector,
    data: str,
    labels: Mapping[str, Annotations],
    digest: str,
) -> Evaluation:
    found = (_on_test if data == TEST else _on_shadow)(project, detector, labels)
    ours = {record_id: detector.of_project(boxes) for record_id, boxes in found.items()}
    settings = project.settings
    verdict = judge(ours, labels, settings.detector, settings.evaluation)
    row = Evaluation(
        detector.model.number,
        data,
        digest,
        len(labels),
        _objects(labels),
        verdict.curve.at(1.0),
        verdict.curve.log_average,
        verdict.precision.ap,
        verdict.precision.ap50,
    )
    project.store.add_evaluation(row, project.told("evaluate", data=data))
    return row


def _on_test(
    project: Project, detector: ProjectDetector, labels: Mapping[str, Annotations]
) -> dict[str, Detections]:
    found: dict[str, Detections] = {}
    looking = _boxes_of(project, detector)
    with project.progress("looking at the test set", len(labels), "frames") as step:
        for opened in labelled_sets(project, Role.TEST):
            frames = opened.frames
            found |= detect_all(looking, frames, frames.records, step, usual_batch(project.device))
    return found


def _on_shadow(
    project: Project, detector: ProjectDetector, labels: Mapping[str, Annotations]
) -> dict[str, Detections]:
    found: dict[str, Detections] = {}
    looking, kept = _boxes_of(project, detector), kept_frames(project)
    wanted = [choice for choice in kept.choices if choice.record.id in labels]
    with project.progress("looking at the shadow sample", len(labels), "frames") as step:
        for pool in sorted({choice.pool for choice in wanted}):
            records = [stored(one.record) for one in wanted if one.pool == pool]
            found |= detect_all(
                looking, kept.of_pool(pool), records, step, usual_batch(project.device)
            )
    return found


def _boxes_of(project: Project, detector: ProjectDetector):  # type: ignore[no-untyped-def]  # noqa: ANN202
    loaded = detector.load(project.device)
    if Need.BOXES not in loaded.gives:
        raise CapabilityError(
            f"{detector.model.name}: gives no boxes, so it cannot be judged; add one that does"
        )
    return loaded


def _test_labels(project: Project) -> dict[str, Annotations]:
    return {
        record_id: drawn
        for opened in labelled_sets(project, Role.TEST)
        for record_id, drawn in opened.labels.items()
    }


def _shadow_labels(project: Project) -> dict[str, Annotations]:
    labels = project.store.labels()
    return {
        choice.record.id: labels[choice.record.id].drawn
        for choice in project.store.choices()
        if choice.shadow and choice.record.id in labels
    }


def _objects(labels: Mapping[str, Annotations]) -> int:
    return sum(len(drawn.objects) for drawn in labels.values())


def _digest(project: Project, labels: Mapping[str, Annotations]) -> str:
    """Identity of what a detector is judged by, and of how."""
    sha = hashlib.sha256(project.settings.evaluation.model_dump_json().encode())
    for record_id in sorted(labels):
        drawn = labels[record_id]
        sha.update(record_id.encode())
        for column in (drawn.boxes, drawn.classes, drawn.ignore):
            sha.update(column.tobytes())
    return sha.hexdigest()[:32]
