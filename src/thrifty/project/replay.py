"""The log done again: the same commands in a new project, with the labels as they came, must lead to the same choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from thrifty.config import FilesSource
from thrifty.errors import RunError
from thrifty.files import replace_file
from thrifty.project import models, selecting, sources
from thrifty.project.project import Project, init_project, open_project
from thrifty.project.settings import FILE
from thrifty.store.project.conversion import digest_of
from thrifty.store.project.rows import Event, Label, Role


def replay(project: Project, into: Path) -> int:
    """Repeat a project's log in a new folder, and hold every choice and every model against it.

    Sending is left out: nobody is asked twice. Evaluations are left out too, since no choice depends on them.

    Args:
        project: Whose log.
        into: Folder of the new project.

    Returns:
        How many choices were made again.

    Raises:
        RunError: A choice or a model differs; the message says which. Or `into` is in use.
    """
    events = project.store.events()
    settings = events[0].settings if events else project.text
    if not init_project(into, settings):
        raise RunError(f"{into}: is a project already; choose a new folder")
    count = 0
    for event in events:
        # Settings are read when a project is opened, and may have been edited between two commands.
        replace_file(into / FILE, event.settings.encode())
        with open_project(into, project.progress, project.device, alone=True) as copy:
            again = _AGAIN.get(event.command)
            if again is None:
                continue
            again(project, copy, event.arguments, event)
            count += event.command == "select"
            _compare(copy, event)
    return count


def _compare(copy: Project, event: Event) -> None:
    made = copy.store.events()[-1]
    if dict(made.outcome) != dict(event.outcome):
        raise RunError(
            f"{copy.folder}: event {event.number} ({event.command}, {event.at}) comes out differently; its settings, files or "
            "the version of thrifty or torch are not what they were then"
        )


Arguments = Mapping[str, Any]


def _pool(_project: Project, copy: Project, arguments: Arguments, _event: Event) -> None:
    options = {name: value for name, value in arguments.items() if name != "path"}
    sources.add_pool(copy, arguments["path"], sources.Sampling(**options), again=True)


def _labelled(role: Role) -> Callable[[Project, Project, Arguments, Event], None]:
    def again(_project: Project, copy: Project, arguments: Arguments, _event: Event) -> None:
        source = FilesSource.model_validate(dict(arguments["options"]))
        sources.add_labelled(copy, role, source, again=True)

    return again


def _detector(_project: Project, copy: Project, arguments: Arguments, _event: Event) -> None:
    models.add_detector(copy, arguments["form"], arguments["classes"])


def _select(_project: Project, copy: Project, arguments: Arguments, _event: Event) -> None:
    selecting.select(copy, arguments["budget"], more=True)


def _collect(project: Project, copy: Project, _arguments: Arguments, event: Event) -> None:
    wanted = set(event.outcome["labels"].values())
    # Later labels of a frame may say again what an earlier one said; the first that does came with this event.
    labels: dict[str, Label] = {}
    for label in project.store.history():
        if digest_of(label) in wanted:
            labels.setdefault(label.record_id, label)
    copy.store.add_labels(
        list(labels.values()),
        copy.told(event.command, **event.arguments),
        just_now=event.command == "label",
    )


def _train(project: Project, copy: Project, arguments: Arguments, event: Event) -> None:
    # Labels that came in while it trained stand before it in the log, and were not learned from.
    made = next(one for one in project.store.models() if one.digest == event.outcome["model"])
    numbers = set(project.store.lessons(made.number))
    learned = {_said(label) for label in project.store.history() if label.number in numbers}
    labels = {label.record_id: label for label in copy.store.history() if _said(label) in learned}
    models.train(copy, fresh=arguments["fresh"], labels=labels)


def _said(label: Label) -> tuple[str, str]:
    return label.record_id, digest_of(label)


_AGAIN: Mapping[str, Callable[[Project, Project, Arguments, Event], None]] = {
    "add pool": _pool,
    "add start": _labelled(Role.START),
    "add test": _labelled(Role.TEST),
    "add detector": _detector,
    "select": _select,
    "collect": _collect,
    "label": _collect,
    "train": _train,
}
