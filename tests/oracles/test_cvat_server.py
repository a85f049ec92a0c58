"""A batch on a CVAT server, by its SDK. The server here is a stub that answers as CVAT's documentation says."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.oracles.batches import asked, assignment, drawn, picture, still, task
from tests.oracles.cvat_stub import CHANGED, PASSWORD, TOKEN, USER, Cvat, served
from thrifty.errors import CapabilityError, FrameError, OracleError
from thrifty.oracles import cvat_server
from thrifty.oracles.cvat_server import CvatServer
from thrifty.oracles.tool import Picture
from thrifty.types import Record

BATCH = assignment(
    [
        task(still(1), 1, [(10, 20, 30, 40), (5.25, 0, 100, 80)]),
        task(still(2), 2, [(1, 2, 3, 4)]),
        task(still(3), 3),
    ]
)
ONE, TWO, THREE = (one.record.id for one in BATCH.tasks)
TASK = 7
"""The number that the stub gives to its first task."""


@pytest.fixture
def server() -> Iterator[tuple[Cvat, str]]:
    if importlib.util.find_spec("cvat_sdk") is None:
        if os.environ.get("CI"):
            pytest.fail("cvat-sdk is not installed")
        pytest.skip("cvat-sdk is not installed")
    with served() as found:
        yield found


def tool(server: tuple[Cvat, str], per_job: int = 2) -> CvatServer:
    return CvatServer(server[1], TOKEN, per_job)


def finish(cvat: Cvat) -> None:
    for job in cvat.jobs.values():
        job["state"] = "completed"


def shape(frame: int, points: list[float], **changes: object) -> dict[str, Any]:
    return {"type": "rectangle", "label_id": 100, "frame": frame, "points": points, **changes}


def test_a_task_gets_the_pictures_the_classes_and_the_boxes(server: tuple[Cvat, str]) -> None:
    cvat, url = server
    sent = tool(server).send(BATCH)
    assert sent.reference == {"url": url, "project": "1", "task": str(TASK)}
    assert {entry["name"] for entry in cvat.labels.values()} == {"person", "red car"}
    assert {entry["type"] for entry in cvat.labels.values()} == {"rectangle"}
    assert cvat.projects[1]["name"] == "street"
    assert (cvat.tasks[TASK]["name"], cvat.tasks[TASK]["project_id"]) == ("batch-003", 1)
    expected = {f"{sent.tasks[one.record.id]}.jpg": one.record for one in BATCH.tasks}
    assert cvat.pictures[TASK] == {
        name: picture(record).content for name, record in expected.items()
    }
    boxes = [(entry["frame"], entry["label_id"], entry["points"]) for entry in cvat.drawn[TASK]]
    assert boxes == [
        (0, 100, [10, 20, 30, 40]), (0, 101, [5.25, 0, 100, 80]), (1, 100, [1, 2, 3, 4]),
    ]  # fmt: skip


def test_boxes_that_people_accept_come_back_with_who_and_when(server: tuple[Cvat, str]) -> None:
    cvat, _ = server
    sent = tool(server).send(BATCH)
    finish(cvat)
    cvat.jobs[1000]["assignee"] = {"id": 1, "username": "bo", "url": "http://x/api/users/1"}
    found = tool(server).collect(asked(sent, BATCH))
    assert dict(found.left_out) == {}
    for one in BATCH.tasks:
        answer = drawn(found)[one.record.id]
        assert answer.boxes.tolist() == one.found.boxes.tolist()
        assert answer.classes.tolist() == one.found.classes.tolist()
    told = {answer.record_id: (answer.annotator, answer.at) for answer in found.answers}
    at = CHANGED.replace("Z", "+00:00")
    assert told == {ONE: ("bo", at), TWO: ("bo", at), THREE: (None, at)}


def test_nothing_is_sent_twice(server: tuple[Cvat, str]) -> None:
    cvat, _ = server
    sent = tool(server).send(BATCH)
    count = len(cvat.asked)
    assert tool(server).send(BATCH) == sent
    assert all(request.startswith("GET ") for request in cvat.asked[count:])
    assert len(cvat.asked) > count


@pytest.mark.parametrize(
    "stop",
    [
        "POST /projects",
        "POST /tasks",
        "POST /tasks/7/data Upload-Start",
        "POST /tasks/7/data Upload-Multiple",
        "POST /tasks/7/data Upload-Finish",
        "GET /requests/7",
        "PUT /tasks/7/annotations",
    ],
)
def test_a_stop_anywhere_is_made_good_by_sending_again(server: tuple[Cvat, str], stop: str) -> None:
    cvat, url = server
    cvat.fails = lambda request: request == stop
    with pytest.raises(OracleError, match=f"{url}: answers 500: .*the disk.*is full") as caught:
        tool(server).send(BATCH)
    assert "\n" not in str(caught.value)
    cvat.fails = lambda request: False
    sent = tool(server).send(BATCH)
    assert (len(cvat.projects), len(cvat.tasks), len(cvat.labels)) == (1, 1, 2)
    finish(cvat)
    found = drawn(tool(server).collect(asked(sent, BATCH)))
    assert {key: len(answer) for key, answer in found.items()} == {ONE: 2, TWO: 1, THREE: 0}


def begun(cvat: Cvat) -> None:
    cvat.jobs[1001]["state"] = "in progress"


def reviewed(cvat: Cvat) -> None:
    cvat.jobs[1001]["stage"] = "validation"


def drew(cvat: Cvat) -> None:
    cvat.drawn[TASK] = [shape(2, [1, 1, 2, 2])]


@pytest.mark.parametrize("people", [begun, reviewed, drew])
def test_what_people_have_begun_is_not_drawn_over(
    server: tuple[Cvat, str], people: Callable[[Cvat], None]
) -> None:
    cvat, _ = server
    tool(server).send(BATCH)
    cvat.drawn[TASK] = []
    people(cvat)
    before = list(cvat.drawn[TASK])
    tool(server).send(BATCH)
    assert cvat.drawn[TASK] == before


@pytest.mark.parametrize(
    ("stage", "state", "kind", "finished"),
    [
        ("annotation", "new", "annotation", False),
        ("annotation", "in progress", "annotation", False),
        ("annotation", "completed", "annotation", True),
        ("annotation", "completed", "ground_truth", False),
        ("annotation", "rejected", "annotation", False),
        ("validation", "new", "annotation", False),
        ("validation", "completed", "annotation", True),
        ("acceptance", "new", "annotation", True),
        ("acceptance", "rejected", "annotation", False),
    ],
)
def test_finished_jobs_answer_for_their_frames_alone(
    server: tuple[Cvat, str], stage: str, state: str, kind: str, finished: bool
) -> None:
    cvat, _ = server
    sent = tool(server).send(BATCH)
    cvat.jobs[1000] |= {"stage": stage, "state": state, "type": kind}
    found = drawn(tool(server).collect(asked(sent, BATCH)))
    assert found.keys() == ({ONE, TWO} if finished else set())


def test_what_cannot_be_taken_is_counted(server: tuple[Cvat, str]) -> None:
    cvat, _ = server
    sent = tool(server).send(BATCH)
    finish(cvat)
    cvat.add_labels(1, [{"name": "dog"}])
    cvat.drawn[TASK] = [
        shape(0, [20.0, 10.0, 40.0, 20.0], rotation=90.0, label_id=101),
        shape(0, [90.0, 70.0, 140.0, 120.0]),
        shape(0, [1.0, 1.0, 2.0, 2.0], label_id=102),
        shape(1, [100.0, 0.0, 110.0, 5.0]),
        shape(1, [1.0, 1.0, 2.0, 2.0, 3.0, 1.0], type="polygon"),
    ]
    cvat.tracks[TASK] = [{"frame": 1, "label_id": 100, "shapes": []}]
    found = tool(server).collect(asked(sent, BATCH))
    assert found.left_out == {
        "boxes of class 'dog', which the project does not have": 1,
        "a box that lies outside its image of 100x80 pixels": 1,
        "shapes of type polygon": 1,
        "tracks": 1,
    }
    answers = drawn(found)
    assert np.allclose(answers[ONE].boxes, np.array([[25, 5, 35, 25], [90, 70, 100, 80]]))
    assert answers[ONE].classes.tolist() == [1, 0]
    assert len(answers[TWO]) == 0


def test_frames_that_were_removed_there_are_not_answered(server: tuple[Cvat, str]) -> None:
    cvat, _ = server
    sent = tool(server).send(BATCH)
    finish(cvat)
    cvat.removed[TASK] = [1]
    assert drawn(tool(server).collect(asked(sent, BATCH))).keys() == {ONE, THREE}


def test_a_picture_that_the_server_takes_for_another_size_is_refused(
    server: tuple[Cvat, str],
) -> None:
    cvat, url = server
    sent = tool(server).send(BATCH)
    finish(cvat)
    tall = replace(BATCH.tasks[1].record, width=80, height=100)
    given = asked(sent, BATCH)
    given = replace(given, records={**given.records, TWO: tall})
    with pytest.raises(
        OracleError, match=f"{url}: task 7, job 1000: .* is 100x80 there and was sent"
    ):
        tool(server).collect(given)


def test_classes_that_a_project_lacks_are_added(server: tuple[Cvat, str]) -> None:
    cvat, _ = server
    cvat.projects[1] = {"name": "street"}
    cvat.add_labels(1, [{"name": "red car"}])
    tool(server).send(BATCH)
    assert [entry["name"] for entry in cvat.labels.values()] == ["red car", "person"]
    assert [entry["label_id"] for entry in cvat.drawn[TASK]] == [101, 100, 101]


def test_a_task_of_that_name_with_other_pictures_is_refused(server: tuple[Cvat, str]) -> None:
    cvat, _ = server
    tool(server).send(BATCH)
    with pytest.raises(OracleError, match="task 7, batch-003 of street, has other pictures"):
        tool(server).send(assignment(BATCH.tasks[:2]))
    assert len(cvat.tasks) == 1


def test_a_frame_that_cannot_be_read_leaves_no_task(server: tuple[Cvat, str]) -> None:
    def read(record: Record) -> Picture:
        raise FrameError(f"{record.label}: cannot be decoded")

    with pytest.raises(FrameError, match="1.jpg: cannot be decoded"):
        tool(server).send(assignment(BATCH.tasks, read))
    assert not server[0].tasks


def test_a_name_and_a_password_will_do(server: tuple[Cvat, str]) -> None:
    sent = CvatServer(server[1], (USER, PASSWORD)).send(BATCH)
    assert len(server[0].jobs) == 1
    assert CvatServer(server[1], (USER, PASSWORD)).send(BATCH) == sent


@pytest.mark.parametrize("access", ["wrong", (USER, "wrong")])
def test_who_is_not_let_in_is_told(server: tuple[Cvat, str], access: str | tuple[str, str]) -> None:
    with pytest.raises(
        OracleError, match=r"refuses \(40[13]\); check the token or the password"
    ) as caught:
        CvatServer(server[1], access).send(BATCH)
    assert "wrong" not in str(caught.value)


def test_a_task_that_is_gone_is_told(server: tuple[Cvat, str]) -> None:
    sent = tool(server).send(BATCH)
    del server[0].tasks[TASK]
    with pytest.raises(OracleError, match="has no such project or task"):
        tool(server).collect(asked(sent, BATCH))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://127.0.0.1"])
def test_an_address_where_nobody_answers_is_told(server: tuple[Cvat, str], url: str) -> None:
    with pytest.raises(
        OracleError, match=f"^{url}: .*; check the address and the server$"
    ) as caught:
        CvatServer(url, TOKEN).send(BATCH)
    assert "\n" not in str(caught.value)


def test_answers_that_lack_what_the_api_promises_are_told(
    server: tuple[Cvat, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = tool(server).send(BATCH)
    monkeypatch.setattr(Cvat, "meta", lambda self, key: {"frames": []})
    with pytest.raises(
        OracleError, match="chunks_updated_date.*; check the address and the server"
    ):
        tool(server).collect(asked(sent, BATCH))


def test_without_the_sdk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(cvat_server, "import_module", missing)
    with pytest.raises(CapabilityError, match=r"pip install 'thrifty\[cvat\]'"):
        CvatServer("http://127.0.0.1:1", TOKEN)
