"""A data set small enough to train on within a second: striped figures on noise, as stills and as a video."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.stream import VideoStream
from PIL import Image as Pillow

WIDTH, HEIGHT = 96, 64
VIDEO_FRAMES = 40

RECIPE = """
name = "tiny"
seeds = [{seeds}]

[start]
annotations = "stills.json"
images = "stills"

[pool]
annotations = "video.json"
frames = [0, 29]

[test]
annotations = "video.json"
frames = [32, 39]

[detector]
width = 0.1
box_scale = 0.5

[training]
start_epochs = 2
epochs = 2
batch = 4

[selection]
budget = 3
cycles = 2
strategies = ["divergence", "guided-random", "random"]
exclude_current = 2
exclude_later = 1
"""


@dataclass(frozen=True)
class TinyData:
    """Where the files lie."""

    root: Path

    @property
    def video(self) -> Path:
        return self.root / "clip.avi"

    def recipe(self, folder: Path, text: str = RECIPE, seeds: str = "0") -> Path:
        """Write the recipe into a folder."""
        path = folder / "tiny.toml"
        path.write_text(text.replace("{seeds}", seeds))
        return path


def picture(rng: np.random.Generator, boxes: list[list[int]]) -> np.ndarray:
    image = rng.integers(60, 110, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for left, top, width, height in boxes:
        image[top : top + height, left : left + width] = (200, 180, 40)
        image[top : top + height : 4, left : left + width] = (20, 20, 160)
    return image


def coco(images: list[dict[str, Any]], boxes: list[list[list[int]]], **more: Any) -> dict[str, Any]:
    annotations = [
        {"image_id": image["id"], "category_id": 1, "bbox": box, "iscrowd": 0}
        for image, drawn in zip(images, boxes, strict=True)
        for box in drawn
    ]
    numbered = [
        {"id": number, **annotation} for number, annotation in enumerate(annotations, start=1)
    ]
    return {
        "images": images,
        "annotations": numbered,
        "categories": [{"id": 1, "name": "person"}],
        **more,
    }


def write_tiny_data(root: Path) -> TinyData:
    rng = np.random.default_rng(0)
    stills = root / "stills"
    stills.mkdir()
    still_boxes = [[[int(rng.integers(4, 70)), int(rng.integers(4, 24)), 16, 28]] for _ in range(8)]
    still_images = []
    for number, boxes in enumerate(still_boxes, start=1):
        name = f"still{number}.png"
        Pillow.fromarray(picture(rng, boxes)).save(stills / name)
        still_images.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
    (root / "stills.json").write_text(json.dumps(coco(still_images, still_boxes)))

    video_boxes = [
        [[2 + 2 * frame, 10, 16, 28]] if frame % 10 < 6 else [] for frame in range(VIDEO_FRAMES)
    ]
    write_video(root / "clip.avi", [picture(rng, boxes) for boxes in video_boxes])
    video_images = [
        {
            "id": frame + 1,
            "file_name": f"clip.avi#{frame}",
            "video_id": 1,
            "frame_id": frame,
            "width": WIDTH,
            "height": HEIGHT,
        }
        for frame in range(VIDEO_FRAMES)
    ]
    content = coco(video_images, video_boxes, videos=[{"id": 1, "name": "clip.avi"}])
    (root / "video.json").write_text(json.dumps(content))
    return TinyData(root)


def write_video(
    path: Path,
    pictures: list[np.ndarray],
    codec: str = "mpeg4",
    options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
) -> None:
    """Write a video of 10 frames a second, or with its frames at the given times, in milliseconds."""
    with av.open(str(path), "w") as container:
        stream = cast(
            VideoStream, container.add_stream(codec, rate=Fraction(10), options=options or {})
        )
        stream.width, stream.height = pictures[0].shape[1], pictures[0].shape[0]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = 8
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, image in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
