"""Label Studio, for real: a running server, labelled through its API as a person's browser would."""

import json
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import httpx2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.labelling import Server, rectangle
from tests.oracles.assignments import CLASSES, asked, assignment, found, picture, records
from thrifty.errors import FrameError, OracleError
from thrifty.oracles.label_studio import LabelStudio
from thrifty.oracles.label_studio_boxes import rectangle_of, upright
from thrifty.oracles.tool import Picture, Sent
from thrifty.types import Record

CORNER = some.floats(0, 1)


@given(CORNER, CORNER, CORNER, CORNER, some.integers(1, 9000), some.integers(1, 9000))
def test_pixels_become_percent_and_come_back(
    left: float, top: float, right: float, bottom: float, width: int, height: int
) -> None:
    record = Record("a", "a.png", width, height)
    box = (left * width, top * height, right * width, bottom * height)
    value = rectangle_of(box, "person", record, 0.5)["value"]
    assert upright(value, record) == pytest.approx(
        (min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])),
        abs=1e-6,
    )


def test_a_turned_rectangle_lies_in_the_upright_box_around_it_by_hand() -> None:
    # 40 x 20 pixels, turned by 30 degrees about its corner at (100, 50).
    value = {"x": 50, "y": 50, "width": 20, "height": 20, "rotation": 30}
    cos, sin = np.sqrt(3) / 2, 0.5
    wanted = (100 - 20 * sin, 50, 100 + 40 * cos, 50 + 40 * sin + 20 * cos)
    assert upright(value, Record("a", "a.png", 200, 100)) == pytest.approx(wanted)


@pytest.fixture
def studio(label_studio: Server) -> Callable[[], LabelStudio]:
    return lambda: LabelStudio(label_studio.url, label_studio.token)


def fresh_name() -> str:
    return f"project {uuid4().hex[:8]}"


def test_what_is_sent_is_there_with_boxes_and_scores_and_is_not_sent_twice(
    label_studio: Server, studio: Callable[[], LabelStudio]
) -> None:
    frames = records(6)
    batch = assignment(frames, fresh_name())
    sent = studio().send(batch)
    assert studio().send(batch) == sent
    with label_studio.browser() as browser:
        tasks = [browser.get(f"/api/tasks/{sent.tasks[one.id]}").json() for one in frames]
        views = browser.get("/api/dm/views/", params={"project": sent.reference["project"]}).json()
        sorted_ones = browser.get("/api/tasks", params={"view": views[0]["id"]}).json()["tasks"]
        shown = browser.get(tasks[0]["data"]["image"]).content
        project = browser.get(f"/api/projects/{sent.reference['project']}").json()
    assert project["task_number"] == 6
    assert shown == picture(frames[0]).content
    assert [task["data"]["rank"] for task in tasks] == [1, 2, 3, 4, 5, 6]
    assert [task["data"]["score"] for task in sorted_ones] == sorted(
        (1 / rank for rank in range(1, 7)), reverse=True
    )
    for record, task in zip(frames, tasks, strict=True):
        boxes = found(record.frame or 0)
        predicted = [one for made in task["predictions"] for one in made["result"]]
        assert len(predicted) == len(boxes)
        for one, box, kind in zip(predicted, boxes.boxes, boxes.classes, strict=True):
            assert upright(one["value"], record) == pytest.approx(tuple(box), abs=1e-6)
            assert one["value"]["rectanglelabels"] == [CLASSES[kind]]


def test_labels_come_back_in_pixels_partly_changed_and_again(
    label_studio: Server, studio: Callable[[], LabelStudio]
) -> None:
    frames = records(7)
    batch = assignment(frames, fresh_name())
    sent = studio().send(batch)
    size = [(one.width, one.height) for one in frames]
    tasks = [sent.tasks[one.id] for one in frames]
    box = (10.0, 20.0, 50.5, 90.0)
    first = label_studio.annotate(tasks[0], [rectangle(box, size[0])], lead_time=12.5)
    label_studio.annotate(tasks[1], [])
    label_studio.annotate(tasks[2], [rectangle(box, size[2])], was_cancelled=True)
    label_studio.annotate(
        tasks[3],
        [
            rectangle((-20, 20, 50, 130), size[3], CLASSES[1]),
            rectangle(box, size[3], "ignore"),
            rectangle(box, size[3], "lion"),
            rectangle((200, 20, 250, 30), size[3]),
            {"type": "polygonlabels", "from_name": "label", "to_name": "image", "value": {}},
        ],
    )
    label_studio.annotate(tasks[4], [rectangle(box, size[4])])
    label_studio.annotate(tasks[4], [rectangle((1, 2, 3, 4), size[4])])
    with label_studio.browser() as browser:
        browser.delete(f"/api/tasks/{tasks[5]}/").raise_for_status()
    collected = studio().collect(asked(sent, frames))
    answers = {answer.record_id: answer for answer in collected.answers}
    assert set(answers) == {frames[number].id for number in (0, 1, 3, 4)}
    one = answers[frames[0].id]
    assert one.drawn.boxes == pytest.approx(np.array([box]), abs=0.01)
    assert (one.seconds, one.annotator is not None) == (12.5, True)
    assert one.at is not None
    assert one.at.endswith("Z")
    assert len(answers[frames[1].id].drawn) == 0
    several = answers[frames[3].id].drawn
    assert several.boxes == pytest.approx(np.array([[0, 20, 50, 100], list(box)]), abs=0.01)
    assert several.classes.tolist() == [1, 0]
    assert several.ignore.tolist() == [False, True]
    assert answers[frames[4].id].drawn.boxes == pytest.approx(np.array([[1, 2, 3, 4]]), abs=0.01)
    assert collected.left_out == {
        "boxes of class 'lion', which the project does not have": 1,
        "boxes without area in their frame": 1,
        "regions of type 'polygonlabels', which are no boxes": 1,
        "tasks that are no longer there": 1,
    }
    with label_studio.browser() as browser:
        changed = {"result": [rectangle((5, 5, 15, 25), size[0])], "lead_time": 20.0}
        browser.patch(f"/api/annotations/{first['id']}/", json=changed).raise_for_status()
    again = {one.record_id: one for one in studio().collect(asked(sent, frames)).answers}
    assert again[frames[0].id].drawn.boxes == pytest.approx(np.array([[5, 5, 15, 25]]), abs=0.01)


