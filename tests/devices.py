"""Class maps where a form of the score runs for real, if there is such a device."""

from dataclasses import replace

import torch

from thrifty.maps import ClassMaps
from thrifty.scoring.forms import Form


def on(form: Form, maps: ClassMaps) -> ClassMaps:
    if form is Form.TRITON and torch.cuda.is_available():
        levels = tuple(level.cuda() for level in maps.levels)
        return replace(maps, levels=levels)
    return maps
