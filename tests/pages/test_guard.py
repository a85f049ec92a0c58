"""The door of the pages, tried by requests as other programs, other pages and other machines would send them."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.pages.serving import served, with_a_batch
from tests.tiny import TinyData
from thrifty.project.project import open_project

TOKEN = "a-token-that-nobody-guesses"  # noqa: S105 - of a test
ANYWHERE = ("--host", "0.0.0.0")  # noqa: S104 - what is tried here


class Served:
    """A project, its frames, and its pages."""

    def __init__(self, folder: Path, ids: list[str], address: str) -> None:
        self.folder, self.ids, self.address = folder, ids, address
        self.origin = address.partition("/?")[0].rstrip("/")

    def put(
        self, content: bytes, record: str | None = None, **headers: str | None
    ) -> httpx2.Response:
        """A label, as the pages send it, but for some headers."""
        own = {"Origin": self.origin, "Content-Type": "application/json"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in (own | named).items() if value is not None}
        place = f"{self.origin}/api/frames/{record or self.ids[0]}/label"
        return httpx2.put(place, content=content, headers=sent, timeout=30)

    def labels(self) -> int:
        """How many there are."""
        with open_project(self.folder) as project:
            return len(project.store.history())


@pytest.fixture(scope="module")
def pages(tiny: TinyData, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("guarded") / "shop"
    ids = with_a_batch(folder, tiny)
    with served(folder) as address:
        yield Served(folder, ids, address)


def drawn(*boxes: tuple[float, ...], **more: object) -> bytes:
    listed = [{"box": box, "class": 0, "ignore": False} for box in boxes]
    return json.dumps({"boxes": listed, "seconds": 3.0} | more).encode()


def test_its_own_pages_are_let_in(pages: Served) -> None:
    answer = httpx2.get(pages.address)
    assert answer.status_code == 200
    assert "Where it stands" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_foreign_name_for_this_machine_is_refused(pages: Served) -> None:
    port = urlsplit(pages.address).port
    for host in (f"evil.example:{port}", "127.0.0.1", f"127.0.0.1.evil.example:{port}", ""):
        assert httpx2.get(pages.address, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": None},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_what_other_pages_send_is_refused(pages: Served, headers: dict[str, str | None]) -> None:
    before = pages.labels()
    assert pages.put(drawn(), **headers).status_code == 403
    assert pages.labels() == before


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_commands_are_taken_from_these_pages_alone(pages: Served, method: str) -> None:
    for origin in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        answer = httpx2.request(
            method, f"{pages.origin}/api/job", content=b'{"command": "train"}', headers=origin
        )
        assert answer.status_code == 403
    assert httpx2.get(f"{pages.origin}/api/job").json()["number"] == 0


def test_too_much_is_refused_announced_or_not(pages: Served) -> None:
    before = pages.labels()
    assert pages.put(b" " * (1 << 20) + b" ").status_code == 413
    place = urlsplit(pages.origin)
    with socket.create_connection((place.hostname, place.port or 80), timeout=30) as raw:
        head = f"PUT /api/frames/{pages.ids[0]}/label HTTP/1.1\r\nHost: {place.netloc}\r\nOrigin: {pages.origin}\r\n"
        raw.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        try:
            for _ in range(20):
                raw.sendall(piece)
        except ConnectionError:
            pass
        assert b" 413 " in raw.recv(1000)
    assert pages.labels() == before


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        drawn(seconds="long"),
        drawn(seconds=-1),
        drawn(more=1),
        drawn((1, 2, 3)),
        drawn((5, 5, 5, 9)),
        drawn((-1, 0, 5, 5)),
        drawn((0, 0, 97, 5)),
        b'{"boxes": [{"box": [0, 0, 5, 5], "class": 1, "ignore": false}], "seconds": 1}',
        b'{"boxes": [{"box": [0, 0, NaN, 5], "class": 0, "ignore": false}], "seconds": 1}',
    ],
)
def test_what_is_no_label_is_refused_in_one_line(pages: Served, content: bytes) -> None:
    before = pages.labels()
    answer = pages.put(content)
    assert answer.status_code == 422
    assert answer.text
    assert "\n" not in answer.text
    assert pages.labels() == before


@pytest.mark.parametrize(
    "path",
    [
        "frames/../../thrifty.toml/picture",
        "frames/..%2F..%2Fthrifty.toml/picture",
        "frames/%2Fetc%2Fpasswd/picture",
        "static/../app.py",
        "static/..%2Fapp.py",
        "static/%2Fetc%2Fpasswd",
        "static/..%5Capp.py",
        "project.sqlite",
        "frames/absent",
        "frames/absent/why",
        "frames/absent/maps/total",
        "frames/..%2F..%2Fthrifty.toml/maps/total",
        "batches/99",
        "batches/x",
    ],
)
def test_no_path_leads_out(pages: Served, path: str) -> None:
    place = urlsplit(pages.origin)
    # As it is written: clients tidy paths up.
    with socket.create_connection((place.hostname, place.port or 80), timeout=30) as raw:
        request = f"GET /{path} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n\r\n"
        raw.sendall(request.encode())
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"root:" not in answer
    assert b"import" not in answer


def test_a_label_is_kept_once_and_counts(pages: Served) -> None:
    before = pages.labels()
    for _ in range(2):
        assert pages.put(drawn((1, 2, 30, 40)), pages.ids[1]).status_code == 204
    assert pages.labels() == before + 1
    with open_project(pages.folder) as project:
        label = project.store.labels()[pages.ids[1]]
        assert label.drawn.boxes.tolist() == [[1, 2, 30, 40]]
        assert (label.origin, label.seconds) == ("ui", 3.0)


def test_another_address_of_this_machine_is_shown_and_let_in(pages: Served) -> None:
    with served(pages.folder, "--host", "127.0.0.2") as address:
        assert address.startswith("http://127.0.0.2:")
        assert httpx2.get(address).status_code == 200


def test_where_others_can_reach_it_a_token_is_demanded(pages: Served) -> None:
    with served(pages.folder, *ANYWHERE, token=TOKEN) as address:
        origin, _, query = address.partition("/?")
        port = urlsplit(origin).port
        assert query == f"token={TOKEN.replace(' ', '-')}"
        local = f"http://127.0.0.1:{port}"
        assert httpx2.get(local).status_code == 401
        assert httpx2.get(f"{local}/static/pages.css").status_code == 401
        assert httpx2.get(f"{local}/?token=wrong").status_code == 401
        with httpx2.Client() as browser:
            welcome = browser.get(f"{local}/?{query}")
            assert welcome.status_code == 303
            assert welcome.headers["location"] == "/"
            cookie = welcome.headers["set-cookie"].lower()
            assert "httponly" in cookie
            assert "samesite=strict" in cookie
            assert "Where it stands" in browser.get(local).text


def test_a_short_token_is_refused(pages: Served) -> None:
    command = [sys.executable, "-m", "thrifty", "ui", *ANYWHERE, "--project", str(pages.folder)]
    variables = os.environ | {"THRIFTY_TOKEN": TOKEN[:8]}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "thrifty: THRIFTY_TOKEN: has 8 characters; give 16 or more, hard to guess\n"
    )


def test_behind_a_proxy_the_pages_take_labels_by_the_name_they_were_given(
    tiny: TinyData, tmp_path: Path
) -> None:
    folder = tmp_path / "shop"
    ids = with_a_batch(folder, tiny)
    with served(folder, "--name", "labels.example", token=TOKEN) as address:
        # Others come in by that name, so a token is asked for though the proxy is on this machine.
        assert address.endswith(f"/?token={TOKEN}")
        origin = address.partition("/?")[0]
        place = f"{origin}/api/frames/{ids[0]}/label"
        visit = httpx2.get(address, headers={"Host": "labels.example"}, timeout=30)
        cookie = visit.headers["set-cookie"].partition(";")[0]
        for host, sender, status in (
            ("labels.example", "https://labels.example", 204),
            (urlsplit(origin).netloc, "https://labels.example", 204),
            ("labels.example", "https://elsewhere.example", 403),
            ("elsewhere.example", "https://labels.example", 421),
        ):
            headers = {"Host": host, "Origin": sender, "Cookie": cookie}
            answer = httpx2.put(place, content=drawn(), headers=headers, timeout=30)
            assert answer.status_code == status, (host, sender, answer.text)
        nobody = httpx2.get(origin, headers={"Host": "labels.example"}, timeout=30)
        assert nobody.status_code == 401
