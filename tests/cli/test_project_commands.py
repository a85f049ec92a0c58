"""The commands of a project, one after the other, as somebody gives them who labels in a folder and then in CVAT."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tiny import TinyData
from thrifty.cli.main import main
from thrifty.data.formats.catalogue import read_dataset

Thrifty = Callable[..., str]


@pytest.fixture
def thrifty(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Thrifty:
    """Gives a command and returns what it prints; with `fails`, the one line that it complains with."""
    # A place that is in no project, whatever machine this is.
    for name in ("THRIFTY_PROJECT", "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY", "CVAT_URL"):
        monkeypatch.delenv(name, raising=False)

    def give(*arguments: object, fails: bool = False) -> str:
        monkeypatch.setattr(sys, "argv", ["thrifty", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            main()
        said = capsys.readouterr()
        if not fails:
            assert not done.value.code, said.err
            return said.out
        assert done.value.code == 2, said.out
        assert said.err.startswith("thrifty: ")
        assert said.err.count("\n") == 1
        return said.err

    return give


@pytest.fixture
def begun(
    thrifty: Thrifty, tiny: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A project with everything added."""
    folder = tmp_path / "shop"
    assert thrifty("init", folder, "--class", "person") == f"begun: {folder / 'thrifty.toml'}\n"
    settings = folder / "thrifty.toml"
    text = settings.read_text().replace("[detector]", "[detector]\nwidth = 0.1\nbox_scale = 0.5")
    text = text.replace("epochs = 50", "epochs = 2").replace("shadow = 0.1", "shadow = 0.25")
    settings.write_text(text)
    monkeypatch.setenv("THRIFTY_PROJECT", str(folder))
    stills = ("add", "start", tiny.root / "stills.json", "--images", tiny.root / "stills")
    assert thrifty(*stills) == f"added: {tiny.root / 'stills.json'}\n"
    assert "is there already, as it is" in thrifty(*stills)
    thrifty("add", "pool", tiny.video)
    return folder


def labelled(batch: Path, prelabels: str) -> None:
    """Somebody who accepts what the detector has drawn."""
    shutil.copytree(batch / "prelabels", batch / "labels" / prelabels)


def test_from_the_first_command_to_the_last(
    thrifty: Thrifty, begun: Path, tiny: TinyData, tmp_path: Path
) -> None:
    assert "model-001: trained in" in thrifty("train", "--device", "cpu")
    chosen = tmp_path / "chosen.csv"
    assert "batch-001: 4 frames chosen by thrifty" in thrifty(
        "select", "-b", 4, "--out", chosen, "--device", "cpu"
    )
    assert len(chosen.read_text().splitlines()) == 5
    assert "batch-001 with 4 frames waits for people" in thrifty("select", "--device", "cpu")

    out = tmp_path / "to people"
    assert f"batch-001: 4 frames sent: {out / 'batch-001'}" in thrifty(
        "send", "--to", "folder", "--out", out
    )
    assert thrifty("send", "--to", "folder", "--out", out).startswith("no batch waits to be sent")
    assert "batch-001: 0 of 4 frames labelled\n0 labels are new" in thrifty("collect")
    labelled(out / "batch-001", "coco")
    assert "batch-001: 4 of 4 frames labelled\n4 labels are new" in thrifty("collect")
    assert "0 labels are new or changed" in thrifty("collect")
    assert "model-002: trained in" in thrifty("train", "--device", "cpu")
    assert "nothing was labelled or changed" in thrifty("train", "--device", "cpu")
    assert "model-002 on the shadow set, 1 frames" in thrifty("evaluate", "--device", "cpu")

    # 35 s a frame, and people's own times are not known.
    assert "batch-002: 2 frames chosen" in thrifty("select", "--minutes", 1.2, "--device", "cpu")
    assert f"batch-002: 2 frames sent: {begun / 'batches' / 'batch-002'}" in thrifty(
        "send", "--to", "cvat"
    )
    labelled(begun / "batches" / "batch-002", "cvat")
    assert "batch-002: 2 of 2 frames labelled" in thrifty("collect")

    status = thrifty("status")
    assert "6 frames labelled in 3.5 minutes" in status
    assert "a frame costs 35.0 s and a box 0.0 s, from the settings" in status

    exported = tmp_path / "labels.json"
    assert thrifty("export", exported, "--shadow") == f"labels written: {exported}\n"
    assert len(read_dataset(exported).images) == 6

    assert [line.split()[2] for line in thrifty("log").splitlines()].count("select") == 2
    again = thrifty("replay", tmp_path / "again", "--device", "cpu")
    assert again == f"2 choices made again, all the same: {tmp_path / 'again'}\n"


def test_what_cannot_be_done_is_one_line(
    thrifty: Thrifty, begun: Path, tiny: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nothing was sent to people yet" in thrifty("collect", fails=True)
    assert "exclude each other" in thrifty("select", "-b", 3, "--minutes", 3, fails=True)
    assert "is a project already" in thrifty("init", begun, "--class", "car", fails=True)
    assert "holds other files" in thrifty("init", tiny.root, "--class", "car", fails=True)
    test = ("add", "test", tiny.root / "stills.json", "--images", tiny.root / "stills")
    assert "are in the start set too" in thrifty(*test, fails=True)
    assert "absent.json" in thrifty("add", "test", tmp_path / "absent.json", fails=True)
    assert "not a detector" in thrifty("add", "detector", "nonsense", fails=True)
    for option in (("--strategy", "random"), ("--apart", 0), ("--detector", "x:y")):
        told = thrifty("select", "-b", 2, *option, fails=True)
        assert f"{option[0]}: is for a pool that is given; a project has its own" in told
    thrifty("select", "-b", 2, "--device", "cpu")
    thrifty("select", "-b", 2, "--more", "--device", "cpu")
    assert "needs an address and a token" in thrifty("send", "--to", "label-studio", fails=True)
    monkeypatch.setenv("CVAT_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("CVAT_ACCESS_TOKEN", raising=False)
    assert "set CVAT_ACCESS_TOKEN" in thrifty("send", "--to", "cvat", fails=True)
    monkeypatch.setenv("CVAT_ACCESS_TOKEN", "secret")
    refused = thrifty("send", "--to", "cvat", fails=True)
    assert "http://127.0.0.1:9" in refused
    assert "secret" not in refused
    assert "tool" not in thrifty("log")
    thrifty("send", "--to", "folder")
    shutil.rmtree(begun / "batches" / "batch-001")
    gone = thrifty("collect", fails=True)
    assert "batch-001: the batch is gone; put the folder back" in gone
    monkeypatch.setenv("THRIFTY_PROJECT", str(tmp_path))
    assert "is in no project" in thrifty("status", fails=True)
