"""A project from its first pool to its last label, without the command line."""

import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.project.projects import SETTINGS, hidden, label_batch, tiny_project
from tests.tiny import TinyData
from thrifty.data.formats.catalogue import read_dataset
from thrifty.detectors.paper import load_detector
from thrifty.errors import BudgetError, DataError, RecipeError, RunError, TrainingError
from thrifty.oracles.folder import FolderTool
from thrifty.project.evaluating import evaluate
from thrifty.project.exporting import export
from thrifty.project.labelling import collect, lessons, send, send_all, waiting
from thrifty.project.models import add_detector, current, train
from thrifty.project.project import Project, find_project, init_project, open_project
from thrifty.project.replay import replay
from thrifty.project.selecting import _drawn, select
from thrifty.project.sources import Sampling, add_labelled, add_pool, source_at
from thrifty.project.standing import frames_for, mistakes, standing
from thrifty.scored_pool import Looking, Scoring, score_pool
from thrifty.store.project.rows import Label, Role
from thrifty.store.scored_frames import ScoredFrames, read_scores
from thrifty.strategies.catalogue import make_strategy
from thrifty.types import Annotations, Detections

pytestmark = pytest.mark.usefixtures("remembered")


def grow(project: Project, tiny: TinyData, cycles: int = 2) -> None:
    train(project)
    for _ in range(cycles):
        batch, _ = select(project)
        label_batch(project, tiny, batch.number)
        train(project)
        evaluate(project)


def ids(project: Project) -> list[list[str]]:
    return [
        [choice.record.id for choice in project.store.choices(batch.number)]
        for batch in project.store.batches()
    ]


def test_the_same_history_leads_to_the_same_choices_and_the_log_repeats_it(
    tiny: TinyData, tmp_path: Path
) -> None:
    with tiny_project(tmp_path / "one", tiny) as one:
        grow(one, tiny)
        assert replay(one, tmp_path / "again") == 2
        with open_project(tmp_path / "again", alone=True) as again:
            assert ids(again) == ids(one)
            assert [model.digest for model in again.store.models()] == [
                model.digest for model in one.store.models()
            ]
        told = standing(one)
        assert [model.lessons for model in told.models] == [0, 3, 6]
        assert [batch.labelled for batch in told.batches] == [4, 4]
        assert [batch.shadow for batch in told.batches] == [1, 1]
        assert all("test" in model.figures for model in told.models[1:])
        with pytest.raises(RunError, match="is a project already; choose a new folder"):
            replay(one, tmp_path / "again")
        first = ids(one)[0]
    with tiny_project(tmp_path / "two", tiny, f"seed = 1\n{SETTINGS}") as two:
        grow(two, tiny, cycles=1)
        assert ids(two)[0] != first


def test_a_changed_file_is_noticed_when_the_log_is_repeated(tiny: TinyData, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny.root, data)
    with tiny_project(tmp_path / "one", TinyData(data)) as project:
        train(project)
        labels = json.loads((data / "stills.json").read_text())
        labels["annotations"][0]["bbox"][2] += 3
        (data / "stills.json").write_text(json.dumps(labels))
        with pytest.raises(DataError, match="has changed since it was added; restore it"):
            train(project, fresh=True)
        with pytest.raises(RunError, match="event 2 .add start.* comes out differently"):
            replay(project, tmp_path / "again")


def test_chance_draws_its_share_from_all_that_is_left(tiny: TinyData, tmp_path: Path) -> None:
    with tiny_project(tmp_path / "one", tiny) as project:
        train(project)
        batch, new = select(project, 8)
        assert new
        choices = project.store.choices(batch.number)
        assert [choice.rank for choice in choices] == list(range(1, 9))
        drawn = [choice for choice in choices if choice.shadow]
        assert len(drawn) == 2
        assert {choice.reason for choice in drawn} == {"drawn by chance, to judge the choice by"}
        tested = {f"{number}" for number in range(32, 40)}
        assert not {str(choice.record.frame) for choice in choices} & tested
        label_batch(project, tiny, batch.number)
        assert set(lessons(project)) == {c.record.id for c in choices if not c.shadow}
        held = project.store.held(batch.number)
        assert held
        assert {one.because for one in held} <= {choice.record.id for choice in choices}


