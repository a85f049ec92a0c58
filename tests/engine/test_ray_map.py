"""A pool mapped on a real Ray cluster of two nodes, whose workers and nodes are killed."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.tiny import VIDEO_FRAMES, TinyData
from thrifty.data.pool import Broken, Pool, Stills
from thrifty.engine import ray_map
from thrifty.engine.ray_cluster import Cluster, joined
from thrifty.engine.ray_map import map_parts
from thrifty.errors import DataError, RunError, ScoreError
from thrifty.types import Frame, Record

Row = tuple[str, int | None, int, int]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory, tiny: TinyData) -> Pool:
    """Pictures of two sizes, one of them broken, between two videos."""
    root = tmp_path_factory.mktemp("pool")
    rng = np.random.default_rng(0)
    (root / "a.avi").write_bytes(tiny.video.read_bytes())
    for number in range(150):
        sides = (24, 16, 3) if number % 7 else (16, 16, 3)
        picture = rng.integers(0, 255, sides, dtype=np.uint8)
        Pillow.fromarray(picture).save(root / f"p{number:03d}.png")
    (root / "p050.png").write_bytes(b"no picture")
    (root / "z.avi").write_bytes(tiny.video.read_bytes() + b"\0")
    return Pool(root)


def begin(seconds: float = 0.0) -> Callable[[Sequence[Frame]], list[Row]]:
    def rows(frames: Sequence[Frame]) -> list[Row]:
        time.sleep(seconds)
        return [
            (one.record.source, one.record.frame, int(one.image.sum()), os.getpid())
            for one in frames
        ]

    return rows


def mapped(
    cluster: Cluster, pool: Pool, batch: int = 4, seconds: float = 0.0
) -> Iterator[Row | Broken]:
    return map_parts(cluster, pool.parts(), pool.read, partial(begin, seconds), batch)


def told(results: Sequence[Row | Broken]) -> list[object]:
    """Rows without who made them."""
    return [one if isinstance(one, Broken) else one[:3] for one in results]


def here(pool: Pool) -> list[object]:
    rows = begin()
    return told([item if isinstance(item, Broken) else rows([item])[0] for item in pool.stream()])


@pytest.mark.parametrize(("workers", "batch"), [(1, 1), (2, 3), (2, 8)])
def test_rows_are_those_of_one_process_in_their_order(
    nodes: Any, pool: Pool, workers: int, batch: int
) -> None:
    with joined(nodes.address, workers) as cluster:
        results = list(mapped(cluster, pool, batch))
    assert told(results) == here(pool)


def test_all_workers_take_part(nodes: Any, pool: Pool) -> None:
    with joined(nodes.address, 2) as cluster:
        results = list(mapped(cluster, pool, seconds=0.05))
    assert len({one[3] for one in results if not isinstance(one, Broken)}) == 2


def test_workers_that_are_killed_are_replaced_and_no_row_comes_twice(
    nodes: Any, pool: Pool
) -> None:
    results: list[Row | Broken] = []
    killed: set[int] = set()
    with joined(nodes.address, None) as cluster:
        assert cluster.workers == 2
        for one in mapped(cluster, pool, seconds=0.01):
            results.append(one)
            if len(results) in {20, 60, 100} and not isinstance(one, Broken):
                with suppress(ProcessLookupError):
                    os.kill(one[3], signal.SIGKILL)
                killed.add(one[3])
    assert told(results) == here(pool)
    assert {one[3] for one in results[-20:] if not isinstance(one, Broken)} - killed


def test_a_node_that_is_lost_takes_no_row_with_it(nodes: Any, pool: Pool) -> None:
    third = nodes.add_node(num_cpus=1)
    results: list[Row | Broken] = []
    with joined(nodes.address, 3) as cluster:
        for one in mapped(cluster, pool, seconds=0.01):
            results.append(one)
            if len(results) == 40:
                nodes.remove_node(third, allow_graceful=False)
    assert told(results) == here(pool)


def test_who_decodes_may_be_killed_too(nodes: Any, pool: Pool, tmp_path: Path) -> None:
    with joined(nodes.address, 2) as cluster:
        read = partial(read_once_dying, pool, tmp_path)
        results = list(map_parts(cluster, pool.parts(), read, begin, 4))
    assert told(results) == here(pool)
    assert len(list(tmp_path.iterdir())) == len(list(pool.parts()))


def read_once_dying(pool: Pool, notes: Path, part: Any) -> Iterator[Frame | Broken]:
    """The first time a part is read, whoever does it dies at its tenth frame."""
    note = notes / str(part).replace("/", "_")
    for number, item in enumerate(pool.read(part)):
        if number == 10 and not note.exists():
            note.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield item


def failing(frames: Sequence[Frame]) -> list[Row]:
    if any(one.record.source == "p020.png" for one in frames):
        raise ScoreError("p020.png: no score")
    return begin()(frames)


def test_an_error_comes_as_it_was_raised_after_the_rows_before_it(nodes: Any, pool: Pool) -> None:
    results: list[Row | Broken] = []
    with (
        joined(nodes.address, 2) as cluster,
        pytest.raises(ScoreError, match=r"^p020.png: no score$"),
    ):
        results.extend(map_parts(cluster, pool.parts(), pool.read, lambda: failing, 1))
    assert told(results) == here(pool)[: VIDEO_FRAMES + 20]


def test_who_cannot_begin_says_why(nodes: Any, pool: Pool) -> None:
    def nothing() -> Callable[[Sequence[Frame]], list[Row]]:
        raise DataError("weights.safetensors: no such file; check the path")

    with (
        joined(nodes.address, 1) as cluster,
        pytest.raises(DataError, match=r"^weights.safetensors: no such file; check the path$"),
    ):
        list(map_parts(cluster, pool.parts(), pool.read, nothing, 4))


def test_workers_that_die_before_they_are_ready_are_given_up(nodes: Any, pool: Pool) -> None:
    def dying() -> Callable[[Sequence[Frame]], list[Row]]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    with (
        joined(nodes.address, 1) as cluster,
        pytest.raises(RunError, match="workers die before they are ready, 5 times in a row"),
    ):
        list(map_parts(cluster, pool.parts(), pool.read, dying, 4))


def test_a_cluster_without_room_is_given_up(
    nodes: Any, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_map, "ROOM", 1.0)
    with (
        joined(nodes.address, 1),
        pytest.raises(RunError, match="has had no room for a worker for 10 minutes"),
    ):
        # None of its machines has a GPU.
        list(mapped(Cluster(1, gpus=True), pool))


def test_a_file_that_goes_missing_is_named(nodes: Any, tmp_path: Path) -> None:
    Pillow.new("RGB", (8, 8)).save(tmp_path / "one.png")
    pool = Pool(tmp_path)
    parts = list(pool.parts())
    (tmp_path / "one.png").unlink()
    with (
        joined(nodes.address, 1) as cluster,
        pytest.raises(DataError, match=r"one.png: cannot be read \(No such file"),
    ):
        list(map_parts(cluster, iter(parts), pool.read, begin, 4))


def killing(frames: Sequence[Frame]) -> list[Row]:
    if any(one.record.source == "p070.png" for one in frames):
        os.kill(os.getpid(), signal.SIGKILL)
    return begin()(frames)


def test_a_frame_that_kills_every_worker_is_given_up_by_name(nodes: Any, pool: Pool) -> None:
    results: list[Row | Broken] = []
    with (
        joined(nodes.address, 2) as cluster,
        pytest.raises(RunError, match=r"^p064.png to p127.png: whoever works on it .* 5 times"),
    ):
        results.extend(map_parts(cluster, pool.parts(), pool.read, lambda: killing, 4))
    assert told(results) == here(pool)[: len(results)]
    assert len(results) >= 40 + 64


def test_a_wish_to_stop_is_heard_and_what_was_found_is_given(nodes: Any, pool: Pool) -> None:
    stop = threading.Event()
    results: list[Row | Broken] = []
    with joined(nodes.address, 2) as cluster:
        rows = map_parts(cluster, pool.parts(), pool.read, partial(begin, 0.05), 4, stop)
        for one in rows:
            results.append(one)
            if len(results) == 30:
                stop.set()
    assert 30 <= len(results) < 70
    assert told(results) == here(pool)[: len(results)]


def counted(notes: Path, part: int) -> Iterator[Frame]:
    for number in range(1000):
        with (notes / f"{part}.{number}").open("w"):
            pass
        yield Frame(_record(part, number), np.zeros((64, 64, 3), dtype=np.uint8), 1.0)


def _record(part: int, number: int) -> Record:
    return Record(f"{part}.{number}", "x", 64, 64, str(part), number, number)


def test_nothing_is_decoded_far_ahead_of_who_takes_the_rows(nodes: Any, tmp_path: Path) -> None:
    with joined(nodes.address, 2) as cluster:
        rows = map_parts(cluster, iter(range(20)), partial(counted, tmp_path), begin, 4)
        for _ in range(8):
            next(rows)
        seen = []
        for _ in range(2):
            time.sleep(2)
            seen.append(len(list(tmp_path.iterdir())))
        rows.close()
    # Nobody takes rows, so nothing goes on; and of three open parts no more is done than may wait for the first.
    assert seen[0] == seen[1]
    assert 8 <= seen[0] <= 3 * 4 * (ray_map._WAITING + 4)


def test_there_must_be_a_cluster() -> None:
    with (
        pytest.raises(RunError, match=r"^--address 127.0.0.1:1: no Ray cluster"),
        joined("127.0.0.1:1", None),
    ):
        pass


def test_a_gpu_must_be_there_where_one_is_wanted(nodes: Any) -> None:
    with (
        pytest.raises(RunError, match="--device cuda: the cluster has no GPU"),
        joined(nodes.address, None, gpus=True),
    ):
        pass


def test_parts_say_what_they_are(pool: Pool) -> None:
    parts = list(pool.parts())
    assert [str(part) for part in parts] == [
        "a.avi",
        "p000.png to p063.png",
        "p064.png to p127.png",
        "p128.png to p149.png",
        "z.avi",
    ]
    assert str(Stills(parts[1].stills[:1])) == "p000.png"  # type: ignore[union-attr]
