"""Where the commands that look at a pool have it looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from thrifty.cli.options import Device, device_of
from thrifty.errors import RunError

if TYPE_CHECKING:
    from thrifty.engine.ray_cluster import Cluster
    from thrifty.project.models import Trainer
    from thrifty.scored_pool import Engine as PoolEngine
    from thrifty.scored_pool import Scored, Scoring


class Engine(StrEnum):
    """What maps a detector over a pool."""

    LOCAL = "local"
    RAY = "ray"


EngineOption = Annotated[
    Engine,
    typer.Option(help="Where the work is done: here, or by the workers of a Ray cluster."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        help="Ray cluster to join: auto on one of its machines, or HOST:PORT; a cluster is started here if left out."
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="Workers on the cluster; one for each GPU, or core, of it if left out."
    ),
]


@dataclass(frozen=True, slots=True)
class Place:
    """What the options say.

    Attributes:
        engine: Here or on a cluster.
        address: Of the cluster.
        workers: On the cluster.
    """

    engine: Engine = Engine.LOCAL
    address: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        for option, value in (("--address", self.address), ("--workers", self.workers)):
            if self.engine is Engine.LOCAL and value is not None:
                raise RunError(
                    f"{option} {value}: is of a Ray cluster; give --engine ray as well, or leave it out"
                )


@contextmanager
def engine_at(place: Place, device: Device) -> Iterator[PoolEngine]:
    """The engine, and for as long as the context is open the cluster that it works on.

    Raises:
        ThriftyError: As `joined`.
    """
    from thrifty.scored_pool import here, on_cluster

    if place.engine is Engine.LOCAL:
        yield here
        return
    from thrifty.engine.ray_cluster import joined

    with ExitStack() as stack:
        entered: list[Cluster] = []

        def engine(scoring: Scoring) -> Scored:
            # Not before there is anything to do.
            if not entered:
                cluster = joined(place.address, place.workers, gpus=_gpus(device))
                entered.append(stack.enter_context(cluster))
            return on_cluster(entered[0])(scoring)

        yield engine


@contextmanager
def trainer_at(place: Place, device: Device) -> Iterator[Trainer]:
    """What trains, likewise."""
    from thrifty.project.models import alone

    if place.engine is Engine.LOCAL:
        yield alone
        return
    from thrifty.engine.ray_cluster import joined
    from thrifty.shared_training import trainer_on

    with joined(place.address, place.workers, gpus=_gpus(device)) as cluster:
        yield trainer_on(cluster)


def device_at(place: Place, device: Device) -> str:
    """Where this process computes: on a cluster it is the cluster's devices that count."""
    return device_of(device if place.engine is Engine.LOCAL else Device.CPU)


@contextmanager
def cluster_at(place: Place, device: Device, jobs: int | None) -> Iterator[Cluster | None]:
    """The cluster that arms run on; `None` for this machine.

    Raises:
        ThriftyError: As `joined`; or processes of this machine are asked for as well.
    """
    if place.engine is Engine.LOCAL:
        yield None
        return
    if jobs is not None:
        raise RunError(f"--jobs {jobs}: is of this machine; give --workers for a cluster")
    from thrifty.engine.ray_cluster import joined

    with joined(place.address, place.workers, gpus=_gpus(device)) as cluster:
        yield cluster


def _gpus(device: Device) -> bool | None:
    return None if device is Device.AUTO else device is Device.CUDA
