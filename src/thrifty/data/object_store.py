"""Files in object stores (S3 and what speaks like it, Google Cloud Storage, Azure) and on plain HTTP servers.

Credentials come from the environment, as the tools of those stores have them, never from a URL: what stands in a URL stands in
logs, in files of scores and in projects.
"""

from __future__ import annotations

import atexit
import io
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from thrifty.data.listing import LISTS, PICTURES, Listed, in_list, order_of, suffix
from thrifty.data.video import VIDEOS
from thrifty.errors import CapabilityError, DataError

SCHEMES = ("s3", "gs", "az", "http", "https")
PART = 16 << 20
"""Bytes of a file that are asked for at once, and so held in memory while it is copied."""
_RETRIES = 8
_PATIENCE = timedelta(seconds=120)
"""How long a request is tried."""
_STORES = 256
"""Folders whose connections are kept."""


@dataclass(frozen=True, slots=True)
class StoredPlace:
    """A place in a store; see `thrifty.data.places.Place`.

    Attributes:
        url: `SCHEME://BUCKET/NAME` of a folder, a list or a file.

    Raises:
        DataError: The URL is none that is understood, or holds what must not be seen.
        CapabilityError: What reaches stores is not installed.
    """

    url: str

    def __post_init__(self) -> None:
        check_url(self.url)
        _need_obstore()

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The URL."""
        return self.url.rstrip("/")

    @property
    def _is_file(self) -> bool:
        return suffix(self.name) in PICTURES | VIDEOS | LISTS

    @property
    def _root(self) -> str:
        return self.name.rpartition("/")[0] if self._is_file else self.name

    def listed(self, *, natural: bool = False) -> Iterator[Listed]:
        """As `Place`, in the order that a folder of this machine has with the same names; one folder is held at a time."""
        if not self._is_file:
            return _below(self._root, "", natural=natural)
        name = self.name.rpartition("/")[2]
        if suffix(name) not in LISTS:
            return iter([Listed(name)])
        return in_list(io.BytesIO(self.read(name)), self.url)

    def where(self, source: str) -> str:
        """As `Place`."""
        scheme, _, rest = self._root.partition("://")
        return f"{scheme}://{posixpath.normpath(posixpath.join(rest, source))}"

    def read(self, source: str) -> bytes:
        """As `Place`."""
        buffer = io.BytesIO()
        copy_file(self.where(source), buffer)
        return buffer.getvalue()

    @contextmanager
    def on_disk(self, source: str) -> Iterator[Path]:
        """A copy, made once and gone afterwards: decoders jump about, and what a video is known by takes all of it."""
        with tempfile.TemporaryDirectory(prefix="thrifty-") as folder:
            path = Path(folder) / posixpath.basename(source)
            with path.open("wb") as file:
                copy_file(self.where(source), file)
            yield path


def check_url(url: str) -> None:
    """Refuse a URL that nothing can be read from, or that would give away a secret.

    Raises:
        DataError: As it says.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        raise DataError(
            f"{shown}: holds a user, a password, a query or a fragment, which would stand in every log; give credentials by "
            "the environment (docs/scale.md)"
        )
    if parts.scheme not in SCHEMES or not parts.netloc:
        raise DataError(
            f"{url}: is no URL that can be read; it begins with one of {', '.join(f'{one}://' for one in SCHEMES)} and a name"
        )


def copy_file(url: str, target: IO[bytes]) -> None:
    """Copy a file of a store, part by part.

    What a connection loses is asked for again, from where it was lost; parts are of one version of the file.

    Args:
        url: Its whole name.
        target: Where to.

    Raises:
        DataError: It is gone, cannot be reached, or changed meanwhile.
    """
    folder, _, key = url.rpartition("/")
    obstore = _need_obstore()
    with _told(url):
        store = _store_of(folder)
        whole = obstore.get(store, key)
        size, version = whole.meta["size"], whole.meta["e_tag"]
        if size <= PART:
            target.write(whole.bytes())
            return
        del whole
        for begin in range(0, size, PART):
            options: dict[str, Any] = {"range": (begin, min(begin + PART, size))}
            if version is not None:
                options["if_match"] = version
            target.write(obstore.get(store, key, options=options).bytes())


