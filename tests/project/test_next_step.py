"""What a project waits for, from its first day on."""

from pathlib import Path

import pytest

from tests.project.projects import SETTINGS, hidden, label_batch, tiny_project
from tests.tiny import TinyData
from thrifty.oracles.folder import FolderTool
from thrifty.project.evaluating import evaluate
from thrifty.project.labelling import send
from thrifty.project.models import train
from thrifty.project.next_step import Step, next_step
from thrifty.project.project import init_project, open_project
from thrifty.project.selecting import select
from thrifty.project.sources import Sampling, add_pool
from thrifty.store.project.rows import Label

pytestmark = pytest.mark.usefixtures("remembered")


def test_each_step_leads_to_the_next(tiny: TinyData, tmp_path: Path) -> None:
    with tiny_project(tmp_path / "shop", tiny) as project:
        assert next_step(project).step is Step.TRAIN
        train(project)
        assert next_step(project).step is Step.EVALUATE
        evaluate(project)
        told = next_step(project)
        assert (told.step, told.why) == (Step.SELECT, "no batch is chosen yet")
        select(project)
        first = project.store.choices(1)[0]
        told = next_step(project)
        assert (told.step, told.record_id) == (Step.LABEL, first.record.id)
        assert (
            told.why == "4 frames of batch-001 wait to be labelled, here or, once sent, elsewhere"
        )
        drawn = hidden(tiny)[first.record.id]
        project.store.add_labels([Label(0, first.record.id, drawn, "ui")], project.told("label"))
        send(project, "folder", lambda _name, _reference: FolderTool(tmp_path / "batches"))
        told = next_step(project)
        assert told.why == "3 frames of batch-001 wait to be labelled, here or in folder"
        assert told.record_id == project.store.choices(1)[1].record.id
        label_batch(project, tiny, 1)
        assert next_step(project).step is Step.TRAIN
        train(project)
        assert next_step(project).why == "model-002 is not judged yet"


def test_without_start_labels_it_begins_with_a_batch(tiny: TinyData, tmp_path: Path) -> None:
    init_project(tmp_path / "shop", SETTINGS)
    with open_project(tmp_path / "shop") as project:
        told = next_step(project)
        assert told.step is Step.POOL
        assert "thrifty add pool" in told.why
        add_pool(project, tiny.video, Sampling())
        assert next_step(project).step is Step.SELECT
        select(project)
        label_batch(project, tiny, 1)
        assert next_step(project).step is Step.TRAIN
        train(project)
        # Judged by the frames that chance drew, once one of them shows something.
        shadow = [one.record.id for one in project.store.choices(1) if one.shadow]
        shows = any(len(project.store.labels()[one].drawn.objects) for one in shadow)
        assert (next_step(project).step is Step.EVALUATE) == shows
