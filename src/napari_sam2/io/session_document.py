"""`session.json` in a folder, from and to a `SavedSession` without its masks (`session_schema` says what stands in it).

Written in one step, the masks of prompts that it names before it. The one before stays as `session.previous.json`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from functools import partial
from importlib import metadata
from pathlib import Path

from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.document.proposals import Proposal
from napari_sam2.io.atomic import write_atomically
from napari_sam2.io.prompt_schema import PromptEntry
from napari_sam2.io.saved_session import SavedSession
from napari_sam2.io.session_masks import read_mask, remove_unused_masks, write_prompt_mask, write_proposal_mask
from napari_sam2.io.session_schema import ProposalEntry, SessionDocument, SourceEntry, parse_session
from napari_sam2.masks.stored_masks import MaskKey
from sam2_core.errors import PromptError, StackError

SESSION_FILE = "session.json"
PREVIOUS_FILE = "session.previous.json"


def write_document(folder: Path, saved: SavedSession, log_name: str) -> None:
    """Write session.json and the masks of prompts that it names; the one before stays as session.previous.json."""
    said = saved.document
    written = partial(write_prompt_mask, folder)
    content = SessionDocument(
        written_by=f"napari-sam2 {metadata.version('napari-sam2')}",
        source=_source_entry(folder, saved),
        settings=dict(saved.settings),
        objects=tuple(said.objects.values()),
        prompts=tuple(PromptEntry.of(said.prompts[key], written) for key in sorted(said.prompts)),
        masks=log_name,
        proposals=tuple(_proposal_entry(folder, number, one) for number, one in said.proposals.items()),
        divisions=said.divisions,
        events=said.events,
    )
    text = json.dumps(content.to_json(), indent=2) + "\n"
    path = folder / SESSION_FILE
    before = _previous_masks(folder)
    if path.exists():
        shutil.copyfile(path, folder / PREVIOUS_FILE)
    write_atomically(path, text.encode())
    remove_unused_masks(folder, before | content.mask_files)


def read_document(folder: Path) -> tuple[SessionDocument, list[str]]:
    """Return the content of session.json and what had to be noted; of the one before where it is damaged.

    Raises
    ------
    StackError
        If neither can be used.
    """
    path = folder / SESSION_FILE
    try:
        return _parsed(path), []
    except FileNotFoundError:
        raise StackError(f"{folder} is not a session folder: it holds no {SESSION_FILE}; check the path.") from None
    except ValueError as error:
        previous = folder / PREVIOUS_FILE
        if not previous.exists():
            logs = ", ".join(sorted(log.name for log in folder.glob("masks-*.log"))) or "none"
            raise StackError(f"{path} is damaged ({error}). Masks that were saved beside it: {logs}.") from error
        return _parsed(previous), [f"{SESSION_FILE} is damaged ({error}); {PREVIOUS_FILE} was read instead."]


def _parsed(path: Path) -> SessionDocument:
    return parse_session(json.loads(path.read_text(encoding="utf-8")), str(path))


def session_of(folder: Path, document: SessionDocument, notes: list[str]) -> SavedSession:
    """Return what a session.json says; a prompt whose mask cannot be read is left out and noted."""
    prompts: dict[MaskKey, Prompt] = {}
    for number, entry in enumerate(document.prompts):
        try:
            read = partial(read_mask, folder, entry.object_id)
            prompts[entry.object_id, entry.frame] = entry.prompt(f"{SESSION_FILE}, entry {number + 1}", read)
        except PromptError as error:
            notes.append(f"object {entry.object_id}, frame {entry.frame}: {error} The prompt is left out.")
    objects = {info.object_id: info for info in document.objects}
    objects |= {object_id: ObjectInfo(object_id) for object_id, _ in prompts if object_id not in objects}
    proposals = _proposals(folder, document.proposals, notes)
    return SavedSession(
        document=Document(prompts, objects, proposals, document.divisions, document.events),
        settings=document.settings,
        source=_found_source(folder, document.source),
        axes=document.source.axes,
        stack=document.source.stack,
    )


def _proposal_entry(folder: Path, number: int, proposal: Proposal) -> ProposalEntry:
    return ProposalEntry(
        number=number,
        frame=proposal.frame,
        mask=write_proposal_mask(folder, number, proposal),
        score=proposal.score,
        source=proposal.source,
        state=proposal.state,
    )


def _proposals(folder: Path, entries: Iterable[ProposalEntry], notes: list[str]) -> dict[int, Proposal]:
    """Return the proposals by number; one whose mask cannot be read is left out and noted."""
    found: dict[int, Proposal] = {}
    for entry in entries:
        try:
            mask = Mask(read_mask(folder, entry.number, entry.mask))
            found[entry.number] = Proposal(entry.frame, mask, entry.score, entry.source, entry.state)
        except PromptError as error:
            notes.append(f"proposal {entry.number}, frame {entry.frame}: {error} The proposal is left out.")
    return found


def _previous_masks(folder: Path) -> set[str]:
    """Return the mask files that the session.json that is there names: it becomes the previous one and needs them."""
    try:
        return _parsed(folder / SESSION_FILE).mask_files
    except (OSError, ValueError, StackError):
        return set()


def _source_entry(folder: Path, saved: SavedSession) -> SourceEntry:
    if saved.source is None:
        return SourceEntry(axes=saved.axes, stack=saved.stack)
    absolute = Path(saved.source).expanduser().absolute()
    try:
        path = Path(os.path.relpath(absolute, folder.absolute())).as_posix()
    except ValueError:  # on another drive
        path = str(absolute)
    return SourceEntry(path=path, absolute=str(absolute), axes=saved.axes, stack=saved.stack)


def _found_source(folder: Path, entry: SourceEntry) -> str | None:
    """Return where the images are: seen from the folder, else where they were; the latter if they are in neither."""
    beside = None if entry.path is None else Path(os.path.normpath(folder.absolute() / entry.path))
    if beside is not None and (beside.exists() or entry.absolute is None):
        return str(beside)
    return entry.absolute
