"""A project whose files lie in a store, worked on from two machines: two folders that have nothing but their settings."""

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

import thrifty as package
from tests.command import thrifty
from tests.memories import Server as PostgresServer
from tests.project.projects import SETTINGS, label_batch, tiny_project
from tests.stores import BUCKET, HIDDEN
from tests.tiny import TinyData
from thrifty.data.object_store import put_file
from thrifty.errors import DataError, RecipeError, RunError
from thrifty.project.artifacts import Artifacts
from thrifty.project.evaluating import evaluate
from thrifty.project.explaining import why
from thrifty.project.exporting import export
from thrifty.project.models import add_detector, alone, current, train
from thrifty.project.project import Project, open_project
from thrifty.project.replay import replay
from thrifty.project.selecting import select
from thrifty.project.settings import FILE, parse_settings

URL = f"s3://{BUCKET}/shops/tiny"


@pytest.fixture
def settings(postgres: PostgresServer, tmp_path: Path, bucket: Any) -> str:
    assert bucket.name == BUCKET
    return f'database = "{postgres.url(tmp_path)}"\nfiles = "{URL}/"\n{SETTINGS}'


@contextmanager
def machine(folder: Path, settings: str) -> Iterator[Project]:
    """One that has never seen the project."""
    folder.mkdir(exist_ok=True)
    (folder / FILE).write_text(settings)
    with open_project(folder) as project:
        yield project


def outcome(project: Project) -> list[object]:
    return [
        [(choice.record, choice.shadow) for choice in project.store.choices()],
        [(model.file, model.digest) for model in project.store.models()],
        [(one.model, one.miss_rate) for one in project.store.evaluations()],
    ]


def names(bucket: Any) -> set[str]:
    return {one.key.removeprefix("shops/tiny/") for one in bucket.objects.all()}


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_one_machine_does_another_goes_on_with(
    bucket: Any, settings: str, tiny: TinyData, tmp_path: Path
) -> None:
    with tiny_project(tmp_path / "alone", tiny) as alone:
        train(alone)
        for _ in range(2):
            batch, _ = select(alone)
            label_batch(alone, tiny, batch.number)
            train(alone)
            evaluate(alone)
        expected = outcome(alone)
    with tiny_project(tmp_path / "first", tiny, settings) as first:
        train(first)
        batch, _ = select(first)
        label_batch(first, tiny, batch.number)
    # The second trains on pictures and from weights that the first has put into the store.
    with machine(tmp_path / "second", settings) as second:
        train(second)
        evaluate(second)
        choice = second.store.choices(1)[0]
        assert why(second, choice.record.id).scores is not None
        batch, _ = select(second)
        label_batch(second, tiny, batch.number)
    shutil.rmtree(tmp_path / "first")
    with machine(tmp_path / "first", settings) as again:
        train(again)
        evaluate(again)
        assert outcome(again) == expected
        export(again, tmp_path / "labels.json", "coco", pictures=False)
        assert replay(again, tmp_path / "copy") == 2
    kept = names(bucket)
    assert {name.partition("/")[0] for name in kept} == {
        "frames",
        "models",
        "project.txt",
        "scores",
    }
    for folder in ("first", "second"):
        assert files(tmp_path / folder) - {FILE} <= kept
    # The copy is one machine's own affair.
    assert names(bucket) == kept
    assert (tmp_path / "copy" / "models" / "model-003.safetensors").is_file()


def test_weights_that_are_another_machines_are_brought_anew(
    bucket: Any, settings: str, tiny: TinyData, tmp_path: Path
) -> None:
    """A command that was killed leaves weights of a number that somebody else may take."""
    with tiny_project(tmp_path / "first", tiny, settings) as first:
        train(first)
        source = current(first)
        assert source is not None
        stale = first.artifacts.path("models/model-001.safetensors")
        right = stale.read_bytes()
        stale.write_bytes(b"of a command that died")
        assert source.file.read_bytes() == right
        # Whoever has no folder here, such as a worker of a cluster, reads a copy.
        (tmp_path / "never opened").mkdir()
        for folder in ("nowhere", "never opened"):
            elsewhere = Artifacts(tmp_path / folder, URL)
            assert elsewhere.at_hand("models/model-001.safetensors").read_bytes() == right
        bucket.objects.filter(Prefix="shops/tiny/models").delete()
        stale.write_bytes(b"again")
        with pytest.raises(DataError, match="is missing or was changed since it was written"):
            _ = source.file


