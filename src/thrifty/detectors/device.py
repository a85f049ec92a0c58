"""Where detectors run and train."""

from __future__ import annotations

import torch

from thrifty.errors import RunError


def find_device(wanted: str) -> str:
    """The device as torch names it.

    Args:
        wanted: `cpu`, `cuda`, or `auto`, which takes a GPU where there is one.

    Raises:
        RunError: A GPU is wanted, and there is none.
    """
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise RunError(
            "--device cuda: torch sees no GPU here; use --device cpu, or install a torch build for your GPU"
        )
    return wanted
