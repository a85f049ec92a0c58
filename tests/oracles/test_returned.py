"""Several exports in `labels/` of a batch, of whatever formats: each is read, once, and the newest counts."""

import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.oracles.batches import asked, assignment, drawn, still, task
from thrifty.errors import OracleError
from thrifty.oracles.folder import FolderTool
from thrifty.oracles.tool import Collected

BATCH = assignment([task(still(number), number) for number in (1, 2, 3, 4)])
IDS = [one.record.id for one in BATCH.tasks]


class Labels:
    """The folder `labels/` of a batch that was sent."""

    def __init__(self, folder: Path) -> None:
        self._tool = FolderTool(folder)
        self._sent = self._tool.send(BATCH)
        self.folder = folder / BATCH.name / "labels"
        self.names = [self._sent.tasks[key] for key in IDS]

    def put(self, name: str, content: str | Mapping[str, str], at: int = 0) -> None:
        """Write a file, or an archive of some, at a time."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content)
        else:
            with zipfile.ZipFile(path, "w") as archive:
                for entry, text in content.items():
                    archive.writestr(entry, text)
        os.utime(path, (at, at))

    def collected(self) -> Collected:
        return self._tool.collect(asked(self._sent, BATCH))

    def lefts(self) -> dict[int, list[float]]:
        """Left edges of the boxes on the frames that are answered, by their place."""
        found = drawn(self.collected())
        return {IDS.index(key): answer.boxes[:, 0].tolist() for key, answer in found.items()}

    def cvat(self, left: int, *places: int) -> str:
        box = f'<box label="person" xtl="{left}" ytl="2" xbr="50" ybr="40"/>'
        images = "".join(
            f'<image id="{place}" name="{self.names[place]}.jpg" width="100" height="80">{box}</image>'
            for place in places
        )
        return (
            f"<annotations><meta><task><mode>annotation</mode></task></meta>{images}</annotations>"
        )

    def coco(self, left: int, *places: int) -> str:
        entries = [
            {"id": place, "image_id": place, "category_id": 1, "bbox": [left, 2, 9, 9]}
            for place in places
        ]
        images = [{"id": place, "file_name": f"{self.names[place]}.jpg"} for place in places]
        categories = [{"id": 1, "name": "person"}]
        return json.dumps({"images": images, "annotations": entries, "categories": categories})

    def voc(self, left: int, place: int) -> str:
        box = f"<xmin>{left + 1}</xmin><ymin>3</ymin><xmax>50</xmax><ymax>40</ymax>"
        return (
            f"<annotation><filename>{self.names[place]}.jpg</filename>"
            f"<object><name>person</name><bndbox>{box}</bndbox></object></annotation>"
        )


YOLO = "{} 0.5 0.5 0.2 0.25\n"
"""A box from 40 to 60 of 100 pixels."""


@pytest.fixture
def labels(tmp_path: Path) -> Labels:
    return Labels(tmp_path)


def test_exports_beside_a_cvat_file_are_read_too(labels: Labels) -> None:
    labels.put("annotations.xml", labels.cvat(1, 0))
    labels.put("job_2.zip", {"annotations.xml": labels.cvat(2, 1)})
    labels.put("night.json", labels.coco(3, 2))
    labels.put("anna/annotations.xml", labels.cvat(4, 3))
    assert labels.lefts() == {0: [1], 1: [2], 2: [3], 3: [4]}


def test_exports_beside_voc_s_files_are_read_too(labels: Labels) -> None:
    labels.put(f"{labels.names[0]}.xml", labels.voc(1, 0))
    labels.put("job_2.zip", {f"Annotations/{labels.names[1]}.xml": labels.voc(2, 1)})
    labels.put("night.json", labels.coco(3, 2))
    labels.put("zoe/annotations.xml", labels.cvat(4, 3))
    assert labels.lefts() == {0: [1], 1: [2], 2: [3], 3: [4]}


def test_exports_beside_yolo_s_label_files_are_read_too(labels: Labels) -> None:
    labels.put(f"{labels.names[0]}.txt", YOLO.format(0))
    labels.put("job_2.zip", {"annotations.xml": labels.cvat(2, 1)})
    labels.put("night.json", labels.coco(3, 2))
    labels.put(f"anna/{labels.names[3]}.txt", "0 0.5 0.5 0.5 0.25\n")
    assert labels.lefts() == {0: [40], 1: [2], 2: [3], 3: [25]}


def test_the_newest_counts_whatever_lies_beside_it(labels: Labels) -> None:
    """The third is newer than the second, which must not make the first so."""
    labels.put("annotations.xml", labels.cvat(1, 0, 1), at=100)
    labels.put("job_2.zip", {"annotations.xml": labels.cvat(2, 0)}, at=200)
    labels.put("job_3.zip", {"annotations.xml": labels.cvat(3, 2)}, at=300)
    assert labels.lefts() == {0: [2], 1: [1], 2: [3]}
    os.utime(labels.folder / "annotations.xml", (250, 250))
    assert labels.lefts() == {0: [1], 1: [1], 2: [3]}


@pytest.mark.parametrize("folder", ["", "labels/"])
def test_an_export_of_label_studio_is_read_once_and_its_notes_are_let_alone(
    labels: Labels, folder: str
) -> None:
    names = labels.names
    files = {
        "classes.txt": "red car\nperson\n",
        "notes.json": '{"categories_of": 2}',
        f"{folder}{names[0]}.txt": YOLO.format(0) + YOLO.format(7),
        "images/a.jpg": "",
    }
    labels.put("project.zip", files)
    with pytest.raises(OracleError, match=r"project\.zip/.*: line 2: class 7 is none of the 2"):
        labels.collected()
    labels.put("project.zip", files | {f"{folder}{names[0]}.txt": "1 0.5 0.5 2 2\n0 3 3 1 1\n"})
    found = labels.collected()
    assert dict(found.left_out) == {"a box that lies outside its image of 100x80 pixels": 1}
    assert drawn(found)[IDS[0]].classes.tolist() == [0]


def test_files_of_no_known_format_are_let_alone_only_beside_a_known_one(labels: Labels) -> None:
    labels.put("night.json", labels.coco(3, 2))
    labels.put("zz.json", '{"made": "by hand"}')
    with pytest.raises(OracleError, match=r"zz\.json: annotations of no known format"):
        labels.collected()
    labels.put("annotations.xml", labels.cvat(1, 0))
    assert labels.lefts() == {0: [1], 2: [3]}


def test_label_files_of_a_set_that_describes_itself_are_read_by_its_classes(labels: Labels) -> None:
    """As CVAT exports YOLO: the project numbers the classes the other way round."""
    names = labels.names
    files = {
        "obj.data": "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\n",
        "obj.names": "red car\nperson\n",
        "train.txt": f"data/obj_train_data/{names[0]}.jpg\n",
        f"obj_train_data/{names[0]}.txt": "0 3 3 1 1\n" + YOLO.format(0),
    }
    for name, text in files.items():
        labels.put(name, text)
        labels.put(f"anna/{name.replace(names[0], names[2])}", text.replace(names[0], names[2]))
    labels.put("job_2.zip", {"annotations.xml": labels.cvat(2, 1)})
    found = labels.collected()
    answers = drawn(found)
    assert {IDS.index(key): answer.classes.tolist() for key, answer in answers.items()} == {
        0: [1],
        1: [0],
        2: [1],
    }
    assert dict(found.left_out) == {"a box that lies outside its image of 100x80 pixels": 2}


def test_voc_files_without_size_and_objects_are_still_answers(labels: Labels) -> None:
    """They do not show what they are; their folder does."""
    labels.put(f"voc/{labels.names[0]}.xml", labels.voc(1, 0))
    bare = f"<annotation><filename>{labels.names[1]}.jpg</filename></annotation>"
    labels.put(f"voc/{labels.names[1]}.xml", bare)
    assert labels.lefts() == {0: [1], 1: []}


def test_classes_are_those_of_the_nearest_list_up_to_the_export_s_root(labels: Labels) -> None:
    name = labels.names[0]
    label = f"labels/train/{name}.txt"

    def kind() -> list[int]:
        return list(drawn(labels.collected())[IDS[0]].classes)

    labels.put("classes.txt", "red car\nperson\n")
    labels.put("project.zip", {label: YOLO.format(0)})
    assert kind() == [0]
    labels.put("project.zip", {label: YOLO.format(0), "classes.txt": "red car\nperson\n"})
    assert kind() == [1]
    (labels.folder / "project.zip").unlink()
    shutil.copy(labels.folder / "classes.txt", labels.folder.parent / "classes.txt")
    labels.put(f"anna/{label}", YOLO.format(0))
    assert kind() == [1]
    labels.put("anna/labels/classes.txt", "person\nred car\n")
    assert kind() == [0]
    labels.put("anna/labels/train/classes.txt", "red car\nperson\n")
    assert kind() == [1]
    for path in labels.folder.rglob("classes.txt"):
        path.unlink()
    assert kind() == [0]
