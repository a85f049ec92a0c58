"""CVAT for video, from CVAT's documentation and its exporter: no real file is at hand. Datumaro reads what we write."""

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from defusedxml.ElementTree import parse
from hypothesis import given
from hypothesis import strategies as st

from tests.data.formats.datasets import assert_same
from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.catalogue import FORMATS, read_dataset, recognised, write_dataset
from thrifty.data.formats.format import Trait
from thrifty.data.formats.keyframes import SURE
from thrifty.data.formats.projection import project
from thrifty.data.formats.sizes import Sizes
from thrifty.errors import DataError

TASK = (
    "<id>5</id><name>a task</name><size>5</size><mode>interpolation</mode><start_frame>0</start_frame>"
    "<stop_frame>{stop}</stop_frame><frame_filter>{filter}</frame_filter>"
    "<labels><label><name>car</name></label><label><name>bus</name></label></labels>"
)
VIDEO = (
    "<original_size><width>640</width><height>480</height></original_size><source>v.mp4</source>"
)


def file(
    folder: Path, tracks: str, stop: int = 4, step: str = "", extra: str = VIDEO, kind: str = "task"
) -> Path:
    path = folder / "annotations.xml"
    meta = f"<meta><{kind}>{TASK.format(stop=stop, filter=step)}{extra}</{kind}></meta>"
    path.write_text(f"<annotations><version>1.1</version>{meta}{tracks}</annotations>")
    return path


def box(frame: int, left: float, *, key: int = 1, outside: int = 0, more: str = "") -> str:
    return (
        f'<box frame="{frame}" keyframe="{key}" outside="{outside}" occluded="0" xtl="{left}" ytl="0" '
        f'xbr="{left + 10}" ybr="20" z_order="0"{more}></box>'
    )


def track(*shapes: str, number: int = 0, more: str = "") -> str:
    return f'<track id="{number}" label="car" source="manual"{more}>{"".join(shapes)}</track>'


def lefts(dataset: Dataset) -> dict[int | None, list[float]]:
    """Left edges of the boxes on each frame."""
    return {image.frame: [label.box[0] for label in image.labels] for image in dataset.images}


def test_an_export_of_all_frames_is_read_as_it_stands(tmp_path: Path) -> None:
    shapes = [box(0, 0), box(1, 7, key=0), box(2, 8), box(3, 8, outside=1)]
    path = file(tmp_path, track(*shapes, more=' group_id="2"'))
    assert [entry.name for entry in recognised(path)] == ["cvat-video"]
    dataset = read_dataset(path)
    assert [entry.name for entry in dataset.categories] == ["car", "bus"]
    assert lefts(dataset) == {0: [0], 1: [7], 2: [8], 3: [], 4: []}
    first = dataset.images[0]
    assert (first.name, first.video, first.width, first.height) == ("v.mp4#0", "v.mp4", 640, 480)
    assert (first.labels[0].track, first.labels[0].group) == (0, 2)


def test_frames_between_key_frames_are_filled_in(tmp_path: Path) -> None:
    path = file(tmp_path, track(box(0, 0), box(4, 8)), stop=4)
    assert lefts(read_dataset(path)) == {0: [0], 1: [2], 2: [4], 3: [6], 4: [8]}


def test_an_object_stays_until_it_is_outside_or_the_task_ends(tmp_path: Path) -> None:
    shapes = track(box(1, 5)) + track(box(0, 50), box(3, 53, outside=1), number=1)
    expected = {0: [50], 1: [5, 51], 2: [5, 52], 3: [5], 4: [5]}
    assert lefts(read_dataset(file(tmp_path, shapes))) == expected


def test_a_shape_just_before_the_end_is_on_its_own_frame_alone(tmp_path: Path) -> None:
    """CVAT ends a plain shape on the next frame only if that is not the last: `frame + step < stop_frame`."""
    shapes = track(box(2, 20), box(3, 20, outside=1)), track(box(3, 30)), track(box(4, 40))
    found = read_dataset(file(tmp_path, "".join(shapes)))
    assert lefts(found) == {0: [], 1: [], 2: [20], 3: [30], 4: [40]}
    stepped = file(tmp_path, track(box(4, 5)), stop=8, step="step=4")
    assert lefts(read_dataset(stepped)) == {0: [], 4: [5], 8: []}


