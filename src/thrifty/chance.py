"""Where chance begins: seeds that depend on what is done, never on what was done before."""

from __future__ import annotations

import zlib

import numpy as np


def stage_seed(seed: int, cycle: int, stage: str) -> int:
    """Seed of one stage: the same for all strategies, and the same whenever and wherever it runs."""
    return int(
        np.random.SeedSequence([seed, cycle, zlib.crc32(stage.encode())]).generate_state(1)[0]
    )
