"""What the parts of the engine share on a real Ray cluster of two nodes."""

from typing import Any

import pytest
import ray
import ray.util.queue

from thrifty.engine.ray_cluster import MessageQueue, joined
from thrifty.progress import Message, Relay


def test_word_of_progress_is_lost_with_its_queue_and_work_goes_on(nodes: Any) -> None:
    with joined(nodes.address, 1):
        queue = MessageQueue()
        queue.put(Message((1, 1), units=3))
        assert queue.get() == Message((1, 1), units=3)
        ray.kill(queue._queue.actor)
        with Relay(queue)("training", 2, "steps") as step:
            step(2)
        queue.put(None)
        assert queue.get() is None


def test_the_queue_of_messages_is_where_the_command_is(
    nodes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another node it would be gone with that node, and whoever tells of his progress with it."""
    asked: dict[str, Any] = {}
    monkeypatch.setattr(ray.util.queue, "Queue", asked.update)
    with joined(nodes.address, 1):
        here = ray.get_runtime_context().get_node_id()
        MessageQueue()
    options = asked["actor_options"]
    assert options["num_cpus"] == 0
    assert options["scheduling_strategy"].node_id == here
    assert not options["scheduling_strategy"].soft
