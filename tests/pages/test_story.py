"""The second story, through the pages alone: train, choose, ask why, label, judge, in a browser from beginning to end."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.pages.person import Person
from tests.pages.serving import served
from thrifty.data.dataset import Label
from thrifty.data.formats.catalogue import read_dataset
from thrifty.data.rendered_files import ANSWERS, FILE, StreetFiles
from thrifty.files import replace_folder
from thrifty.project.project import init_project, open_project
from thrifty.project.replay import replay
from thrifty.project.sources import Sampling, add_labelled, add_pool, source_at
from thrifty.store.project.rows import Role

CYCLES = 2
BUDGET = 4
SETTINGS = """
name = "town"
[detector]
classes = ["person"]
width = 0.1
box_scale = 0.5
[training]
start_epochs = 1
epochs = 2
batch = 2
crop = [192, 256]
[selection]
budget = 5
shadow = 0.25
exclude_current = 2
"""


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendered") / "street"
    replace_folder(folder, StreetFiles(start=12, drives=1, length=40, test=12).files())
    return folder


def begin(folder: Path, street: Path, settings: str = SETTINGS) -> None:
    """What the command line is for: a folder, and where the data lie."""
    init_project(folder, settings)
    with open_project(folder) as project:
        add_labelled(project, Role.START, source_at(street / "start" / FILE, None, {}))
        add_labelled(project, Role.TEST, source_at(street / "test" / FILE, None, {}))
        add_pool(project, street / "pool", Sampling())


def answers(street: Path) -> Mapping[str, Sequence[Label]]:
    """What people would draw, by the names of frames."""
    return {image.name: image.labels for image in read_dataset(street / ANSWERS).images}


def test_from_the_start_labels_to_a_judged_model_without_the_command_line(
    street: Path, tmp_path: Path, browser: Browser
) -> None:
    folder = tmp_path / "town"
    begin(folder, street)
    drawn = answers(street)
    with served(folder) as address:
        tab = browser.new_page(viewport={"width": 1200, "height": 800})
        person = Person(tab, address, drawn)
        person.home()
        expect(tab.get_by_text("No detector is trained on the start labels yet.")).to_be_visible()

        # What is stopped is said to be, and done when it is asked for again.
        person.begin("train")
        tab.get_by_role("button", name="stop").click()
        tab.locator('#job[data-state="done"]').wait_for()
        expect(tab.locator("#job-said.wrong")).to_contain_text("train: stopped")
        assert person.give("train").startswith("train: model-001: trained in ")

        for cycle in range(1, CYCLES + 1):
            said = person.give("select", budget=str(BUDGET))
            assert said == f"select: batch-{cycle:03d}: {BUDGET} frames chosen by thrifty"
            expect(tab.get_by_text(f"{BUDGET} frames of batch-{cycle:03d} wait")).to_be_visible()
            assert person.label_batch(cycle) == BUDGET
            assert person.give("train").startswith(f"train: model-{cycle + 1:03d}: trained in ")
            assert "on the test set, 12 frames" in person.give("evaluate")

        expect(tab.get_by_text("Everything chosen is labelled.")).to_be_visible()
        expect(tab.locator(".curve svg")).to_be_visible()
        assert person.complaints == []
        tab.close()
    check(folder, drawn, tmp_path)


def check(folder: Path, drawn: Mapping[str, Sequence[Label]], tmp_path: Path) -> None:
    """What was drawn on the screen is what people meant, to the half of a pixel; and the log repeats it all."""
    with open_project(folder) as project:
        labels = project.store.labels()
        assert len(labels) == CYCLES * BUDGET
        for choice in project.store.choices():
            label, wanted = labels[choice.record.id], drawn[choice.record.label]
            assert label.drawn.boxes.tolist() == [
                pytest.approx(list(one.box), abs=0.5) for one in wanted
            ]
            assert label.drawn.ignore.tolist() == [one.ignore for one in wanted]
            assert label.origin == "ui"
        events = [event.command for event in project.store.events()]
        assert events.count("select") == CYCLES
        assert events.count("train") == CYCLES + 1
        assert replay(project, tmp_path / "again") == CYCLES


def test_a_refused_command_says_why(street: Path, tmp_path: Path, browser: Browser) -> None:
    folder = tmp_path / "town"
    begin(folder, street)
    with served(folder) as address:
        tab = browser.new_page()
        person = Person(tab, address, {})
        said = person.give("select", budget="1000")
        assert "1000 frames are asked for and 40 are left to choose from" in said
        said = person.give("select", budget="3", minutes="2")
        assert said == "select: frames and minutes exclude each other; give one"
        # At 35 s a frame, so long as nobody has labelled any.
        assert "batch-001: 3 frames chosen by guided-random" in person.give("select", minutes="2")
        said = person.give("collect")
        assert "nothing was sent to people yet" in said
        assert "batch-001: 3 frames sent: " in person.give("send")
        assert len(list((folder / "batches" / "batch-001" / "images").iterdir())) == 3
        assert "no batch waits to be sent" in person.give("send")
        wrong: list[object] = [{"command": "remove"}, {"command": "select", "budget": 0}, {}, []]
        for order in wrong:
            answer = tab.request.post(
                f"{address}api/job",
                data=json.dumps(order),
                headers={"Origin": address.rstrip("/"), "Content-Type": "application/json"},
            )
            assert answer.status == 422
            assert "\n" not in answer.text()
        assert tab.request.post(f"{address}api/job", data='{"command": "train"}').status == 403
        assert person.complaints == []
        tab.close()