def test_sending_goes_on_where_it_was_stopped(
    label_studio: Server, studio: Callable[[], LabelStudio]
) -> None:
    frames = records(5)
    batch = assignment(frames, fresh_name())
    left = [3]

    def failing(record: Record) -> Picture:
        left[0] -= 1
        if left[0] < 0:
            raise FrameError("no such frame")
        return picture(record)

    with pytest.raises(FrameError):
        studio().send(replace(batch, picture=failing))
    sent = studio().send(batch)
    with label_studio.browser() as browser:
        project = sent.reference["project"]
        uploads = browser.get(f"/api/projects/{project}/file-uploads", params={"all": "true"})
        assert browser.get(f"/api/projects/{project}").json()["task_number"] == 5
    assert len(uploads.json()) == 5
    later = records(3, start=5)
    more = studio().send(assignment(later, batch.project, "batch-002"))
    assert more.reference == sent.reference
    assert not set(more.tasks.values()) & set(sent.tasks.values())


def test_more_tasks_than_fit_on_a_page_come_back(
    label_studio: Server, studio: Callable[[], LabelStudio], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thrifty.oracles.label_studio._PAGE", 3)
    monkeypatch.setattr("thrifty.oracles.label_studio._SENT_AT_ONCE", 2)
    frames = records(6)
    sent = studio().send(assignment(frames, fresh_name()))
    assert len(set(sent.tasks.values())) == 6
    for task in sent.tasks.values():
        label_studio.annotate(task, [])
    assert len(studio().collect(asked(sent, frames)).answers) == 6


def test_a_personal_token_opens_the_server_and_is_renewed(label_studio: Server) -> None:
    with label_studio.browser() as browser:
        given = browser.post("/api/token/", json={})
        assert given.status_code == 201, given.text
        token = given.json()["token"]
    frames = records(2)
    batch = assignment(frames, fresh_name())
    try:
        studio = LabelStudio(label_studio.url, token)
        sent = studio.send(batch)
        assert LabelStudio(label_studio.url, label_studio.token).send(batch) == sent
        assert studio.collect(asked(sent, frames)).answers == []
    finally:
        with label_studio.browser() as browser:
            assert browser.post("/api/token/blacklist/", json={"refresh": token}).is_success
    with pytest.raises(OracleError, match="refuses the token; make a new one") as caught:
        studio.send(batch)
    assert token not in str(caught.value)


def test_what_goes_wrong_is_one_line_without_the_token(
    label_studio: Server, studio: Callable[[], LabelStudio], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thrifty.oracles.label_studio._WAITS", (0.01, 0.01))
    frames = records(1)
    batch = assignment(frames, fresh_name())
    with pytest.raises(
        OracleError, match="does not answer .ConnectError.; see that Label Studio runs"
    ):
        LabelStudio("http://127.0.0.1:9", label_studio.token).send(batch)
    with pytest.raises(OracleError, match="refuses the token") as refused:
        LabelStudio(label_studio.url, "f" * 40).send(batch)
    assert "f" * 40 not in str(refused.value)
    gone = Sent({"url": label_studio.url, "project": "999999"}, {frames[0].id: "1"})
    with pytest.raises(OracleError):
        studio().collect(asked(gone, frames))
    sent = studio().send(batch)
    assert label_studio.token not in repr(sent)
    other = replace(batch, classes=("bicycle",))
    with pytest.raises(OracleError, match="has no label 'bicycle'; add it in its settings"):
        studio().send(other)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("street", "street"),
        ("abc", "abc"),
        ("ab", "thrifty ab"),
        ("a  ", "thrifty a  "),
        ("n" * 80, "n" * 50),
    ],
)
def test_a_project_is_called_there_as_the_server_allows(name: str, title: str) -> None:
    """3 to 50 characters, once the server has cut the spaces off."""
    given: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST" and request.url.path == "/api/projects":
            given.append(json.loads(request.content)["title"])
            return httpx2.Response(500)
        return httpx2.Response(200, json={"results": []})

    studio = LabelStudio("http://studio.example", "secret")
    studio._server.transport = httpx2.MockTransport(answer)
    with pytest.raises(OracleError, match="answered by 500"):
        studio.send(assignment([], name))
    assert given == [title]


def test_a_server_that_is_busy_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thrifty.oracles.label_studio._WAITS", (0.0, 0.0))
    calls: list[str] = []

    def busy(request: httpx2.Request) -> httpx2.Response:
        calls.append(request.method)
        return httpx2.Response(503 if len(calls) < 3 else 200, json={"tasks": []})

    studio = LabelStudio("http://studio.example", "secret")
    studio._server.transport = httpx2.MockTransport(busy)
    sent = Sent({"url": "http://studio.example", "project": "1"}, {})
    assert studio.collect(asked(sent, [])).answers == []
    assert calls == ["GET"] * 3
