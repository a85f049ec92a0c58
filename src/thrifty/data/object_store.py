"""Files in object stores (S3 and what speaks like it, Google Cloud Storage, Azure) and on plain HTTP servers.

Credentials come from the environment, as the tools of those stores have them, never from a URL: what stands in a URL stands in
logs, in files of scores and in projects.
"""

from __future__ import annotations

import atexit
import io
import os
import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, unquote

from thrifty.data.listing import LISTS, PICTURES, Listed, in_list, order_of, suffix
from thrifty.data.video import VIDEOS
from thrifty.errors import CapabilityError, DataError
from thrifty.files import whole_file

WRITABLE = ("s3", "gs", "az")
SCHEMES = (*WRITABLE, "http", "https")
PART = 8 << 20
"""Bytes of a file that are asked for at once, and so held in memory while it is copied."""
_RETRIES = 8
_TIMEOUT = timedelta(seconds=60)
"""How long a request may take."""
_PATIENCE = timedelta(seconds=300)
"""How long it is made again and again."""
_ENDPOINTS = (
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AZURE_ENDPOINT",
    "AZURE_STORAGE_ENDPOINT",
)
"""Where the environment names a server of one's own."""
_SIGNED = re.compile(r"\?(.*&)?(sig|Signature|X-(Amz|Goog)-Signature)=", re.IGNORECASE)
"""What a name is not likely to hold, and a URL that opens a private file for everybody does."""
_STORES = 64
"""Buckets and servers whose connections are kept."""


@dataclass(frozen=True, slots=True)
class StoredPlace:
    """A place in a store; see `thrifty.data.places.Place`.

    Attributes:
        url: `SCHEME://BUCKET/NAME` of a folder, a list or a file. Names stand in it as they are, in HTTP's percent-encoded.

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

    def listed(self, *, natural: bool = False) -> Iterator[Listed]:
        """As `Place`, in the order that a folder of this machine has with the same names; one folder is held at a time."""
        if not _is_file(self.name):
            return _below(self.name, "", natural=natural)
        name = posixpath.basename(_address(self.name)[1])
        return self._lines(name) if suffix(name) in LISTS else iter([Listed(name)])

    def _lines(self, name: str) -> Iterator[Listed]:
        for entry in in_list(io.BytesIO(self.read(name)), self.url):
            # Whoever writes a list must not lead a reader elsewhere, with the reader's credentials.
            if _leaves(entry.name) or is_url(entry.name):
                raise DataError(
                    f"{self.url}: {entry.name} does not lie beside or below the list; a list in a store names nothing else"
                )
            yield entry

    def where(self, source: str) -> str:
        """As `Place`."""
        return where_stored(self.url, source)

    def read(self, source: str) -> bytes:
        """As `Place`."""
        return b"".join(_parts(self.where(source)))

    @contextmanager
    def on_disk(self, source: str) -> Iterator[Path]:
        """A copy, made once and gone afterwards: decoders jump about, and what a video is known by takes all of it."""
        with tempfile.TemporaryDirectory(prefix="thrifty-") as folder:
            path = Path(folder) / posixpath.basename(source)
            with path.open("wb") as file:
                copy_file(self.where(source), file)
            yield path


def is_url(path: Path | str) -> bool:
    """Whether it names something in a store rather than a file here."""
    # One letter is a drive.
    return isinstance(path, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", path) is not None


def where_stored(place: str, source: str) -> str:
    """URL of a file of a place, by the place's own and the file's name."""
    whole = place.rstrip("/")
    root = whole.rpartition("/")[0] if _is_file(whole) else whole
    return f"{root}/{quote(source) if _is_http(place) else source}"


def _is_file(url: str) -> bool:
    return suffix(url) in PICTURES | VIDEOS | LISTS


def _is_http(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _leaves(name: str) -> bool:
    return posixpath.normpath(name).startswith(("/", ".."))


def _address(url: str) -> tuple[str, str]:
    """The bucket or server of a URL, and the name in it."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket}", posixpath.normpath(unquote(key) if _is_http(url) else key)


def check_url(url: str) -> None:
    """Refuse a URL that nothing can be read from, or that would give away a secret.

    Raises:
        DataError: As it says.
    """
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    if "@" in host or (_is_http(url) and re.search("[?#]", path)) or _SIGNED.search(path):
        shown = f"{scheme}://{host.rpartition('@')[2]}/{re.split('[?#]', path)[0]}"
        raise DataError(
            f"{shown}: holds a user, a password or a query, which would stand in every log; give credentials by the environment "
            "(docs/scale.md)"
        )
    if scheme not in SCHEMES or not host:
        raise DataError(
            f"{url}: is no URL that can be read; it begins with one of {', '.join(f'{one}://' for one in SCHEMES)} and a name"
        )


