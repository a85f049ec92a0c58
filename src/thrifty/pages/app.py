"""The server of the pages: requests in, pages and JSON out. What they mean is decided in `project`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from thrifty.errors import ThriftyError
from thrifty.pages.guard import Guard, TooLarge
from thrifty.project import drawing
from thrifty.project.pictures import kept_frames
from thrifty.project.project import Project, open_project
from thrifty.project.standing import standing
from thrifty.project.wording import outlook_in_words, saving_in_words
from thrifty.store.project.rows import Choice
from thrifty.types import Annotations, Detections

_KINDS = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
}
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}


class _Box(msgspec.Struct, forbid_unknown_fields=True):
    box: tuple[float, float, float, float]
    class_: int = msgspec.field(name="class")
    ignore: bool


class _Drawn(msgspec.Struct, forbid_unknown_fields=True):
    boxes: list[_Box]
    seconds: float


@dataclass(frozen=True)
class Pages:
    """The pages of one project.

    Attributes:
        folder: The project's.
    """

    folder: Path

    @contextmanager
    def _project(self) -> Iterator[Project]:
        # Anew for each request: settings may have been edited, and a command may have been at work.
        with open_project(self.folder) as project:
            yield project

    def standing(self, _request: Request) -> Response:
        """Where the project stands."""
        with self._project() as project:
            told = standing(project)
            sentences = [saving_in_words(what, one) for what, one in told.savings.items()]
            return _page(
                "standing.html.j2",
                name=project.settings.name,
                told=told,
                sentences=[*sentences, outlook_in_words(told.outlook)],
            )

    def batch(self, request: Request) -> Response:
        """The frames of a batch."""
        number = int(request.path_params["number"])
        with self._project() as project:
            batch = next((one for one in project.store.batches() if one.number == number), None)
            if batch is None:
                return _refused(404, f"batch {number}: there is none")
            choices, labels = project.store.choices(number), project.store.labels()
            return _page(
                "batch.html.j2",
                name=project.settings.name,
                batch=batch,
                choices=choices,
                labels=labels,
            )

    def frame(self, request: Request) -> Response:
        """A frame to label."""
        with self._project() as project:
            easel = drawing.easel(project, request.path_params["record"])
            return _page(
                "frame.html.j2",
                name=project.settings.name,
                easel=easel,
                classes=project.settings.classes,
            )

    def picture(self, request: Request) -> Response:
        """A frame as it is stored."""
        with self._project() as project:
            choice = drawing.chosen(project.store.choices(), request.path_params["record"])
            picture = kept_frames(project).picture(choice.record)
        return Response(
            picture.content,
            media_type=_KINDS.get(picture.suffix.lower(), "application/octet-stream"),
            headers=_FOREVER,
        )

    def easel(self, request: Request) -> Response:
        """What the editor needs of a frame."""
        with self._project() as project:
            easel = drawing.easel(project, request.path_params["record"])
            classes = project.settings.classes
        record = easel.choice.record
        here = f"/api/frames/{record.id}"
        if easel.draft:
            state = "a draft; it counts when it is done"
        else:
            state = (
                "nobody has labelled this frame"
                if easel.label is None
                else "labelled; changes become a new label"
            )
        return JSONResponse(
            {
                "width": record.width,
                "height": record.height,
                "classes": classes,
                "boxes": _written(easel.drawn),
                "model": _written(easel.found),
                "copied": _written(easel.copied),
                "seconds": easel.seconds,
                "state": state,
                "draft": f"{here}/draft",
                "label": f"{here}/label",
                "batch": f"/batches/{easel.choice.batch}",
                "previous": _address(easel.previous),
                "next": _address(easel.next),
            },
            headers={"Cache-Control": "no-store"},
        )

    async def draft(self, request: Request) -> Response:
        """Keep what is drawn so far."""
        return await self._take(request, drawing.keep_draft)

    async def label(self, request: Request) -> Response:
        """Make what is drawn the frame's label."""
        return await self._take(request, drawing.submit)

    async def _take(
        self, request: Request, take: Callable[[Project, str, Annotations, float], None]
    ) -> Response:
        content = await request.body()
        given = msgspec.json.decode(content, type=_Drawn)
        if not 0 <= given.seconds < 1e6:
            return _refused(422, "seconds must be at least 0")
        drawn = Annotations(
            np.array([one.box for one in given.boxes], dtype=np.float64).reshape(-1, 4),
            np.array([one.class_ for one in given.boxes], dtype=np.int64),
            np.array([one.ignore for one in given.boxes], dtype=np.bool_),
        )

        def work() -> None:
            with self._project() as project:
                take(project, request.path_params["record"], drawn, given.seconds)

        await run_in_threadpool(work)
        return Response(status_code=204)


def make_app(folder: Path, hosts: frozenset[str], token: str | None) -> ASGIApp:
    """The pages of a project behind their door.

    Args:
        folder: The project's.
        hosts: Names that the server goes by, with the port.
        token: What requests must carry; `None` if only this machine can ask.
    """
    pages = Pages(folder)
    routes = [
        Route("/", pages.standing),
        Route("/batches/{number:int}", pages.batch),
        Route("/frames/{record}", pages.frame),
        Route("/frames/{record}/picture", pages.picture),
        Route("/api/frames/{record}", pages.easel),
        Route("/api/frames/{record}/draft", pages.draft, methods=["PUT"]),
        Route("/api/frames/{record}/label", pages.label, methods=["PUT"]),
        Mount("/static", StaticFiles(packages=[("thrifty.pages", "static")])),
    ]
    handlers: Mapping[Any, Any] = {
        ThriftyError: _failed,
        msgspec.MsgspecError: _not_understood,
        TooLarge: _too_large,
    }
    return Guard(Starlette(routes=routes, exception_handlers=handlers), hosts, token)


def _page(template: str, **values: object) -> Response:
    return HTMLResponse(
        _environment().get_template(template).render(**values),
        headers={"Cache-Control": "no-store"},
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("thrifty.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _address(choice: Choice | None) -> str | None:
    return None if choice is None else f"/frames/{choice.record.id}"


def _written(drawn: Annotations | Detections) -> list[dict[str, Any]]:
    ignored = drawn.ignore.tolist() if isinstance(drawn, Annotations) else [False] * len(drawn)
    return [
        {"box": box, "class": kind, "ignore": ignore}
        for box, kind, ignore in zip(
            drawn.boxes.tolist(), drawn.classes.tolist(), ignored, strict=True
        )
    ]


def _refused(status: int, message: str) -> Response:
    return PlainTextResponse(" ".join(message.split()), status)


async def _failed(_request: Request, error: Exception) -> Response:
    return _refused(404 if "no such frame" in str(error) else 422, str(error))


async def _not_understood(_request: Request, error: Exception) -> Response:
    return _refused(422, f"this is no label: {error}")


async def _too_large(_request: Request, _error: Exception) -> Response:
    return _refused(413, "too large for a label")
