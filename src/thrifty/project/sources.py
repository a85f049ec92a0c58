"""What is added to a project: pools to choose from, labels to begin with and to judge by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thrifty.config import FilesSource
from thrifty.data.pool import Pool
from thrifty.data.sources import Opened, open_source
from thrifty.errors import DataError
from thrifty.project.project import Project
from thrifty.store.project.rows import Role, Source

_POOL = ("every", "per_second", "sequences", "scale")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a pool is read, as `thrifty.data.pool.Pool`.

    Attributes:
        every: Of each video, every n-th frame.
        per_second: Instead, so many frames a second.
        sequences: The pictures of one folder are frames of one video.
        scale: Pixels the detector sees per stored pixel.
    """

    every: int = 1
    per_second: float | None = None
    sequences: bool = False
    scale: float = 1.0

    def pool(self, path: Path | str, threads: int = 2) -> Pool:
        """The pool at a path or URL.

        Raises:
            DataError: As `Pool`.
        """
        return Pool(path, self.every, self.per_second, self.sequences, self.scale, threads)


def add_pool(
    project: Project, path: Path | str, sampling: Sampling, *, again: bool = False
) -> bool:
    """Add pictures and videos to choose from.

    Args:
        project: To what.
        path: Where they are.
        sampling: Which frames.
        again: It was done before, so what would be refused today is not.

    Returns:
        Whether anything is new.

    Raises:
        DataError: The path is no pool, or holds no frame that can be read: every choice would fail at it. Or frames of it were
            chosen when it was sampled otherwise.
    """
    pool = sampling.pool(path)
    name = pool.place.name
    options = {name: getattr(sampling, name) for name in _POOL}
    if not again:
        # A video must be read, from a store even copied, before its first frame is there.
        with project.progress(f"{path}: looking for a frame", 1, "frames") as step:
            pool.check_readable()
            step()
        _check_sampling(project, name, options)
    told = project.told("add pool", path=name, **options)
    return project.store.add_source(Role.POOL, name, options, "", told)


def _check_sampling(project: Project, name: str, options: Mapping[str, Any]) -> None:
    """Refuse to take other frames of a pool of which some were chosen: these would lie at other places."""
    known = {one.path: one for one in project.store.sources(Role.POOL)}.get(name)
    if known is None or not any(one.pool == known.number for one in project.store.choices()):
        return
    if any(
        dict(known.options)[key] != options[key] for key in ("every", "per_second", "sequences")
    ):
        raise DataError(
            f"{name}: frames of it were chosen as it was sampled, and would lie at other places now; add it as it was"
        )


def add_labelled(project: Project, role: Role, source: FilesSource, *, again: bool = False) -> bool:
    """Add labels to begin with (`start`), or to judge by (`test`).

    Args:
        project: To what.
        role: What they are for.
        source: Where they are, by absolute paths.
        again: It was done before, so what would be refused today is not.

    Returns:
        Whether anything is new.

    Raises:
        DataError: The set cannot be read, holds nothing, shares frames with the other set, or is to judge by frames that were chosen.
    """
    options = source.model_dump(mode="json", exclude_defaults=True)
    opened = _open(project, source)
    if not any(len(drawn.objects) for drawn in opened.labels.values()):
        raise DataError(f"{source.annotations}: holds no objects that count; check its filter")
    other = Role.TEST if role is Role.START else Role.START
    shared = set(opened.labels) & ids_of(project, other)
    if shared:
        raise DataError(
            f"{source.annotations}: {len(shared)} of its frames are in the {other} set too (one is {min(shared)}), so the "
            "test would be learnt by heart; separate them"
        )
    learned = set(opened.labels) & {one.record.id for one in project.store.choices()}
    if learned and role is Role.TEST and not again:
        raise DataError(
            f"{source.annotations}: {len(learned)} of its frames were chosen to be labelled and learned from (one is "
            f"{min(learned)}), so the test would be learnt by heart; separate them"
        )
    told = project.told(f"add {role}", path=source.annotations, options=options)
    return project.store.add_source(role, source.annotations, options, digest(opened), told)


def pools(project: Project) -> dict[int, Source]:
    """The project's pools by number.

    Raises:
        DataError: There is none.
    """
    found = {source.number: source for source in project.store.sources(Role.POOL)}
    if not found:
        raise DataError(
            f"{project.folder}: has no pool to choose from; add one with `thrifty add pool PATH`"
        )
    return found


def sampling_of(source: Source) -> Sampling:
    """How a pool of the project is read."""
    return Sampling(**dict(source.options))


def labelled_sets(project: Project, role: Role) -> list[Opened]:
    """The sets of one role, opened.

    Raises:
        DataError: One cannot be read any more, or is not what it was when it was added.
    """
    sets = []
    for source in project.store.sources(role):
        opened = _open(project, FilesSource.model_validate(dict(source.options)))
        if digest(opened) != source.digest:
            raise DataError(
                f"{source.path}: has changed since it was added; restore it, or add it again as it is now"
            )
        sets.append(opened)
    return sets


def ids_of(project: Project, role: Role) -> set[str]:
    """Ids of the frames of one role's sets; raises as `labelled_sets`."""
    return {record_id for opened in labelled_sets(project, role) for record_id in opened.labels}


def digest(opened: Opened) -> str:
    """Identity of a labelled set."""
    sha = hashlib.sha256()
    for record in opened.frames.records:
        drawn = opened.labels[record.id]
        sha.update(repr((record, opened.frames.scale)).encode())
        for column in (drawn.boxes, drawn.classes, drawn.ignore):
            sha.update(column.tobytes())
    return sha.hexdigest()[:32]


def source_at(annotations: Path, images: Path | None, more: Mapping[str, Any]) -> FilesSource:
    """A labelled set on this machine, with further keys as in recipes."""
    places = {"annotations": str(annotations.resolve())}
    if images is not None:
        places["images"] = str(images.resolve())
    return FilesSource.model_validate(places | dict(more))


def _open(project: Project, source: FilesSource) -> Opened:
    return open_source(source, Path("/"), project.settings.classes)
