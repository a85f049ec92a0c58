"""From a name to a labelling tool. Addresses and secrets come from the environment; they are kept nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from thrifty.errors import RunError
from thrifty.oracles.cvat import CvatFiles
from thrifty.oracles.cvat_server import CvatServer
from thrifty.oracles.folder import FolderTool, Form
from thrifty.oracles.label_studio import LabelStudio
from thrifty.oracles.tool import LabellingTool, Reference


def tools(
    folder: Path, form: Form = "coco", url: str | None = None
) -> Callable[[str, Reference | None], LabellingTool]:
    """What makes the tool of a name: `folder`, `cvat` or `label-studio`.

    Args:
        folder: Where batches go that are files.
        form: Of the boxes to begin with, in a folder.
        url: Of a server; `LABEL_STUDIO_URL` or `CVAT_URL` if left out. CVAT without one gets files.

    Returns:
        A function of a name and, for a batch that was sent, of its reference: a batch is collected from where it went,
        whatever the variables say by now. It raises `RunError` where a server's address or token is missing.
    """

    def make(name: str, reference: Reference | None) -> LabellingTool:
        known = None if reference is None else reference.get("url", "")
        if name == "folder":
            return FolderTool(folder, form)
        if name == "cvat":
            place = known if known is not None else url or os.environ.get("CVAT_URL")
            return _cvat_server(place) if place else CvatFiles(folder)
        return _label_studio(known or url or os.environ.get("LABEL_STUDIO_URL"))

    return make


def _label_studio(url: str | None) -> LabellingTool:
    # The variable that Label Studio's own tools read.
    token = os.environ.get("LABEL_STUDIO_API_KEY")
    if not url or not token:
        raise RunError(
            "Label Studio needs an address and a token; set LABEL_STUDIO_URL (or give --url), and LABEL_STUDIO_API_KEY to "
            "the token of your account there"
        )
    return LabelStudio(url, token)


def _cvat_server(url: str) -> LabellingTool:
    token = os.environ.get("CVAT_ACCESS_TOKEN")
    name, password = os.environ.get("CVAT_USERNAME"), os.environ.get("CVAT_PASSWORD")
    if token:
        return CvatServer(url, token)
    if name and password:
        return CvatServer(url, (name, password))
    raise RunError(
        f"{url}: CVAT wants to know who asks; set CVAT_ACCESS_TOKEN, or CVAT_USERNAME and CVAT_PASSWORD"
    )
