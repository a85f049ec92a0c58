"""A server that answers as CVAT's public API says (https://docs.cvat.ai/docs/api_sdk/), as far as one batch needs it.

It keeps projects, tasks, jobs and annotations in memory, and takes pictures by the SDK's way of uploading.
"""

from __future__ import annotations

import email
import email.policy
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image as Pillow

TOKEN, USER, PASSWORD = "a-token", "ann", "secret"
CHANGED = "2026-11-23T12:30:00Z"
Json = dict[str, Any]


class Cvat:
    """What the server knows. Tests act on it as people act on the page."""

    def __init__(self) -> None:
        self.projects: dict[int, Json] = {}
        self.tasks: dict[int, Json] = {}
        self.jobs: dict[int, Json] = {}
        self.labels: dict[int, Json] = {}
        self.pictures: dict[int, dict[str, bytes]] = {}
        self.removed: dict[int, list[int]] = {}
        self.drawn: dict[int, list[Json]] = {}
        self.tracks: dict[int, list[Json]] = {}
        self.asked: list[str] = []
        self.fails: Callable[[str], bool] = lambda request: False

    def add_labels(self, project: int, given: list[Json]) -> None:
        for label in given:
            key = len(self.labels) + 100
            self.labels[key] = {"id": key, "project_id": project, "attributes": [], **label}

    def project(self, key: int) -> Json:
        entry = self.projects[key]
        return {
            **entry,
            "id": key,
            "organization": None,
            "tasks": {"count": 0},
            "labels": {"url": "http://x/api/labels"},
        }

    def task(self, key: int) -> Json:
        size = len(self.pictures[key]) if self.tasks[key].get("whole") else 0
        jobs = {"count": 0, "completed": 0, "validation": 0}
        told = {"organization": None, "size": size, "jobs": jobs, "labels": {}}
        return {**self.tasks[key], "id": key, **told}

    def job(self, key: int) -> Json:
        return {**self.jobs[key], "id": key, "issues": {"count": 0}, "labels": {}}

    def finish_upload(self, key: int) -> None:
        """The pictures are in: frames in the order of their names, and jobs of so many each."""
        task = self.tasks[key]
        task["whole"] = True
        count, size = len(self.pictures[key]), task["segment_size"]
        for first in range(0, count, size):
            self.jobs[len(self.jobs) + 1000] = {
                "task_id": key,
                "type": "annotation",
                "stage": "annotation",
                "state": "new",
                "assignee": None,
                "start_frame": first,
                "stop_frame": min(first + size, count) - 1,
                "updated_date": CHANGED,
            }

    def meta(self, key: int) -> Json:
        frames = []
        for name, content in sorted(self.pictures[key].items()):
            with Pillow.open(io.BytesIO(content)) as picture:
                width, height = picture.size
            frames.append({"name": name, "width": width, "height": height, "related_files": 0})
        return {
            "chunks_updated_date": CHANGED,
            "frames": frames,
            "deleted_frames": self.removed.get(key, []),
            "size": len(frames),
            "image_quality": 100,
            "start_frame": 0,
            "stop_frame": len(frames) - 1,
            "frame_filter": "",
        }

    def annotations(self, task: int, first: int = 0, last: int = 10**6) -> Json:
        def within(entries: list[Json]) -> list[Json]:
            return [one for one in entries if first <= one["frame"] <= last]

        shapes, tracks = self.drawn.get(task, []), self.tracks.get(task, [])
        return {"version": 0, "tags": [], "shapes": within(shapes), "tracks": within(tracks)}


