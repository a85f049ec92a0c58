"""The paper's score in three forms of one function: readable, fused for the CPU, fused for a GPU.

All three keep to the same specification (`docs/scoring.md`), and one test holds them all against a loop-written
reference. Which one runs follows from where the maps live; `THRIFTY_SCORING` or the argument `form` overrides it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.util import find_spec
from typing import Self

from torch import Tensor

from thrifty.errors import ScoreError
from thrifty.maps import ClassMaps
from thrifty.scoring import divergence
from thrifty.scoring.divergence import PAPER_RADIUS, RELEASED_RADIUS, check_values
from thrifty.scoring.kernels import cpu
from thrifty.scoring.regions import RegionSettings, Tiling, region_maxima, summarise
from thrifty.scoring.uncertainty import Measure, check_measurable

VARIABLE = "THRIFTY_SCORING"
"""The environment variable that overrides which form runs."""


class Form(StrEnum):
    """An implementation of the score.

    `REFERENCE`: torch in float64, on any device that has it. `NUMBA`: the fused kernel for the CPU. `TRITON`: the fused
    kernels for NVIDIA and AMD GPUs.
    """

    REFERENCE = "reference"
    NUMBA = "numba"
    TRITON = "triton"


_CODES = {measure: code for code, measure in enumerate(Measure)}
"""The kernels' numbers of the measures: both are in the same order."""


@dataclass(frozen=True, slots=True)
class DivergenceSettings:
    """Equations 1 to 5, as numbers.

    Attributes:
        radius: r of equation 1: half-size of the window in pixels, >= 0.
        regions: How a frame is divided and summed up (equation 5).

    Raises:
        ScoreError: The radius is negative.
    """

    radius: int = PAPER_RADIUS
    regions: RegionSettings = field(default_factory=RegionSettings)

    def __post_init__(self) -> None:
        if self.radius < 0:
            raise ScoreError(f"radius is {self.radius}; it must be 0 or more pixels")

    @classmethod
    def paper(cls) -> Self:
        """As the paper says: r = 9, regions of 30 x 30 from the top left corner on."""
        return cls()

    @classmethod
    def released(cls) -> Self:
        """As the authors' code does: r = 4, regions centred on every thirtieth pixel."""
        return cls(RELEASED_RADIUS, RegionSettings(tiling=Tiling.RELEASED))


@dataclass(frozen=True, slots=True)
class Summary:
    """What is kept of a batch of score maps.

    Attributes:
        maxima: `B x R x Q`, the maximum of the pixel scores in every region, nats.
        means: `B`, the mean of all pixel scores, nats.
    """

    maxima: Tensor
    means: Tensor


def score_frames(
    maps: ClassMaps, settings: DivergenceSettings | None = None, form: Form | None = None
) -> Tensor:
    """Score frames by how much their class maps contradict themselves between neighbouring pixels.

    Args:
        maps: What a dense detector said about B images.
        settings: Radius, regions, statistic; the paper's if left out.
        form: Which implementation; chosen by `choose_form` if left out.

    Returns:
        `B` float64 on the CPU, nats, >= 0; higher means more worth labelling.

    Raises:
        ScoreError: The maps hold a NaN, an infinity, or a probability outside [0, 1]; `entries` names the frames.
            Or the form is unknown, or cannot run here.

    >>> import torch
    >>> checkerboard = torch.tensor([[[[-9.0, 9.0], [9.0, -9.0]]]])
    >>> agreement = torch.full((1, 1, 2, 2), 9.0)
    >>> [round(float(score_frames(ClassMaps((maps,), 32, 32))), 3) for maps in (checkerboard, agreement)]
    [0.4, 0.0]
    """
    settings = settings or DivergenceSettings()
    summary = summarise_maps(maps, settings, form)
    return summarise(summary.maxima, summary.means, settings.regions).cpu()


def summarise_maps(
    maps: ClassMaps, settings: DivergenceSettings, form: Form | None = None
) -> Summary:
    """Region maxima and means of a batch (equations 1 to 5, but for the last step).

    Raises:
        ScoreError: As `score_frames`.
    """
    check_values(maps)
    form = choose_form(maps, form)
    if form is Form.NUMBA:
        return Summary(*cpu.summarise(maps, settings.radius, settings.regions))
    scores = pixel_scores(maps, settings.radius, form)
    maxima = region_maxima(scores, settings.regions.size, settings.regions.tiling)
    return Summary(maxima, scores.mean(dim=(1, 2)))


