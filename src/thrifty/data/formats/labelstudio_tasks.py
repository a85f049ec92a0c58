"""Tasks of Label Studio: which picture or video each is about, what else is said of it, and whose work is read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from urllib.parse import unquote

from msgspec import Raw, Struct

from thrifty.data.dataset import Identifier, LabelledImage
from thrifty.data.formats.keyframes import LAST_FRAME
from thrifty.data.formats.labelstudio_regions import Result
from thrifty.data.formats.labelstudio_writer import LOCAL

_WIDEST = 1 << 20
"""Pixels that no picture has a side of."""


class Annotation(Struct):
    """What one person drew."""

    result: list[Result] | None = None
    was_cancelled: bool | None = False
    skipped: bool | None = False
    ground_truth: bool | None = False


class Task(Struct):
    """A picture or a video, and what people drew on it."""

    data: dict[str, Raw]
    id: Identifier | None = None
    annotations: list[Annotation] | None = None
    completions: list[Annotation] | None = None
    predictions: list[Raw] | None = None
    drafts: list[Raw] | None = None


class Record(Struct):
    """One of JSON-MIN."""

    id: Identifier | None = None


def chosen(task: Task, unread: Counter[str]) -> Annotation | None:
    """The annotation that is read: the ground truth, else the last that was not cancelled.

    Args:
        task: All of it.
        unread: Counts the others.
    """
    given = task.annotations or task.completions or []
    valid = [entry for entry in given if not (entry.was_cancelled or entry.skipped)]
    others = {
        "annotations that were cancelled": len(given) - len(valid),
        "annotations by others": max(0, len(valid) - 1),
        "predictions": len(task.predictions or []),
        "drafts": len(task.drafts or []),
        "tasks that nobody has annotated": int(not valid),
    }
    unread.update(others)
    return next((entry for entry in valid if entry.ground_truth), valid[-1] if valid else None)


def lists_objects(raw: Raw) -> bool:
    """Whether JSON begins as a list of objects does."""
    return b"".join(bytes(memoryview(raw)[:64]).split()).startswith(b"[{")


def medium_of(data: Mapping[str, object]) -> str:
    """The key of `data` that names the picture or the video; empty if none does."""
    named = [key for key, value in data.items() if isinstance(value, str) and file_name(value)]
    likely = [key for key in ("image", "video") if key in named]
    return next(
        (key for key in (*likely, *named) if key in likely or _FILE.search(str(data[key]))), ""
    )


_FILE = re.compile(
    r"(?i)\.(?:bmp|gif|jpe?g|png|tiff?|webp|avi|m4v|mkv|mov|mp4|mpe?g|webm)(?:$|[?#])"
)


def described(data: Mapping[str, object], medium: str) -> LabelledImage:
    """An image as `data` describes it."""
    video, frame = data.get("video"), data.get("frame")
    width, height = side(data.get("width")), side(data.get("height"))
    taken = {medium}
    if width is not None and height is not None:
        taken |= {"width", "height"}
    else:
        width = height = None
    placed = (
        medium == "image"
        and isinstance(video, str)
        and (frame is None or (isinstance(frame, int) and 0 <= frame <= LAST_FRAME))
    )
    if placed:
        taken |= {"video", "frame"}
    return LabelledImage(
        name=file_name(str(data[medium])),
        width=width,
        height=height,
        video=video if isinstance(video, str) and placed else None,
        frame=frame if isinstance(frame, int) and placed else None,
        attributes={key: value for key, value in data.items() if key not in taken},
    )


def side(value: object) -> int | None:
    """A number of pixels, if it is one."""
    if isinstance(value, int | float) and 1 <= value <= _WIDEST and float(value).is_integer():
        return int(value)
    return None


def file_name(url: str) -> str:
    """The path that a picture or video is known by; empty where there is none.

    >>> file_name("/data/upload/29/a%20b.png"), file_name("/data/local-files/?d=x/one.avi%233")
    ('a b.png', 'x/one.avi#3')
    >>> file_name("https://example.com/set/1.jpg?token=2"), file_name("s3://bucket/set/1.jpg")
    ('set/1.jpg', 'set/1.jpg')
    """
    if LOCAL in url:
        return unquote(url.split(LOCAL, 1)[1].split("&", 1)[0])
    if url.startswith("data:"):
        return ""
    match = re.match(r"([a-z][a-z0-9+.-]*)://[^/]*/(.*)", url, re.IGNORECASE | re.DOTALL)
    if match is None:
        return unquote(re.sub(r"^/data/upload/\d+/", "", url)).lstrip("/")
    path = match[2]
    return unquote(re.split(r"[?#]", path)[0]) if match[1].lower().startswith("http") else path
