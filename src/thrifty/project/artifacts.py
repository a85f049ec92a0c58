"""The files that a project's database names: pictures of chosen frames, weights, scores.

They lie in the project's folder, and, where the settings name a store, there for all machines; the folder then holds a copy of what this
machine needed. What is written goes to the store first, so whatever lies in the folder is known to be in the store.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

from thrifty.data.object_store import (
    WRITABLE,
    check_url,
    copy_beside,
    copy_file,
    is_there,
    local_copy,
    put_file,
)
from thrifty.data.stills import content_hash
from thrifty.errors import DataError
from thrifty.files import replace_file

FRAMES, MODELS, SCORES = "frames", "models", "scores"
_OWNER = "project.txt"


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Files by their names, such as `models/model-001.safetensors`.

    Attributes:
        folder: The project's on this machine; a worker on another one may have none.
        url: Of the folder in a store that holds all of them; `None` where the project's folder does.
    """

    folder: Path
    url: str | None = None

    def path(self, name: str) -> Path:
        """Where a file lies in the folder, whether it is there or not."""
        return self.folder / name

    def at_hand(self, name: str, digest: str | None = None) -> Path:
        """Where a file can be read on this machine; it is brought from the store if it is only there, or another here.

        Args:
            name: Which.
            digest: What it should hold, as `content_hash`; not looked at if left out.

        Returns:
            A path, at which nothing lies if it is nowhere.

        Raises:
            DataError: The store cannot be asked.
        """
        path = self.path(name)
        if self.url is None or _holds(path, digest):
            return path
        source = f"{self.url}/{name}"
        if not is_there(source):
            return path
        if not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
            return local_copy(source)
        copy_beside(source, path.parent)
        return path

    def keep(self, name: str, content: bytes) -> None:
        """Write a file for good.

        Raises:
            DataError: The store does not take it.
            OSError: The folder does not.
        """
        if self.url is not None:
            put_file(f"{self.url}/{name}", content)
        replace_file(self.path(name), content)

    def share(self, name: str, *, anew: bool) -> None:
        """Put a file that lies in the folder into the store too; where there is none, nothing is done.

        Args:
            name: Which.
            anew: In place of one that is there.

        Raises:
            DataError: The store cannot be asked, or does not take it.
        """
        path = self.path(name)
        if self.url is None or not path.is_file():
            return
        if anew or not is_there(f"{self.url}/{name}"):
            put_file(f"{self.url}/{name}", path)

    def claim(self, owner: str) -> None:
        """Say whose files these are, before work whose outcome shall be kept in the store, which also shows that it can be.

        Args:
            owner: What this project has and no other.

        Raises:
            DataError: The store holds another project's files, cannot be asked, or does not take any.
        """
        if self.url is None:
            return
        url = f"{self.url}/{_OWNER}"
        if is_there(url):
            held = io.BytesIO()
            copy_file(url, held)
            if held.getvalue() != owner.encode():
                raise DataError(
                    f"{self.url}: holds the files of another project; name another folder as 'files' of thrifty.toml, or the same "
                    "'database' if it is the same project"
                )
        put_file(url, owner.encode())


def check_store(url: str) -> str:
    """The URL of a folder that files can be kept in, without a slash at its end.

    Raises:
        DataError: It is none.
    """
    check_url(url)
    known = tuple(f"{one}://" for one in WRITABLE)
    if not url.startswith(known) or ".." in url.split("/"):
        raise DataError(
            f"{url}: cannot be written to; name a folder in a store ({', '.join(known)})"
        )
    return url.rstrip("/")


def _holds(path: Path, digest: str | None) -> bool:
    return path.is_file() and (digest is None or content_hash(path) == digest)
