"""Options of the commands that have many, each declared once: its type and its line of help.

Those that several commands share come first, then those of `track`, `segment`, `embed`, `evaluate` and `finetune`
alone. Defaults stand in the commands. What an option for a setting of a session says is said by the field of
`SessionSettings`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.models import OptionInfo

from napari_sam2.engine.jobs import Direction as Ways
from napari_sam2.engine.view import ViewChoice
from napari_sam2.session.settings import setting

Kind = Literal["auto", "movie", "stills"]
"""What the frames are to each other."""
Part = Literal["decoder", "memory", "adapters", "all"]
"""Which weights may change."""
FileKind = Literal["safetensors", "pt"]
"""How the weights are stored: float16, or full precision in the official layout."""


def _of(name: str, more: str = "") -> OptionInfo:
    """Return the option for a setting, with what else is to be known on the command line."""
    told = setting(name)
    return _number(f"{told.description} {more}".strip(), told.least, told.most)


def _number(about: str, least: float | None = None, most: float | None = None) -> OptionInfo:
    """Return an option whose numbers, if it has any, lie in a range and are finite."""
    option: OptionInfo = typer.Option(min=least, max=most, help=about, callback=_finite)
    return option


def _finite(value: Any) -> Any:
    """Return what was given; numbers that are none pass every range, since they compare with nothing."""
    for one in value if isinstance(value, tuple) else (value,):
        if isinstance(one, float) and not math.isfinite(one):
            raise typer.BadParameter(f"{one} is not a finite number.")
    return value


StackArgument = Annotated[
    str | None, typer.Argument(help="TIFF, OME-TIFF, .stk, zarr, OME-Zarr, .npy, a video, or a folder of images.")
]
Model = Annotated[str, _of("model")]
Device = Annotated[str, _of("device")]
ImageSize = Annotated[int | None, _of("image_size")]
Axes = Annotated[str | None, typer.Option(help="One letter of TZCYXS per dimension, e.g. TCYX; wins over the file.")]
Scene = Annotated[
    str | None,
    typer.Option(
        "--scene", "--series", help="Image series of a file that holds several: number, name, or place in a zarr store."
    ),
]
TrackAxis = Annotated[str | None, _of("track_axis")]
Channel = Annotated[list[str] | None, _of("channels", "One at a time; may be repeated.")]
Fixed = Annotated[list[str] | None, _of("fixed", "E.g. Z=3; may be repeated.")]
Contrast = Annotated[tuple[float, float] | None, _of("contrast_limits", "Here LOW HIGH, for all.")]

# Of `track`.
PromptFile = Annotated[Path | None, typer.Option(help="Prompts as .json or .csv; see docs/prompt-files.md.")]
LabelFile = Annotated[Path | None, typer.Option(help="Label stack to write, .tif or .zarr; object id = label value.")]
TrackedSession = Annotated[
    Path | None, typer.Option(help="Session folder to track; with a stack and prompts, the one in which they stay.")
]
Start = Annotated[int | None, typer.Option(help="First frame to track.")]
Stop = Annotated[int | None, typer.Option(help="Frame before which to stop.")]
Direction = Annotated[
    Ways | None, typer.Option(help="Where to go from the prompts; forward by default, both in a session.")
]
ObjectDiameter = Annotated[float | None, _of("object_diameter_px")]
View = Annotated[ViewChoice, _of("view")]
FeatureCache = Annotated[bool | None, _of("feature_cache")]
ReplaceLabels = Annotated[bool, typer.Option("--overwrite", help="Replace what is there and start again.")]
TrackFind = Annotated[
    bool, typer.Option("--find", help="Find the objects on one frame and track them; --prompts may be left out.")
]
FindFrame = Annotated[
    int | None, typer.Option(min=0, help="Where to find them; by default on the first frame tracked.")
]
FoundScore = Annotated[
    float | None, _number("With --find, --auto: leave out objects that are less sure, 0 to 1.", 0, 1)
]
TrackAuto = Annotated[
    bool, typer.Option("--auto", help="Find the objects of every frame and link them, with divisions; no prompts.")
]
AutoRegion = Annotated[
    str | None, typer.Option("--region", metavar="Y0,X0,Y1,X1|IMAGE", help="With --auto: only there, as in `segment`.")
]
Division = Annotated[
    bool | None, typer.Option(help="With --auto: whether objects may divide; by default along T, and not along Z.")
]
LongestGap = Annotated[
    int | None, typer.Option(min=0, help="With --auto: frames on which an object may be missed and stay the same.")
]
LookOn = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=5,
        help="With --auto: frames for which memory looks on behind the ends of tracks for cells that were missed; by "
        "default 3 where cells move by less than half of their size from frame to frame, else 0.",
    ),
]
ObjectTable = Annotated[Path | None, typer.Option("--csv", help="With --auto: table of every object on every frame.")]
TrackTable = Annotated[
    Path | None, typer.Option("--table", "--track-table", help="With --auto: table of tracks and parents.")
]
TrackFile = Annotated[Path | None, typer.Option("--tracks", help="With --auto: .geff, or .xml for TrackMate.")]
CtcFolder = Annotated[Path | None, typer.Option("--ctc", help="With --auto: folder as of the Cell Tracking Challenge.")]
TrackAgain = Annotated[
    bool, typer.Option("--again", help="Of a session alone: make all masks again, and not only stale and missing ones.")
]
ResumeTracking = Annotated[
    bool, typer.Option("--resume", help="Go on behind the last finished frame of a stopped run.")
]

Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processes that look at frames at once, each with one core and half a gigabyte; by default one a core, up "
        "to 4, on a movie of many frames without a GPU.",
    ),
]

# Of `segment`.
NeededStack = Annotated[
    str, typer.Argument(metavar="STACK", help="TIFF, OME-TIFF, .stk, zarr, OME-Zarr, .npy, a video, or images.")
]
NeededLabels = Annotated[Path, typer.Option(help="Label stack to write, .tif or .zarr; 1 is the surest object.")]
Frames = Annotated[str | None, typer.Option(help="Which ones, e.g. 0,5,10-19; all by default. Others stay empty.")]
FoundDiameter = Annotated[
    str, typer.Option(metavar="auto|PX", help="Of a typical object in pixels; auto finds it, and says what it found.")
]
MinDiameter = Annotated[float | None, _number("Leave out objects that are smaller, in pixels.", 0)]
MaxDiameter = Annotated[float | None, _number("Leave out objects that are larger, in pixels.", 0)]
MinScore = Annotated[
    float, _number("Leave out objects that are less sure: of those at 0.8, about 80 % are right.", 0, 1)
]
FoundRegion = Annotated[
    str | None,
    typer.Option(metavar="Y0,X0,Y1,X1|IMAGE", help="Only there: a box in pixels, or an image that is not 0."),
]
DropBorder = Annotated[
    bool, typer.Option("--drop-border", help="Leave out objects that touch the border of the frame.")
]
FoundTable = Annotated[Path | None, typer.Option(help="CSV to write: area, centroid, score, intensities per object.")]

# Of `embed`.
MostGigabytes = Annotated[float | None, _number("Gigabytes that all kept features may take, from now on.", 0, 1e6)]

# Of `evaluate`.
JudgedStack = Annotated[Path, typer.Argument(help="Image stack, or a folder of stills.")]
Truth = Annotated[Path, typer.Option(help="Label stack, or a folder of label images of the same names.")]
ReportFolder = Annotated[Path, typer.Option(help="Folder for evaluation.md, evaluation.json and the picture.")]
JudgedKind = Annotated[Kind, typer.Option(help="auto: two folders or single images are stills.")]
TrueDiameter = Annotated[
    float | None, _number("Diameter of a typical object in pixels; by default the truth's median, or found.", 1, 9999)
]
MovieView = Annotated[ViewChoice, _of("view", "For movies.")]
MostObjects = Annotated[
    int | None, typer.Option(min=1, help="At most so many ids per movie (40), or objects per still (all).")
]
MostFrames = Annotated[int, typer.Option(min=2, help="At most so many frames per id, the prompted one included.")]
Every = Annotated[int, typer.Option(min=1, help="Stills, and --find: only every so many images, from the first.")]
PromptKinds = Annotated[
    list[str] | None, typer.Option(help="click, box, corrections (movie) or clicks3 (stills); all by default.")
]
JudgedFind = Annotated[bool, typer.Option("--find", help="No prompt: find everything in every frame, and judge that.")]
JudgedTracking = Annotated[
    bool,
    typer.Option(
        "--tracking", help="STACK and --truth are tracks: CTC folder, GEFF, label stack, session, labels + tracks.csv."
    ),
]
Parents = Annotated[Path | None, typer.Option(help="--tracking: table of parents of STACK, where it has none itself.")]
TruthParents = Annotated[Path | None, typer.Option(help="--tracking: the same of the truth.")]
Baselines = Annotated[
    str | None,
    typer.Option(
        metavar="IMAGES",
        help="--tracking: the images; classical segmentation with laptrack, and our own tracks without drift, memory "
        "and divisions, stand beside STACK.",
    ),
]
Span = Annotated[float | None, _number("Stills: share of the window's side a typical object takes.", 0.02, 1)]
FirstFrameOnly = Annotated[bool, typer.Option("--first-frame-only", help="Movies: only the objects of frame 0.")]
Baseline = Annotated[bool, typer.Option(help="Also the classical baseline.")]
MovieAxes = Annotated[str | None, typer.Option(help="Movies: one letter of TZCYXS per dimension of STACK.")]
MovieTrackAxis = Annotated[str | None, _of("track_axis", "For movies.")]
MovieChannel = Annotated[list[str] | None, _of("channels", "For movies; one at a time, may be repeated.")]

# Of `finetune`.
RunFolder = Annotated[Path, typer.Option(help="Folder for the checkpoint, the model card and the curve.")]
Images = Annotated[str | None, typer.Option(help="Stack or folder of images, as `track` reads it.")]
Labels = Annotated[str | None, typer.Option(help="Label stack of the same shape; unlabelled frames stay 0.")]
LabelledSession = Annotated[
    Path | None, typer.Option(help="Session folder whose corrected masks are the labels, instead of these two.")
]
BaseModel = Annotated[str, typer.Option(help="Base: name (see: napari-sam2 models) or checkpoint.")]
NewName = Annotated[str | None, typer.Option(help="Name of the new model; BASE-IMAGES by default.")]
Train = Annotated[Part, typer.Option(help="Which weights may change.")]
Steps = Annotated[int, typer.Option(min=1, help="At most so many steps.")]
Minutes = Annotated[float | None, _number("At most so many minutes.", 0)]
ValidateEvery = Annotated[int, typer.Option(min=1, help="Steps between two looks at the held-out frames.")]
Patience = Annotated[int, typer.Option(min=1, help="Looks without improvement before it stops.")]
LearningRate = Annotated[float | None, _number("By default that of the part.", 1e-9, 1)]
LabelledKind = Annotated[Kind, typer.Option(help="auto: a movie if labels keep their value.")]
Seed = Annotated[int, _number("The same seed gives the same model on the same machine.", 0, 2**32 - 1)]
ImageAxes = Annotated[str | None, typer.Option(help="Of the images: one letter of TZCYXS per dimension.")]
LabelAxes = Annotated[str | None, typer.Option(help="Of the labels, e.g. TYX.")]
AnyChannel = Annotated[list[str] | None, typer.Option(help="Number or name; may be repeated.")]
Format = Annotated[FileKind, typer.Option("--format", help="safetensors is half the size, pt is full precision.")]
RestartTraining = Annotated[bool, typer.Option("--overwrite", help="Start again where a run is already.")]
ResumeTraining = Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")]
