"""Pools as streams: what is read, in which order, and how a reader goes on."""

import os
import shutil
import struct
import time
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.data.norpix import write_seq
from tests.tiny import VIDEO_FRAMES, TinyData, write_video
from thrifty.data.places import whole_name
from thrifty.data.pool import Broken, Done, Pool
from thrifty.data.stills import content_hash, decode_picture
from thrifty.data.video import VideoReader, index_video
from thrifty.errors import DataError
from thrifty.types import Frame, Image


def draw(path: Path, value: int, size: tuple[int, int] = (8, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.new("RGB", size, (value, value, value)).save(path)
    return path


def names(pool: Pool) -> list[str]:
    return [
        item.record.source if isinstance(item, Frame) else f"!{item.source}"
        for item in pool.stream()
    ]


@pytest.fixture
def mixed(tmp_path: Path, tiny: TinyData) -> Path:
    """Pictures, a broken one among them, and a whole and a cut video between them."""
    root = tmp_path / "pool"
    draw(root / "a.png", 1)
    shutil.copy(tiny.video, root / "b.avi")
    (root / "c.jpg").write_bytes(b"no picture")
    draw(root / "d" / "e.png", 2)
    (root / "d" / "f.avi").write_bytes(tiny.video.read_bytes()[: tiny.video.stat().st_size // 2])
    draw(root / "g.png", 3)
    return root


def test_a_folder_is_read_by_name_through_links_and_all_alphabets(tmp_path: Path) -> None:
    root = tmp_path / "pool"
    draw(root / "b" / "Ünïcode 猫.PNG", 1)
    draw(root / "a.jpeg", 2)
    draw(tmp_path / "elsewhere" / "c.png", 3)
    (root / "b" / "notes.md").write_text("no picture")
    (root / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "b" / "round").symlink_to(root, target_is_directory=True)
    assert names(Pool(root)) == ["a.jpeg", "b/Ünïcode 猫.PNG", "link/c.png"]


def test_a_list_is_read_as_it_is_written(tmp_path: Path) -> None:
    draw(tmp_path / "one.png", 1)
    draw(tmp_path / "sub" / "two.png", 2)
    listed = tmp_path / "frames.txt"
    listed.write_text(f"# mine\nsub/two.png\n\n{tmp_path / 'one.png'}\none.png\n")
    assert names(Pool(listed)) == ["sub/two.png", str(tmp_path / "one.png"), "one.png"]


def test_ids_follow_content_not_names(tmp_path: Path) -> None:
    first = draw(tmp_path / "x" / "a.png", 7)
    [before] = Pool(tmp_path / "x").stream()
    first.rename(tmp_path / "x" / "renamed.png")
    [after] = Pool(tmp_path / "x").stream()
    assert isinstance(before, Frame)
    assert isinstance(after, Frame)
    assert before.record.id == after.record.id == content_hash(tmp_path / "x" / "renamed.png")


def test_exif_orientation_is_honoured(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.new("RGB", (8, 6)).save(path, exif=exif)
    [frame] = Pool(path).stream()
    assert isinstance(frame, Frame)
    assert (frame.record.width, frame.record.height) == (6, 8)


@pytest.mark.parametrize("every", [1, 3])
def test_a_video_gives_the_frames_ids_and_pixels_of_its_index(tiny: TinyData, every: int) -> None:
    index = index_video(tiny.video)
    reader = VideoReader(tiny.root, {tiny.video.name: index})
    frames = list(Pool(tiny.video, every=every).stream())
    assert len(frames) == -(-VIDEO_FRAMES // every)
    for place, frame in enumerate(frames):
        assert isinstance(frame, Frame)
        assert frame.record.id == index.frame_id(place * every)
        assert (frame.record.place, frame.record.frame) == (place, place * every)
        assert frame.record.sequence == index.digest
        np.testing.assert_array_equal(frame.image, reader.read(frame.record))


def test_scale_resizes_what_the_detector_sees(tmp_path: Path) -> None:
    [frame] = Pool(draw(tmp_path / "a.png", 5, (80, 60)), scale=0.5).stream()
    assert isinstance(frame, Frame)
    assert frame.image.shape == (30, 40, 3)
    assert (frame.record.width, frame.scale) == (80, 0.5)


def test_what_is_broken_is_reported_and_passed_over(mixed: Path) -> None:
    items = list(Pool(mixed).stream())
    broken = [item for item in items if isinstance(item, Broken)]
    assert [item.source for item in broken] == ["c.jpg", "d/f.avi", "d/f.avi"]
    assert "cannot decode this picture" in broken[0].reason
    cut, end = broken[1:]
    assert (cut.frame or 0) + 1 == end.frame
    assert f"frame {cut.frame} cannot be decoded" in cut.reason
    assert f"decoding ends after {end.frame} frames" in end.reason
    assert isinstance(items[-1], Frame)


def test_a_file_that_is_no_video_inside_is_one_broken_entry(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(b"nothing")
    [item] = Pool(path).stream()
    assert isinstance(item, Broken)
    assert item.frame == 0


def as_done(item: Frame | Broken) -> Done:
    if isinstance(item, Broken):
        return Done(item.source, item.frame, broken=True)
    return Done(item.record.source, item.record.frame, broken=False)


def identity(item: Frame | Broken) -> object:
    return item if isinstance(item, Broken) else item.record


def test_a_reader_goes_on_after_any_frame(mixed: Path) -> None:
    whole = list(Pool(mixed, every=7).stream())
    done = [as_done(item) for item in whole]
    for count in range(len(whole) + 1):
        rest = list(Pool(mixed, every=7).stream(done[:count]))
        assert [identity(item) for item in rest] == [identity(item) for item in whole[count:]]


def test_a_pool_that_changed_meanwhile_is_refused(mixed: Path) -> None:
    done = [as_done(item) for item in Pool(mixed).stream()]
    (mixed / "g.png").unlink()
    with pytest.raises(DataError, match=r"g\.png: was scored but is no longer"):
        list(Pool(mixed).stream(done))
    draw(mixed / "0.png", 9)
    with pytest.raises(DataError, match=r"0\.png: was not in the pool when scoring began"):
        list(Pool(mixed).stream(done))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none", None, "no such folder, list or video"),
        ("table.csv", "a.png", "neither a folder, a list"),
        ("bad.txt", "a.doc", r"bad\.txt:1: a\.doc is neither"),
        ("gone.txt", "a.png", r"a\.png: cannot be read \(No such file"),
        ("gone.txt", "a.mp4", r"a\.mp4: no such video"),
    ],
)
def test_bad_pools_are_refused(
    tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=message):
        list(Pool(path).stream())


def test_frames_a_second_are_taken_by_time_whatever_the_frame_rate(tmp_path: Path) -> None:
    """A video whose frames stand 40 ms apart at first and 400 ms later on."""
    times = [*range(0, 1000, 40), *range(1000, 4000, 400)]
    path = tmp_path / "varied.mkv"
    write_video(path, [np.full((16, 32, 3), n, np.uint8) for n in range(len(times))], times=times)
    found = [
        (frame.record.frame, frame.record.place)
        for frame in Pool(path, per_second=2).stream()
        if isinstance(frame, Frame)
    ]
    assert [times[frame or 0] for frame, _ in found] == [0, 520, 1000, 1800, 2200, 2600, 3000, 3800]
    # Nothing was shown between 1.5 and 1.8 s but at 1.4 and 1.8: the tick at 1.5 s goes to the frame at 1.8 s.
    assert [place for _, place in found] == [0, 1, 2, 3, 4, 5, 6, 7]
    done = [Done("varied.mkv", frame, broken=False) for frame, _ in found[:3]]
    rest = [item for item in Pool(path, per_second=2).stream(done) if isinstance(item, Frame)]
    assert [item.record.frame for item in rest] == [frame for frame, _ in found[3:]]


def test_the_pictures_of_a_folder_can_be_one_video(tmp_path: Path) -> None:
    root = tmp_path / "pool"
    for name in ("a/img10.png", "a/img2.png", "a/img1.png", "b/1.png", "0.png"):
        draw(root / name, len(name))
    found = [item.record for item in Pool(root, sequences=True).stream() if isinstance(item, Frame)]
    assert [(record.source, record.sequence, record.place) for record in found] == [
        ("0.png", ".", 0),
        ("a/img1.png", "a", 0),
        ("a/img2.png", "a", 1),
        ("a/img10.png", "a", 2),
        ("b/1.png", "b", 0),
    ]
    some = [
        item for item in Pool(root, sequences=True, every=2).stream() if isinstance(item, Frame)
    ]
    assert [(item.record.source, item.record.place) for item in some] == [
        ("0.png", 0),
        ("a/img1.png", 0),
        ("a/img10.png", 1),
        ("b/1.png", 0),
    ]
    done = [as_done(item) for item in some]
    for count in range(len(some) + 1):
        rest = list(Pool(root, sequences=True, every=2).stream(done[:count]))
        assert [identity(item) for item in rest] == [identity(item) for item in some[count:]]


def test_a_damaged_frame_in_the_middle_does_not_end_a_video_on_resuming(tmp_path: Path) -> None:
    path = tmp_path / "a.seq"
    write_seq(path, [np.full((6, 10, 3), n, np.uint8) for n in range(6)], 2)
    content = path.read_bytes()
    second = content.index(b"\x89PNG", content.index(b"\x89PNG") + 1)
    path.write_bytes(content[: second + 20] + b"\xff" * 20 + content[second + 40 :])
    whole = list(Pool(path).stream())
    assert [isinstance(item, Broken) for item in whole] == [False, True, False, False, False, False]
    for count in range(len(whole) + 1):
        rest = list(Pool(path).stream([as_done(item) for item in whole[:count]]))
        assert [identity(item) for item in rest] == [identity(item) for item in whole[count:]]


def test_both_kinds_of_sampling_at_once_are_refused(tiny: TinyData) -> None:
    with pytest.raises(DataError, match="exclude each other"):
        Pool(tiny.video, every=2, per_second=1.0)


def test_a_picture_that_claims_a_billion_pixels_is_one_broken_entry(tmp_path: Path) -> None:
    size = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    [item] = Pool(tmp_path).stream()
    assert isinstance(item, Broken)
    assert "it claims more than 178 million pixels" in item.reason


def chunk(name: bytes, content: bytes) -> bytes:
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("name", ["v.avi", "v.mp4", "v.mkv"])
def test_one_damaged_packet_costs_one_frame_and_no_other(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(20)]
    path = tmp_path / name
    write_video(path, images, "mjpeg")
    whole = {
        frame.record.frame: frame.image for frame in Pool(path).stream() if isinstance(frame, Frame)
    }
    content = bytearray(path.read_bytes())
    begin = -1
    for _ in range(8):
        begin = content.index(b"\xff\xd8\xff", begin + 1)
    end = content.index(b"\xff\xd9", begin) + 2
    content[begin:end] = bytes(end - begin)
    path.write_bytes(content)
    items = list(Pool(path).stream())
    assert [item.frame for item in items if isinstance(item, Broken)] == [7]
    sound = [item for item in items if isinstance(item, Frame)]
    assert [item.record.frame for item in sound] == [n for n in range(20) if n != 7]
    for item in sound:
        np.testing.assert_array_equal(item.image, whole[item.record.frame])
    index = index_video(path)
    assert len(index) == 20
    reader = VideoReader(tmp_path, {name: index})
    for item in reversed(sound):
        assert item.record.id == index.frame_id(item.record.frame or 0)
        np.testing.assert_array_equal(reader.read(item.record), item.image)


@pytest.mark.parametrize("name", ["v.mkv", "v.avi", "v.webm"])
def test_a_video_that_was_cut_off_says_so_whatever_its_container(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(40)]
    path = tmp_path / name
    write_video(path, images, "libvpx" if name.endswith("webm") else "mpeg4")
    assert not any(isinstance(item, Broken) for item in Pool(path).stream())
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    *_, last = Pool(path).stream()
    assert isinstance(last, Broken)
    assert "decoding ends after" in last.reason
    assert "its header announces" in last.reason


def test_a_video_without_times_is_not_taken_by_time_and_not_lost(tmp_path: Path) -> None:
    images = [np.full((48, 64, 3), 5 * n, np.uint8) for n in range(12)]
    write_video(tmp_path / "b.h264", images, "libx264", {"bf": "0"})
    (tmp_path / "b.h264").rename(tmp_path / "b.mpg")
    draw(tmp_path / "a.png", 1)
    draw(tmp_path / "c.png", 2)
    assert len(list(Pool(tmp_path).stream())) == 14
    items = list(Pool(tmp_path, per_second=2).stream())
    assert [isinstance(item, Broken) for item in items] == [False, True, False]
    assert "it tells no times; take every n-th frame" in str(identity(items[1]))
    done = [as_done(item) for item in items]
    for count in range(4):
        rest = list(Pool(tmp_path, per_second=2).stream(done[:count]))
        assert [identity(item) for item in rest] == [identity(item) for item in items[count:]]


def test_a_list_may_name_a_video_twice(tmp_path: Path, tiny: TinyData) -> None:
    shutil.copy(tiny.video, tmp_path / "v.avi")
    (tmp_path / "twice.txt").write_text("v.avi\nv.avi\n")
    pool = Pool(tmp_path / "twice.txt")
    done = [as_done(item) for item in pool.stream()]
    assert len(done) == 2 * VIDEO_FRAMES
    for count in (0, 1, 39, 40, 41, 79, 80):
        assert len(list(pool.stream(done[:count]))) == len(done) - count


def test_a_video_that_changed_is_not_gone_on_with(tmp_path: Path, tiny: TinyData) -> None:
    shutil.copy(tiny.video, tmp_path / "v.avi")
    items = [item for item in Pool(tmp_path).stream() if isinstance(item, Frame)]
    done = [Done("v.avi", n, broken=False, id=items[n].record.id) for n in range(10)]
    assert len(list(Pool(tmp_path).stream(done))) == VIDEO_FRAMES - 10
    write_video(tmp_path / "v.avi", [np.full((64, 96, 3), n, np.uint8) for n in range(40)])
    with pytest.raises(DataError, match=r"v\.avi: has changed since scoring began"):
        list(Pool(tmp_path).stream(done))


def test_grey_pictures_of_16_bits_keep_their_shades(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    for name in ("a.png", "b.tiff"):
        Pillow.fromarray(ramp).save(tmp_path / name)
    Pillow.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "c.tif")
    *grey, unknown = Pool(tmp_path).stream()
    for frame in grey:
        assert isinstance(frame, Frame)
        expected = np.arange(256, dtype=np.uint8).reshape(16, 16)
        np.testing.assert_array_equal(frame.image, np.repeat(expected[..., None], 3, axis=2))
    assert isinstance(unknown, Broken)
    assert "save it with 8 or 16 bits" in unknown.reason


def test_what_is_no_file_is_reported_and_passed_over(tmp_path: Path) -> None:
    draw(tmp_path / "z.png", 1)
    (tmp_path / "a.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "b.png").symlink_to(tmp_path / "c.png")
    (tmp_path / "c.png").symlink_to(tmp_path / "b.png")
    os.mkfifo(tmp_path / "d.mp4")
    os.mkfifo(tmp_path / "e.png")
    (tmp_path / os.fsdecode(b"f\xff.png")).write_bytes(b"")
    items = list(Pool(tmp_path).stream())
    reasons = [item.reason.split(": ", 1)[1] for item in items if isinstance(item, Broken)]
    assert reasons[:4] == ["is a link that leads nowhere", *reasons[1:3], "is no file"]
    assert len(reasons) == 6
    assert "no UTF-8" in reasons[5]
    assert isinstance(items[-1], Frame)
    done = [as_done(item) for item in items]
    for count in range(len(done) + 1):
        assert len(list(Pool(tmp_path).stream(done[:count]))) == len(done) - count


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"gr\xfcn.png", "frames.txt:1: is no UTF-8 text"),
        (b"# ok\na\0.png", "frames.txt:2: is no text, it holds a zero byte"),
        (b"a" * 70_000, "frames.txt:1: is no list"),
    ],
)
def test_lists_that_are_no_text_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "frames.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(Pool(tmp_path / "frames.txt").stream())


def test_a_list_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", 1)
    (tmp_path / "frames.txt").write_text("a.png\n", encoding="utf-8-sig")
    assert names(Pool(tmp_path / "frames.txt")) == ["a.png"]


def test_few_large_pictures_are_decoded_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is decoded and not yet asked for, once the first picture has told how large they are."""
    monkeypatch.setattr("thrifty.data.pool.AHEAD_BYTES", 3 * 100 * 100 * 3)
    for number in range(40):
        draw(tmp_path / f"{number:02d}.png", number, (100, 100))
    decoded: list[Path] = []

    def decode(path: Path, file: BinaryIO) -> Image:
        decoded.append(path)
        return decode_picture(path, file)

    monkeypatch.setattr("thrifty.data.pool.decode_picture", decode)
    ahead = []
    for number, _ in enumerate(Pool(tmp_path, threads=8).stream(), start=1):
        time.sleep(0.01)
        ahead.append(len(decoded) - number)
    assert max(ahead) <= 3


@pytest.mark.parametrize(
    ("pool", "source", "whole"),
    [
        ("/away/pool", "a/b.png", "/away/pool/a/b.png"),
        ("/away/2026.11", "b.png", "/away/2026.11/b.png"),
        ("/away/list.TXT", "a/b.png", "/away/a/b.png"),
        ("/away/drive.mp4", "drive.mp4", "/away/drive.mp4"),
        ("/away/one.png", "one.png", "/away/one.png"),
    ],
)
def test_files_of_a_pool_that_is_not_mounted_here_keep_their_names(
    pool: str, source: str, whole: str
) -> None:
    assert whole_name(pool, source) == whole


def test_a_folder_that_is_called_like_a_video_is_one_and_is_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, looks = tmp_path / "set00.seq", list[Path]()
    folder.mkdir()
    is_dir = Path.is_dir

    def look(path: Path) -> bool:
        looks.append(path)
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", look)
    for number in range(3):
        assert whole_name(str(folder), f"{number}.png") == str(folder / f"{number}.png")
    assert looks == [folder]
