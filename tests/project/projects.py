"""A small project, and somebody who labels for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tiny import TinyData
from thrifty.data.sources import open_source
from thrifty.project.project import Project, init_project, open_project, template
from thrifty.project.sources import Sampling, add_labelled, add_pool, source_at
from thrifty.store.project.rows import Label, Role
from thrifty.types import Annotations

SETTINGS = (
    template("tiny", ("person",), {"width": "0.1", "box_scale": "0.5"})
    .replace("epochs = 50", "epochs = 2")
    .replace("budget = 50", "budget = 4\nexclude_current = 2")
    .replace("shadow = 0.1", "shadow = 0.25")
)


@contextmanager
def tiny_project(folder: Path, tiny: TinyData, settings: str = SETTINGS) -> Iterator[Project]:
    """One with a video to choose from, stills to begin with, and the video's end to judge by."""
    init_project(folder, settings)
    with open_project(folder) as project:
        add_pool(project, tiny.video, Sampling())
        stills = source_at(tiny.root / "stills.json", tiny.root / "stills", {})
        add_labelled(project, Role.START, stills)
        add_labelled(
            project, Role.TEST, source_at(tiny.root / "video.json", None, {"frames": [32, 39]})
        )
        yield project


def hidden(tiny: TinyData) -> dict[str, Annotations]:
    """What a person would draw."""
    source = source_at(tiny.root / "video.json", None, {})
    return open_source(source, Path("/"), ("person",)).labels


def label_batch(project: Project, tiny: TinyData, batch: int, seconds: float = 12.0) -> int:
    """Draw on all frames of a batch."""
    drawn = hidden(tiny)
    labels = [
        Label(0, choice.record.id, drawn[choice.record.id], "someone", "me", seconds + choice.rank)
        for choice in project.store.choices(batch)
    ]
    return project.store.add_labels(labels, project.told("collect", batch=batch))
