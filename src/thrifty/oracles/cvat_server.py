"""CVAT (https://www.cvat.ai) by its server: a project with the classes, a task a batch, the detector's boxes in it.

A task has jobs, each for some of its frames. A job counts as finished when its state is "completed", whatever the stage, or
when it has reached the stage "acceptance" and is not rejected.

What is read here are rectangles, turned ones as the upright boxes around them. The rest is counted and left out.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from thrifty.data.dataset import Category, Corners, Dataset, Label, LabelledImage
from thrifty.data.formats.outlines import box_or_turned
from thrifty.errors import BatchGoneError, CapabilityError, OracleError
from thrifty.oracles.batch_folder import stem, to_begin_with
from thrifty.oracles.gathered import Gathered
from thrifty.oracles.sent_frames import SentFrames, stem_of
from thrifty.oracles.tool import Asked, Assignment, Collected, Sent

Remote: TypeAlias = Any
"""An object of the SDK, which is imported only where there is a server."""

PER_JOB = 50
"""Frames that one person finishes at a time."""

_QUALITY = 100
"""Of the JPEGs that CVAT shows: 70, which is usual, hides what is small."""


class CvatServer:
    """A CVAT server, through its SDK.

    Args:
        url: Of the server.
        access: A token, or a user's name and password.
        per_job: Frames of a job, the unit in which people take work and finish it.

    Raises:
        CapabilityError: The SDK is not installed.
    """

    def __init__(self, url: str, access: str | tuple[str, str], per_job: int = PER_JOB) -> None:
        self._sdk = _sdk()
        self._url = url
        self._access = access
        self._per_job = per_job

    def send(self, assignment: Assignment) -> Sent:
        """Make the batch's task in the project of that name, or complete it; both are looked for by their names first.

        Raises:
            OracleError: The server cannot be reached, or refuses, or has a task of that name with other pictures.
            FrameError: A picture cannot be read; no task is made then.
        """
        with self._session() as client:
            project = self._project(client, assignment)
            task = self._task(client, project, assignment)
            frames = {
                stem_of(frame.name): place for place, frame in enumerate(task.get_frames_info())
            }
            names = {one.record.id: stem(one) for one in assignment.tasks}
            if set(frames) != set(names.values()):
                raise OracleError(
                    f"{self._url}: task {task.id}, {assignment.name} of {assignment.project}, has other pictures; "
                    "rename it there and send again"
                )
            if _is_untouched(task):
                self._draw(task, project, assignment, names, frames)
        return Sent({"url": self._url, "project": str(project.id), "task": str(task.id)}, names)

    def collect(self, asked: Asked) -> Collected:
        """What is drawn in the jobs that are finished. Who they are assigned to is named, and when they were changed last.

        Raises:
            OracleError: The server cannot be reached, or refuses, or has lost the task.
        """
        key = int(asked.sent.reference["task"])
        gathered = Gathered(asked, SentFrames(asked))
        with self._session() as client:
            task = client.tasks.retrieve(key)
            meta = task.get_meta()
            labels = {label.id: label.name for label in task.get_labels()}
            for job in filter(_is_finished, task.get_jobs()):
                dataset = _dataset(job, meta, labels)
                who = job.assignee.username if job.assignee else None
                at = job.updated_date.isoformat()
                gathered.add(dataset, f"{self._url}: task {key}, job {job.id}", who, at)
        return gathered.collected()

    @contextmanager
    def _session(self) -> Iterator[Remote]:
        try:
            config = self._sdk.core.client.Config(status_check_period=1)
            # The check would only print; what does not fit fails by itself.
            with self._sdk.Client(self._url, config=config, check_server_version=False) as client:
                client.login(self._credentials())
                yield client
        except self._failures() as error:
            kind = (
                BatchGoneError if getattr(error, "status", None) == _NOTHING_THERE else OracleError
            )
            raise kind(f"{self._url}: {_reason(error)}") from error

    def _credentials(self) -> object:
        if isinstance(self._access, str):
            return self._sdk.core.client.AccessTokenCredentials(self._access)
        return self._sdk.core.client.PasswordCredentials(*self._access)

    def _failures(self) -> tuple[type[Exception], ...]:
        """What the SDK raises: an `AssertionError` or a `TypeError` where an answer lacks what the API promises."""
        return (
            self._sdk.exceptions.OpenApiException,
            self._sdk.core.exceptions.CvatSdkException,
            import_module("urllib3.exceptions").HTTPError,
            AssertionError,
            TypeError,
            json.JSONDecodeError,
        )

    def _project(self, client: Remote, assignment: Assignment) -> Remote:
        """The project, with all classes."""
        found = _named(client.projects.list(name=assignment.project), assignment.project)
        if found is None:
            labels = [_rectangle(name) for name in assignment.classes]
            return client.projects.create({"name": assignment.project, "labels": labels})
        there = {label.name for label in found.get_labels()}
        lacking = [_rectangle(name) for name in assignment.classes if name not in there]
        if lacking:
            found.update({"labels": lacking})
        return found

    def _task(self, client: Remote, project: Remote, assignment: Assignment) -> Remote:
        """The task, with its pictures."""
        tasks = client.tasks.list(name=assignment.name, project_id=project.id)
        found = _named(tasks, assignment.name)
        if found is not None and found.size:
            return found
        with tempfile.TemporaryDirectory(prefix="thrifty-") as folder:
            paths = list(_pictures(Path(folder), assignment))
            if found is not None:
                # Stopped while its pictures came in, of which CVAT may have any part; nobody can have drawn on them.
                found.remove()
            task = client.tasks.create(
                {
                    "name": assignment.name,
                    "project_id": project.id,
                    "segment_size": self._per_job,
                    "overlap": 0,
                }
            )
            task.upload_data(paths, params={"image_quality": _QUALITY})
        return task

    def _draw(
        self,
        task: Remote,
        project: Remote,
        assignment: Assignment,
        names: Mapping[str, str],
        frames: Mapping[str, int],
    ) -> None:
        """Put the detector's boxes in place."""
        numbers = {label.name: label.id for label in project.get_labels()}
        models = self._sdk.models
        shapes = [
            models.LabeledShapeRequest(
                type=models.ShapeType("rectangle"),
                frame=frames[image.name],
                label_id=numbers[assignment.classes[label.category]],
                points=list(label.box),
                source="auto",
            )
            for image in to_begin_with(assignment, names, scored=False).images
            for label in image.labels
        ]
        if shapes:
            task.set_annotations(models.LabeledDataRequest(shapes=shapes, tags=[], tracks=[]))