class _Handler(BaseHTTPRequestHandler):
    cvat: Cvat

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Print nothing."""

    def _answer(self, status: int, content: object = None, headers: dict[str, str] = {}) -> None:  # noqa: B006
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        if self.path.startswith("/api/auth/login"):
            self.send_header("Set-Cookie", "sessionid=1; Path=/")
            self.send_header("Set-Cookie", "csrftoken=2; Path=/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _handle(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = url.path.rstrip("/").removeprefix("/api")
        mode = next((name for name in self.headers if name.startswith("Upload-")), "")
        request = f"{self.command} {path} {mode}".strip()
        self.cvat.asked.append(request)
        if self.cvat.fails(request):
            self._answer(500, {"detail": "the disk\nis full"})
        elif path != "/auth/login" and not self._is_known():
            self._answer(401, {"detail": "Authentication credentials were not provided."})
        else:
            self._route(request, query, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - the base class's names

    def _is_known(self) -> bool:
        bearer = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        return bearer or "sessionid=1" in (self.headers.get("Cookie") or "")

    def _route(self, request: str, query: dict[str, str], body: bytes) -> None:
        for pattern, action in _ROUTES.items():
            match = re.fullmatch(pattern, request)
            if match:
                try:
                    self._answer(*action(self, query, body, *map(int, match.groups())))
                except KeyError:
                    self._answer(404, {"detail": "Not found."})
                return
        self._answer(404, {"detail": f"the stub knows no {request}"})

    def login(self, query: dict[str, str], body: bytes) -> tuple[int, object]:
        given = json.loads(body)
        known = (given["username"], given["password"]) == (USER, PASSWORD)
        return (200, {"key": "k"}) if known else (403, {"detail": "Unable to log in."})

    def list_projects(self, query: dict[str, str], body: bytes) -> tuple[int, object]:
        return 200, _page(map(self.cvat.project, self.cvat.projects), name=query["name"])

    def add_project(self, query: dict[str, str], body: bytes) -> tuple[int, object]:
        key, given = len(self.cvat.projects) + 1, json.loads(body)
        self.cvat.projects[key] = {"name": given["name"]}
        self.cvat.add_labels(key, given["labels"])
        return 201, self.cvat.project(key)

    def get_project(self, query: dict[str, str], body: bytes, key: int) -> tuple[int, object]:
        return 200, self.cvat.project(key)

    def change_project(self, query: dict[str, str], body: bytes, key: int) -> tuple[int, object]:
        self.cvat.add_labels(key, json.loads(body)["labels"])
        return 200, self.cvat.project(key)

    def list_labels(self, query: dict[str, str], body: bytes) -> tuple[int, object]:
        task = self.cvat.tasks.get(int(query.get("task_id", 0)), {})
        project = int(query.get("project_id") or task["project_id"])
        return 200, _page(self.cvat.labels.values(), project_id=project)

    def list_tasks(self, query: dict[str, str], body: bytes) -> tuple[int, object]:
        project = int(query["project_id"])
        tasks = map(self.cvat.task, self.cvat.tasks)
        return 200, _page(tasks, name=query["name"], project_id=project)

    def add_task(self, query: dict[str, str], body: bytes) -> tuple[int, object]:
        key = max(self.cvat.tasks, default=6) + 1
        self.cvat.tasks[key], self.cvat.pictures[key] = json.loads(body), {}
        return 201, self.cvat.task(key)

    def get_task(self, query: dict[str, str], body: bytes, key: int) -> tuple[int, object]:
        return 200, self.cvat.task(key)

    def remove_task(self, query: dict[str, str], body: bytes, key: int) -> tuple[int, object]:
        del self.cvat.tasks[key]
        return 204, None

    def start_upload(self, query: dict[str, str], body: bytes, key: int) -> tuple[int, object]:
        return 202, None

    def upload(self, query: dict[str, str], body: bytes, key: int) -> tuple[int, object]:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
        for part in message.walk():
            content = part.get_payload(decode=True)
            if part.get_filename() and isinstance(content, bytes):
                self.cvat.pictures[key][str(part.get_filename()).rsplit("/", 1)[-1]] = content
        return 200, None

    def finish_upload(self, query: dict[str, str], body: bytes, key: int) -> tuple[int, object]:
        self.cvat.finish_upload(key)
        return 202, {"rq_id": f"{key}"}

    def get_request(self, query: dict[str, str], body: bytes, key: int) -> tuple[int, object]:
        operation = {"type": "create:task", "target": "task", "task_id": key}
        return 200, {
            "id": str(key),
            "status": "finished",
            "operation": operation,
            "created_date": CHANGED,
            "message": "",
        }

    def get_meta(self, query: dict[str, str], body: bytes, key: int) -> tuple[int, object]:
        return 200, self.cvat.meta(key)

    def list_jobs(self, query: dict[str, str], body: bytes) -> tuple[int, object]:
        return 200, _page(map(self.cvat.job, self.cvat.jobs), task_id=int(query["task_id"]))

    def task_annotations(self, query: dict[str, str], body: bytes, key: int) -> tuple[int, object]:
        return 200, self.cvat.annotations(key)

    def draw(self, query: dict[str, str], body: bytes, key: int) -> tuple[int, object]:
        self.cvat.drawn[key] = json.loads(body)["shapes"]
        return 200, self.cvat.annotations(key)

    def job_annotations(self, query: dict[str, str], body: bytes, key: int) -> tuple[int, object]:
        job = self.cvat.jobs[key]
        found = self.cvat.annotations(job["task_id"], job["start_frame"], job["stop_frame"])
        return 200, found


def _page(entries: Any, **wanted: object) -> Json:
    found = [one for one in entries if all(one.get(key) == value for key, value in wanted.items())]
    return {"count": len(found), "next": None, "previous": None, "results": found}


_ROUTES: dict[str, Callable[..., Any]] = {
    "POST /auth/login": _Handler.login,
    "GET /projects": _Handler.list_projects,
    "POST /projects": _Handler.add_project,
    r"GET /projects/(\d+)": _Handler.get_project,
    r"PATCH /projects/(\d+)": _Handler.change_project,
    "GET /labels": _Handler.list_labels,
    "GET /tasks": _Handler.list_tasks,
    "POST /tasks": _Handler.add_task,
    r"GET /tasks/(\d+)": _Handler.get_task,
    r"DELETE /tasks/(\d+)": _Handler.remove_task,
    r"POST /tasks/(\d+)/data Upload-Start": _Handler.start_upload,
    r"POST /tasks/(\d+)/data Upload-Multiple": _Handler.upload,
    r"POST /tasks/(\d+)/data Upload-Finish": _Handler.finish_upload,
    r"GET /requests/(\d+)": _Handler.get_request,
    r"GET /tasks/(\d+)/data/meta": _Handler.get_meta,
    "GET /jobs": _Handler.list_jobs,
    r"GET /tasks/(\d+)/annotations": _Handler.task_annotations,
    r"PUT /tasks/(\d+)/annotations": _Handler.draw,
    r"GET /jobs/(\d+)/annotations": _Handler.job_annotations,
}


@contextmanager
def served() -> Iterator[tuple[Cvat, str]]:
    """A server, and its address."""
    cvat = Cvat()
    handler = type("Handler", (_Handler,), {"cvat": cvat})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield cvat, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
