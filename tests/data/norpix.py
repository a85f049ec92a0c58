"""Writes small `.seq` files."""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

KINDS = {100: "raw grey", 200: "raw colour", 201: "JPEG", 102: "grey JPEG", 1: "grey PNG", 2: "PNG"}


def write_seq(
    path: Path, images: list[np.ndarray], kind: int, count: int | None = None, padding: int = 8
) -> None:
    """Images are `H x W x 3` uint8; grey kinds keep the first channel. Frame n is taken n/4 s after second 7."""
    height, width = images[0].shape[:2]
    contents = [encode(image, kind) for image in images]
    stride = len(contents[0]) + 16
    header = bytearray(1024)
    struct.pack_into("<I", header, 0, 0xFEED)
    header[4:28] = "Norpix seq".encode("utf-16-le") + bytes(4)
    struct.pack_into("<II", header, 28, 3, 1024)
    frames = len(images) if count is None else count
    struct.pack_into(
        "<9I", header, 548, width, height, 24, 8, len(contents[0]), kind, frames, 0, stride
    )
    struct.pack_into("<d", header, 584, 4.0)
    body = b""
    for number, content in enumerate(contents):
        taken = struct.pack("<IH", 7 + number // 4, 250 * (number % 4))
        if kind in {100, 200}:
            body += (content + taken).ljust(stride, b"\0")
        else:
            body += struct.pack("<I", len(content) + 4) + content + taken.ljust(padding, b"\0")
    path.write_bytes(bytes(header) + body)


def encode(image: np.ndarray, kind: int) -> bytes:
    if kind == 100:
        return image[..., 0].tobytes()
    if kind == 200:
        return image[..., ::-1].tobytes()
    buffer = io.BytesIO()
    picture = Pillow.fromarray(image[..., 0] if kind in {102, 1} else image)
    picture.save(buffer, "JPEG" if kind in {102, 201} else "PNG")
    return buffer.getvalue()
