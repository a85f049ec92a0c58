"""`thrifty ui`: the pages of a project, served."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from pathlib import Path
from typing import Annotated

import typer

from thrifty.cli.options import Device, DeviceOption
from thrifty.cli.project import ProjectOption
from thrifty.errors import CapabilityError, RunError

PORT = 8750
_FEWEST = 16


def ui(
    host: Annotated[
        str, typer.Option(help="Address to listen at. Any but this machine's own demands a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = PORT,
    name: Annotated[
        list[str] | None,
        typer.Option(
            help="A name that browsers reach it by through a proxy, with the port if it is not the usual one; again for each. Demands a token."
        ),
    ] = None,
    device: DeviceOption = Device.AUTO,
    project: ProjectOption = None,
) -> None:
    """Serve the project's pages: where it stands, what is next, the chosen frames and why, and an editor to label them."""
    try:
        import uvicorn

        from thrifty.pages.app import make_app
    except ImportError as error:
        raise CapabilityError(
            "the pages need a web server; install it with: pip install 'thrifty[ui]'"
        ) from error
    from thrifty.project.project import find_project, open_project

    folder = find_project(project or Path())
    # What is wrong with the project shall be said here, not in a browser.
    with open_project(folder):
        pass
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    given = [one.lower() for one in name or ()]
    # Whoever has a name for others lets others in, by a proxy on this machine if not directly.
    token = None if _is_loopback(host) and not given else _token()
    here = [f"{one}:{port}".lower() for one in _names(host)]
    direct = [f"{one}:{port}" for one in given if ":" not in one]
    carried = "" if token is None else f"?token={token}"
    hosts = frozenset([*here, *direct, *given])
    reached = [] if _is_loopback(host) else [f"http://{one}" for one in direct]
    for shown in [f"http://{here[0]}", *reached, *(f"https://{one}" for one in given)]:
        typer.echo(f"{folder.name}: {shown}/{carried} (Ctrl-C stops)")
    config = uvicorn.Config(
        make_app(folder, hosts, token, device.value),
        log_level="warning",
        access_log=False,
        server_header=False,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # Whoever opens the address as soon as it is printed waits, and is not refused.
        listening.listen()
    except OSError as error:
        listening.close()
        raise RunError(
            f"{host}:{port}: cannot listen there ({error.strerror or error}); choose another --port or --host"
        ) from error
    return listening


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        # A name may come to mean another address; only this one is promised (RFC 6761).
        return host == "localhost"


def _names(host: str) -> list[str]:
    """What browsers may call a server that listens there."""
    own = f"[{host}]" if ":" in host else host
    if _is_loopback(host):
        return [own, "127.0.0.1", "localhost", "[::1]"]
    if host not in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return [own]
    machine = socket.gethostname()
    try:
        addresses = sorted({str(one[4][0]) for one in socket.getaddrinfo(machine, None)})
    except OSError:
        addresses = []
    return [
        machine,
        *(f"[{one}]" if ":" in one else one for one in addresses),
        "localhost",
        "127.0.0.1",
    ]


def _token() -> str:
    given = os.environ.get("THRIFTY_TOKEN")
    if given is not None and len(given) < _FEWEST:
        raise RunError(
            f"THRIFTY_TOKEN: has {len(given)} characters; give {_FEWEST} or more, hard to guess"
        )
    return given or secrets.token_urlsafe(32)
