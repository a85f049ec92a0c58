"""Pools in a store: a real server of S3's protocol, and a plain HTTP server that fails now and then, both on loopback."""

import csv
import http.server
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from tests.command import thrifty
from tests.stores import BUCKET, HIDDEN
from tests.tiny import TinyData
from thrifty.config import DetectorSection
from thrifty.data import object_store
from thrifty.data.pool import Broken, Pool
from thrifty.detectors.catalogue import identify, open_detector
from thrifty.detectors.paper import make_network, save_weights
from thrifty.errors import DataError
from thrifty.types import Frame

NAMES = ("cam#1/a%20b.png", "cam#1/q?.png", "cam/a.png")
"""Such as mean something else in a URL."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny: TinyData) -> Path:
    """Names that sort one way with their folders and another without, a video, a broken picture, and what is no picture."""
    root = tmp_path_factory.mktemp("pool")
    rng = np.random.default_rng(1)
    for name in (*NAMES, "a-b.png", "a.png", "a/10.png", "a/2.png", "a/deep er/ü.png", "b+c.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(rng.integers(0, 255, (12, 9, 3), dtype=np.uint8)).save(root / name)
    (root / "broken.jpg").write_bytes(b"no picture")
    (root / "notes.md").write_text("not a picture")
    (root / "z.avi").write_bytes(tiny.video.read_bytes())
    (root / "list.txt").write_text("\n".join(["# first", "a/2.png", "z.avi", *NAMES, "a.png"]))
    return root


def upload(bucket: Any, folder: Path, prefix: str = "pool/") -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.put_object(
                Key=prefix + path.relative_to(folder).as_posix(), Body=path.read_bytes()
            )
    # Some tools leave an empty file for a folder.
    bucket.put_object(Key=prefix, Body=b"")


def seen(items: Iterator[Frame | Broken], root: str) -> list[object]:
    return [
        (item.record, item.image.tobytes())
        if isinstance(item, Frame)
        else (item.source, item.frame, item.reason.replace(root, "ROOT"))
        for item in items
    ]


@pytest.mark.parametrize("natural", [False, True])
@pytest.mark.parametrize("what", ["", "/list.txt", "/z.avi", "/a.png"])
def test_frames_keep_identity_and_order_when_a_pool_moves_to_a_store(
    bucket: Any, folder: Path, what: str, natural: bool
) -> None:
    upload(bucket, folder)
    url = f"s3://{BUCKET}/pool"
    moved = seen(Pool(f"{url}{what}", sequences=natural).stream(), url)
    stayed = seen(Pool(Path(f"{folder}{what}"), sequences=natural).stream(), str(folder))
    assert moved == stayed
    assert moved


def test_a_large_file_comes_in_parts(
    bucket: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(bucket, folder)
    monkeypatch.setattr(object_store, "PART", 1000)
    url = f"s3://{BUCKET}/pool"
    stayed = seen(Pool(folder / "z.avi").stream(), str(folder))
    assert seen(Pool(f"{url}/z.avi").stream(), url) == stayed


def test_what_is_not_there_or_not_allowed_is_one_line_without_secrets(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"^s3://frames/none.txt: there is no such file; restore"):
        list(Pool(f"s3://{BUCKET}/none.txt").stream())
    monkeypatch.setattr(object_store, "_RETRIES", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    object_store._store_of.cache_clear()
    with pytest.raises(DataError) as refused:
        list(Pool(f"s3://{BUCKET}/none.txt").stream())
    text = str(refused.value)
    assert text.startswith("s3://frames/none.txt: cannot be read (")
    assert "\n" not in text
    assert HIDDEN not in text
    assert "AKIATEST" not in text


def test_weights_in_a_store_are_known_by_what_they_hold(
    bucket: Any, tmp_path: Path, tiny: TinyData
) -> None:
    settings = DetectorSection(width=0.1, box_scale=0.5)
    network = make_network(settings)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(save_weights(network.state_dict(), settings))
    bucket.put_object(Key="models/weights.safetensors", Body=weights.read_bytes())
    stored = f"paper:s3://{BUCKET}/models/weights.safetensors"
    assert identify(stored) == identify(f"paper:{weights}")
    frame = Pool(tiny.video).frame()
    maps = [
        open_detector(one).class_maps([frame]).levels[0] for one in (stored, f"paper:{weights}")
    ]
    assert torch.equal(*maps)
    with pytest.raises(DataError, match=r"^s3://frames/models/none.safetensors: there is no such"):
        identify(f"paper:s3://{BUCKET}/models/none.safetensors")


def test_commands_take_urls_and_a_project_keeps_what_it_chose_from_them(
    bucket: Any, folder: Path, tmp_path: Path
) -> None:
    upload(bucket, folder)
    url = f"s3://{BUCKET}/pool"
    out = tmp_path / "chosen.csv"
    chosen = thrifty("select", url, "--strategy", "random", "-b", 3, "--out", out)
    assert chosen.returncode == 0, chosen.stderr
    with out.open(newline="") as lines:
        paths = [row["path"] for row in csv.DictReader(lines)]
    assert len(paths) == 3
    assert all(path.startswith(f"{url}/") and object_store.is_there(path) for path in paths)

    project = tmp_path / "project"
    for words in (
        ("init", project, "--class", "person"),
        ("add", "pool", url, "--project", project),
        ("select", "--project", project, "-b", 5),
    ):
        done = thrifty(*words)
        assert done.returncode == 0, done.stderr
    kept = list((project / "frames").iterdir())
    assert len(kept) == 5
    for path in (*kept, project / "thrifty.toml"):
        assert HIDDEN.encode() not in path.read_bytes()
    assert HIDDEN not in thrifty("log", "--project", project).stdout


def test_an_exported_model_brings_what_lies_beside_it(bucket: Any, tmp_path: Path) -> None:
    for name, content in (
        ("m.onnx", b"\x0a\x08location\x12\x05w.bin"),
        ("m.toml", b""),
        ("w.bin", b"1"),
    ):
        (tmp_path / name).write_bytes(content)
        bucket.put_object(Key=f"models/{name}", Body=content)
    stored = identify(f"onnx:s3://{BUCKET}/models/m.onnx")
    assert stored == identify(f"onnx:{tmp_path / 'm.onnx'}")
    (tmp_path / "w.bin").write_bytes(b"2")
    assert stored != identify(f"onnx:{tmp_path / 'm.onnx'}")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://key:word@frames/pool", r"^s3://frames/pool: holds a user, a password"),
        ("https://x.org/a.png?X-Amz-Signature=abc", r"^https://x.org/a.png: holds a user"),
        ("http://[x/y.txt?a", r"^http://.x/y.txt: holds a user"),
        ("ftp://x.org/a.png", r"^ftp://x.org/a.png: is no URL that can be read; .* s3://"),
        ("s3://", r"^s3://: is no URL"),
    ],
)
def test_urls_that_hold_secrets_or_lead_nowhere_are_refused(url: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as refused:
        Pool(url)
    assert "word@" not in str(refused.value)
    assert "abc" not in str(refused.value)


@dataclass
class Unsteady:
    """Serves a folder by HTTP, ranges too; of three requests one fails and one breaks off."""

    root: Path
    requests: list[str] = field(default_factory=list)
    changed: bool = False

    def refused(self, path: Path) -> int:
        """The status of a request that is not answered; 0 of one that is."""
        if path.name == "secret.png":
            return 403
        if not path.is_file():
            return 404
        return 503 if len(self.requests) % 3 == 1 else 0

    def serve(self) -> http.server.ThreadingHTTPServer:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.requests.append(self.headers.get("Range", ""))
                path = outer.root / unquote(self.path.lstrip("/"))
                refused = outer.refused(path)
                if refused:
                    self.send_error(refused, explain="key AKIATEST")
                    return
                content = path.read_bytes()
                version = '"2"' if outer.changed and len(outer.requests) > 4 else '"1"'
                if self.headers.get("If-Match", version) != version:
                    self.send_error(412)
                    return
                asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
                begin, end = (int(asked[1]), int(asked[2]) + 1) if asked else (0, len(content))
                self.send_response(206 if asked else 200)
                self.send_header("ETag", version)
                if asked:
                    self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(content)}")
                self.send_header("Content-Length", str(end - begin))
                self.send_header("Last-Modified", "Fri, 27 Nov 2026 10:00:00 GMT")
                self.end_headers()
                if len(outer.requests) % 3 == 2:
                    self.wfile.write(content[begin : (begin + end) // 2])
                    self.close_connection = True
                    return
                self.wfile.write(content[begin:end])

            def log_message(self, *_args: object) -> None:
                pass

        return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def unsteady(folder: Path) -> Iterator[tuple[Unsteady, str]]:
    served = Unsteady(folder)
    server = served.serve()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    object_store._store_of.cache_clear()
    yield served, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_server_that_fails_now_and_then_is_asked_again(
    unsteady: tuple[Unsteady, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, url = unsteady
    monkeypatch.setattr(object_store, "PART", 2000)
    stayed = seen(Pool(folder / "list.txt").stream(), str(folder))
    assert seen(Pool(f"{url}/list.txt", threads=1).stream(), url) == stayed
    assert any(served.requests)


def test_a_file_that_changes_while_it_is_copied_is_told(
    unsteady: tuple[Unsteady, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, url = unsteady
    served.changed = True
    monkeypatch.setattr(object_store, "PART", 1000)
    with pytest.raises(DataError, match=r"z.avi: changed while it was read"):
        list(Pool(f"{url}/z.avi").stream())


def test_what_may_not_be_read_is_one_line(unsteady: tuple[Unsteady, str]) -> None:
    _, url = unsteady
    with pytest.raises(DataError, match=r"secret.png: may not be read") as refused:
        list(Pool(f"{url}/secret.png").stream())
    assert "AKIATEST" not in str(refused.value)


@pytest.mark.parametrize(
    "name", ["../other/a.png", "/etc/a.png", "s3://other/a.png", "a/../../b.png"]
)
def test_a_list_leads_nowhere_else(bucket: Any, name: str) -> None:
    bucket.put_object(Key="pool/list.txt", Body=name.encode())
    with pytest.raises(DataError, match=r"does not lie beside or below the list"):
        list(Pool(f"s3://{BUCKET}/pool/list.txt").stream())


def test_http_servers_list_nothing(unsteady: tuple[Unsteady, str]) -> None:
    _, url = unsteady
    with pytest.raises(DataError, match="HTTP servers list no folders; give a list"):
        list(Pool(f"{url}/a").stream())