def test_over_many_seeds_the_shadow_sample_is_uniform(tiny: TinyData, tmp_path: Path) -> None:
    with tiny_project(tmp_path / "one", tiny) as project:
        by = Looking(make_strategy("random", project.settings, "test"), project.settings)
        score_pool(Scoring(Sampling().pool(tiny.video), None, by), tmp_path / "all.parquet")
    frames = read_scores(tmp_path / "all.parquet")
    backwards = ScoredFrames(frames.table.take(np.arange(39, -1, -1)))
    counts = dict.fromkeys(frames.table["id"].to_pylist(), 0)
    for seed in range(400):
        taken = _drawn(frames, 4, seed).table["id"].to_pylist()
        assert taken == _drawn(backwards, 4, seed).table["id"].to_pylist()
        for one in taken:
            counts[one] += 1
    # 40 binomial counts of 400 draws at 0.1: all within five standard deviations.
    assert max(abs(count - 40) for count in counts.values()) < 30


def test_every_command_can_be_given_twice(tiny: TinyData, tmp_path: Path) -> None:
    with tiny_project(tmp_path / "one", tiny) as project:
        assert not init_project(tmp_path / "one", SETTINGS)
        assert not add_pool(project, tiny.video, Sampling())
        assert add_pool(project, tiny.video, Sampling(every=2))
        stills = source_at(tiny.root / "stills.json", tiny.root / "stills", {})
        assert not add_labelled(project, Role.START, stills)
        first = train(project)
        assert first is not None
        batch, new = select(project)
        assert new
        assert select(project) == (waiting(project), False)
        assert label_batch(project, tiny, batch.number) == 4
        assert label_batch(project, tiny, batch.number) == 0
        assert train(project) is not None
        assert train(project) is None
        figures = evaluate(project)
        assert figures[0].data == "test"
        assert [one.digest for one in evaluate(project)] == [one.digest for one in figures]
        assert len([e for e in project.store.events() if e.command == "evaluate"]) == len(figures)


def test_a_label_that_changes_replaces_the_old_one_and_both_stay(
    tiny: TinyData, tmp_path: Path
) -> None:
    with tiny_project(tmp_path / "one", tiny) as project:
        batch, _ = select(project)
        label_batch(project, tiny, batch.number)
        record = project.store.choices(batch.number)[0].record
        corrected = Annotations(np.array([[1.0, 2, 30, 40]]))
        label = Label(0, record.id, corrected, "someone", "you", 5.0)
        assert project.store.add_labels([label], project.told("collect")) == 1
        assert len(project.store.history(record.id)) == 2
        now = project.store.labels()[record.id]
        assert now.drawn.boxes.tolist() == [[1.0, 2.0, 30.0, 40.0]]
        assert (now.annotator, now.seconds) == ("you", 5.0)
        # Back to what it was at first: that is a change too.
        assert label_batch(project, tiny, batch.number) == 1
        assert len(project.store.history(record.id)) == 3


def test_a_batch_goes_to_a_folder_and_comes_back_in_parts(tiny: TinyData, tmp_path: Path) -> None:
    def tools(_name: str, _reference: object) -> FolderTool:
        return FolderTool(tmp_path / "sent", "coco")

    with tiny_project(tmp_path / "one", tiny) as project:
        with pytest.raises(RunError, match="nothing was sent to people yet"):
            collect(project, tools)
        train(project)
        assert send(project, "folder", tools) is None
        batch, _ = select(project)
        assert send(project, "folder", tools) is not None
        assert send(project, "folder", tools) is None
        folder = tmp_path / "sent" / batch.name
        prelabels = read_dataset(folder / "prelabels" / "annotations.json")
        assert [image.name[:5] for image in prelabels.images] == [
            "00001",
            "00002",
            "00003",
            "00004",
        ]
        assert collect(project, tools).new == 0
        labels = folder / "labels" / "labels.json"
        shutil.copy(folder / "prelabels" / "annotations.json", labels)
        harvest = collect(project, tools)
        assert (harvest.new, harvest.labelled) == (4, {batch.name: (4, 4)})
        assert collect(project, tools).new == 0


