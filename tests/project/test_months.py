"""What happens to a project that is used for months: settings edited, folders tidied away, people who work meanwhile."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from tests.project.projects import SETTINGS, hidden, label_batch, tiny_project
from tests.tiny import TinyData
from thrifty.config import DetectorSection
from thrifty.costs import CostModel
from thrifty.detectors.paper import make_network, save_weights
from thrifty.errors import DataError, OracleError, RecipeError
from thrifty.oracles.folder import FolderTool
from thrifty.project.labelling import collect, send_all
from thrifty.project.models import add_detector, alone, current, train
from thrifty.project.project import init_project, open_project
from thrifty.project.replay import replay
from thrifty.project.selecting import select
from thrifty.project.settings import FILE
from thrifty.project.sources import Sampling, add_labelled, add_pool, source_at
from thrifty.project.standing import standing
from thrifty.store.project.rows import Draft, Label, Role
from thrifty.types import Annotations

pytestmark = pytest.mark.usefixtures("remembered")


def edited(folder: Path, before: str, after: str) -> None:
    text = (folder / FILE).read_text()
    assert before in text
    (folder / FILE).write_text(text.replace(before, after))


def test_classes_are_added_at_the_end_and_never_moved(tiny: TinyData, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    with tiny_project(folder, tiny) as project:
        select(project)
        label_batch(project, tiny, 1)
    edited(folder, 'classes = ["person"]', 'classes = ["car", "person"]')
    with (
        pytest.raises(RecipeError, match=r"thrifty\.toml: detector\.classes were person so far"),
        open_project(folder),
    ):
        pass
    edited(folder, 'classes = ["car", "person"]', 'classes = ["pedestrian", "car"]')
    with open_project(folder) as project:
        assert [one.name for one in standing(project).classes if one.objects] == ["pedestrian"]


def test_what_was_sent_under_another_name_comes_back(tiny: TinyData, tmp_path: Path) -> None:
    folder, batches = tmp_path / "p", tmp_path / "batches"

    def tools(_name: str, _reference: object) -> FolderTool:
        return FolderTool(batches, "coco")

    drawn = hidden(tiny)
    with tiny_project(folder, tiny) as project:
        batch, _ = select(project)
        list(send_all(project, "folder", tools))
        export = batches / batch.name / "labels" / "export.json"
        sent = json.loads((export.parents[1] / "prelabels" / "annotations.json").read_text())
        names = {image["file_name"]: image["id"] for image in sent["images"]}
        sent["annotations"] = [
            {
                "id": f"{frame}-{place}",
                "image_id": frame,
                "category_id": sent["categories"][0]["id"],
                "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            }
            for choice in project.store.choices(batch.number)
            for frame in [names[f"{choice.task}.png"]]
            for place, box in enumerate(drawn[choice.record.id].boxes.tolist())
        ]
        export.write_text(json.dumps(sent))
        assert collect(project, tools).new == 4
        before = {key: label.drawn.boxes.tolist() for key, label in project.store.labels().items()}
        assert any(before.values())
    edited(folder, 'classes = ["person"]', 'classes = ["pedestrian"]')
    with open_project(folder) as project:
        harvest = collect(project, tools)
        assert (harvest.new, harvest.left_out) == (0, {})
        # What the tool calls by the new name counts as well.
        export.write_text(export.read_text().replace('"person"', '"pedestrian"'))
        assert collect(project, tools).new == 0
        now = {key: label.drawn.boxes.tolist() for key, label in project.store.labels().items()}
        assert now == before


def test_a_name_that_was_misspelt_at_the_beginning_is_put_right(
    tiny: TinyData, tmp_path: Path
) -> None:
    folder = tmp_path / "p"
    init_project(folder, SETTINGS)
    with open_project(folder) as project:
        add_pool(project, tiny.video, Sampling())
    edited(folder, 'classes = ["person"]', 'classes = ["car", "person"]')
    with open_project(folder) as project:
        assert project.settings.classes == ("car", "person")


@pytest.mark.parametrize(
    "change", [('"person"]', '"person", "car"]'), ("width = 0.1", "width = 0.2")]
)
@pytest.mark.parametrize("start", [True, False])
def test_another_network_begins_anew_and_the_old_one_looks_until_then(
    tiny: TinyData, tmp_path: Path, change: tuple[str, str], *, start: bool
) -> None:
    folder = tmp_path / "p"
    init_project(folder, SETTINGS)
    with open_project(folder) as project:
        add_pool(project, tiny.video, Sampling())
        if start:
            stills = source_at(tiny.root / "stills.json", tiny.root / "stills", {})
            add_labelled(project, Role.START, stills)
            train(project)
        select(project)
        label_batch(project, tiny, 1)
        train(project)
    edited(folder, *change)
    with open_project(folder) as project:
        before = len(project.store.models())
        select(project)
        assert project.store.batches()[-1].model == before
        made = [train(project) for _ in range(3)]
        assert [one is not None for one in made] == (
            [True, True, False] if start else [True, False, False]
        )
        first, last = project.store.models()[before], project.store.models()[-1]
        assert first.parent is None
        assert last.parent == (first.number if start else None)
        select(project, more=True)
        assert project.store.batches()[-1].model == last.number
        assert replay(project, tmp_path / "again") == 3


def test_start_weights_that_are_lost_are_trained_anew(tiny: TinyData, tmp_path: Path) -> None:
    with tiny_project(tmp_path / "p", tiny) as project:
        model = train(project)
        assert model is not None
        (tmp_path / "p" / str(model.file)).unlink()
        assert train(project, fresh=True) is not None


def test_a_batch_that_was_tidied_away_keeps_no_other_back(tiny: TinyData, tmp_path: Path) -> None:
    batches = tmp_path / "batches"
    with tiny_project(tmp_path / "p", tiny) as project:

        def tools(_name: str, _reference: object) -> FolderTool:
            return FolderTool(batches, "coco")

        for _ in range(2):
            select(project, 3, more=True)
        list(send_all(project, "folder", tools))
        shutil.copytree(
            batches / "batch-002" / "prelabels",
            batches / "batch-002" / "labels",
            dirs_exist_ok=True,
        )
        shutil.rmtree(batches / "batch-001")
        harvest = collect(project, tools)
        assert harvest.new == 3
        assert list(harvest.labelled) == ["batch-002"]
        [failed] = harvest.failed
        assert failed.endswith("batch-001: the batch is gone; put the folder back")
        # What is labelled may be tidied away for good.
        label_batch(project, tiny, 1)
        again = collect(project, tools)
        assert (again.failed, sum(again.left_out.values())) == ((), 1)

        def silent(_name: str, _reference: object) -> FolderTool:
            raise OracleError("http://labels: cannot be reached")

        # Corrections may lie where nobody answers.
        assert collect(project, silent).failed == ("http://labels: cannot be reached",)


def test_what_somebody_draws_outlives_a_tool_that_says_nothing_new(
    tiny: TinyData, tmp_path: Path
) -> None:
    with tiny_project(tmp_path / "p", tiny) as project:
        select(project)
        label_batch(project, tiny, 1)
        record = project.store.choices(1)[0].record.id
        drawn = Annotations(np.array([[1.0, 2, 30, 40]]))
        project.store.save_draft(record, Draft(drawn, 4.0))
        assert label_batch(project, tiny, 1) == 0
        assert project.store.draft(record) is not None
        # What is finished here says what counts already, and is no draft any more.
        [label] = [one for one in project.store.labels().values() if one.record_id == record]
        told = project.told("label")
        assert project.store.add_labels([label], told, just_now=True) == 0
        assert project.store.draft(record) is None


def test_nobody_is_judged_by_frames_that_were_learned_from(tiny: TinyData, tmp_path: Path) -> None:
    with tiny_project(tmp_path / "p", tiny) as project:
        select(project)
        whole = source_at(tiny.root / "video.json", None, {"frames": [0, 39]})
        with pytest.raises(DataError, match="4 of its frames were chosen to be labelled"):
            add_labelled(project, Role.TEST, whole)


@pytest.mark.parametrize("diversity", [1, 2])
@pytest.mark.parametrize("labelled", [False, True])
def test_what_is_chosen_holds_its_neighbours_back_labelled_or_not(
    tiny: TinyData, tmp_path: Path, *, labelled: bool, diversity: int
) -> None:
    rules = f"exclude_current = 2\nexclude_later = 2\ndiversity = {diversity}"
    settings = SETTINGS.replace("exclude_current = 2", rules)
    for seed in range(4):
        text = settings.replace("[detector]", f"seed = {seed}\n\n[detector]", 1)
        with tiny_project(tmp_path / f"p{seed}", tiny, text) as project:
            if diversity > 1:
                # With a detector the strategy looks back.
                train(project)
            places = []
            for number in (1, 2):
                select(project, 3, more=True)
                if labelled:
                    label_batch(project, tiny, number)
                choices = project.store.choices(number)
                # Chance draws its own share anywhere.
                places.append(
                    [one.record.place for one in choices if number == 1 or not one.shadow]
                )
        first, second = places
        assert min(abs((a or 0) - (b or 0)) for a in first for b in second) > 2


def test_a_pool_is_not_sampled_otherwise_once_frames_of_it_are_chosen(
    tiny: TinyData, tmp_path: Path
) -> None:
    with tiny_project(tmp_path / "p", tiny) as project:
        select(project)
        with pytest.raises(DataError, match="frames of it were chosen as it was sampled"):
            add_pool(project, tiny.video, Sampling(every=2))
        assert not add_pool(project, tiny.video, Sampling())
        # Frames and their places stay the same.
        assert add_pool(project, tiny.video, Sampling(scale=0.5))


def test_labels_that_came_in_during_a_training_are_told_apart_by_the_log(
    tiny: TinyData, tmp_path: Path
) -> None:
    with tiny_project(tmp_path / "p", tiny) as project:
        train(project)
        select(project)
        first, *others = project.store.choices(1)
        drawn = hidden(tiny)

        def label(one: str) -> None:
            labels = [Label(0, one, drawn[one], "ui", None, 3.0)]
            project.store.add_labels(labels, project.told("label"), just_now=True)

        for choice in others:
            label(choice.record.id)

        def meanwhile(*arguments: object) -> Mapping[str, Tensor]:
            label(first.record.id)
            return alone(*arguments)  # type: ignore[arg-type]

        model = train(project, trainer=meanwhile)
        assert model is not None
        assert len(project.store.lessons(model.number)) == sum(not one.shadow for one in others)
        assert replay(project, tmp_path / "again") == 1


def test_a_detector_is_found_from_anywhere_and_known_by_its_content(
    tiny: TinyData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = DetectorSection(width=0.1)
    content = save_weights(make_network(settings).state_dict(), settings)
    (tmp_path / "best.safetensors").write_bytes(content)
    with tiny_project(tmp_path / "p", tiny) as project:
        monkeypatch.chdir(tmp_path)
        add_detector(project, "trained:best.safetensors", None)
        monkeypatch.chdir("/")
        detector = current(project)
        assert detector is not None
        detector.load("cpu")
        other = save_weights(make_network(settings).state_dict(), settings)
        (tmp_path / "best.safetensors").write_bytes(other)
        with pytest.raises(DataError, match=r"best\.safetensors: has changed since it was added"):
            detector.load("cpu")
        assert add_detector(project, f"trained:{tmp_path}/best.safetensors", None) is not None
        again = current(project)
        assert again is not None
        again.load("cpu")


def test_nothing_is_said_of_times_and_mistakes_that_nobody_knows(
    tiny: TinyData, tmp_path: Path
) -> None:
    with tiny_project(tmp_path / "p", tiny) as project:
        # No detector has looked, so none was mistaken.
        for number in (1, 2):
            select(project, 12)
            label_batch(project, tiny, number)
        told = standing(project)
        assert set(told.savings) == {"objects"}
    with tiny_project(tmp_path / "q", tiny) as project:
        select(project)
        box = Annotations(np.array([[1.0, 2, 30, 40]]))
        labels = [
            Label(0, choice.record.id, box, "ui", None, 9.0) for choice in project.store.choices(1)
        ]
        project.store.add_labels(labels, project.told("label"))
        # Equal frames tell no price of a box, so what is said comes from the settings.
        told = standing(project)
        assert (told.cost, told.recorded) == (CostModel(35.0, 0.0), 0)