def test_a_track_that_begins_just_before_the_end_is_on_the_last_frame_too(tmp_path: Path) -> None:
    exported = track(box(3, 30), box(4, 31, key=0))
    by_hand = track(box(1, 10), box(3, 12), number=1)
    found = read_dataset(file(tmp_path, exported + by_hand))
    assert lefts(found) == {0: [], 1: [10], 2: [11], 3: [30, 12], 4: [31, 12]}


def test_in_a_task_of_pictures_a_shape_is_on_its_own_picture_alone(tmp_path: Path) -> None:
    shapes = track(box(0, 1)), track(box(1, 5), box(2, 5, outside=1)), track(box(3, 7))
    path = file(tmp_path, "".join(shapes), extra="")
    path.write_text(path.read_text().replace("interpolation", "annotation"))
    assert lefts(read_dataset(path)) == {0: [1], 1: [5], 2: [], 3: [7], 4: []}


def test_nothing_is_filled_in_where_shapes_are_no_key_frames(tmp_path: Path) -> None:
    path = file(tmp_path, track(box(0, 0, key=0), box(3, 8, key=0)))
    assert lefts(read_dataset(path)) == {0: [0], 1: [], 2: [], 3: [8], 4: []}


def test_a_step_counts_in_frames_of_the_video(tmp_path: Path) -> None:
    path = file(tmp_path, track(box(0, 0), box(8, 8)), stop=9, step="step=4")
    assert lefts(read_dataset(path)) == {0: [0], 4: [4], 8: [8]}


def test_boxes_turn_the_short_way(tmp_path: Path) -> None:
    shapes = box(0, 0, more=' rotation="350"'), box(2, 0, more=' rotation="10"')
    images = read_dataset(file(tmp_path, track(*shapes), stop=2)).images
    assert list(images[1].labels[0].box) == [0, 0, 10, 20]
    assert images[1].labels[0].outline is None
    assert images[0].labels[0].outline is not None


def test_polygons_are_not_filled_in_and_ellipses_are(tmp_path: Path) -> None:
    corners = '<polygon frame="{}" keyframe="1" outside="0" points="0,0;9,0;9,9"/>'
    ellipse = '<ellipse frame="{}" keyframe="1" outside="0" cx="{}" cy="50" rx="10" ry="5"/>'
    shapes = track(corners.format(0), corners.format(3), corners.format(4))
    shapes += track(ellipse.format(0, 20), ellipse.format(4, 24), number=1)
    shapes += track('<skeleton frame="0" keyframe="1"/>', number=2)
    dataset = read_dataset(file(tmp_path, shapes))
    assert lefts(dataset) == {0: [0, 10], 1: [11], 2: [12], 3: [0, 13], 4: [0, 14]}
    assert dataset.unread == {
        "ellipses (the box around them is kept)": 2,
        "polygons to be filled in between key frames": 2,
        "skeletons": 1,
    }


def test_frames_without_a_video_are_called_as_cvat_calls_them(tmp_path: Path) -> None:
    dataset = read_dataset(file(tmp_path, track(box(1, 0)), stop=1, extra=""), sizes=Sizes())
    assert [image.name for image in dataset.images] == ["frame_000000", "frame_000001"]
    assert {(image.video, image.width) for image in dataset.images} == {("a task", None)}
    job = read_dataset(file(tmp_path, track(box(1, 0)), stop=1, extra="", kind="job"))
    assert len(job.images) == 2


def project_file(folder: Path, *keys: int) -> Path:
    """An export of a project with a video task of two frames for each key, and a box on the first frame of the last."""
    tasks = "".join(
        f"<task><id>{key}</id><mode>interpolation</mode><start_frame>0</start_frame><stop_frame>1</stop_frame>"
        f"<original_size><width>{key}</width><height>9</height></original_size><source>{key}.mp4</source></task>"
        for key in keys
    )
    meta = f"<meta><project><name>p</name><tasks>{tasks}</tasks></project></meta>"
    first = 2 * (len(keys) - 1)
    shapes = box(first, 1), box(first + 1, 1, outside=1)
    tracks = track(*shapes, more=f' task_id="{keys[-1]}" subset="default"')
    path = folder / "a.xml"
    path.write_text(f"<annotations>{meta}{tracks}</annotations>")
    return path


