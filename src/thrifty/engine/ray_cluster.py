"""Joining a Ray cluster, or starting one on this machine.

What is done on it: `ray_map` looks at pools, `ray_crew` does tasks, `thrifty.shared_training` trains.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from thrifty.errors import CapabilityError, RunError
from thrifty.progress import Message

ROOM = 600.0
"""Seconds after which a cluster on which no worker is ready is given up; one that grows takes minutes."""
DEATHS = 5
"""Workers in a row that may die of one thing before it is given up."""
_ANSWER = 10.0
"""Seconds after which a cluster is not there."""
_REPORTS = "RAY_USAGE_STATS_ENABLED"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray cluster, joined with `joined`.

    Attributes:
        workers: How many look at frames.
        gpus: Whether each of them has a GPU of its own.
    """

    workers: int
    gpus: bool


@contextmanager
def joined(
    address: str | None, workers: int | None, *, gpus: bool | None = None
) -> Iterator[Cluster]:
    """Join a running cluster, or start one on this machine, for as long as the context is open.

    Args:
        address: Of the cluster, as `ray.init` takes it; `None` starts one here.
        workers: How many look at frames; one for each GPU, or without any for each core, if left out.
        gpus: Whether they want a GPU each; `None` if there are any.

    Raises:
        CapabilityError: Ray is not installed.
        RunError: There is no cluster at the address, or no GPU where one is wanted.
    """
    ray = need_ray()
    address = address or os.environ.get("RAY_ADDRESS")
    address = None if address == "local" else address
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        cores = os.cpu_count() or 1
        options |= {"num_cpus": max(cores, workers or 0), "include_dashboard": False}
    try:
        _check_reachable(address)
        with _own_signals(), _unreported():
            ray.init(address=address or "local", **options)
    except (OSError, OverflowError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        if address is None:
            raise RunError(
                f"--engine ray: no cluster can be started here ({first_line(error)})"
            ) from error
        raise RunError(
            f"--address {address}: no Ray cluster can be joined there ({first_line(error)}); give HOST:PORT as `ray start` tells it, "
            "or auto on one of its machines"
        ) from error
    try:
        resources = ray.cluster_resources()
        held = int(resources.get("GPU", 0))
        if gpus and not held:
            raise RunError(
                "--device cuda: the cluster has no GPU; add a node that has, or take --device cpu"
            )
        wanted = bool(held) if gpus is None else gpus
        yield Cluster(workers or (held if wanted else int(resources.get("CPU", 1))), wanted)
    finally:
        ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Ray itself would try for minutes.

    Raises:
        OSError: Nobody answers.
        ValueError: It is no address.
    """
    if address in {None, "auto"}:
        return
    host, _, port = str(address).rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise ValueError("that is neither auto nor HOST:PORT")
    socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER).close()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes a kill for its own, also after it is gone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _unreported() -> Iterator[None]:
    """Ray would report to its makers that it is used, and nobody here was asked."""
    told = os.environ.get(_REPORTS)
    os.environ.setdefault(_REPORTS, "0")
    try:
        yield
    finally:
        if told is None:
            del os.environ[_REPORTS]


def need_ray() -> Any:  # noqa: ANN401 - an extra, which states no types
    """Import Ray.

    Raises:
        CapabilityError: It is not installed.
    """
    try:
        import ray  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise CapabilityError(
            "--engine ray needs Ray; install it with: pip install 'thrifty[ray]'"
        ) from error
    return ray


def first_line(error: BaseException) -> str:
    """What an error says, without how it came about."""
    return str(error).strip().partition("\n")[0]


def cause_of(error: BaseException | None) -> BaseException:
    """What was raised on the other side, through however many hands it went."""
    exceptions = need_ray().exceptions
    found: Any = error
    while isinstance(found, exceptions.RayTaskError) and found.cause is not None:
        found = found.cause
    return found if isinstance(found, BaseException) else RuntimeError(str(found))


def hiring(cluster: Cluster, kind: type) -> Any:  # noqa: ANN401 - an extra, which states no types
    """What hires workers of a kind, each with a core or a GPU of its own. Whoever hires them replaces them, too."""
    return (
        need_ray()
        .remote(kind)
        .options(
            num_cpus=0 if cluster.gpus else 1,
            num_gpus=1 if cluster.gpus else 0,
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )
    )


def no_room(workers: str = "a worker") -> RunError:
    """Nobody has been ready for so long that nobody will be."""
    return RunError(
        f"the Ray cluster: has had no room for {workers} for {ROOM / 60:.0f} minutes; see `ray status`, or take other --workers"
    )


def never_ready(error: BaseException) -> RunError:
    """Whoever is hired dies at once."""
    return RunError(
        f"the Ray cluster: workers die before they are ready, {DEATHS} times in a row ({first_line(error)}); see whether "
        "memory suffices and whether thrifty is installed on all machines"
    )


def beside_driver() -> Any:  # noqa: ANN401 - an extra, which states no types
    """That something runs where the command does: it must outlive whoever works, and is worth nothing without the command."""
    ray = need_ray()
    from ray.util.scheduling_strategies import (  # noqa: PLC0415 - an extra
        NodeAffinitySchedulingStrategy,
    )

    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


class MessageQueue:
    """A queue that all processes of a cluster can put into, for the command to take from; pickled.

    Work is worth more than word of it: once the queue is gone, what is put is lost.
    """

    def __init__(self) -> None:
        need_ray()
        from ray.util.queue import Queue  # noqa: PLC0415 - an extra

        here = {"num_cpus": 0, "scheduling_strategy": beside_driver()}
        self._queue: Any = Queue(actor_options=here)

    def put(self, message: Message | None) -> None:
        """Send a message, or that there will be none any more."""
        with suppress(need_ray().exceptions.RayError):
            self._queue.put(message)

    def get(self) -> Message | None:
        """Wait for the next; `None` if there will be none any more."""
        try:
            message: Message | None = self._queue.get()
        except need_ray().exceptions.RayError:
            return None
        return message