@cache
def local_copy(url: str) -> Path:
    """A copy of a file on this machine, under its own name in a folder of its own; it is there until this process ends.

    Raises:
        DataError: As `copy_file`.
        CapabilityError: What reaches stores is not installed.
    """
    check_url(url)
    folder = Path(tempfile.mkdtemp(prefix="thrifty-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy_beside(url, folder)
    return folder / posixpath.basename(url)


def copy_beside(url: str, folder: Path) -> None:
    """Copy a file into a folder under its own name; raises as `copy_file`, and leaves nothing then."""
    path = folder / posixpath.basename(url)
    try:
        with path.open("wb") as file:
            copy_file(url, file)
    except DataError:
        path.unlink()
        raise


def is_there(url: str) -> bool:
    """Whether there is such a file.

    Raises:
        DataError: The store cannot be asked.
    """
    folder, _, key = url.rpartition("/")
    with _told(url):
        try:
            _need_obstore().head(_store_of(folder), key)
        except FileNotFoundError:
            return False
    return True


def _below(root: str, prefix: str, *, natural: bool) -> Iterator[Listed]:
    where = f"{root}/{prefix}"
    if urlsplit(root).scheme in {"http", "https"}:
        raise DataError(
            f"{where}: HTTP servers list no folders; give a list of the files (.txt), or one of them"
        )
    with _told(where):
        found = _need_obstore().list_with_delimiter(_store_of(where.rstrip("/")))
    entries = [(posixpath.basename(one["path"]), False) for one in found["objects"]]
    entries += [(posixpath.basename(one.rstrip("/")), True) for one in found["common_prefixes"]]
    order = order_of(natural=natural)
    for name, is_folder in sorted(entries, key=lambda entry: order(entry[0])):
        if is_folder:
            yield from _below(root, f"{prefix}{name}/", natural=natural)
        elif suffix(name) in PICTURES | VIDEOS:
            yield Listed(prefix + name)


@lru_cache(maxsize=_STORES)
def _store_of(folder: str) -> Any:  # noqa: ANN401 - an extra
    """The store of a folder's URL."""
    _need_obstore()
    from obstore.store import from_url  # noqa: PLC0415 - an extra

    own = [
        os.environ.get(name, "")
        for name in ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
    ]
    # Unencrypted only where somebody wrote so.
    plain = folder.startswith("http://") or any(one.startswith("http://") for one in own)
    return from_url(
        folder,
        client_options={"allow_http": plain, "timeout": _PATIENCE},
        retry_config={"max_retries": _RETRIES, "retry_timeout": _PATIENCE},
    )


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Whatever a store says, in one line.

    Raises:
        DataError: In place of the store's own errors.
    """
    exceptions = _need_obstore().exceptions
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(
            f"{where}: there is no such file; restore it, or correct the name"
        ) from error
    except (
        exceptions.PermissionDeniedError,
        exceptions.UnauthenticatedError,
        PermissionError,
    ) as error:
        raise DataError(
            f"{where}: may not be read with the credentials at hand; see docs/scale.md for how to give them"
        ) from error
    except exceptions.PreconditionError as error:
        raise DataError(
            f"{where}: changed while it was read; run the same command again"
        ) from error
    except (exceptions.BaseError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(
            f"{where}: cannot be read ({reason}); run the same command again"
        ) from error


@lru_cache(maxsize=1)
def _need_obstore() -> Any:  # noqa: ANN401 - an extra
    try:
        import obstore  # noqa: PLC0415 - an extra
        import obstore.exceptions  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise CapabilityError(
            "pools, lists and weights in stores need obstore; install it with: pip install 'thrifty[stores]'"
        ) from error
    return obstore
