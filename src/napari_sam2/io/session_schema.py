"""`session.json`, version 1, as a schema: what may stand in it and how it becomes a document and back.

`docs/sessions.md` describes it for people. Prompts stand in it as they stand in a prompt file. A later version and a
field that is not known are errors: reading the rest would lose what they say. An entry that cannot be is damaged, and
is left out alone. Reading and writing files is in `session_files`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, ValidationError
from pydantic_core import ErrorDetails

from napari_sam2.document.claims import LinkClaims, Rival
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import LARGEST_ID
from napari_sam2.document.proposals import ProposalState
from napari_sam2.document.reviews import Decision, Sample
from napari_sam2.document.track_events import Division, TrackEvent
from napari_sam2.io.folder_parts import LaterVersion, Losses
from napari_sam2.io.prompt_schema import Entry, PromptEntry, first_fault
from napari_sam2.io.saved_session import StackRecord
from sam2_core.errors import StackError

FORMAT = "napari-sam2-session"
VERSION = 1
_USUAL = {"source": "", "score": None, "links": "made"}
"""What is not written of an object, so that earlier programs read it."""
_WHERE_SOME = {"proposals", "divisions", "events", "claims", "decisions", "samples", "weights"}
_UNKNOWN_FIELD = ("extra_forbidden", "unexpected_keyword_argument")


class SourceEntry(Entry):
    """Where the images are."""

    path: Annotated[str | None, Field(description="relative to the session folder where it can be")] = None
    absolute: Annotated[str | None, Field(description="where it was when it was saved")] = None
    axes: Annotated[str | None, Field(description="one letter of TZCYXS per dimension")] = None
    stack: StackRecord | None = None
    scene: Annotated[int | str | None, Field(description="which image of the file, where one was chosen")] = None


class ProposalEntry(Entry):
    """One proposal; its mask is in a label image that those of a frame share, value = number."""

    number: Annotated[int, Field(ge=1, le=LARGEST_ID, strict=True)]
    frame: Annotated[int, Field(ge=0, strict=True)]
    mask: str
    score: FiniteFloat
    source: str = ""
    state: ProposalState = ProposalState.proposed
    label: Annotated[int | None, Field(ge=1, le=LARGEST_ID, description="the object id that it would like")] = None


class ClaimsEntry(Entry):
    """What is claimed about an object: numbers in a row as one string, since a movie has many of them."""

    object_id: Annotated[int, Field(ge=1, le=LARGEST_ID, strict=True)]
    frames: Annotated[str, Field(pattern=r"^(\d+( \d+)*)?$", description="to which links lead")] = ""
    percent: Annotated[str, Field(pattern=r"^(\d+( \d+)*)?$", description="how sure each of them is")] = ""
    rivals: tuple[Rival, ...] = ()

    @classmethod
    def of(cls, claims: LinkClaims) -> ClaimsEntry:
        """Return the entry of what is claimed about an object."""
        percent = " ".join(str(round(100 * one)) for one in claims.confidences)
        frames = " ".join(map(str, claims.frames))
        return cls(object_id=claims.object_id, frames=frames, percent=percent, rivals=claims.rivals)

    def claims(self) -> LinkClaims:
        """Return what is claimed.

        Raises
        ------
        PromptError
            If there are more frames or fewer than confidences, or one is above 100.
        """
        frames, sure = tuple(map(int, self.frames.split())), tuple(int(one) / 100 for one in self.percent.split())
        return LinkClaims(self.object_id, frames, sure, self.rivals)


class WeightsEntry(Entry):
    """Which weights made masks; see `WeightsId`."""

    name: str
    version: str = ""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


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
    claims: tuple[ClaimsEntry, ...] = ()
    decisions: tuple[Decision, ...] = ()
    samples: tuple[Sample, ...] = ()
    weights: tuple[WeightsEntry, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        said = self.model_dump(exclude=_WHERE_SOME)
        if self.source.scene is None:
            del said["source"]["scene"]
        for info in said["objects"]:
            for name in [name for name, usual in _USUAL.items() if info[name] == usual]:
                del info[name]
        return said | self.model_dump(include=_WHERE_SOME, exclude_defaults=True)

    @property
    def mask_files(self) -> set[str]:
        """The files of masks that it names."""
        names = [*(entry.mask for entry in self.prompts), *(entry.mask for entry in self.proposals)]
        return {name for name in names if name is not None}


def parse_session(content: Any, path: Path, log_name: str, losses: Losses) -> SessionDocument:
    """Return the checked content of a session.json; what cannot be used of it is left out and noted.

    Parameters
    ----------
    content
        Parsed JSON.
    path
        Where it was read.
    log_name
        The log of masks where the content does not say a usable one.
    losses
        Added to.

    Raises
    ------
    LaterVersion
        If it is of a later version or has a field that is not known.
    StackError
        If it is no session; the message names what was found.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise StackError(f'{path} is not a session: it needs "format": "{FORMAT}" at the top and has {found!r}.')
    if content.get("version") != VERSION:
        raise LaterVersion(
            f"{path} has version {content.get('version')!r}, and this program reads version {VERSION}; "
            "update napari-sam2 to open it. Nothing was changed."
        )
    while True:
        try:
            return SessionDocument.model_validate(content)
        except ValidationError as error:
            faults = error.errors(include_url=False)
            if any(fault["type"] in _UNKNOWN_FIELD for fault in faults):
                raise LaterVersion(first_fault(error, str(path), "docs/sessions.md")) from error
            for fault in faults:
                where = " ".join(str(part + 1 if isinstance(part, int) else part) for part in fault["loc"])
                losses.add(f"{path.name}: {where}: {fault['msg']} (found {fault['input']!r:.80}); left out.", path)
            content = _without_damage(content, faults, log_name)


def _without_damage(content: dict[str, Any], faults: Sequence[ErrorDetails], log_name: str) -> dict[str, Any]:
    """Return the content without the entries, or else the fields, that have faults; `masks` has a name in any case."""
    damaged: dict[str, set[int]] = defaultdict(set)
    for fault in faults:
        field, *place = fault["loc"]
        entries = content.get(str(field))
        if place and isinstance(place[0], int) and isinstance(entries, list):
            damaged[str(field)].add(place[0])
        else:
            damaged[str(field)] = set(range(len(entries))) if isinstance(entries, list) else set()
    kept = dict(content)
    for field, places in damaged.items():
        entries = kept.pop(field, None)
        if isinstance(entries, list) and places:
            kept[field] = [entry for number, entry in enumerate(entries) if number not in places]
    if "masks" in damaged:
        kept["masks"] = log_name
    return kept