def test_what_the_store_does_not_take_is_not_said_to_be_done(
    settings: str, tiny: TinyData, tmp_path: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = settings.replace(URL, "s3://no-such-bucket/tiny")
    with tiny_project(tmp_path / "first", tiny, nowhere) as first:
        told = pytest.raises(DataError, match=r"^s3://no-such-bucket/tiny.*no such bucket; create")
        with told as refused:
            train(first)
        assert HIDDEN not in str(refused.value)
        # Found out before any work; but should the store be gone by the end of it, the work is not lost.
        monkeypatch.setattr(Project, "claim_files", lambda _project: None)
        with pytest.raises(DataError, match="no such bucket.*; the weights are in ") as kept:
            train(first)
        assert not first.store.models()
        [aside] = (tmp_path / "first" / "models").iterdir()
        assert f"trained:{aside}" in str(kept.value)
        assert add_detector(first, f"trained:{aside}", None) is not None
    assert not names(bucket)
    put_file(f"{URL}/a", b"1")
    put_file(f"{URL}/a", b"2")
    assert Artifacts(tmp_path, URL).at_hand("none") == tmp_path / "none"


def test_weights_of_a_turn_that_was_cut_are_put_aside(
    bucket: Any, settings: str, tiny: TinyData, tmp_path: Path, postgres: PostgresServer
) -> None:
    """Another machine may have had the turn meanwhile, and trained a model of the same number."""
    taken = f"{URL}/models/model-001.safetensors"

    def cut(*course: Any) -> Mapping[str, Tensor]:
        weights = alone(*course)
        postgres.cut(tmp_path)
        put_file(taken, b"of another machine")
        return weights

    with tiny_project(tmp_path / "first", tiny, settings) as first:
        with (
            pytest.raises(RunError, match="was cut, .*; the weights are in ") as told,
            first.store.turn(),
        ):
            train(first, trainer=cut)
        assert "\n" not in str(told.value)
        assert not first.store.models()
        [aside] = (tmp_path / "first" / "models").iterdir()
        assert f"trained:{aside}" in str(told.value)
        assert add_detector(first, f"trained:{aside}", None) is not None
    [kept] = bucket.objects.filter(Prefix="shops/tiny/models")
    assert kept.get()["Body"].read() == b"of another machine"


def test_another_projects_files_are_left_alone(
    bucket: Any, settings: str, tiny: TinyData, tmp_path: Path
) -> None:
    with tiny_project(tmp_path / "first", tiny, settings) as first:
        train(first)
    before = {one.key: one.e_tag for one in bucket.objects.all()}
    # The same settings without the server that remembers: a project of its own.
    # It is known by when it was begun, to the second.
    time.sleep(1.1)
    own = "\n".join(line for line in settings.splitlines() if not line.startswith("database"))
    with tiny_project(tmp_path / "second", tiny, own) as second:
        with pytest.raises(DataError, match="holds the files of another project"):
            train(second)
        with pytest.raises(DataError, match="holds the files of another project"):
            select(second)
    assert {one.key: one.e_tag for one in bucket.objects.all()} == before


def test_scores_of_an_older_thrifty_are_made_anew(
    bucket: Any,
    settings: str,
    tiny: TinyData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tiny_project(tmp_path / "first", tiny, settings) as first:
        train(first)
        batch, _ = select(first)
        label_batch(first, tiny, batch.number)
        monkeypatch.setattr(package, "__version__", "99")
        before = {one.key: one.e_tag for one in bucket.objects.filter(Prefix="shops/tiny/scores")}
        select(first)
        after = {one.key: one.e_tag for one in bucket.objects.filter(Prefix="shops/tiny/scores")}
    assert before.keys() == after.keys()
    assert before != after
    with machine(tmp_path / "second", settings) as second:
        label_batch(second, tiny, 2)
        select(second)
    assert after == {
        one.key: one.e_tag for one in bucket.objects.filter(Prefix="shops/tiny/scores")
    }


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.org/tiny", "cannot be written to; name a folder in a store"),
        ("s3://key:word@bucket/tiny", "holds a user, a password or a query"),
        ("/mnt/tiny", "is no URL that can be read"),
        ("ftp://host/tiny", "is no URL that can be read"),
        ("s3://bucket/../tiny", "cannot be written to"),
        ("az://box/tiny?sv=1&sig=word", "holds a user, a password or a query"),
    ],
)
def test_urls_that_cannot_hold_files_are_refused(url: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as told:
        parse_settings(f'files = "{url}"\n{SETTINGS}', FILE)
    assert "word" not in str(told.value).replace("password", "")
    assert "\n" not in str(told.value)


def test_a_wrong_kind_of_value_is_told_by_its_key() -> None:
    with pytest.raises(RecipeError, match="'files' = 5"):
        parse_settings(f"files = 5\n{SETTINGS}", FILE)


def test_init_says_where_files_shall_lie(tmp_path: Path, bucket: Any) -> None:
    folder = tmp_path / "shop"
    done = thrifty("init", folder, "--class", "person", "--files", URL)
    assert done.returncode == 0, done.stderr
    assert f'files = "{URL}"' in (folder / FILE).read_text()
    assert not names(bucket)
    refused = thrifty("init", tmp_path / "other", "--class", "person", "--files", "/mnt/x")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "other").exists()