def test_two_at_once_take_turns_and_choose_no_frame_twice(tiny: TinyData, tmp_path: Path) -> None:
    with tiny_project(tmp_path / "one", tiny) as project:
        train(project)
    failures: list[BaseException] = []

    def choose() -> None:
        try:
            for _ in range(2):
                with open_project(tmp_path / "one") as mine, mine.store.turn():
                    select(mine, 3, more=True)
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=choose) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with open_project(tmp_path / "one") as project:
        chosen = [choice.record.id for choice in project.store.choices()]
        assert len(project.store.batches()) == 4
        assert len(chosen) == len(set(chosen)) == 12


def test_a_detector_from_elsewhere_scores_by_the_project_s_classes(
    tiny: TinyData, tmp_path: Path
) -> None:
    with tiny_project(tmp_path / "one", tiny) as project:
        train(project)
        weights = tmp_path / "mine.safetensors"
        shutil.copy(project.folder / str(project.store.models()[0].file), weights)
        model = add_detector(project, f"paper:{weights}", None)
        assert model is not None
        assert add_detector(project, f"paper:{weights}", None) is None
        chosen = current(project)
        assert chosen is not None
        assert chosen.model.number == model.number == 2
        batch, _ = select(project)
        assert batch.model == 2
        with pytest.raises(DataError, match="2 of its classes are named and the project has 1"):
            add_detector(project, f"paper:{weights}", [0, 1])
        other = replace(model, classes=(2,))
        found = Detections(
            np.array([[0.0, 0, 1, 1]] * 3), np.array([0.9, 0.8, 0.7]), np.array([0, 2, 1])
        )
        ours = replace(chosen, model=other).of_project(found)
        assert (ours.scores.tolist(), ours.classes.tolist()) == ([0.8], [0])
        assert load_detector(weights).gives


def test_labels_are_exported_with_their_pictures(tiny: TinyData, tmp_path: Path) -> None:
    with tiny_project(tmp_path / "one", tiny) as project:
        with pytest.raises(DataError, match="nothing is labelled yet"):
            export(project, tmp_path / "none.json", "coco")
        batch, _ = select(project)
        label_batch(project, tiny, batch.number)
        drawn = hidden(tiny)
        # Who learns from the frames that chance drew cannot be judged by them.
        for shadow, out in ((False, tmp_path / "lessons"), (True, tmp_path / "all")):
            left_out = export(project, out, "yolo", pictures=True, shadow=shadow)
            assert [count for what, count in left_out.items() if "chance" in what] == [1] * (
                not shadow
            )
            written = read_dataset(out)
            kept = [one.record.id for one in project.store.choices() if shadow or not one.shadow]
            assert len(kept) == 3 + shadow
            wanted = sum(len(drawn[key].objects) for key in kept)
            assert (len(written.images), written.label_count) == (len(kept), wanted)
            assert len(list(out.rglob("*.png"))) == len(kept)


