"""CVAT (https://www.cvat.ai) by its files: what its page takes and gives, carried by hand.

A batch is an image task: pictures, a manifest, and boxes to begin with as "CVAT for images 1.1". A video task would hold a
whole video of which the batch wants few frames. For those who have the video in CVAT already, the boxes on its frames are
written as "CVAT for video 1.1" too, one file a video, numbered as in the video.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from thrifty.data.dataset import Dataset, LabelledImage
from thrifty.data.video import VIDEOS
from thrifty.files import replace_file
from thrifty.oracles.batch_folder import (
    IMAGES,
    LABELS,
    PRELABELS,
    as_sent,
    batch_folder,
    plain,
    to_begin_with,
    told,
    write_batch,
    write_instructions,
    write_once,
    write_prelabels,
)
from thrifty.oracles.returned import collect_folder
from thrifty.oracles.sent_frames import SentFrames
from thrifty.oracles.tool import Asked, Assignment, Collected, Sent

MANIFEST, VIDEO = "manifest.jsonl", "video"

_INSTRUCTIONS = f"""{{name}} of {{project}}: {{count}} frames to label in CVAT

1. Create a task with the labels {{classes}}. Give it all files of {IMAGES}/; {MANIFEST} among them tells CVAT their
   names, sizes and order (sorting method: predefined).
2. To begin with, upload {PRELABELS}/annotations.xml to the task as annotations, format "CVAT 1.1": the boxes that
   {{model}} draws. Correct them, or draw your own.
3. Export the task, or a job that is finished, as "CVAT for images 1.1" or "COCO 1.0" into {LABELS}/, as often as you
   like, as the ZIP archive that CVAT gives. All frames of an export count as labelled.
4. Collect.

chosen.csv says which frames these are.
"""

_OF_VIDEOS = f"""
Where CVAT has the whole video as a task already, {VIDEO}/ has the boxes of its frames as "CVAT for video 1.1". Label
the frames that chosen.csv names, and export that task as "CVAT for video 1.1" into {LABELS}/.
"""


class CvatFiles:
    """CVAT, whose page people use by hand.

    Args:
        folder: Each batch becomes a folder in it, which is made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, assignment: Assignment) -> Sent:
        """Write the batch's folder, or what it lacks; nothing that is there is touched.

        Raises:
            OracleError: The folder cannot be written or holds another batch, or XML has no place for a class's name.
            FrameError: A frame cannot be read. Sending again goes on from there.
        """
        batch = self._folder / assignment.name
        with told(batch):
            names = write_batch(batch, assignment)
            replace_file(batch / IMAGES / MANIFEST, manifest(assignment, names))
            boxes = to_begin_with(assignment, names, scored=False)
            write_prelabels(batch, boxes, "cvat-images")
            videos = dict(_by_video(assignment, boxes))
            for name, dataset in videos.items():
                (batch / VIDEO).mkdir(exist_ok=True)
                write_once(batch / VIDEO / f"{name}.xml", dataset, "cvat-video")
            text = _INSTRUCTIONS + (_OF_VIDEOS if videos else "")
            write_instructions(batch, assignment, text)
        return as_sent(batch, names)

    def collect(self, asked: Asked) -> Collected:
        """What lies in `labels/` of the batch's folder: CVAT's exports, or any other format; nothing if it is empty.

        Raises:
            OracleError: The folder is gone, or a file in it cannot be understood.
        """
        frames = SentFrames(asked, numbered=True)
        return collect_folder(batch_folder(self._folder, asked), asked, frames)


def manifest(assignment: Assignment, names: Mapping[str, str]) -> bytes:
    """A manifest of images, version 1.1 (https://docs.cvat.ai/docs/dataset_management/dataset_manifest).

    Args:
        assignment: The batch.
        names: Of the picture files beside the manifest, by record id.
    """
    lines: list[Mapping[str, object]] = [{"version": "1.1"}, {"type": "images"}]
    for task in assignment.tasks:
        path = PurePosixPath(names[task.record.id])
        lines.append(
            {
                "name": path.stem,
                "extension": path.suffix,
                "width": task.record.width,
                "height": task.record.height,
                "meta": {"related_images": []},
            }
        )
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()


def _by_video(assignment: Assignment, boxes: Dataset) -> Iterator[tuple[str, Dataset]]:
    """The boxes on frames of each video, under the name of a file."""
    found: dict[str, dict[int, LabelledImage]] = defaultdict(dict)
    for task, image in zip(assignment.tasks, boxes.images, strict=True):
        path, frame = PurePosixPath(task.record.source), task.record.frame
        if frame is not None and path.suffix.lower() in VIDEOS:
            named = replace(image, name=f"{path.name}#{frame}", video=path.name, frame=frame)
            found[task.record.source][frame] = named
    for source, images in found.items():
        # Without boxes on the frame after it, a box would stay until the next chosen frame.
        for frame in sorted(images)[:-1]:
            after = replace(images[frame], frame=frame + 1, labels=())
            images.setdefault(frame + 1, replace(after, name=f"{after.video}#{frame + 1}"))
        path = PurePosixPath(source)
        yield plain(path.name, source), replace(boxes, images=tuple(images.values()))
