"""Label Studio: a project there for each project here, a task for each frame, boxes in percent of the picture.

Tasks are known by the frame's id in their data, so whatever an earlier attempt has sent is found again. Nothing there is
ever changed or removed.
"""

from __future__ import annotations

import importlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self
from xml.sax.saxutils import quoteattr

from thrifty.errors import BatchGoneError, CapabilityError, OracleError
from thrifty.oracles.drawn import IGNORE, Drawn, labels_of
from thrifty.oracles.label_studio_boxes import rectangle_of, upright
from thrifty.oracles.tool import Answer, Asked, Assignment, Collected, Sent, Task
from thrifty.types import Record

_URL, _PROJECT = "url", "project"
_VIEW = "by score"
_PAGE = 100
_SENT_AT_ONCE = 20
_SECONDS = 60.0
_WAITS = (0.5, 2.0, 5.0)
_BUSY = frozenset({429, 500, 502, 503, 504})
_REFUSED, _FORBIDDEN, _NOTHING_THERE = 401, 403, 404
_RENEWAL = "/api/token/refresh/"


class LabelStudio:
    """A Label Studio server.

    Args:
        url: Where it answers, such as `http://127.0.0.1:8080`.
        token: The access token of an account there, personal or legacy; it goes into the requests and nowhere else.

    Raises:
        CapabilityError: `httpx2` is not installed.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._server = _Server(self._url, token)

    def send(self, assignment: Assignment) -> Sent:
        """Create the project if it is not there, upload the pictures that are not there, and make their tasks.

        Raises:
            OracleError: The server cannot be reached, or refuses.
            FrameError: A frame cannot be read.
        """
        with self._server:
            return self._send(assignment)

    def _send(self, assignment: Assignment) -> Sent:
        project = self._project(assignment)
        self._sort_by_score(project)
        tasks = self._tasks_by_record(project)
        missing = [task for task in assignment.tasks if task.record.id not in tasks]
        pictures = self._uploaded(project) if missing else {}
        for first in range(0, len(missing), _SENT_AT_ONCE):
            entries = [
                self._entry(assignment, task, self._picture(project, assignment, task, pictures))
                for task in missing[first : first + _SENT_AT_ONCE]
            ]
            self._server.post(f"/api/projects/{project}/import", json=entries)
        if missing:
            tasks = self._tasks_by_record(project)
        lost = [task.record.label for task in assignment.tasks if task.record.id not in tasks]
        if lost:
            raise OracleError(
                f"{self._url}: project {project} has no task for {lost[0]} although it was sent; send the batch again"
            )
        sent = {task.record.id: str(tasks[task.record.id]) for task in assignment.tasks}
        return Sent({_URL: self._url, _PROJECT: str(project)}, sent)

    def collect(self, asked: Asked) -> Collected:
        """The latest annotation of each task that somebody has submitted; skipped tasks and drafts are none.

        Raises:
            OracleError: The server cannot be reached, the project is gone, or an annotation cannot be understood.
        """
        with self._server:
            return self._collect(asked)

    def _collect(self, asked: Asked) -> Collected:
        project = asked.sent.reference[_PROJECT]
        records = {task: record_id for record_id, task in asked.sent.tasks.items()}
        left_out: Counter[str] = Counter()
        answers, seen = [], set[str]()
        for task in self._tasks(project):
            record_id = records.get(str(task["id"]))
            if record_id is None:
                continue
            seen.add(record_id)
            made = [one for one in task.get("annotations") or () if not one["was_cancelled"]]
            if made:
                newest = max(made, key=lambda one: (one["updated_at"], one["id"]))
                answers.append(self._answer(newest, asked.records[record_id], asked, left_out))
        gone = len(records) - len(seen)
        if gone:
            left_out["tasks that are no longer there"] += gone
        return Collected(answers, left_out)

    # -- what is there -------------------------------------------------------------------------------------------

    def _project(self, assignment: Assignment) -> int:
        """The project that bears the mark of ours; made if there is none."""
        mark = f"thrifty: {assignment.project}"
        for page in self._pages("/api/projects"):
            for found in page["results"]:
                if (found.get("description") or "").strip() == mark:
                    self._check_classes(found, assignment)
                    return int(found["id"])
        made = self._server.post(
            "/api/projects",
            json={
                "title": _title(assignment.project),
                "description": mark,
                "label_config": configuration(assignment.classes),
                "show_collab_predictions": True,
            },
        )
        return int(made["id"])

    def _check_classes(self, project: Mapping[str, Any], assignment: Assignment) -> None:
        config = str(project.get("label_config") or "")
        lacking = [name for name in assignment.classes if f"value={quoteattr(name)}" not in config]
        if lacking:
            raise OracleError(
                f"{self._url}: project {project['id']} has no label '{lacking[0]}'; add it in its settings there"
            )

    def _sort_by_score(self, project: int) -> None:
        """A view of the tasks with the highest score first, if there is none yet."""
        views = self._server.get("/api/dm/views/", {"project": str(project)})
        if any(view["data"].get("title") == _VIEW for view in views):
            return
        data = {
            "title": _VIEW,
            "type": "list",
            "target": "tasks",
            "ordering": ["-tasks:data.score"],
        }
        self._server.post("/api/dm/views/", json={"project": project, "data": data})

    def _tasks_by_record(self, project: int) -> dict[str, int]:
        return {
            str(task["data"].get("record")): int(task["id"]) for task in self._tasks(str(project))
        }

    def _tasks(self, project: str) -> Iterator[Mapping[str, Any]]:
        for page in self._pages("/api/tasks", project=project, fields="all"):
            yield from page["tasks"]

    def _pages(self, path: str, **query: str) -> Iterator[Mapping[str, Any]]:
        """All pages of a list; the server answers the one after the last with "not found"."""
        number = 0
        while True:
            number += 1
            more = {"page": str(number), "page_size": str(_PAGE)}
            page = self._server.get(path, query | more, absent={} if number > 1 else None)
            entries = page.get("results", page.get("tasks")) or ()
            if not entries:
                return
            yield page
            if len(entries) < _PAGE:
                return

    # -- sending -------------------------------------------------------------------------------------------------

    def _uploaded(self, project: int) -> dict[str, str]:
        """Pictures that are there, by the frame's id in their name."""
        found = self._server.get(f"/api/projects/{project}/file-uploads", {"all": "true"})
        paths = [str(one["file"]) for one in found]
        return {_record_of(path): path for path in paths}

    def _picture(
        self, project: int, assignment: Assignment, task: Task, uploaded: Mapping[str, str]
    ) -> str:
        known = uploaded.get(task.record.id)
        if known is not None:
            return known
        picture = assignment.picture(task.record)
        name = f"{task.record.id}{picture.suffix}"
        made = self._server.post(
            f"/api/projects/{project}/import",
            {"commit_to_project": "false"},
            files={"file": (name, picture.content)},
        )
        upload = self._server.get(f"/api/import/file-upload/{made['file_upload_ids'][0]}")
        return str(upload["file"])

    def _entry(self, assignment: Assignment, task: Task, path: str) -> dict[str, Any]:
        record = task.record
        data = {
            "image": f"/data/{path}",
            "record": record.id,
            "frame": record.label,
            "batch": assignment.name,
            "rank": task.rank,
            "score": task.score,
        }
        found = task.found
        results = [
            rectangle_of(box, assignment.classes[kind], record, score)
            for box, kind, score in zip(
                found.boxes.tolist(), found.classes.tolist(), found.scores.tolist(), strict=True
            )
        ]
        surest = float(found.scores.max(initial=0.0))
        prediction = {"model_version": assignment.model, "score": surest, "result": results}
        return {"data": data, "predictions": [prediction] if results else []}

    # -- collecting ----------------------------------------------------------------------------------------------

    def _answer(
        self,
        annotation: Mapping[str, Any],
        record: Record,
        asked: Asked,
        left_out: Counter[str],
    ) -> Answer:
        try:
            drawn = list(_drawn(annotation["result"], record, left_out))
            return Answer(
                record.id,
                labels_of(record, drawn, asked.numbers, left_out),
                _who(annotation.get("completed_by")),
                annotation.get("lead_time"),
                annotation["updated_at"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise OracleError(
                f"{self._url}: annotation {annotation.get('id')} of {record.label} cannot be understood "
                f"({type(error).__name__}: {error}); correct it there"
            ) from error


def configuration(classes: Sequence[str]) -> str:
    """What people see there: the picture, and a rectangle for each class and for what is to be ignored."""
    names = [*classes, *([] if IGNORE in classes else [IGNORE])]
    labels = "".join(f"<Label value={quoteattr(name)}/>" for name in names)
    return (
        '<View><Image name="image" value="$image" zoom="true" zoomControl="true" rotateControl="true"/>'
        f'<RectangleLabels name="label" toName="image">{labels}</RectangleLabels></View>'
    )


def _title(project: str) -> str:
    """What the project is called there: 3 to 50 characters, spaces around them not counted."""
    shortest, longest = 3, 50
    return (project if len(project.strip()) >= shortest else f"thrifty {project}")[:longest]


def _record_of(path: str) -> str:
    """The frame's id in the name of an upload: the server puts eight characters and a dash before it."""
    name = path.rsplit("/", 1)[-1]
    return name.partition("-")[2].rpartition(".")[0]


def _who(completed_by: object) -> str | None:
    if isinstance(completed_by, Mapping):
        return str(completed_by.get("email") or completed_by.get("id"))
    return None if completed_by is None else str(completed_by)


def _drawn(
    results: Sequence[Mapping[str, Any]], record: Record, left_out: Counter[str]
) -> Iterator[Drawn]:
    for result in results:
        kind = result.get("type")
        if kind != "rectanglelabels":
            left_out[f"regions of type '{kind}', which are no boxes"] += 1
            continue
        value = result["value"]
        labels = value.get("rectanglelabels") or ()
        if not labels:
            left_out["boxes without a class"] += 1
            continue
        yield upright(value, record), str(labels[0]), labels[0] == IGNORE


class _Server:
    """Requests that are repeated while the server is busy, and whose failures are one line."""

    def __init__(self, url: str, token: str) -> None:
        try:
            self._http: Any = importlib.import_module("httpx2")
        except ImportError as error:
            raise CapabilityError(
                "Label Studio is reached by httpx2; install it with: pip install 'thrifty[label-studio]'"
            ) from error
        self._url, self._token = url, token
        self.transport: Any = None

    def __enter__(self) -> Self:
        # Redirects are not followed, so the token goes nowhere else.
        self._client = self._http.Client(
            base_url=self._url,
            headers={} if self._is_personal else {"Authorization": f"Token {self._token}"},
            timeout=_SECONDS,
            transport=self.transport,
        )
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.close()

    def get(self, path: str, query: Mapping[str, str] | None = None, absent: Any = None) -> Any:  # noqa: ANN401 - JSON
        """What is there, or `absent` if that is said and there is nothing."""
        return self._ask("GET", path, absent, params=query)

    def post(self, path: str, query: Mapping[str, str] | None = None, **content: Any) -> Any:  # noqa: ANN401 - JSON
        """What the server makes of it."""
        return self._ask("POST", path, None, params=query, **content)

    @property
    def _is_personal(self) -> bool:
        """Whether the token is one that buys others, which last some minutes: a JSON web token in three parts."""
        return self._token.count(".") == 2

    def _is_renewed(self) -> bool:
        answer = self._client.post(_RENEWAL, json={"refresh": self._token})
        if answer.is_success:
            self._client.headers["Authorization"] = f"Bearer {answer.json()['access']}"
        return bool(answer.is_success)

    def _ask(self, method: str, path: str, absent: Any, **content: Any) -> Any:  # noqa: ANN401 - JSON
        # What was sent may have been done although no answer came; only reading is repeated blindly.
        waits = iter(_WAITS if method == "GET" else ())
        while True:
            try:
                answer = self._client.request(method, path, **content)
                if answer.status_code == _REFUSED and self._is_personal and self._is_renewed():
                    answer = self._client.request(method, path, **content)
            except self._http.HTTPError as error:
                if self._waited(waits):
                    continue
                raise OracleError(
                    f"{self._url}: does not answer ({type(error).__name__}); see that Label Studio runs there, then run the "
                    "same command again"
                ) from error
            if answer.status_code in _BUSY and self._waited(waits):
                continue
            if answer.status_code == _NOTHING_THERE and absent is not None:
                return absent
            return self._understood(method, path, answer)

    @staticmethod
    def _waited(waits: Iterator[float]) -> bool:
        seconds = next(waits, None)
        if seconds is None:
            return False
        time.sleep(seconds)
        return True

    def _understood(self, method: str, path: str, answer: Any) -> Any:  # noqa: ANN401 - JSON
        if answer.status_code in {_REFUSED, _FORBIDDEN}:
            raise OracleError(
                f"{self._url}: refuses the token; make a new one in the account's settings there"
            )
        if not answer.is_success:
            said = " ".join(answer.text.split())[:200]
            kind = BatchGoneError if answer.status_code == _NOTHING_THERE else OracleError
            raise kind(
                f"{self._url}: {method} {path} is answered by {answer.status_code} ({said}); correct that there, then run the "
                "same command again"
            )
        try:
            return answer.json()
        except ValueError as error:
            raise OracleError(
                f"{self._url}: answers {path} with something else than JSON; see that this is the address of Label Studio"
            ) from error
