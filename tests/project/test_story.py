"""One story, as it would be scripted: Penn-Fudan to begin with, the PETS09 video to choose from, people in Label Studio.

It is told twice: by one process without a break, with the project's memory in a file, and by a process for each command, many of them
killed at a random moment and given again, with its memory on a PostgreSQL server. Both must come out the same; `python -m faults` kills
with the memory in a file too.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.labelling import Server, rectangle
from tests.memories import Server as PostgresServer
from thrifty.cli.main import app
from thrifty.data.dataset import LabelledImage
from thrifty.data.formats.catalogue import read_dataset
from thrifty.project.project import open_project

CYCLES = 2
KILLED = 0.5
"""Of the commands."""
SETTINGS = """
name = "{name}"
{memory}
[detector]
classes = ["person"]
width = 0.1
box_scale = 0.3
[training]
start_epochs = 2
epochs = 2
batch = 4
[selection]
budget = 5
shadow = 0.2
exclude_current = 2
"""


@dataclass
class Story:
    """A project on the command line, and the person who labels for it."""

    folder: Path
    server: Server
    chance: random.Random | None = None
    database: str | None = None
    killed: int = 0

    def thrifty(self, *arguments: object) -> str:
        """A command: in this process, or, where kills are meant, in one of its own, which may be killed first."""
        words = list(map(str, arguments))
        command = [sys.executable, "-m", "thrifty", *words]
        own = {
            "LABEL_STUDIO_API_KEY": self.server.token,
            "LABEL_STUDIO_URL": self.server.url,
            "OMP_NUM_THREADS": "1",
            "THRIFTY_PROJECT": str(self.folder),
        }
        if self.chance is None:
            called = CliRunner().invoke(app, words, env=own, catch_exceptions=False)
            assert called.exit_code == 0, f"{arguments}: {called.output}"
            return called.stdout
        variables = os.environ | own
        if self.chance.random() < KILLED:
            self._kill(command, variables, self.chance)
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def _kill(self, command: list[str], variables: dict[str, str], chance: random.Random) -> None:
        process = subprocess.Popen(
            command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.uniform(0.5, 5.0))
        process.kill()
        self.killed += process.wait() != 0

    def label(self, drawn: dict[int, LabelledImage]) -> None:
        """All tasks that nobody has labelled, through the server."""
        for task in self.server.unlabelled(self.folder.name):
            image = drawn[int(task["data"]["frame"].rpartition("#")[2])]
            size = (int(image.width or 0), int(image.height or 0))
            boxes = [rectangle(label.box, size) for label in image.labels]
            self.server.annotate(str(task["id"]), boxes, lead_time=10.0 + 3.0 * len(boxes))


@pytest.fixture(scope="module")
def sets(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A few stills to begin with, and every twentieth frame of the video's end to judge by."""
    folder = tmp_path_factory.mktemp("sets")
    return (
        _part(
            real_data / "pennfudan" / "annotations.json", slice(0, None, 14), folder / "start.json"
        ),
        _part(
            real_data / "pets09" / "annotations.json", slice(600, None, 20), folder / "test.json"
        ),
    )


def _part(annotations: Path, taken: slice, out: Path) -> Path:
    content: dict[str, Any] = json.loads(annotations.read_text())
    content["images"] = content["images"][taken]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] in kept]
    out.write_text(json.dumps(content))
    return out


def tell(story: Story, data: Path, sets: tuple[Path, Path]) -> None:
    start, test = sets
    story.folder.mkdir()
    memory = f'database = "{story.database}"' if story.database else ""
    settings = SETTINGS.format(name=story.folder.name, memory=memory)
    (story.folder / "thrifty.toml").write_text(settings)
    disturbed, story.chance = story.chance, None
    pets = data / "pets09"
    drawn = {
        int(image.frame or 0): image for image in read_dataset(pets / "annotations.json").images
    }
    story.thrifty("add", "start", start, "--images", data / "pennfudan" / "images", "--scale", 0.25)
    story.thrifty("add", "pool", pets / "vtest.avi", "--every", 15, "--scale", 0.25)
    story.thrifty("add", "test", test, "--images", pets, "--scale", 0.25)
    story.chance = disturbed
    story.thrifty("train")
    for _ in range(CYCLES):
        story.thrifty("select")
        story.thrifty("send", "--to", "label-studio")
        story.label(drawn)
        story.thrifty("collect")
        story.thrifty("train")
        story.thrifty("evaluate")


def outcome(folder: Path) -> Iterator[object]:
    """All that a project has come to, but for times and the server's own numbers."""
    with open_project(folder) as project:
        store = project.store
        for choice in store.choices():
            yield (choice.batch, choice.rank, choice.record, choice.shadow, choice.smoothed)
        for label in store.history():
            yield (label.record_id, label.drawn.boxes.tolist(), label.seconds, label.origin)
        for model in store.models():
            yield (model.number, model.digest, model.parent, len(store.lessons(model.number)))
        for one in store.evaluations():
            yield (one.model, one.data, one.digest, one.miss_rate, one.ap, one.objects)
        yield [event.command for event in store.events()]


def test_killed_anywhere_the_story_comes_out_the_same(
    label_studio: Server,
    postgres: PostgresServer,
    real_data: Path,
    sets: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    calm = Story(tmp_path / f"calm-{os.getpid()}", label_studio)
    tell(calm, real_data, sets)
    told = list(outcome(calm.folder))
    folder = tmp_path / f"disturbed-{os.getpid()}"
    chance = random.Random(7)  # noqa: S311 - moments to kill at
    disturbed = Story(folder, label_studio, chance, postgres.url(tmp_path))
    tell(disturbed, real_data, sets)
    assert disturbed.killed >= 3
    assert list(outcome(folder)) == told
    assert not (folder / "project.sqlite").exists()
    assert len([row for row in told if isinstance(row, tuple) and len(row) == 6]) >= CYCLES
    with open_project(calm.folder) as project:
        labels = project.store.labels()
        assert len(labels) == 5 * CYCLES
        assert sum(len(label.drawn) for label in labels.values()) > 0
        truth = {
            int(image.frame or 0): image
            for image in read_dataset(real_data / "pets09" / "annotations.json").images
        }
        for choice in project.store.choices():
            wanted = truth[int(choice.record.frame or 0)].annotations().boxes
            limits = np.array([choice.record.width, choice.record.height] * 2)
            clipped = np.clip(wanted, 0, limits)
            assert labels[choice.record.id].drawn.boxes == pytest.approx(clipped, abs=0.01)
    status = calm.thrifty("status")
    assert f"{5 * CYCLES} frames labelled in" in status
    assert "recorded times" in status
