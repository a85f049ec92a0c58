"""`thrifty select` as people use it: a pool or its scores in, the frames to label out."""

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.command import thrifty
from tests.tiny import TinyData
from thrifty.config import DetectorSection
from thrifty.data.formats.catalogue import read_dataset
from thrifty.detectors.paper import make_network, save_weights


def select(*arguments: object) -> subprocess.CompletedProcess[str]:
    return thrifty("select", *arguments)


def chosen(*arguments: object) -> str:
    done = select(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fails(*arguments: object) -> str:
    done = select(*arguments)
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("thrifty: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        return list(csv.DictReader(path.read_text().splitlines()))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    return list(json.loads(path.read_text())["images"])


def table(path: Path, **more: list[Any]) -> Path:
    """A video of forty frames, best in the middle, and two stills of which one beats it."""
    places = [*range(40), None, None]
    columns = {
        "id": [f"v{place:02d}" for place in range(40)] + ["s0", "s1"],
        "source": ["drive.mp4"] * 40 + ["a.jpg", "b.jpg"],
        "sequence": ["drive"] * 40 + [None, None],
        "place": places,
        "frame": places,
        "score": [*(1 - abs(np.arange(40) - 20) / 40), 2.0, 0.1],
    }
    pq.write_table(pa.table({**columns, **more}), path)
    return path


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    return table(tmp_path / "scores.parquet")


def test_the_best_frames_apart_from_each_other_by_hand(scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "chosen.csv"
    assert chosen(scores, "-b", 3, "--out", out) == f"3 frames chosen: {out}\n"
    found = rows(out)
    # The still; the middle of the video; then the better of the first two that are more than fifteen places away: near the
    # later end of the video fewer of the low scores beyond take part in the mean.
    assert [row["id"] for row in found] == ["s0", "v20", "v36"]
    assert [row["rank"] for row in found] == ["1", "2", "3"]
    assert [(row["path"], row["frame"]) for row in found[:2]] == [
        ("a.jpg", ""),
        ("drive.mp4", "20"),
    ]
    assert found[1]["reason"].startswith("rank 2 of 42 by its score")
    assert float(found[1]["smoothed"]) < float(found[1]["score"]) == 1.0


def test_smoothing_and_distance_can_be_switched_off(scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "chosen.csv"
    chosen(scores, "-b", 4, "--out", out, "--apart", 0, "--smoothing", 0)
    assert [row["id"] for row in rows(out)] == ["s0", "v20", "v19", "v21"]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "json"])
def test_every_form_holds_the_same_and_is_read_as_an_earlier_choice(
    scores: Path, tmp_path: Path, ending: str
) -> None:
    first, plain = tmp_path / f"first.{ending}", tmp_path / "first.csv"
    chosen(scores, "-b", 2, "--out", first)
    chosen(scores, "-b", 2, "--out", plain)
    named = "record" if ending == "json" else "id"
    assert [row[named] for row in rows(first)] == ["s0", "v20"]
    assert [float(row["smoothed"]) for row in rows(first)] == [
        float(row["smoothed"]) for row in rows(plain)
    ]
    second = tmp_path / "second.csv"
    chosen(scores, "-b", 1, "--out", second, "--earlier", first)
    # Nothing within two places of what was chosen before.
    assert [row["id"] for row in rows(second)] == ["v17"]


def test_a_pool_is_scored_once_and_the_choice_names_files_that_are_there(
    tiny: TinyData, tmp_path: Path
) -> None:
    settings = DetectorSection(width=0.1)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(save_weights(make_network(settings).state_dict(), settings))
    out = tmp_path / "chosen.json"
    arguments = (tiny.root / "clip.avi", "--detector", f"paper:{weights}", "-b", 2, "--out", out)
    first = select(*arguments)
    assert first.returncode == 0, first.stderr
    assert "40 frames scored" in first.stdout
    before = out.read_bytes()
    again = select(*arguments)
    assert "nothing was scored" in again.stdout
    assert out.read_bytes() == before
    for row in rows(out):
        path, _, number = row["file_name"].rpartition("#")
        assert Path(path).is_file()
        assert int(number) == row["frame"]
    # It is a COCO file that our own reader, and so everything else here, understands.
    assert len(read_dataset(out).images) == 2


def test_copies_of_a_picture_count_once(tmp_path: Path) -> None:
    columns = {"id": ["x", "x", "y"], "source": ["a", "b", "c"], "score": [3.0, 3.0, 1.0]}
    path = tmp_path / "scores.parquet"
    pq.write_table(pa.table(columns), path)
    chosen(path, "-b", 2, "--out", tmp_path / "chosen.csv")
    assert [row["path"] for row in rows(tmp_path / "chosen.csv")] == ["a", "c"]


def test_a_folder_of_scores_is_one_pool(scores: Path, tmp_path: Path) -> None:
    """Cut anywhere, written by others with other types of text, with what their programs leave beside it."""
    whole, folder = pq.read_table(scores), tmp_path / "shards"
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    wide = whole.schema.set(1, pa.field("source", pa.large_string()))
    pq.write_table(whole.slice(0, 17).cast(wide), folder / "0.parquet")
    coded = whole.slice(17, 20)
    names = coded["sequence"].dictionary_encode()
    pq.write_table(coded.set_column(2, "sequence", names), folder / "1.parquet")
    # The last begins with frames that stand in the one before, too.
    pq.write_table(whole.slice(30), folder / "2.parquet")
    one, many = tmp_path / "one.csv", tmp_path / "many.csv"
    chosen(scores, "-b", 4, "--out", one)
    chosen(folder, "-b", 4, "--out", many)
    assert one.read_bytes() == many.read_bytes()
    (folder / "notes.txt").touch()
    assert "--detector must say" in fails(folder, "-b", 4, "--out", many)


def test_scores_of_two_pools_lead_to_the_files_of_each(tiny: TinyData, tmp_path: Path) -> None:
    settings = DetectorSection(width=0.1)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(save_weights(make_network(settings).state_dict(), settings))
    folder = tmp_path / "scores"
    folder.mkdir()
    for number, pool in enumerate((tiny.root / "clip.avi", tiny.root / "stills")):
        out = folder / f"{number}.parquet"
        done = thrifty("score", pool, "--detector", f"paper:{weights}", "--out", out)
        assert done.returncode == 0, done.stderr
    out = tmp_path / "chosen.csv"
    chosen(folder, "-b", 10, "--out", out)
    paths = {Path(row["path"]) for row in rows(out)}
    assert all(path.is_file() for path in paths)
    assert {path.parent for path in paths} == {tiny.root, tiny.root / "stills"}


def test_stills_beside_video_need_not_have_its_columns(tmp_path: Path) -> None:
    folder = tmp_path / "scores"
    folder.mkdir()
    stills = {"id": ["s0", "s1"], "source": ["a.jpg", "b.jpg"], "score": [2.0, 0.1]}
    pq.write_table(pa.table(stills), folder / "0.parquet")
    whole = pq.read_table(table(tmp_path / "all.parquet"))
    pq.write_table(whole.slice(0, 40), folder / "1.parquet")
    chosen(folder, "-b", 3, "--out", tmp_path / "chosen.csv")
    found = rows(tmp_path / "chosen.csv")
    assert [row["id"] for row in found] == ["s0", "v20", "v36"]
    assert [row["frame"] for row in found] == ["", "20", "36"]


def test_folders_of_one_name_in_two_pools_are_two_videos(tmp_path: Path) -> None:
    """Both pools call theirs `.`; taken for one, they would hold each other's frames back."""
    folder = tmp_path / "scores"
    folder.mkdir()
    for name, best in (("a", 5), ("b", 7)):
        places = list(range(12))
        columns = {
            "id": [f"{name}{place:02d}" for place in places],
            "source": [f"{place}.png" for place in places],
            "sequence": ["."] * 12,
            "place": places,
            "score": [1.0 - abs(place - best) / 10 for place in places],
        }
        job = json.dumps(
            {
                "pool": f"/data/{name}",
                "detector": "d",
                "score": "DivergenceSettings()",
                "scale": "1.0",
            }
        )
        written = pa.table(columns).replace_schema_metadata({"thrifty.job": job})
        pq.write_table(written, folder / f"{name}.parquet")
    out, more = tmp_path / "chosen.csv", tmp_path / "more.csv"
    chosen(folder, "-b", 2, "--out", out, "--smoothing", 0)
    assert {row["id"] for row in rows(out)} == {"a05", "b07"}
    assert {row["sequence"] for row in rows(out)} == {"/data/a/.", "/data/b/."}
    # Read again, each keeps its own neighbours out.
    chosen(folder, "-b", 2, "--out", more, "--earlier", out, "--apart", 0, "--smoothing", 0)
    assert [row["id"] for row in rows(more)] == ["a02", "a08"]


def test_scores_by_different_detectors_are_not_mixed(scores: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name in ("old", "new"):
        job = json.dumps(
            {"pool": "/data", "detector": name, "score": "DivergenceSettings()", "scale": "1.0"}
        )
        written = pq.read_table(scores).replace_schema_metadata({"thrifty.job": job})
        pq.write_table(written, folder / f"{name}.parquet")
    told = fails(folder, "-b", 2, "--out", tmp_path / "chosen.csv")
    assert "was scored by another detector or with other settings than" in told


def test_what_thrifty_leaves_beside_scores_is_known(scores: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scores"
    folder.mkdir()
    (folder / "a.parquet").write_bytes(scores.read_bytes())
    (folder / "a.unreadable.csv").write_text("source,frame,reason\n")
    chosen(folder, "-b", 2, "--out", tmp_path / "chosen.csv")
    (folder / "b.parquet.parts").mkdir()
    told = fails(folder, "-b", 2, "--out", tmp_path / "chosen.csv")
    assert "b.parquet.parts: holds scores that are not finished" in told


@pytest.mark.parametrize("shapes", ["{", "3", '["score"]', '{"score": 3}', '{"gone": []}'])
def test_what_others_mean_by_our_words_is_theirs(scores: Path, tmp_path: Path, shapes: str) -> None:
    path = tmp_path / "theirs.parquet"
    written = pq.read_table(scores).replace_schema_metadata(
        {"shapes": shapes, "thrifty.job": "[1]"}
    )
    pq.write_table(written, path)
    chosen(path, "-b", 2, "--out", tmp_path / "chosen.csv")
    assert [row["id"] for row in rows(tmp_path / "chosen.csv")] == ["s0", "v20"]


def test_scores_of_different_strategies_are_not_mixed(scores: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    first = pq.read_table(scores)
    pq.write_table(first.replace_schema_metadata({"shapes": '{"score": []}'}), folder / "0.parquet")
    other = first.append_column("spread", first["score"])
    shapes = {"shapes": '{"score": [], "spread": []}'}
    pq.write_table(other.replace_schema_metadata(shapes), folder / "1.parquet")
    told = fails(folder, "-b", 2, "--out", tmp_path / "chosen.csv")
    assert "holds what was observed for another strategy than" in told
    narrow = first.set_column(5, "score", first["score"].cast(pa.float32()))
    pq.write_table(
        narrow.append_column("spread", narrow["score"]).replace_schema_metadata(shapes),
        folder / "0.parquet",
    )
    told = fails(folder, "-b", 2, "--out", tmp_path / "chosen.csv")
    assert "holds what was observed for another strategy than" in told


def test_what_cannot_be_chosen_from_is_refused_in_a_line(scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "chosen.csv"
    assert "43 frames are to be chosen but only 42 are left" in fails(
        scores, "-b", 43, "--out", out
    )
    assert "end the name in .csv" in fails(scores, "-b", 1, "--out", tmp_path / "chosen.xls")
    assert "no such folder" in fails(scores, "-b", 1, "--out", tmp_path / "no" / "chosen.csv")
    (tmp_path / "empty").mkdir()
    assert "--detector must say" in fails(tmp_path / "empty", "-b", 1, "--out", out)
    assert "no such file" in fails(tmp_path / "no.parquet", "-b", 1, "--out", out).lower()
    nan = table(tmp_path / "nan.parquet", score=[float("nan")] * 42)
    assert "score is nan" in fails(nan, "-b", 1, "--out", out)
    # Not its neighbour, into whose mean it would go first.
    nan = table(tmp_path / "nan.parquet", score=[1.0] * 20 + [float("nan")] + [1.0] * 21)
    assert "frame v20: score is nan" in fails(nan, "-b", 1, "--out", out)
    text = table(tmp_path / "text.parquet", score=["high"] * 42)
    assert "another type than it should be" in fails(text, "-b", 1, "--out", out)
    missing = table(tmp_path / "missing.parquet", id=[None] * 42)
    assert "a frame has no id" in fails(missing, "-b", 1, "--out", out)
    empty = table(tmp_path / "nameless.parquet", id=[""] * 42)
    assert "a frame has no id" in fails(empty, "-b", 1, "--out", out)
    (tmp_path / "other.parquet").write_bytes(b"no parquet")
    assert "cannot be read as Parquet" in fails(tmp_path / "other.parquet", "-b", 1, "--out", out)
    pq.write_table(pa.table({"id": ["a"], "score": [1.0]}), tmp_path / "poor.parquet")
    assert "has no column 'source'" in fails(tmp_path / "poor.parquet", "-b", 1, "--out", out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, "cannot be read as a table"),
        ("quote.csv", 'id,path\n"x,a.png\ny,b.png\n', "line 2 is no CSV"),
        ("short.csv", "id,path\nx,a.png\ny\n", "line 3 has 1 cells under 2 columns"),
        ("far.jsonl", '{"id": "x", "place": 1e400}\n', "cannot be read as chosen frames"),
        ("far.csv", f"id,place\nx,{10**20}\n", "cannot be read as chosen frames"),
        ("empty.csv", "name\nx\n", "has no 'id'"),
        ("none.csv", 'id\n""\n', "a row has no id"),
        ("lines.jsonl", "{\n", "cannot be read as chosen frames"),
        ("coco.json", "[]", "it holds no list 'images'"),
        ("words.csv", "id,place\nx,soon\n", "cannot be read as chosen frames"),
        ("chosen.txt", "x", "end the name in .csv"),
    ],
)
def test_an_earlier_choice_that_is_none_is_refused(
    scores: Path, tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    assert message in fails(scores, "-b", 1, "--out", tmp_path / "out.csv", "--earlier", path)


def test_a_random_choice_needs_no_detector(tiny: TinyData, tmp_path: Path) -> None:
    out = tmp_path / "chosen.csv"
    arguments = (tiny.root / "clip.avi", "--strategy", "guided-random", "-b", 2, "--out", out)
    chosen(*arguments)
    found = rows(out)
    assert abs(int(found[0]["frame"]) - int(found[1]["frame"])) > 15
    assert found[0]["reason"].startswith("rank 1 of 40 by a random draw")
    assert "unknown strategy 'luck'" in fails(
        tiny.root / "clip.avi", "--strategy", "luck", "-b", 2, "--out", tmp_path / "other.csv"
    )


def test_scores_are_only_chosen_from_by_a_strategy_that_asked_for_them(
    scores: Path, tiny: TinyData, tmp_path: Path
) -> None:
    weights = tmp_path / "w.safetensors"
    settings = DetectorSection(width=0.1)
    weights.write_bytes(save_weights(make_network(settings).state_dict(), settings))
    pool, detector = tiny.root / "stills", f"trained:{weights}"
    for strategy in ("divergence", "divergence-mean", "core-set"):
        given = (pool, "--detector", detector, "--strategy", strategy, "-b", 2)
        chosen(*given, "--out", tmp_path / f"{strategy}.csv")
    out = tmp_path / "again.csv"
    for file, strategy, message in (
        (
            "divergence",
            "core-set",
            "holds what 'divergence' asks of a detector, by which strategy 'core-set'",
        ),
        (
            "divergence",
            "entropy",
            "holds what 'divergence' asks of a detector, by which strategy 'entropy'",
        ),
        ("divergence", "divergence-mean", "by which strategy 'divergence-mean' cannot choose"),
        ("core-set", "divergence", "holds what 'core-set' asks of a detector, by which"),
        ("core-set", "farthest-first", "holds what 'core-set' asks of a detector, by which"),
    ):
        path = tmp_path / f"{file}.scores.parquet"
        assert message in fails(path, "--strategy", strategy, "-b", 2, "--out", out)
    assert "holds scores of no strategy of ours, by which strategy 'bald' cannot choose" in fails(
        scores, "--strategy", "bald", "-b", 2, "--out", out
    )
    assert not out.exists()
    for file, strategy in (
        ("divergence", "thrifty"),
        ("divergence", "divergence-unsmoothed"),
        ("divergence-mean", "divergence-mean"),
        ("core-set", "core-set"),
        ("core-set", "guided-random"),
    ):
        path = tmp_path / f"{file}.scores.parquet"
        # What is done with scores afterwards may be done otherwise.
        chosen(path, "--strategy", strategy, "-b", 2, "--out", out, "--smoothing", 0)
    absent = fails(tmp_path / "no.parquet", "--strategy", "bald", "-b", 2, "--out", out)
    assert "no such file" in absent.lower()


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("ensemble", "asks several networks, which recipes alone train"),
        ("whole-pool", "is there for comparisons in recipes"),
        ("divergence-3b", "is there for comparisons in recipes"),
    ],
)
def test_what_means_something_in_recipes_alone_is_refused(
    scores: Path, tmp_path: Path, strategy: str, message: str
) -> None:
    told = fails(scores, "--strategy", strategy, "-b", 2, "--out", tmp_path / "chosen.csv")
    assert message in told


def test_options_of_projects_are_refused_where_a_pool_is_given(
    scores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for options in (("--more",), ("--minutes", 5)):
        told = fails(scores, "-b", 2, "--out", tmp_path / "chosen.csv", *options)
        assert f"{options[0]}: is for projects, and a pool is given; leave it out" in told
    monkeypatch.setenv("THRIFTY_PROJECT", str(tmp_path))
    chosen(scores, "-b", 2, "--out", tmp_path / "chosen.csv")


def test_a_choice_from_one_pool_holds_frames_back_when_another_has_joined(tmp_path: Path) -> None:
    folder = tmp_path / "scores"
    folder.mkdir()
    for name, kind in (("a", "digest-a"), ("b", ".")):
        places = list(range(40))
        columns = {
            "id": [f"{name}{place:02d}" for place in places],
            "source": ["v.mp4"] * 40 if name == "a" else [f"{place}.png" for place in places],
            "sequence": [kind] * 40,
            "place": places,
            "frame": pa.array(places if name == "a" else [None] * 40, pa.int64()),
            "score": [1.0 - abs(place - 20) / 100 for place in places],
        }
        job = {
            "pool": f"/data/{name}",
            "detector": "d",
            "score": "DivergenceSettings()",
            "scale": "1.0",
        }
        written = pa.table(columns).replace_schema_metadata({"thrifty.job": json.dumps(job)})
        pq.write_table(written, folder / f"{name}.parquet")
    alike = ("--smoothing", 0, "--apart", 0, "--apart-from-earlier", 10)
    for one in ("a", "b"):
        first = tmp_path / f"{one}.csv"
        chosen(folder / f"{one}.parquet", "-b", 1, "--out", first, *alike)
        more = tmp_path / f"more-{one}.csv"
        chosen(folder, "-b", 50, "--out", more, *alike, "--earlier", first)
        near = [row["id"] for row in rows(more) if row["id"][0] == one]
        assert near
        assert all(abs(int(name[1:]) - 20) > 10 for name in near)


def test_names_with_odd_ends_of_lines_survive_every_form(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    odd = "a\u2028b\u0085.png"
    pq.write_table(
        pa.table({"id": ["x", "y"], "source": [odd, "c.png"], "score": [2.0, 1.0]}), path
    )
    for kind in ("csv", "jsonl", "json", "parquet"):
        out, more = tmp_path / f"one.{kind}", tmp_path / f"two.{kind}"
        chosen(path, "-b", 1, "--out", out)
        chosen(path, "-b", 1, "--out", more, "--earlier", out)
        assert odd not in more.read_text(errors="replace") if kind != "parquet" else True