def _sdk() -> Remote:
    try:
        return import_module("cvat_sdk")
    except ImportError as error:
        raise CapabilityError(
            "a CVAT server needs CVAT's SDK; install it with: pip install 'thrifty[cvat]'"
        ) from error


def _reason(error: Exception) -> str:
    """What went wrong and what to do, in one line."""
    status = getattr(error, "status", None)
    if status in {401, 403}:
        return f"refuses ({status}); check the token or the password, and what it may do"
    if status == _NOTHING_THERE:
        return "has no such project or task, or is no CVAT server; check the address, or send again"
    text = " ".join(str(getattr(error, "body", None) or error).split()) or type(error).__name__
    told = f"answers {status}: {text}" if status else text
    return f"{told[:_SHOWN]}; check the address and the server"


_NOTHING_THERE = 404
_SHOWN = 300


def _named(entries: Sequence[Remote], name: str) -> Remote:
    """The first that was made under a name; servers may take it for a part of one."""
    found = (entry for entry in entries if entry.name == name)
    return min(found, key=lambda entry: entry.id, default=None)


def _rectangle(name: str) -> Mapping[str, object]:
    return {"name": name, "type": "rectangle", "attributes": []}


def _pictures(folder: Path, assignment: Assignment) -> Iterator[Path]:
    for task in assignment.tasks:
        picture = assignment.picture(task.record)
        path = folder / (stem(task) + picture.suffix)
        path.write_bytes(picture.content)
        yield path


def _is_untouched(task: Remote) -> bool:
    """Whether nobody has begun, and nothing is drawn."""
    if any(str(job.state) != "new" or str(job.stage) != "annotation" for job in task.get_jobs()):
        return False
    drawn = task.get_annotations()
    return not (drawn.shapes or drawn.tracks or drawn.tags)


def _is_finished(job: Remote) -> bool:
    """Jobs of other types hold what CVAT checks people by."""
    state = str(job.state)
    accepted = str(job.stage) == "acceptance" and state != "rejected"
    return str(job.type) == "annotation" and (state == "completed" or accepted)


def _dataset(job: Remote, meta: Remote, names: Mapping[int, str]) -> Dataset:
    """What is drawn in a job, with the frames that are in it and were not removed."""
    places = {key: place for place, key in enumerate(names)}
    given = job.get_annotations()
    unread = Counter({"tracks": len(given.tracks), "tags of images": len(given.tags)})
    labels: dict[int, list[Label]] = defaultdict(list)
    for shape in given.shapes:
        if str(shape.type) == "rectangle" and shape.label_id in places:
            labels[shape.frame].append(Label(_box(shape), places[shape.label_id]))
        else:
            unread[f"shapes of type {shape.type}"] += 1
    images = tuple(
        LabelledImage(frame.name, frame.width, frame.height, tuple(labels[place]))
        for place, frame in enumerate(meta.frames)
        if job.start_frame <= place <= job.stop_frame and place not in meta.deleted_frames
    )
    return Dataset(tuple(map(Category, names.values())), images, unread)


def _box(shape: Remote) -> Corners:
    left, top, right, bottom = shape.points
    centre = ((left + right) / 2, (top + bottom) / 2)
    box, _ = box_or_turned((left, top, right, bottom), shape.get("rotation", 0.0), centre)
    return box
