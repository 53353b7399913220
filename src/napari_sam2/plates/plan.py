"""A plan of many movies: which images, what is done to each of them, and where results go, as a TOML file says it.

`read_plan` checks all that can be checked without an image; a mistake is named with its place in the file. Which movies
the patterns come to is found out by `movies`. Nothing here opens an image or loads a model.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from napari_sam2.engine.jobs import LEAST_LINKED_SCORE, LEAST_SCORE, Direction
from napari_sam2.io.text_files import decoded
from napari_sam2.session.settings import SessionSettings
from sam2_core.errors import StackError

NAMES = ("plate", "well", "name")
"""What stands between braces in patterns: the plate, the well and the movie itself."""
Format = Literal["labels", "csv", "track_table", "tracks", "ctc", "session"]
"""What can be written of a movie, by the names of `io.exports`; `session` is a folder to look at and correct."""
_TABLES: Mapping[Format, str] = {"labels": "labels.tif", "csv": "cells.csv"}
_TRACKED: Mapping[Format, str] = {**_TABLES, "track_table": "tracks.csv", "session": "movie.sam2"}

Size = Annotated[float | None, Field(ge=1, le=9999)]
Score = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Movies(_Strict):
    """Images of one kind: patterns or paths, beside the plan where they are not absolute.

    Attributes
    ----------
    paths
        Files, OME-Zarr stores and plates, folders of images; `*`, `**` and `?` stand for names.
    plate, well
        What `{plate}` and `{well}` are; by default what an OME-Zarr plate says, else the folder's name, and nothing.
    match
        A regular expression looked for in the path, whose groups `plate`, `well` and `name` say what these are.
    axes
        One letter of TZCYXS per dimension; by default what the file says.
    scenes
        Which images of a file that holds several, by number or place ("A/1/0"); every one by default.
    """

    paths: tuple[str, ...] = Field(min_length=1)
    plate: str | None = None
    well: str | None = None
    match: str | None = None
    axes: str | None = None
    scenes: Literal["all"] | tuple[int | str, ...] = "all"

    @field_validator("paths", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("match")
    @classmethod
    def _regular(cls, value: str | None) -> str | None:
        try:
            groups = re.compile(value or "").groupindex
        except re.error as error:
            raise ValueError(f"no regular expression ({error})") from error
        if value is not None and not groups.keys() & set(NAMES):
            raise ValueError("it has none of the groups (?P<plate>...), (?P<well>...), (?P<name>...)")
        return value


class _Written(_Strict):
    write: dict[Format, str]

    @field_validator("write")
    @classmethod
    def _plain_names(cls, value: dict[Format, str]) -> dict[Format, str]:
        for name in value.values():
            if Path(name).name != name or name in ("", ".", ".."):
                raise ValueError(f"{name!r} is no plain name; results lie in the folder of their movie")
        return value


class _Labelled(_Written):
    @field_validator("write")
    @classmethod
    def _with_labels(cls, value: dict[Format, str]) -> dict[Format, str]:
        if "labels" not in value:
            raise ValueError("labels are missing; they are always written")
        return value


class _Found(_Labelled):
    """Frames `start` to `stop` - 1 are looked at; `diameter_px` of a typical object, found out where None."""

    start: int | None = None
    stop: int | None = None
    diameter_px: Size = None


class Segment(_Found):
    """Every object of every frame, as `napari-sam2 segment`."""

    task: Literal["segment"]
    min_diameter_px: Size = None
    max_diameter_px: Size = None
    min_score: Score = LEAST_SCORE
    keep_border: bool = True
    write: dict[Format, str] = dict(_TABLES)


class TrackAll(_Found):
    """Every object of every frame, linked, as `napari-sam2 track --auto`."""

    task: Literal["track"]
    min_score: Score = LEAST_LINKED_SCORE
    division: bool | None = None
    longest_gap: int | None = Field(None, ge=0)
    look_on: int | None = Field(None, ge=0, le=5)
    write: dict[Format, str] = dict(_TRACKED)


class FromPrompts(_Labelled):
    """Objects that a prompt file points at, one for each movie, as `napari-sam2 track --prompts`."""

    task: Literal["prompts"]
    prompts: str
    start: int | None = None
    stop: int | None = None
    direction: Direction = "forward"
    write: dict[Format, str] = dict(_TRACKED)


class FromSessions(_Written):
    """Session folders, tracked where masks are stale or missing, as `napari-sam2 track --session`."""

    task: Literal["sessions"]
    direction: Direction | None = None
    write: dict[Format, str] = {name: file for name, file in _TRACKED.items() if name != "session"}


class Export(_Written):
    """Session folders, written out as they are, as `napari-sam2 export`."""

    task: Literal["export"]
    write: dict[Format, str] = {name: file for name, file in _TRACKED.items() if name != "session"}


class Evaluate(_Strict):
    """Tracks beside their truth, as `napari-sam2 evaluate --tracking`."""

    task: Literal["evaluate"]
    truth: str


Work = Segment | TrackAll | FromPrompts | FromSessions | Export | Evaluate


class Plan(_Strict):
    """What a plan file says; `folder` is that of the file, `text` the file itself.

    Attributes
    ----------
    out
        Folder for all results, the table and the report; beside the plan where it is not absolute.
    layout
        Folder of one movie in it.
    movies, do, settings
        Which images, what is done, and how the model sees them (`SessionSettings`).
    """

    out: str
    layout: str = "{plate}/{well}/{name}"
    movies: tuple[Movies, ...] = Field(min_length=1)
    do: Annotated[Work, Field(discriminator="task")]
    settings: SessionSettings = Field(default_factory=SessionSettings)
    folder: Path = Field(Path(), exclude=True)
    text: str = Field("", exclude=True)

    @property
    def out_folder(self) -> Path:
        """Folder for all results."""
        return self.beside(self.out)

    def beside(self, path: str) -> Path:
        """Return a path that the plan names."""
        return self.folder / Path(path).expanduser()

    def folder_of(self, names: Mapping[str, str]) -> Path:
        """Return the folder for the results of a movie of these names.

        Raises
        ------
        StackError
            If the layout leads out of the folder for all results.
        """
        inside = Path(filled(self.layout, names))
        if inside.anchor or ".." in inside.parts:
            where = f"the layout {self.layout!r} leads out of the folder for results (out)"
            raise StackError(f"{where}, to {inside}; leave / in front and .. out.")
        return self.out_folder / inside


def read_plan(path: str | Path) -> Plan:
    """Return the plan in a TOML file.

    Raises
    ------
    StackError
        If it cannot be read, or something in it is not known or cannot be; the sentence names the place.
    """
    path = Path(path)
    try:
        text = decoded(path.read_bytes())
        said = tomllib.loads(text)
    except FileNotFoundError as error:
        raise StackError(f"There is no plan {path}; see docs/plates.md for one to begin with.") from error
    except (OSError, ValueError) as error:  # TOMLDecodeError is one
        raise StackError(f"{path} cannot be read as TOML: {error}.") from error
    try:
        plan = Plan.model_validate({**said, "folder": path.absolute().parent, "text": text})
        _check_patterns(plan)
    except ValidationError as error:
        raise StackError(f"{path}: {_in_words(error)}") from error
    except StackError as error:
        raise StackError(f"{path}: {error}") from error
    return plan


def filled(pattern: str, names: Mapping[str, str]) -> str:
    """Return a pattern with the names of a movie in it; of what is empty in front no slash is left.

    Raises
    ------
    StackError
        If something else stands between braces.
    """
    try:
        text = pattern.format_map(names)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        known = ", ".join(f"{{{name}}}" for name in names)
        raise StackError(f"the pattern {pattern!r} cannot be filled ({error}); in braces stand {known}.") from error
    return text if pattern.startswith("/") else text.lstrip("/")


def _check_patterns(plan: Plan) -> None:
    """Say no to what no movie could fill, and to a layout that would put two movies into one folder."""
    names = dict.fromkeys(NAMES, "x")
    asked = [plan.layout]
    plan.folder_of(names)
    if isinstance(plan.do, FromPrompts):
        asked.append(plan.do.prompts)
    if isinstance(plan.do, Evaluate):
        asked.append(plan.do.truth)
    for pattern in asked:
        filled(pattern, names)
        if "name" not in {field for _, field, _, _ in string.Formatter().parse(pattern)}:
            raise StackError(f"the pattern {pattern!r} is the same for every movie; {{name}} has to stand in it.")


def _in_words(error: ValidationError) -> str:
    """Return the first thing that pydantic found as a sentence that names the place and the value."""
    fault: Any = error.errors(include_url=False)[0]
    kinds = {"segment", "track", "prompts", "sessions", "export", "evaluate"}
    place = ".".join(str(part) for part in fault["loc"] if part not in kinds) or "the plan"
    if fault["type"] == "extra_forbidden":
        return f"{place} is not known; look for a mistake in writing."
    if fault["type"] == "missing":
        return f"{place} is missing."
    return f"{place} cannot be {fault['input']!r}: {fault['msg'].removeprefix('Value error, ')}."
