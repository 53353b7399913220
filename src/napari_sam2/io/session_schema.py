"""`session.json`, version 1, as a schema: what may stand in it and how it becomes a document and back.

`docs/sessions.md` describes it for people. Prompts stand in it as they stand in a prompt file. Anything unknown is an
error. Reading and writing files is in `session_files`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, ValidationError

from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import LARGEST_ID
from napari_sam2.document.proposals import ProposalState
from napari_sam2.document.track_events import Division, TrackEvent
from napari_sam2.io.prompt_schema import Entry, PromptEntry, first_fault
from napari_sam2.io.saved_session import StackRecord
from sam2_core.errors import StackError

FORMAT = "napari-sam2-session"
VERSION = 1


class SourceEntry(Entry):
    """Where the images are."""

    path: Annotated[str | None, Field(description="relative to the session folder where it can be")] = None
    absolute: Annotated[str | None, Field(description="where it was when it was saved")] = None
    axes: Annotated[str | None, Field(description="one letter of TZCYXS per dimension")] = None
    stack: StackRecord | None = None


class ProposalEntry(Entry):
    """One proposal; its mask is in a file as those of prompts are, value = number."""

    number: Annotated[int, Field(ge=1, le=LARGEST_ID, strict=True)]
    frame: Annotated[int, Field(ge=0, strict=True)]
    mask: str
    score: FiniteFloat
    source: str = ""
    state: ProposalState = ProposalState.proposed


class SessionDocument(Entry):
    """A whole session.json; what stands behind `masks` is written only where there is some."""

    format: Literal["napari-sam2-session"] = "napari-sam2-session"
    version: Literal[1] = 1
    written_by: str = ""
    source: SourceEntry = SourceEntry()
    settings: Annotated[dict[str, Any], Field(default_factory=dict)]
    objects: tuple[ObjectInfo, ...] = ()
    prompts: tuple[PromptEntry, ...] = ()
    masks: Annotated[str, Field(pattern=r"^masks-\d+\.log$", description="file that holds the masks")]
    proposals: tuple[ProposalEntry, ...] = ()
    divisions: tuple[Division, ...] = ()
    events: tuple[TrackEvent, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        said = self.model_dump(exclude={"proposals", "divisions", "events"})
        return said | self.model_dump(include={"proposals", "divisions", "events"}, exclude_defaults=True)

    @property
    def mask_files(self) -> set[str]:
        """The files of masks that it names."""
        names = [*(entry.mask for entry in self.prompts), *(entry.mask for entry in self.proposals)]
        return {name for name in names if name is not None}


def parse_session(content: Any, name: str) -> SessionDocument:
    """Return the checked content of a session.json.

    Raises
    ------
    StackError
        If it is no session, of another version, or has an entry that cannot be used; the message names it.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise StackError(f'{name} is not a session: it needs "format": "{FORMAT}" at the top and has {found!r}.')
    if content.get("version") != VERSION:
        raise StackError(
            f"{name} has version {content.get('version')!r}, and this program reads version {VERSION}; "
            "update napari-sam2 to open it. Nothing was changed."
        )
    try:
        return SessionDocument.model_validate(content)
    except ValidationError as error:
        raise StackError(first_fault(error, name, "docs/sessions.md")) from error
