"""Eight processes choose and label at once, each as fast as it can."""

import multiprocessing
import os
import time
from collections import Counter
from contextlib import closing
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

import numpy as np

from thrifty.errors import RunError
from thrifty.store.project.database import Database
from thrifty.store.project.engines import Holder
from thrifty.store.project.rows import Choice, Label, NewBatch, Role
from thrifty.store.project.store import ProjectStore, Told
from thrifty.types import Annotations, Record

PROCESSES = 8
SECONDS = float(os.environ.get("THRIFTY_CROWD_SECONDS", "3"))
AT_ONCE = 3
"""Frames of a batch."""
NEAREST = 12
"""Free frames among which everybody draws, so that they often want the same."""
TOLD = Told("test", {}, "")

Done = list[tuple[int, list[str]]]


def work(holder: Holder, number: int, together: Barrier, answer: Connection) -> None:
    """Choose, label, and again; tells which batches it made, and how often somebody was quicker."""
    together.wait()
    until = time.monotonic() + SECONDS
    rng = np.random.default_rng(number)
    done: Done = []
    late = 0
    with closing(Database(holder)) as database:
        store = ProjectStore(database)
        while time.monotonic() < until:
            taken = {choice.record.id for choice in store.choices()}
            known = (f"f{place}" for place in range(len(taken) + NEAREST))
            free = [record_id for record_id in known if record_id not in taken]
            wanted = [free[place] for place in rng.permutation(NEAREST)[:AT_ONCE]]
            choices = [
                Choice(
                    0,
                    rank,
                    Record(record_id, "v.avi", 8, 8),
                    1,
                    shadow=False,
                    score=0.5,
                    smoothed=0.5,
                    reason="",
                )
                for rank, record_id in enumerate(wanted, start=1)
            ]
            try:
                batch = store.add_batch(NewBatch(None, "random", choices, (), {}), TOLD)
            except RunError as error:
                if "another process has chosen" not in str(error):
                    raise
                late += 1
                continue
            drawn = Annotations(np.array([[0.0, 0, number + 1, 8]]))
            labels = [Label(0, record_id, drawn, f"process {number}") for record_id in wanted]
            assert store.add_labels(labels, TOLD) == AT_ONCE
            done.append((batch.number, wanted))
    answer.send((done, late))
    answer.close()


def test_no_frame_is_chosen_twice_no_label_is_lost_and_nobody_waits_for_ever(
    holder: Holder,
) -> None:
    with closing(Database(holder)) as database:
        ProjectStore(database).add_source(Role.POOL, "/pool", {}, "", TOLD)
    spawn = multiprocessing.get_context("spawn")
    together = spawn.Barrier(PROCESSES)
    answers, processes = [], []
    for number in range(PROCESSES):
        here, there = spawn.Pipe(duplex=False)
        process = spawn.Process(target=work, args=(holder, number, together, there), daemon=True)
        process.start()
        there.close()
        answers.append(here)
        processes.append(process)
    told = []
    for answer in answers:
        assert answer.poll(SECONDS + 120), "a process does not come back"
        told.append(answer.recv())
    for process in processes:
        process.join()
        assert process.exitcode == 0
    made = [one for done, _ in told for one in done]
    assert len(made) > PROCESSES
    with closing(Database(holder)) as database:
        store = ProjectStore(database)
        chosen = Counter(choice.record.id for choice in store.choices())
        assert max(chosen.values()) == 1
        for number, wanted in made:
            assert [choice.record.id for choice in store.choices(number)] == wanted
        assert sorted(number for number, _ in made) == list(range(1, len(made) + 1))
        labels = store.labels()
        for number, (done, _) in enumerate(told):
            for _, wanted in done:
                assert {labels[one].origin for one in wanted} == {f"process {number}"}
                assert {labels[one].drawn.boxes[0, 2] for one in wanted} == {number + 1}
        assert len(labels) == len(store.history()) == AT_ONCE * len(made)
        # The source, and for each batch its choice and its labels.
        assert len(store.events()) == 1 + 2 * len(made)
    late = sum(late for _, late in told)
    print(f"{len(made)} batches, {late} times somebody was quicker, {SECONDS:g} s")  # noqa: T201 - the figure that is asked for