def copy_file(url: str, target: IO[bytes]) -> None:
    """Copy a file of a store, part by part.

    A request that fails is made again. Where the store tells versions apart, parts are of one, and are asked for one by one; where it
    does not, the file is read in one go.

    Args:
        url: Its whole name.
        target: Where to.

    Raises:
        DataError: It is gone, cannot be reached, or changed meanwhile.
    """
    for part in _parts(url):
        target.write(part)


def _parts(url: str) -> Iterator[bytes]:
    base, key = _address(url)
    obstore = _need_obstore()
    with _told(url):
        store = _store_of(base)
        whole = obstore.get(store, key)
        size, version = whole.meta["size"], whole.meta["e_tag"]
        first = bytes(whole.bytes()) if size <= PART else None
    if first is not None:
        yield first
        return
    # A weak version is not that of every byte.
    if version is None or version.startswith("W/"):
        yield from _streamed(url, iter(whole.stream(min_chunk_size=PART)))
        return
    del whole
    for begin in range(0, size, PART):
        options = {"range": (begin, min(begin + PART, size)), "if_match": version}
        with _told(url):
            part = bytes(obstore.get(store, key, options=options).bytes())
        yield part


def _streamed(url: str, chunks: Iterator[Any]) -> Iterator[bytes]:
    while True:
        with _told(url):
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield bytes(chunk)


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
    """Copy a file into a folder under its own name, whole or not at all; raises as `copy_file`."""
    with whole_file(folder / posixpath.basename(url)) as file:
        copy_file(url, file)


def put_file(url: str, content: bytes | Path) -> None:
    """Put a file into a store, whole or not at all; a file of that name there is replaced.

    Args:
        url: Its whole name.
        content: Its bytes, or a file of this machine that holds them.

    Raises:
        DataError: The store cannot be reached, or does not take it.
        CapabilityError: What reaches stores is not installed.
    """
    base, key = _address(url)
    obstore = _need_obstore()
    with _told(url, "written"):
        obstore.put(_store_of(base), key, content)


def is_there(url: str) -> bool:
    """Whether there is such a file.

    Raises:
        DataError: The store cannot be asked.
    """
    base, key = _address(url)
    with _told(url):
        try:
            _need_obstore().head(_store_of(base), key)
        except FileNotFoundError:
            return False
    return True


def _below(root: str, prefix: str, *, natural: bool) -> Iterator[Listed]:
    if _is_http(root):
        raise DataError(
            f"{root}: HTTP servers list no folders; give a list of the files (.txt), or one of them"
        )
    base, key = _address(f"{root}/{prefix}")
    with _told(f"{root}/{prefix}"):
        found = _need_obstore().list_with_delimiter(_store_of(base), None if key == "." else key)
    entries = [(posixpath.basename(one["path"]), False) for one in found["objects"]]
    entries += [(posixpath.basename(one.rstrip("/")), True) for one in found["common_prefixes"]]
    order = order_of(natural=natural)
    for name, is_folder in sorted(entries, key=lambda entry: order(entry[0])):
        if is_folder:
            yield from _below(root, f"{prefix}{name}/", natural=natural)
        elif suffix(name) in PICTURES | VIDEOS:
            yield Listed(prefix + name)


@lru_cache(maxsize=_STORES)
def _store_of(base: str) -> Any:  # noqa: ANN401 - an extra
    """A bucket, or a server."""
    _need_obstore()
    from obstore.store import from_url  # noqa: PLC0415 - an extra

    own = [os.environ.get(name, "") for name in _ENDPOINTS]
    # Unencrypted only where somebody wrote so.
    plain = base.startswith("http://") or any(one.startswith("http://") for one in own)
    return from_url(
        base,
        client_options={"allow_http": plain, "timeout": _TIMEOUT},
        retry_config={"max_retries": _RETRIES, "retry_timeout": _PATIENCE},
    )


@contextmanager
def _told(where: str, done: str = "read") -> Iterator[None]:
    """Whatever a store says, in one line.

    Raises:
        DataError: In place of the store's own errors.
    """
    exceptions = _need_obstore().exceptions
    try:
        yield
    except FileNotFoundError as error:
        what = "file; restore it" if done == "read" else "bucket; create it"
        raise DataError(f"{where}: there is no such {what}, or correct the name") from error
    except (
        exceptions.PermissionDeniedError,
        exceptions.UnauthenticatedError,
        PermissionError,
    ) as error:
        raise DataError(
            f"{where}: may not be {done} with the credentials at hand; see docs/scale.md for how to give them"
        ) from error
    except exceptions.PreconditionError as error:
        raise DataError(
            f"{where}: changed while it was read; run the same command again"
        ) from error
    except (exceptions.BaseError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(
            f"{where}: cannot be {done} ({reason}); run the same command again"
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
