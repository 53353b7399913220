"""The steps of undo in words that JSON can hold, and back; masks are named by numbers of a table (`history_log`).

What a document says is written as in session.json, but for masks of prompts and proposals. It may come from anybody:
what cannot be is a ValueError or a `PromptError`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from napari_sam2.document.claims import LinkClaims
from napari_sam2.document.document import PromptKey
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.patch import DocumentPatch
from napari_sam2.document.prompt import LARGEST_ID, Prompt
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.document.proposals import Proposal
from napari_sam2.document.reviews import Decision, Place, Sample, Sampled
from napari_sam2.document.track_events import Division, TrackEvent
from napari_sam2.io.log_entries import LARGEST_SIDE, check_packed, whole
from napari_sam2.io.prompt_schema import PromptEntry
from napari_sam2.io.session_schema import ClaimsEntry, ProposalEntry

_OBJECT, _DECISION, _SAMPLE = TypeAdapter(ObjectInfo), TypeAdapter(Decision), TypeAdapter(Sample)
_PLACE, _DIVISIONS = TypeAdapter(Place), TypeAdapter(tuple[Division, ...])
_EVENTS = TypeAdapter(tuple[TrackEvent, ...])


def patch_entry(patch: DocumentPatch, kept: Callable[[Mask], int]) -> dict[str, Any]:
    """Return what a record says of a patch; `kept` gives the number of a mask that was put into the table."""

    def name(mask: Mask | None) -> str | None:
        return None if mask is None else str(kept(mask))

    said: dict[str, Any] = {
        "prompts": [
            list(key) if one is None else PromptEntry.of(one, name(one.drawn)).model_dump()
            for key, one in patch.prompts.items()
        ],
        "objects": [one if info is None else _json(_OBJECT, info) for one, info in patch.objects.items()],
        "order": list(patch.order),
        "proposals": [
            number if one is None else _proposal_entry(number, one, str(kept(one.mask)))
            for number, one in patch.proposals.items()
        ],
        "divisions": None if patch.divisions is None else _json(_DIVISIONS, patch.divisions),
        "events": None if patch.events is None else _json(_EVENTS, patch.events),
        "claims": [number if one is None else ClaimsEntry.of(one).model_dump() for number, one in patch.claims.items()],
        "decisions": [
            {"gone": _json(_PLACE, place)} if one is None else _json(_DECISION, one)
            for place, one in patch.decisions.items()
        ],
        "samples": [str(of.value) if one is None else _json(_SAMPLE, one) for of, one in patch.samples.items()],
    }
    return {name: value for name, value in said.items() if value or (value is not None and name in _WHOLE)}


_WHOLE = {"divisions", "events"}
"""What is said as a whole where it differs: none at all is something else than the same."""


def patch_of(said: Mapping[str, Any], mask: Callable[[int], Mask]) -> DocumentPatch:
    """Return the patch that a record speaks of; `mask` gives what has a number in the table.

    Raises
    ------
    ValueError, KeyError, TypeError, PromptError
        If it cannot be.
    """
    decided = [
        _PLACE.validate_python(one["gone"]) if "gone" in one else _DECISION.validate_python(one)
        for one in said.get("decisions", ())
    ]
    return DocumentPatch(
        prompts=dict(_prompt(one, mask) for one in said.get("prompts", ())),
        objects=dict(_object(one) for one in said.get("objects", ())),
        order=tuple(whole(one, 1, LARGEST_ID) for one in said.get("order", ())),
        proposals=dict(_proposal(one, mask) for one in said.get("proposals", ())),
        divisions=_DIVISIONS.validate_python(said["divisions"]) if "divisions" in said else None,
        events=_EVENTS.validate_python(said["events"]) if "events" in said else None,
        claims=dict(_claims(one) for one in said.get("claims", ())),
        decisions=dict((one, None) if isinstance(one, Place) else (one.place, one) for one in decided),
        samples=dict(_sample(one) for one in said.get("samples", ())),
    )


def drawn_entry(mask: Mask) -> dict[str, Any]:
    """Return what the table says of the mask of a prompt or proposal besides its bytes."""
    return {"size": list(mask.size), "y0": mask.y0, "x0": mask.x0, "shape": list(mask.shape)}


def drawn_of(entry: Mapping[str, Any], packed: bytes) -> Mask:
    """Return the mask of a prompt or proposal, seen to be as its entry says.

    Raises
    ------
    ValueError, KeyError, TypeError
        If it is not.
    """
    height, width = (whole(side, 0, LARGEST_SIDE) for side in entry["shape"])
    y0, x0 = whole(entry["y0"], 0, LARGEST_SIDE), whole(entry["x0"], 0, LARGEST_SIDE)
    rows, columns = (whole(side, 0, LARGEST_SIDE) for side in entry["size"])
    if y0 + height > rows or x0 + width > columns:
        raise ValueError(f"a box of {height} x {width} at {y0}, {x0} is not in a frame of {rows} x {columns}")
    if not height * width:
        return Mask.in_box((rows, columns), 0, 0, np.zeros((0, 0), bool))
    check_packed(packed, -(-height * width // 8))
    bits = np.unpackbits(np.frombuffer(zlib.decompress(packed), np.uint8), count=height * width)
    return Mask.in_box((rows, columns), y0, x0, bits.view(bool).reshape(height, width))


def _proposal_entry(number: int, one: Proposal, mask: str) -> dict[str, Any]:
    entry = ProposalEntry(
        number=number,
        frame=one.frame,
        mask=mask,
        score=one.score,
        source=one.source,
        state=one.state,
        label=one.label,
    )
    return entry.model_dump(mode="json")


def _prompt(said: Any, mask: Callable[[int], Mask]) -> tuple[PromptKey, Prompt | None]:
    if isinstance(said, list):
        return (whole(said[0], 1, LARGEST_ID), whole(said[1], 0, LARGEST_ID)), None
    entry = PromptEntry.model_validate(said)
    return (entry.object_id, entry.frame), entry.prompt("undo", lambda number: mask(int(number)))


def _object(said: Any) -> tuple[int, ObjectInfo | None]:
    if isinstance(said, int):
        return said, None
    info = _OBJECT.validate_python(said)
    return info.object_id, info


def _proposal(said: Any, mask: Callable[[int], Mask]) -> tuple[int, Proposal | None]:
    if isinstance(said, int):
        return said, None
    entry = ProposalEntry.model_validate(said)
    found = mask(int(entry.mask))
    return entry.number, Proposal(entry.frame, found, entry.score, entry.source, entry.state, entry.label)


def _claims(said: Any) -> tuple[int, LinkClaims | None]:
    if isinstance(said, int):
        return said, None
    entry = ClaimsEntry.model_validate(said)
    return entry.object_id, entry.claims()


def _sample(said: Any) -> tuple[Sampled, Sample | None]:
    if isinstance(said, str):
        return Sampled(said), None
    sample = _SAMPLE.validate_python(said)
    return sample.of, sample


def _json(kind: TypeAdapter[Any], value: Any) -> Any:
    return kind.dump_python(value, mode="json")
