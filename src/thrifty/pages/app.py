"""The server of the pages: requests in, pages and JSON out. What they mean is decided in `project`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

from thrifty.errors import CapabilityError, DataError, RunError, ThriftyError
from thrifty.pages.guard import Guard, TooLarge
from thrifty.pages.jobs import Jobs, Order
from thrifty.project import drawing
from thrifty.project.next_step import next_step
from thrifty.project.pictures import SHOWN, kept_frames
from thrifty.project.project import Project, open_project
from thrifty.project.standing import SURE, ModelStanding, standing
from thrifty.project.wording import (
    outlook_in_words,
    passed_over_in_words,
    saving_in_words,
    share_in_words,
)
from thrifty.store.project.rows import Choice
from thrifty.types import Annotations, Detections

if TYPE_CHECKING:
    from thrifty.evaluation.forecast import Forecast
    from thrifty.pages.reasons import Reasons
    from thrifty.project.explaining import Why

_FRESH = {"Cache-Control": "no-store"}
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}


class _Box(msgspec.Struct, forbid_unknown_fields=True):
    box: tuple[float, float, float, float]
    class_: int = msgspec.field(name="class")
    ignore: bool


class _Drawn(msgspec.Struct, forbid_unknown_fields=True):
    boxes: list[_Box]
    seconds: float


class Shown:
    """Charts and score maps. What draws them takes seconds to load, and most pages do without."""

    @cached_property
    def reasons(self) -> Reasons:
        """What explains choices."""
        from thrifty.pages.reasons import Reasons  # noqa: PLC0415

        return Reasons()

    def curve(self, models: Sequence[ModelStanding], outlook: Forecast | None) -> str:
        """What labels bought, as inline SVG."""
        from thrifty.report.project_charts import learning_curve  # noqa: PLC0415

        return learning_curve(models, outlook)

    def timeline(self, told: Why) -> str:
        """Where a frame stands among the others, as inline SVG."""
        from thrifty.report.project_charts import timeline  # noqa: PLC0415

        return timeline(told)


@dataclass(frozen=True)
class Pages:
    """The pages of one project.

    Attributes:
        folder: The project's.
        jobs: The commands that the pages gave.
        shown: What draws charts and score maps; made when it is needed first.
    """

    folder: Path
    jobs: Jobs
    shown: Shown = field(default_factory=Shown)

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
            judged = any(one.figures for one in told.models)
            return _page(
                "standing.html.j2",
                name=project.settings.name,
                told=told,
                next=next_step(project),
                budget=project.settings.selection.budget,
                curve=self.shown.curve(told.models, told.outlook) if judged else "",
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
                next=next((one for one in choices if one.record.id not in labels), None),
            )

    def why(self, request: Request) -> Response:
        """Why a frame was chosen."""
        with self._project() as project:
            told = self.shown.reasons.why(project, request.path_params["record"])
            maps, without = None, ""
            try:
                maps = self.shown.reasons.maps(project, told.choice)
            except (CapabilityError, DataError) as error:
                without = str(error)
            return _page(
                "why.html.j2",
                name=project.settings.name,
                told=told,
                record=told.choice.record,
                maps=maps,
                without=without,
                timeline=self.shown.timeline(told),
                counts=told.counts(project.settings.classes, SURE),
                classes=project.settings.classes,
                found=[
                    (box, kind, score)
                    for box, kind, score in zip(
                        told.found.boxes.tolist(),
                        told.found.classes.tolist(),
                        told.found.scores.tolist(),
                        strict=True,
                    )
                    if score >= SURE
                ],
                sure=SURE,
                share=share_in_words,
                passed_over=passed_over_in_words,
            )

    def score_map(self, request: Request) -> Response:
        """A score map of a frame, to lay over its picture: `total`, or the number of a head."""
        with self._project() as project:
            choice = drawing.chosen(project.store.choices(), request.path_params["record"])
            maps = self.shown.reasons.maps(project, choice)
        which = request.path_params["which"]
        layers = {"total": maps.total} | {str(head): one for head, one in enumerate(maps.heads)}
        if which not in layers:
            return _refused(
                404, f"{which}: no such map; ask for total or 0 to {len(maps.heads) - 1}"
            )
        return Response(layers[which], media_type="image/png", headers=_FRESH)

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
        """A frame as it is stored, or a PNG of it where browsers would not show that."""
        with self._project() as project:
            choice = drawing.chosen(project.store.choices(), request.path_params["record"])
            picture = kept_frames(project).shown(choice.record)
        return Response(picture.content, media_type=SHOWN[picture.suffix], headers=_FOREVER)

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
            headers=_FRESH,
        )

    def job(self, _request: Request) -> Response:
        """How far the last command is."""
        return Response(
            msgspec.json.encode(self.jobs.state()), media_type="application/json", headers=_FRESH
        )

    async def start(self, request: Request) -> Response:
        """Give a command."""
        order = msgspec.json.decode(await request.body(), type=Order)
        try:
            await run_in_threadpool(self.jobs.start, order)
        except RunError as error:
            return _refused(409, str(error))
        return Response(status_code=202)

    async def stop(self, _request: Request) -> Response:
        """End the command that is at work."""
        await run_in_threadpool(self.jobs.stop)
        return Response(status_code=204)

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


def make_app(
    folder: Path, hosts: frozenset[str], token: str | None, device: str = "auto"
) -> ASGIApp:
    """The pages of a project behind their door.

    Args:
        folder: The project's.
        hosts: Names that the server goes by, with the port.
        token: What requests must carry; `None` if only this machine can ask.
        device: Where the pages' commands run: `auto`, `cpu` or `cuda`.
    """
    pages = Pages(folder, Jobs(folder, device))
    routes = [
        Route("/", pages.standing),
        Route("/batches/{number:int}", pages.batch),
        Route("/frames/{record}", pages.frame),
        Route("/frames/{record}/picture", pages.picture),
        Route("/frames/{record}/why", pages.why),
        Route("/frames/{record}/maps/{which}", pages.score_map),
        Route("/api/frames/{record}", pages.easel),
        Route("/api/frames/{record}/draft", pages.draft, methods=["PUT"]),
        Route("/api/frames/{record}/label", pages.label, methods=["PUT"]),
        Route("/api/job", pages.job),
        Route("/api/job", pages.start, methods=["POST"]),
        Route("/api/job", pages.stop, methods=["DELETE"]),
        Mount("/static", StaticFiles(packages=[("thrifty.pages", "static")])),
    ]
    handlers: Mapping[Any, Any] = {
        ThriftyError: _failed,
        msgspec.MsgspecError: _not_understood,
        TooLarge: _too_large,
    }

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(pages.jobs.stop)

    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    return Guard(app, hosts, token)


def _page(template: str, **values: object) -> Response:
    return HTMLResponse(
        _environment().get_template(template).render(**values),
        headers=_FRESH,
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
    return _refused(422, f"this cannot be understood: {error}")


async def _too_large(_request: Request, _error: Exception) -> Response:
    return _refused(413, "too large for a label")
