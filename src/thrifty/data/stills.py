"""Pictures in files."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from thrifty.data.frames import check_size
from thrifty.errors import DataError, FrameError
from thrifty.types import Image, Record

_CHUNK = 1 << 20


class StillReader:
    """Reads the picture files below a folder.

    Args:
        folder: What the records' `source` is relative to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, record: Record) -> Image:
        """Decode one picture: EXIF orientation applied, any mode turned into RGB.

        Raises:
            FrameError: The file is no picture that can be decoded, or is of another size than recorded.
            DataError: The file is gone or cannot be reached, which says nothing about the picture.
        """
        path = self._folder / record.source
        try:
            with path.open("rb") as file:
                image = decode_picture(path, file)
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({error.strerror}); restore it and run again"
            ) from error
        return check_size(record, image)

    def stream(self, records: Iterable[Record]) -> Iterator[tuple[Record, Image | FrameError]]:
        """Decode pictures one after the other."""
        for record in records:
            try:
                yield record, self.read(record)
            except FrameError as error:
                yield record, error


def decode_picture(path: Path | str, file: BinaryIO) -> Image:
    """Decode a picture: EXIF orientation applied, any mode turned into RGB.

    Args:
        path: Named in errors.
        file: The picture's bytes.

    Raises:
        FrameError: The bytes are no picture that can be decoded.
        OSError: They cannot be read.
    """
    with _decoding(path), Pillow.open(file) as picture:
        return _rgb(ImageOps.exif_transpose(picture))


def is_upright(path: Path | str, file: BinaryIO) -> bool:
    """Whether the pixels of a picture stand as it shall be shown, by its EXIF orientation. Arguments and errors as `decode_picture`."""
    with _decoding(path), Pillow.open(file) as picture:
        return picture.getexif().get(_ORIENTATION) not in _MOVED


def as_png(image: Image) -> bytes:
    """A picture as the content of a PNG file."""
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


@contextmanager
def _decoding(path: Path | str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Decoders raise OSError without a number for a bad picture, and with one for a bad disk.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise FrameError(
            f"{path}: cannot decode this picture ({reason_of(error)}); replace or remove the file"
        ) from error


def _rgb(picture: Pillow.Image) -> Image:
    """Any mode as RGB; 16-bit grey is scaled, which Pillow would clip."""
    if picture.mode.startswith("I;16"):
        grey = (np.asarray(picture).astype(np.uint32) + 128) // 257
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    if picture.mode in {"I", "F"}:
        raise ValueError("its values have no stated range, save it with 8 or 16 bits")
    return np.array(picture.convert("RGB"))


def reason_of(error: Exception) -> str:
    """Why a picture cannot be decoded, in words that are the same each time."""
    if isinstance(error, UnidentifiedImageError):
        return "its content is no picture of a known kind"
    if isinstance(error, Pillow.DecompressionBombError):
        return f"it claims more than {2 * (Pillow.MAX_IMAGE_PIXELS or 0) // 10**6} million pixels, the most that are decoded"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def is_file(path: Path) -> bool:
    """Whether there is such a file; no path that is too long for one is an error here."""
    try:
        return path.is_file()
    except OSError:
        return False


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture in pixels, EXIF orientation applied; its pixels are not decoded.

    Raises:
        DataError: The file is missing or no picture.
    """
    try:
        with Pillow.open(path) as picture:
            turned = picture.getexif().get(_ORIENTATION) in _TURNED
            return picture.size[::-1] if turned else picture.size
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such picture; check the path") from error
    except Exception as error:
        raise DataError(
            f"{path}: is no picture that can be read ({reason_of(error)}); replace or remove the file"
        ) from error


_ORIENTATION = 0x0112
_MOVED, _TURNED = frozenset(range(2, 9)), frozenset(range(5, 9))
"""EXIF orientations that turn or mirror the picture, and those that lay it on its side."""


def content_hash(path: Path) -> str:
    """First 128 bits of the SHA-256 of a file's content, as 32 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()[:32]
