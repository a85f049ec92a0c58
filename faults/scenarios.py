"""What is disturbed: a run of the loop; a project in a file, on a server, with people in Label Studio; a pool and a training on Ray."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx2
import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image as Pillow

from faults.processes import PATIENCE, Strike, Victim, below, driver, give, kept_running
from tests.labelling import Installed as LabelStudio
from tests.labelling import Server as LabelStudioServer
from tests.labelling import rectangle
from tests.memories import Server as PostgresServer
from tests.tiny import TinyData
from thrifty.config import DetectorSection
from thrifty.detectors.paper import make_network, save_weights
from thrifty.project.project import open_project

BOX = (20, 12, 16, 28)
"""What people draw in every picture: left, top, width, height."""
CORNERS = (20, 12, 36, 40)
"""The same as left, top, right, bottom."""


class Scenario(Protocol):
    """Work that may be disturbed.

    Attributes:
        name: What it is called.
        victims: Who may be killed, by name.
    """

    name: str
    victims: Mapping[str, Victim]

    def play(self, folder: Path, strike: Strike | None) -> int:
        """Do the work in an empty folder; returns how many commands had to be given again."""
        ...

    def outcome(self, folder: Path) -> object:
        """What came of it, but for times."""
        ...


@dataclass
class Loop:
    """`thrifty run`: two cycles of three strategies, in two processes."""

    tiny: TinyData
    name: str = "loop"
    victims: Mapping[str, Victim] = field(
        default_factory=lambda: {"driver": driver, "worker": below("spawn_main")}
    )

    def play(self, folder: Path, strike: Strike | None) -> int:
        """As `Scenario`."""
        recipe = self.tiny.recipe(folder, seeds="0")
        words = ["run", recipe, "--out", folder / "out", "--data", self.tiny.root, "--jobs", 2]
        return give(words, {}, strike) - 1

    def outcome(self, folder: Path) -> object:
        """Everything that was decided and measured."""
        with sqlite3.connect(folder / "out" / "run.sqlite") as connection:
            return {
                name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
                for name in ("choice", "held", "label", "evaluation", "unreadable", "artifact")
            }


SETTINGS = """
name = "{name}"
{memory}
[detector]
classes = ["person"]
width = 0.1
box_scale = 0.5
[training]
start_epochs = {epochs}
epochs = 1
batch = 4
[selection]
budget = 4
shadow = 0.25
exclude_current = 2
exclude_later = 1
"""


@dataclass
class ProjectInFile:
    """The commands of a project from start weights to the second model, labels by way of a folder."""

    tiny: TinyData
    name: str = "project"
    victims: Mapping[str, Victim] = field(default_factory=lambda: {"driver": driver})

    def memory(self, folder: Path) -> str:  # noqa: ARG002 - what a server needs to know
        """The line of the settings that says where the project remembers."""
        return ""

    def play(self, folder: Path, strike: Strike | None) -> int:
        """As `Scenario`."""
        variables = self._begin(folder)
        batches = folder / "batches"
        send = ("send", "--to", "folder", "--out", batches)
        again = self._give((("train",), ("select",), send), variables, strike)
        for batch in sorted(path for path in batches.iterdir() if path.is_dir()):
            _label_files(batch)
        return again + self._give((("collect",), ("train",), ("evaluate",)), variables, strike)

    def _begin(self, folder: Path, epochs: int = 1) -> dict[str, str]:
        """Begin the project; returns the variables that lead commands to it."""
        project = folder / "shop"
        project.mkdir()
        settings = SETTINGS.format(name=_named(project), memory=self.memory(folder), epochs=epochs)
        (project / "thrifty.toml").write_text(settings)
        variables = {"THRIFTY_PROJECT": str(project)}
        root = self.tiny.root
        stills = ("stills.json", "--images", root / "stills")
        give(("add", "start", root / stills[0], *stills[1:]), variables, None)
        give(("add", "pool", self.tiny.video), variables, None)
        return variables

    def _give(
        self,
        commands: Iterable[Sequence[object]],
        variables: dict[str, str],
        strike: Strike | None,
    ) -> int:
        return sum(give(words, variables, strike) - 1 for words in commands)

    def outcome(self, folder: Path) -> object:
        """All choices, labels, models and figures, and the commands in the log."""
        with open_project(folder / "shop") as project:
            store = project.store
            return [
                *(
                    (one.batch, one.rank, one.record, one.shadow, one.smoothed)
                    for one in store.choices()
                ),
                *((one.record_id, one.drawn.boxes.tolist()) for one in store.history()),
                *((one.number, one.digest, one.parent) for one in store.models()),
                *(
                    (one.model, one.data, one.digest, one.miss_rate, one.objects)
                    for one in store.evaluations()
                ),
                [event.command for event in store.events()],
            ]


def _named(project: Path) -> str:
    """A name that no other project on a server has."""
    return f"shop-{hashlib.sha256(str(project).encode()).hexdigest()[:12]}"


def _label_files(batch: Path) -> None:
    """Draw the one box in every picture of a batch, in a COCO file."""
    pictures = sorted((batch / "images").iterdir())
    images, annotations = [], []
    for number, path in enumerate(pictures, start=1):
        with Pillow.open(path) as picture:
            width, height = picture.size
        images.append({"id": number, "file_name": path.name, "width": width, "height": height})
        annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": BOX})
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    (batch / "labels").mkdir(exist_ok=True)
    (batch / "labels" / "labels.json").write_text(json.dumps(content))


@dataclass
class ProjectOnServer(ProjectInFile):
    """The same with its memory on a PostgreSQL server, which may be killed as well."""

    server: PostgresServer | None = None
    name: str = "project on PostgreSQL"

    def __post_init__(self) -> None:
        self.victims = {"driver": driver, "database": self._database}

    def memory(self, folder: Path) -> str:
        """A database of its own."""
        assert self.server is not None
        return f'database = "{self.server.url(folder)}"'

    def play(self, folder: Path, strike: Strike | None) -> int:
        """The server is started again as soon as it is gone."""
        assert self.server is not None
        with kept_running(self.server):
            return super().play(folder, strike)

    def _database(self, _process: int) -> int | None:
        assert self.server is not None
        return self.server.process


@dataclass
class ProjectInLabelStudio(ProjectInFile):
    """Two batches labelled in a Label Studio, which may be killed as well; the training beside it is not disturbed."""

    labelling: LabelStudio | None = None
    name: str = "project in Label Studio"

    def __post_init__(self) -> None:
        self.victims = {"driver": driver, "labelling server": self._server}

    def play(self, folder: Path, strike: Strike | None) -> int:
        """The server is started again as soon as it is gone."""
        assert self.labelling is not None
        server = self.labelling.server
        with kept_running(self.labelling):
            variables = self._begin(folder)
            variables |= {"LABEL_STUDIO_URL": server.url, "LABEL_STUDIO_API_KEY": server.token}
            self._give((("train",),), variables, None)
            again = 0
            for _ in range(2):
                sent = (("select",), ("send", "--to", "label-studio"))
                again += self._give(sent, variables, strike)
                _label_on(server, folder / "shop")
                again += self._give((("collect",),), variables, strike)
        return again

    def _server(self, _process: int) -> int | None:
        assert self.labelling is not None
        return self.labelling.process


def _label_on(server: LabelStudioServer, project: Path) -> None:
    """Draw the one box in every picture that waits on the server, which may just be starting again."""
    with open_project(project) as opened:
        sizes = {
            record.id: (record.width, record.height)
            for record in (choice.record for choice in opened.store.choices())
        }
    begun = time.monotonic()
    while True:
        try:
            for task in server.unlabelled(_named(project)):
                drawn = rectangle(CORNERS, sizes[task["data"]["record"]])
                server.annotate(str(task["id"]), [drawn])
        except httpx2.HTTPError:
            if time.monotonic() - begun > PATIENCE:
                raise
            time.sleep(0.5)
        else:
            return


_LONG = 200
"""Epochs of two steps, and so eight checkpoints."""


@dataclass
class ProjectTrainedTogether(ProjectInFile):
    """Start weights by two processes of a Ray cluster, with checkpoints on the way, and what they choose."""

    name: str = "training on Ray"
    victims: Mapping[str, Victim] = field(
        default_factory=lambda: {
            "driver": driver,
            "trainer": below("ray::RayTrainWorker"),
            "checkpoints": below("ray::_Watch"),
        }
    )

    def play(self, folder: Path, strike: Strike | None) -> int:
        """As `Scenario`."""
        variables = self._begin(folder, epochs=_LONG)
        commands = (("train", "--engine", "ray", "--workers", 2), ("select",))
        return self._give(commands, variables, strike)


@dataclass
class RayPool:
    """`thrifty score --engine ray` over a video and pictures, by two workers."""

    folder: Path
    name: str = "Ray"
    victims: Mapping[str, Victim] = field(
        default_factory=lambda: {
            "driver": driver,
            "worker": below("ray::_Worker"),
            "decoder": below("ray::_decode"),
            "node": below("raylet/raylet"),
        }
    )

    def __post_init__(self) -> None:
        settings = DetectorSection(width=0.25, box_scale=0.5)
        torch.manual_seed(0)
        self.weights = self.folder / "weights.safetensors"
        self.weights.write_bytes(save_weights(make_network(settings).state_dict(), settings))
        self.pool = self.folder / "pool"
        self.pool.mkdir()
        rng = np.random.default_rng(0)
        for number in range(200):
            picture = rng.integers(0, 255, (96, 128, 3), dtype=np.uint8)
            Pillow.fromarray(picture).save(self.pool / f"{number:03d}.png")

    def play(self, folder: Path, strike: Strike | None) -> int:
        """As `Scenario`."""
        words = ["score", self.pool, "--detector", f"paper:{self.weights}"]
        words += ["--out", folder / "scores.parquet", "--save-every", 0.2]
        return give([*words, "--engine", "ray", "--workers", 2], {}, strike) - 1

    def outcome(self, folder: Path) -> object:
        """All scores."""
        return pq.read_table(folder / "scores.parquet").to_pydict()