def test_a_project_of_one_task_is_that_task(tmp_path: Path) -> None:
    dataset = read_dataset(project_file(tmp_path, 5))
    assert [(image.name, image.width, len(image.labels)) for image in dataset.images] == [
        ("5.mp4#0", 5, 1),
        ("5.mp4#1", 5, 0),
    ]


def test_a_project_of_several_tasks_is_refused_since_its_frames_are_numbered_through(
    tmp_path: Path,
) -> None:
    """The first frame of the second video is number 2 there, which no frame of a video of two is."""
    with pytest.raises(
        DataError, match="a.xml: is of several tasks.*; export each task on its own"
    ):
        read_dataset(project_file(tmp_path, 5, 6))


@st.composite
def drives(draw: st.DrawFn) -> Dataset:
    """Tracks that come and go on some frames of a video, every few of them."""
    step = draw(st.integers(1, 3))
    frames = draw(st.lists(st.integers(0, 12), unique=True, min_size=1, max_size=10))
    images = []
    for frame in sorted(frames):
        tracks = draw(st.lists(st.integers(0, 3), unique=True, max_size=3))
        labels = tuple(
            Label(
                (float(frame), 1.5, frame + 2.25, 3.0), number % 2, track=number, group=number + 1
            )
            for number in tracks
        )
        name = f"v.avi#{frame * step}"
        images.append(LabelledImage(name, 64, 48, labels, video="v.avi", frame=frame * step))
    return Dataset((Category("car"), Category("bus")), tuple(images))


def write(dataset: Dataset, path: Path) -> Path:
    assert write_dataset(dataset, path, "cvat-video") == {}
    return path


