"""Detectors of torchvision: RetinaNet, FCOS, SSD, SSDlite and Faster R-CNN, one file for each kind of head."""

import importlib.util

from thrifty.errors import CapabilityError


def need_torchvision() -> None:
    """Ask for torchvision before anything of this folder is imported.

    Raises:
        CapabilityError: It is not installed.
    """
    if importlib.util.find_spec("torchvision") is None:
        raise CapabilityError(
            "detectors of torchvision need torchvision; install it with: pip install 'thrifty[torchvision]'"
        )
