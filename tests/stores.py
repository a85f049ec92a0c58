"""A real server of S3's protocol on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from thrifty.data import object_store

HIDDEN = "wJalrXUtnFEMI-secret"
BUCKET = "frames"


@contextmanager
def store_server() -> Iterator[str]:
    """Start one; gives its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


def reached_by(endpoint: str) -> dict[str, str]:
    """The environment that reaches it."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": HIDDEN,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@contextmanager
def empty_bucket(endpoint: str) -> Iterator[Any]:
    """A bucket, while the environment is set for it."""
    object_store._store_of.cache_clear()
    made = boto3.resource("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
    yield made
    made.objects.all().delete()
    made.delete()
    object_store._store_of.cache_clear()