@given(dataset=drives())
def test_tracks_with_gaps_come_back_and_datumaro_sees_the_same(
    dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(dataset, tmp_path_factory.mktemp("cvat") / "annotations.xml")
    assert_same(read_dataset(path), dataset, 0)
    expected = {
        (image.frame, label.track, dataset.categories[label.category].name, label.box, label.group)
        for image in dataset.images
        for label in image.labels
    }
    assert set(as_datumaro_reads(path)) == expected


def as_datumaro_reads(path: Path) -> list[object]:
    """Frame, track, class, corners and group of the boxes that are not outside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from datumaro.components.annotation import AnnotationType  # noqa: PLC0415 (slow)
        from datumaro.components.dataset import Dataset as Judge  # noqa: PLC0415

        found = Judge.import_from(str(path.parent), "cvat")
        classes = found.categories()[AnnotationType.label]
        return [
            (
                item.attributes["frame"], entry.attributes["track_id"], classes[entry.label].name,
                tuple(entry.points), entry.group,
            )
            for item in found
            for entry in item.annotations
            if not entry.attributes["outside"]
        ]  # fmt: skip


@given(dataset=drives())
def test_cvat_which_reads_key_frames_only_would_see_the_same(
    dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What CVAT does with them, worked out anew: a shape holds until the next of its track, or until the end."""
    path = write(dataset, tmp_path_factory.mktemp("cvat") / "annotations.xml")
    frames = [image.frame or 0 for image in dataset.images]
    shown = set()
    for element in parse(path).iter("track"):
        shapes = {int(shape.attrib["frame"]): shape for shape in element}
        assert all(shape.get("keyframe") == "1" for shape in shapes.values())
        visible = False
        for number in range(frames[0], frames[-1] + 1):
            visible = shapes[number].get("outside") == "0" if number in shapes else visible
            if visible and number in frames:
                shown.add((number, int(element.attrib["id"])))
    assert shown == {
        (image.frame, label.track) for image in dataset.images for label in image.labels
    }


def test_tracks_that_cvat_cannot_have_are_numbered_anew() -> None:
    """No track, two classes, twice on a frame, a box and a polygon: each becomes a track of its own."""
    plain = Label((0, 0, 9, 9), 0)
    corners = ((0.0, 0.0, 9.0, 0.0, 9.0, 9.0),)
    first = (
        plain,
        replace(plain, track="a"),
        replace(plain, track="a"),
        replace(plain, track="a", category=1),
        replace(plain, track="a", outline=corners),
    )
    second = (replace(plain, track="a"), replace(plain, track="a", outline=corners))
    images = tuple(
        LabelledImage(f"v.avi#{number}", 64, 48, labels, video="v.avi", frame=number)
        for number, labels in enumerate((first, second))
    )
    dataset = Dataset((Category("car"), Category("bus")), images)
    kept, losses = project(dataset, FORMATS["cvat-video"])
    assert [[label.track for label in image.labels] for image in kept.images] == [
        [0, 1, 2, 3, 4],
        [1, 4],
    ]
    assert losses == {Trait.TRACK_NUMBERS: 7}


def test_a_track_has_one_group() -> None:
    plain = Label((0, 0, 9, 9), 0)
    images = tuple(
        LabelledImage(
            f"v.avi#{number}", 64, 48,
            (replace(plain, track=0, group=number + 1), replace(plain, track=1, group=5)),
            video="v.avi", frame=number,
        )
        for number in range(2)
    )  # fmt: skip
    kept, losses = project(Dataset((Category("car"),), images), FORMATS["cvat-video"])
    groups = [[label.group for label in image.labels] for image in kept.images]
    assert groups == [[None, 5], [None, 5]]
    assert losses == {Trait.GROUPS: 2}


def frame(number: int, video: str = "v.avi", width: int = 64) -> LabelledImage:
    return LabelledImage(f"{video}#{number}", width, 48, (), video=video, frame=number)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ((frame(0), frame(1, "w.avi")), "holds one video, these are 2, 'v.avi' and 'w.avi'"),
        ((frame(0), frame(1, width=65)), "v.avi: a video has frames of one size, these have 2"),
        ((frame(3), frame(3)), "v.avi: two images are the same frame"),
        ((replace(frame(3), width=None),), "its size is not known, and CVAT needs it"),
        ((frame(3, "../v.avi"),), "is no path below a folder"),
    ],
)
def test_what_is_no_task_is_not_written(
    tmp_path: Path, images: tuple[LabelledImage, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        write_dataset(Dataset((), images), tmp_path / "a.xml", "cvat-video")
    assert not list(tmp_path.iterdir())


def test_a_data_set_without_images_comes_back(tmp_path: Path) -> None:
    dataset = Dataset((Category("car"),), ())
    assert read_dataset(write(dataset, tmp_path / "a.xml"), "cvat-video") == dataset


@pytest.mark.parametrize(
    ("tracks", "stop", "step", "message"),
    [
        (track(box(999999999999, 0)), 4, "", "there is no frame 999999999999"),
        (track(box(-1, 0)), 4, "", "there is no frame -1"),
        ('<track id="0" label="car"><box/></track>', 4, "", "xtl: nothing is no number"),
        ('<track id="0"/>', 4, "", "a <track> has no label"),
        ("", SURE, "", "frames, which is out of proportion"),
        ("", 999999999999, "", "<stop_frame>: there is no frame"),
        ("", 4, "step=0", "a step of 0 leads nowhere"),
        (track(box(0, 0), box(SURE + 2, 0)), 4, "", "are to be filled in, which is out of proportion"),
        (
            "".join(track(box(0, 0), number=number) for number in range(5)),
            SURE // 4, "", "track '4': over .* are to be filled in",
        ),
        ('<image id="0" name="a"/>', 4, "", "format for images; name the format cvat-images"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_in_one_line(
    tmp_path: Path, tracks: str, stop: int, step: str, message: str
) -> None:
    path = file(tmp_path, tracks, stop, step)
    with pytest.raises(DataError, match=message) as caught:
        read_dataset(path, "cvat-video")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("<original_size><width>0</width><height>4</height></original_size>", "0x4 has no pixels"),
        ("<original_size><width>9</width></original_size>", "height: nothing is no number"),
        ("<source>../v.mp4</source>", "is no path below a folder"),
    ],
)
def test_a_head_that_is_wrong_is_refused(tmp_path: Path, extra: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_dataset(file(tmp_path, "", extra=extra), "cvat-video")


def test_a_track_of_a_task_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(f"<annotations>{track(box(0, 0))}</annotations>")
    with pytest.raises(DataError, match="track '0' is of no task that <meta> names"):
        read_dataset(path, "cvat-video")
    path.write_text("<annotations></annotations>")
    with pytest.raises(DataError, match="holds no <meta>"):
        read_dataset(path, "cvat-video")
