"""The prompt file, version 1, as a schema: what may stand in it and how it becomes prompts and back.

`docs/prompt-files.md` describes it for people. Anything unknown is an error, so that a misspelt field is found and not
ignored. Reading and writing files is in `prompt_files`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from napari_sam2.document.prompt import LARGEST_ID, Prompt
from napari_sam2.document.prompt_parts import BoolArray, Mask
from sam2_core.errors import PromptError

FORMAT = "napari-sam2-prompts"
VERSION = 1

PointYX = tuple[FiniteFloat, FiniteFloat]
BoxYX = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]


class Entry(BaseModel):
    """Something that stands in a file; whatever else stands there is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PromptEntry(Entry):
    """One object on one frame, as it stands in prompt files and in session.json; its mask is in a file beside."""

    object_id: Annotated[int, Field(ge=1, le=LARGEST_ID, strict=True, description="label value of the object")]
    frame: Annotated[int, Field(ge=0, strict=True, description="0-based position on the tracked axis")]
    points_yx: Annotated[list[PointYX], Field(description="clicks, (y, x) in pixels")] = []
    labels: Annotated[list[Literal[0, 1]], Field(description="1 in the object, 0 outside; all 1 if left out")] = []
    box_yx: Annotated[BoxYX | None, Field(description="(y0, x0, y1, x1) in pixels")] = None
    mask: Annotated[str | None, Field(description="label TIFF beside this file, value = object id")] = None

    @model_validator(mode="before")
    @classmethod
    def _labels_default_to_inside(cls, entry: Any) -> Any:
        if isinstance(entry, dict) and "labels" not in entry and isinstance(entry.get("points_yx"), list):
            return entry | {"labels": [1] * len(entry["points_yx"])}
        return entry

    @model_validator(mode="after")
    def _something_is_given(self) -> PromptEntry:
        if len(self.points_yx) != len(self.labels):
            raise ValueError(f"{len(self.points_yx)} points but {len(self.labels)} labels; give one label per point")
        if not self.points_yx and self.box_yx is None and self.mask is None:
            raise ValueError("no point, box or mask; give points_yx, box_yx or mask")
        return self

    @classmethod
    def of(cls, prompt: Prompt, mask: str | None) -> PromptEntry:
        """Return the entry of a prompt; `mask` is the name of the file that holds its mask, if it has one."""
        said = {name: value for part in prompt.parts for name, value in part.fields().items()}
        return cls.model_validate({"object_id": prompt.object_id, "frame": prompt.frame} | said | {"mask": mask})

    def prompt(self, origin: str, read: Callable[[str], BoolArray | Mask]) -> Prompt:
        """Return the prompt of the entry; `read` gets the pixels out of a file, `origin` is for messages."""
        mask = None if self.mask is None else read(self.mask)
        points, labels = tuple(self.points_yx), tuple(self.labels)
        return Prompt(self.object_id, self.frame, points, labels, self.box_yx, mask, origin)


class PromptDocument(Entry):
    """A whole prompt file."""

    format: Literal["napari-sam2-prompts"] = "napari-sam2-prompts"
    version: Literal[1] = 1
    prompts: list[PromptEntry]


def parse_document(content: Any, name: str) -> PromptDocument:
    """Return the checked document from parsed JSON.

    Raises
    ------
    PromptError
        If it is no prompt file, of another version, or has an entry that cannot be used; the message names the entry.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise PromptError(
            f'{name} is not a prompt file: it needs "format": "{FORMAT}" at the top and has {found!r}; '
            "see docs/prompt-files.md for an example."
        )
    if content.get("version") != VERSION:
        raise PromptError(
            f"{name} has version {content.get('version')!r}, and this program reads version {VERSION}; "
            "update napari-sam2, or save the prompts again as version 1."
        )
    try:
        return PromptDocument.model_validate(content)
    except ValidationError as error:
        raise PromptError(first_fault(error, name)) from error


def first_fault(error: ValidationError, name: str, manual: str = "docs/prompt-files.md") -> str:
    """Return the first fault that pydantic found as a sentence with file, entry, field and value."""
    fault = error.errors(include_url=False)[0]
    where = name
    place = list(fault["loc"])
    if place[:1] == ["prompts"] and len(place) > 1:
        where += f", entry {int(place[1]) + 1}"
        place = place[2:]
    field = ".".join(str(part) for part in place)
    message = str(fault["msg"]).removeprefix("Value error, ")
    value = "" if fault["type"] in ("value_error", "missing") else f" (found {fault['input']!r})"
    more = f" {error.error_count() - 1} more such faults follow." if error.error_count() > 1 else ""
    return f"{where}: {f'{field}: ' if field else ''}{message}{value}. See {manual}.{more}"
