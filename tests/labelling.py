"""A real Label Studio for tests, and what a person's browser would send to it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from filelock import FileLock

START_SECONDS = 240
_STARTED: list[subprocess.Popen[bytes]] = []
"""Servers that this process has started: whoever stops them, they are its children."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    token: str

    def browser(self) -> httpx2.Client:
        """Whoever labels there."""
        headers = {"Authorization": f"Token {self.token}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=60)

    def unlabelled(self, project: str) -> list[dict[str, Any]]:
        """All tasks of one of our projects that nobody has labelled."""
        with self.browser() as browser:
            answer = browser.get("/api/projects", params={"page_size": 1000}).raise_for_status()
            mark = f"thrifty: {project}"
            [own] = [one for one in answer.json()["results"] if one["description"] == mark]
            query = {"project": own["id"], "fields": "all", "page_size": 1000}
            answer = browser.get("/api/tasks", params=query).raise_for_status()
        return [task for task in answer.json()["tasks"] if not task["annotations"]]

    def annotate(self, task: str, results: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """Submit an annotation."""
        with self.browser() as browser:
            answer = browser.post(
                f"/api/tasks/{task}/annotations/", json={"result": results, **more}
            )
            return dict(answer.raise_for_status().json())


def rectangle(
    box: tuple[float, ...], size: tuple[int, int], name: str = "person"
) -> dict[str, Any]:
    """What a browser sends of a drawn box: pixels of the picture as percent."""
    left, top, right, bottom = box
    width, height = size
    value = {
        "x": 100 * left / width,
        "y": 100 * top / height,
        "width": 100 * (right - left) / width,
        "height": 100 * (bottom - top) / height,
        "rotation": 0,
        "rectanglelabels": [name],
    }
    return {
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": value,
    }


def program() -> str:
    """Label Studio's command, which `make test` installs."""
    named = os.environ.get("LABEL_STUDIO_BIN")
    beside = Path(__file__).parents[1] / ".venv-label-studio" / "bin" / "label-studio"
    found = shutil.which(named or str(beside))
    if found is None:
        message = f"{named or beside}: Label Studio is not here; `make test` installs it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def shared_server(common: Path) -> Iterator[Server]:
    """The server that all test processes use: the first starts it, the last stops it."""
    common.mkdir(parents=True, exist_ok=True)
    note = common / "server.json"
    with FileLock(common / ".lock"):
        known = json.loads(note.read_text()) if note.exists() else _started(common)
        note.write_text(json.dumps(known | {"users": known["users"] + 1}))
    try:
        yield Server(known["url"], known["token"])
    finally:
        with FileLock(common / ".lock"):
            known = json.loads(note.read_text())
            known["users"] -= 1
            note.write_text(json.dumps(known))
            if not known["users"]:
                os.killpg(known["process"], 9)
                note.unlink()
        for process in _STARTED:
            if process.poll() is None and not note.exists():
                process.wait()


def _started(folder: Path) -> dict[str, Any]:
    installed = Installed.new(folder)
    installed.start()
    server = installed.server
    return {"url": server.url, "token": server.token, "process": installed.process, "users": 0}


@dataclass
class Installed:
    """A server of one's own, with its data in a folder: it may be killed and started again.

    Attributes:
        folder: Its data and its log.
        port: Where it listens on loopback.
        token: What it is asked with.
    """

    folder: Path
    port: int
    token: str
    _running: subprocess.Popen[bytes] | None = None

    @classmethod
    def new(cls, folder: Path) -> Installed:
        """One without data."""
        (folder / "data").mkdir(exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return cls(folder, free.getsockname()[1], secrets.token_hex(20))

    @property
    def server(self) -> Server:
        """How others reach it."""
        return Server(f"http://127.0.0.1:{self.port}", self.token)

    @property
    def process(self) -> int | None:
        """Its process; `None` if it does not run."""
        return self._running.pid if self._running and self._running.poll() is None else None

    def start(self) -> None:
        """Start it, on the data that are there, and wait until it answers."""
        command = [program(), "start", "--no-browser", "--internal-host", "127.0.0.1"]
        command += ["--port", str(self.port), "--user-token", self.token]
        command += ["--username", "someone@example.org", "--password", self.token[:16]]
        settings = {
            "LABEL_STUDIO_BASE_DATA_DIR": str(self.folder / "data"),
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "COLLECT_ANALYTICS": "false",
        }
        written = self.folder / "server.log"
        with written.open("a") as log:
            process = subprocess.Popen(
                command, env=os.environ | settings, stdout=log, stderr=log, start_new_session=True
            )
        _STARTED.append(process)
        self._running = process
        try:
            _wait(self.server.url, process, written)
        except BaseException:
            if process.poll() is None:
                os.killpg(process.pid, 9)
            raise

    def stop(self) -> None:
        """Stop it at once."""
        if self._running is not None and self.process is not None:
            os.killpg(self._running.pid, 9)
            self._running.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx2.get(f"{url}/health", timeout=5).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(1)
    raise RuntimeError(f"Label Studio does not start: {log.read_text()[-2000:]}")