def pixel_scores(maps: ClassMaps, radius: int = PAPER_RADIUS, form: Form | None = None) -> Tensor:
    """Score every pixel (equations 1 to 4), to look at.

    Returns:
        `B x H x W`, nats, >= 0, on the device of the maps; float64, or float32 from the fused CPU kernel.

    Raises:
        ScoreError: As `score_frames`.
    """
    form = choose_form(maps, form)
    if form is Form.REFERENCE:
        return divergence.pixel_scores(maps, radius)
    check_values(maps)
    if form is Form.NUMBA:
        return cpu.pixel_scores(maps, radius)
    from thrifty.scoring.kernels import gpu  # noqa: PLC0415 - Triton is not there on every machine

    return gpu.pixel_scores(maps, radius)


def score_passes(
    passes: Sequence[ClassMaps],
    measure: Measure,
    regions: RegionSettings | None = None,
    form: Form | None = None,
) -> Tensor:
    """Score frames by a measure of doubt over one or several passes.

    Args:
        passes: P passes over the same B images; one for a measure of one pass.
        measure: Entropy, margin, disagreement of one; BALD, variation ratio, mean deviation of several.
        regions: How a frame is divided and summed up.
        form: `NUMBA` or `REFERENCE`; the first for maps on a CPU if left out. There is no Triton form: the reference
            runs on the GPU. It also takes passes that differ in resolution, kind or place, whatever was asked for.

    Returns:
        `B` float64 on the CPU; higher means more worth labelling.

    Raises:
        ScoreError: As `score_frames`; or the passes do not fit each other or the measure.
    """
    regions = regions or RegionSettings()
    if _fused(passes, form):
        check_measurable(measure, passes)
        summary = Summary(*cpu.summarise_passes(passes, _CODES[measure], regions))
    else:
        scores = measure(passes)
        maxima = region_maxima(scores, regions.size, regions.tiling)
        summary = Summary(maxima, scores.mean(dim=(1, 2)))
    return summarise(summary.maxima, summary.means, regions).cpu()


def measure_pixels(
    passes: Sequence[ClassMaps], measure: Measure, form: Form | None = None
) -> Tensor:
    """A measure of doubt at every pixel, to look at: `B x H x W`, float64, or float32 from the fused kernel.

    Raises:
        ScoreError: As `score_passes`.
    """
    if not _fused(passes, form):
        return measure(passes)
    check_measurable(measure, passes)
    return cpu.pixel_passes(passes, _CODES[measure])


def _fused(passes: Sequence[ClassMaps], form: Form | None) -> bool:
    return bool(passes) and all(
        choose_form(one, form) is Form.NUMBA and one.laid_out_like(passes[0]) for one in passes
    )


def choose_form(maps: ClassMaps, form: Form | None = None) -> Form:
    """Which form runs: what is asked for, else `THRIFTY_SCORING`, else by where the maps live.

    Maps on a CUDA or ROCm device go to `TRITON` where it is installed and to `REFERENCE` where it is not; all others
    to `NUMBA`. Float64 maps with values that float32 cannot hold go to `REFERENCE`, whatever was asked for.

    Raises:
        ScoreError: The variable names no form, or a form that cannot run on these maps.
    """
    wanted = form or os.environ.get(VARIABLE, "")
    chosen = _named(wanted) if wanted else _by_device(maps)
    if chosen is Form.TRITON and not _triton_runs(maps):
        raise ScoreError(
            f"scoring form triton: it cannot run on class maps on {maps.levels[0].device} here; use numba or "
            f"reference, or unset {VARIABLE}"
        )
    return chosen if maps.fits_float32 else Form.REFERENCE


def _named(wanted: str) -> Form:
    try:
        return Form(wanted)
    except ValueError as error:
        raise ScoreError(
            f"{VARIABLE}={wanted}: no such form; use {', '.join(Form)}, or unset it"
        ) from error


def _by_device(maps: ClassMaps) -> Form:
    if maps.levels[0].device.type != "cuda":
        return Form.NUMBA
    return Form.TRITON if _triton_runs(maps) else Form.REFERENCE


def _triton_runs(maps: ClassMaps) -> bool:
    """Whether the GPU kernels can run on these maps: on a GPU, or in Triton's interpreter."""
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    on_gpu = maps.levels[0].device.type == "cuda"
    return find_spec("triton") is not None and (on_gpu or interpreted)
