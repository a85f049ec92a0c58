"""Fixtures that several rooms share."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from playwright.sync_api import Browser

# Without a GPU the Triton kernels run in Triton's interpreter, which must be told before they are first imported.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

from tests.labelling import Server, shared_server
from tests.memories import Files, Memory, postgres_server
from tests.memories import Server as PostgresServer
from tests.stores import empty_bucket, reached_by, store_server
from tests.tiny import TinyData, write_tiny_data

# The first call of a compiled function compiles it, which no deadline should punish.
hypothesis.settings.register_profile("thrifty", deadline=None)
hypothesis.settings.load_profile("thrifty")

# Several test processes share the cores; on small maps more threads only wait for each other.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyData:
    """Small real files: stills, a video, their annotations. Tests that damage them copy them first."""
    return write_tiny_data(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A Ray cluster of two nodes of one core each."""
    from ray.cluster_utils import Cluster as Nodes  # noqa: PLC0415 - slow, and few tests want it

    running = Nodes(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    running.add_node(num_cpus=1)
    yield running
    running.shutdown()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets beside the checkout."""
    return _beside(Path(os.environ.get("THRIFTY_DATA", SHARED / "data")))


@pytest.fixture(scope="session")
def specimens() -> Path:
    """The folder of real annotation files beside the checkout."""
    return _beside(SHARED / "specimens")


SHARED = Path(__file__).parents[2] / "shared"


def _beside(folder: Path) -> Path:
    if not folder.is_dir():
        message = f"{folder}: the real files are not here"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, one for each test process."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A real server of S3's protocol."""
    with store_server() as address:
        yield address


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket, and the environment that reaches it."""
    for name, value in reached_by(endpoint).items():
        monkeypatch.setenv(name, value)
    with empty_bucket(endpoint) as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def memory(request: pytest.FixtureRequest) -> Memory:
    """Where projects keep what they remember: each test is run with either."""
    if request.param == "sqlite":
        return Files()
    server: PostgresServer = request.getfixturevalue("postgres")
    return server


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real Label Studio, one for all test processes."""
    base = tmp_path_factory.getbasetemp()
    yield from shared_server(
        (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "ls"
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, to look at pages with."""
    chromium = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium to look at the page with; install one")
        pytest.skip("no Chromium on the PATH to look at the page with")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - needed with a browser only

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield launched
        launched.close()
