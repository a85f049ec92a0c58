"""What is disturbed: a run of the loop, a project in a file and on a server, a pool on a Ray cluster."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image as Pillow

from faults.processes import Strike, Victim, below, driver, give
from tests.memories import Server
from tests.tiny import TinyData
from thrifty.config import DetectorSection
from thrifty.detectors.paper import make_network, save_weights
from thrifty.project.project import open_project

BOX = (20, 12, 16, 28)
"""What people draw in every picture: left, top, width, height."""


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
start_epochs = 1
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
        project, batches = folder / "shop", folder / "batches"
        project.mkdir()
        settings = SETTINGS.format(name="shop", memory=self.memory(folder))
        (project / "thrifty.toml").write_text(settings)
        variables = {"THRIFTY_PROJECT": str(project)}
        root = self.tiny.root
        again = 0
        give(("add", "start", root / "stills.json", "--images", root / "stills"), variables, None)
        give(("add", "pool", self.tiny.video), variables, None)
        for words in (
            ("train",),
            ("select",),
            ("send", "--to", "folder", "--out", batches),
            None,
            ("collect",),
            ("train",),
            ("evaluate",),
        ):
            if words is None:
                self._label(batches)
            else:
                again += give(words, variables, strike) - 1
        return again

    def _label(self, batches: Path) -> None:
        for batch in sorted(path for path in batches.iterdir() if path.is_dir()):
            pictures = sorted((batch / "images").iterdir())
            images, annotations = [], []
            for number, path in enumerate(pictures, start=1):
                with Pillow.open(path) as picture:
                    width, height = picture.size
                images.append(
                    {"id": number, "file_name": path.name, "width": width, "height": height}
                )
                annotations.append(
                    {"id": number, "image_id": number, "category_id": 1, "bbox": BOX}
                )
            content = {
                "images": images,
                "annotations": annotations,
                "categories": [{"id": 1, "name": "person"}],
            }
            (batch / "labels").mkdir(exist_ok=True)
            (batch / "labels" / "labels.json").write_text(json.dumps(content))

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


@dataclass
class ProjectOnServer(ProjectInFile):
    """The same with its memory on a PostgreSQL server, which may be killed as well."""

    server: Server | None = None
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
        with self.server.kept_running():
            return super().play(folder, strike)

    def _database(self, _process: int) -> int | None:
        assert self.server is not None
        return self.server.process


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
