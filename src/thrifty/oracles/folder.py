"""A folder for any tool: the chosen pictures with boxes to begin with, and back whatever the tool exports."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from thrifty.oracles.batch_folder import (
    IMAGES,
    LABELS,
    PRELABELS,
    as_sent,
    batch_folder,
    to_begin_with,
    told,
    write_batch,
    write_instructions,
    write_prelabels,
)
from thrifty.oracles.returned import collect_folder
from thrifty.oracles.sent_frames import SentFrames
from thrifty.oracles.tool import Asked, Assignment, Collected, Sent

Form = Literal["coco", "yolo", "voc"]
"""Of boxes to begin with."""

_INSTRUCTIONS = f"""{{name}} of {{project}}: {{count}} frames to label

1. Open the pictures in {IMAGES}/ with your tool. Sorted by name, they stand in the order in which they were
   chosen. Leave their names as they are; they are how labels find their frames again.
2. To begin with, {PRELABELS}/ holds what {{model}} sees in them, as {{title}}.
   Correct these boxes, or draw your own.
   Classes: {{classes}}
3. Export, as often as you like, into {LABELS}/: COCO, YOLO, Pascal VOC, CVAT, Label Studio or labelme, unpacked
   or as a ZIP archive. A frame that an export lists without boxes counts as one with nothing on it.
4. Collect.

chosen.csv says which frames these are.
"""

_TITLES = {"coco": "a COCO file", "yolo": "YOLO's label files", "voc": "Pascal VOC's XML files"}


class FolderTool:
    """Any tool that opens pictures and exports boxes.

    Args:
        folder: Each batch becomes a folder in it, which is made if it is not there.
        form: Of the boxes to begin with. COCO's say how sure the detector is; labelling tools refuse YOLO files that do, and
            Pascal VOC has no place for it.
    """

    def __init__(self, folder: Path, form: Form = "coco") -> None:
        self._folder = folder
        self._form = form

    def send(self, assignment: Assignment) -> Sent:
        """Write the batch's folder, or what it lacks; nothing that is there is touched.

        Raises:
            OracleError: The folder cannot be written or holds another batch, or the form has no place for a class's name.
            FrameError: A frame cannot be read. Sending again goes on from there.
        """
        batch = self._folder / assignment.name
        with told(batch):
            names = write_batch(batch, assignment)
            boxes = to_begin_with(assignment, names, scored=self._form == "coco")
            write_prelabels(batch, boxes, self._form)
            write_instructions(batch, assignment, _INSTRUCTIONS, title=_TITLES[self._form])
        return as_sent(batch, names)

    def collect(self, asked: Asked) -> Collected:
        """What lies in `labels/` of the batch's folder, in any format; nothing if it is empty.

        Raises:
            OracleError: The folder is gone, or a file in it cannot be understood.
        """
        return collect_folder(batch_folder(self._folder, asked), asked, SentFrames(asked))