def test_what_goes_wrong_is_one_line_and_leaves_nothing(tiny: TinyData, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is in no project"):
        find_project(tmp_path)
    with pytest.raises(RecipeError, match="'selection.bugdet'"):
        init_project(tmp_path / "bad", SETTINGS.replace("budget", "bugdet"))
    assert not (tmp_path / "bad").exists()
    with pytest.raises(RecipeError, match="detector.classes is missing"):
        init_project(tmp_path / "bad", SETTINGS.replace('classes = ["person"]', ""))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("")
    with pytest.raises(RunError, match="holds other files"):
        init_project(tmp_path / "other", SETTINGS)
    (tmp_path / "bare").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_text("hello")
    init_project(tmp_path / "empty", SETTINGS)
    with open_project(tmp_path / "empty") as project:
        with pytest.raises(DataError, match="has no pool to choose from"):
            select(project)
        with pytest.raises(TrainingError, match="has no labels to learn from"):
            train(project)
        with pytest.raises(DataError, match="has no detector yet"):
            evaluate(project)
        with pytest.raises(DataError, match="holds no pictures or videos"):
            add_pool(project, tmp_path / "bare", Sampling())
        with pytest.raises(DataError, match="none of its frames can be decoded"):
            add_pool(project, tmp_path / "broken", Sampling())
        assert not project.store.sources(Role.POOL)
    with tiny_project(tmp_path / "one", tiny) as project:
        overlapping = source_at(tiny.root / "video.json", None, {"frames": [30, 33]})
        with pytest.raises(DataError, match="2 of its frames are in the test set too"):
            add_labelled(project, Role.START, overlapping)
        with pytest.raises(BudgetError, match="100 frames are asked for and 32 are left"):
            select(project, 100)
        assert project.store.batches() == []
        train(project)
        weights = project.folder / str(project.store.models()[0].file)
        weights.write_bytes(weights.read_bytes()[:-1])
        with pytest.raises(DataError, match="is missing or was changed"):
            select(project)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("luck", "selection.strategy: unknown strategy 'luck'"),
        ("ensemble", "selection.strategy: strategy 'ensemble' asks several networks"),
    ],
)
def test_a_strategy_that_cannot_be_is_refused_before_the_first_batch(
    tiny: TinyData, tmp_path: Path, name: str, message: str
) -> None:
    settings = SETTINGS.replace('strategy = "thrifty"', f'strategy = "{name}"')
    with tiny_project(tmp_path / "p", tiny, settings) as project:
        with pytest.raises(RecipeError, match=message):
            select(project)
        assert project.store.batches() == []


def test_every_batch_that_was_not_sent_is_sent_in_its_turn(tiny: TinyData, tmp_path: Path) -> None:
    with tiny_project(tmp_path / "p", tiny) as project:
        first, second = (select(project, 3, more=True)[0] for _ in range(2))

        def dispatched() -> list[int | None]:
            made = send_all(project, "folder", lambda _n, _r: FolderTool(tmp_path / "batches"))
            return [None if sent is None else sent.batch.number for sent in made]

        assert dispatched() == [first.number, second.number]
        assert dispatched() == [None]


def test_minutes_become_frames_by_recorded_times(tiny: TinyData, tmp_path: Path) -> None:
    with tiny_project(tmp_path / "one", tiny) as project:
        # 35 seconds a frame, by the settings.
        assert frames_for(project, 7.0) == 12
        batch, _ = select(project)
        drawn = hidden(tiny)
        labels = [
            Label(
                0,
                choice.record.id,
                drawn[choice.record.id],
                "s",
                None,
                10.0 + 4.0 * len(drawn[choice.record.id]),
            )
            for choice in project.store.choices(batch.number)
        ]
        project.store.add_labels(labels, project.told("collect"))
        boxes = np.mean([len(label.drawn) for label in labels])
        assert frames_for(project, 7.0) == int(420 / (10 + 4 * boxes))


def test_mistakes_are_misses_and_sure_false_alarms_by_hand() -> None:
    drawn = Annotations(np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]]))
    boxes = np.array([[0.0, 0, 10, 10], [50, 50, 60, 60], [70, 70, 80, 80]])
    found = Detections(boxes, np.array([0.9, 0.8, 0.3]))
    assert mistakes(found, drawn, 1) == 2
    assert mistakes(Detections(np.zeros((0, 4)), np.zeros(0)), drawn, 1) == 2


@pytest.mark.parametrize(("strategy", "parents"), [("divergence", [1, 1]), ("thrifty", [1, 2])])
def test_a_model_begins_where_the_strategy_says(
    tmp_path: Path, tiny: TinyData, strategy: str, parents: list[int]
) -> None:
    """The paper's from the start weights every time, that of the house from the model before."""
    settings = SETTINGS.replace('strategy = "thrifty"', f'strategy = "{strategy}"')
    with tiny_project(tmp_path / "p", tiny, settings) as project:
        train(project)
        for batch in (1, 2):
            select(project)
            label_batch(project, tiny, batch)
            train(project)
        assert [model.parent for model in project.store.models()][1:] == parents
