"""`session.json` in a folder, from and to a `SavedSession` without its masks (`session_schema` says what stands in it).

Written in one step, the masks of prompts that it names before it. The one before stays as `session.previous.json`, and
is read where session.json is damaged or gone. What is damaged in it costs itself alone and is noted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.document.proposals import Proposal
from napari_sam2.document.reviews import ReviewRecord
from napari_sam2.io.atomic import part_beside, write_atomically, writing
from napari_sam2.io.folder_parts import LeftAlone, Losses, OutOfReach, content_of, is_own_folder, is_there, put_aside
from napari_sam2.io.prompt_schema import PromptEntry
from napari_sam2.io.saved_session import SavedSession
from napari_sam2.io.session_masks import (
    PROMPT_FOLDER,
    KnownSheets,
    is_mask_name,
    mask_in,
    read_sheets,
    remove_unused_masks,
    write_prompt_masks,
    write_proposal_masks,
)
from napari_sam2.io.session_schema import (
    ClaimsEntry,
    ProposalEntry,
    SessionDocument,
    SourceEntry,
    WeightsEntry,
    parse_session,
)
from napari_sam2.masks.stored_masks import MaskKey
from sam2_core.checkpoints.identity import WeightsId
from sam2_core.errors import PromptError, StackError

SESSION_FILE = "session.json"
PREVIOUS_FILE = "session.previous.json"
_IN_LINES = {"proposals", "claims"}
LOG_NAME = re.compile(r"masks-(\d+)\.log")


def write_document(
    folder: Path,
    saved: SavedSession,
    log_name: str,
    known: KnownSheets | None = None,
    announced: Callable[[str], None] | None = None,
) -> None:
    """Write session.json and the masks of prompts that it names; the one before stays as session.previous.json.

    Parameters
    ----------
    known
        What the same writer wrote last, which is brought up to date; nothing where None.
    announced
        Told the fingerprint of the new session.json before it takes its place.

    Raises
    ------
    StackError
        If the disk is full or the folder is out of reach; session.json is then the one before.
    """
    said = saved.document
    path = folder / SESSION_FILE
    with writing(path):
        known = {} if known is None else known
        names = write_prompt_masks(folder, said.prompts.values(), known)
        content = SessionDocument(
            written_by=f"napari-sam2 {metadata.version('napari-sam2')}",
            source=_source_entry(folder, saved),
            settings=dict(saved.settings),
            objects=tuple(said.objects.values()),
            prompts=tuple(PromptEntry.of(said.prompts[key], names.get(key)) for key in sorted(said.prompts)),
            masks=log_name,
            proposals=_proposal_entries(folder, said.proposals, known),
            divisions=said.divisions,
            events=said.events,
            claims=tuple(map(ClaimsEntry.of, said.claims.values())),
            decisions=tuple(said.review.decisions.values()),
            samples=tuple(said.review.samples.values()),
            weights=tuple(WeightsEntry(**asdict(one)) for one in saved.weights),
        )
        before, told = _keep_previous(folder), _told(content.to_json()).encode()
        if announced is not None:
            announced(fingerprint_of(told))
        write_atomically(path, told)
        remove_unused_masks(folder, before | content.mask_files)


def fingerprint_of(told: bytes) -> str:
    """Return a short text that changes with what a session.json says."""
    return hashlib.sha256(told).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class DocumentRead:
    """What was read of the documents of a folder.

    Attributes
    ----------
    content
        Of session.json, or of the one before.
    losses
        What could not be read.
    """

    content: SessionDocument
    losses: Losses


def read_document(folder: Path) -> DocumentRead:
    """Return the content of session.json and what had to be noted; of the one before where it is damaged or gone.

    Raises
    ------
    LeftAlone
        If a later version wrote it, or it may not be read.
    StackError
        If neither can be used.
    """
    path, previous = folder / SESSION_FILE, folder / PREVIOUS_FILE
    if not is_there(path) and not is_there(previous):
        raise StackError(f"{folder} is not a session folder: it holds no {SESSION_FILE}; check the path.")
    losses = Losses()
    try:
        return DocumentRead(_parsed(path, losses), losses)
    except LeftAlone:
        raise
    except (OSError, ValueError, RecursionError) as error:
        what = f"{SESSION_FILE} is damaged ({error})" if is_there(path) else f"{SESSION_FILE} is missing"
        losses = Losses()
        losses.add(f"{what}; {PREVIOUS_FILE} was read instead.", path)
        try:
            return DocumentRead(_parsed(previous, losses, _named_log(path)), losses)
        except LeftAlone:
            raise
        except (OSError, ValueError, RecursionError):
            there = ", ".join(log.name for log in logs_in(folder)) or "none"
            raise StackError(f"{path} is damaged ({error}). Masks that were saved beside it: {there}.") from error


def logs_in(folder: Path) -> list[Path]:
    """Return the logs of masks in a folder, the oldest first."""
    numbers = {path: found for path in folder.glob("masks-*.log") if (found := LOG_NAME.fullmatch(path.name))}
    return sorted(numbers, key=lambda path: int(numbers[path][1]))


def _parsed(path: Path, losses: Losses, log_name: str | None = None) -> SessionDocument:
    """Return what a session.json says; the log of masks is the one that is given, or else the one that it names."""
    content = json.loads(content_of(path).decode("utf-8"))
    newest = logs_in(path.parent)[-1:]
    if log_name is not None and isinstance(content, dict):
        content["masks"] = log_name
    return parse_session(content, path, newest[0].name if newest else "masks-000001.log", losses)


def _named_log(path: Path) -> str | None:
    """Return the log that a damaged session.json names, or else the newest one in its folder; None without any."""
    with suppress(OSError, OutOfReach):
        named = re.findall(rb'"masks":\s*"(masks-\d+\.log)"', content_of(path))
        if named and is_there(path.with_name(named[-1].decode())):
            return str(named[-1].decode())
    newest = logs_in(path.parent)[-1:]
    return newest[0].name if newest else None


def session_of(folder: Path, document: SessionDocument, losses: Losses) -> SavedSession:
    """Return what a session.json says; a prompt whose mask cannot be read is left out and noted."""
    path = folder / SESSION_FILE
    prompts: dict[MaskKey, Prompt] = {}
    masks = partial(mask_in, folder, read_sheets(folder, document.mask_files))
    for number, entry in enumerate(document.prompts):
        try:
            read = partial(masks, entry.object_id)
            prompts[entry.object_id, entry.frame] = entry.prompt(f"{SESSION_FILE}, entry {number + 1}", read)
        except PromptError as error:
            where = f"object {entry.object_id}, frame {entry.frame}"
            losses.add(f"{where}: {error} The prompt is left out.", _blamed(folder, entry.mask))
    decisions = {one.place: one for one in document.decisions}
    return SavedSession(
        document=replace(
            _described(path, prompts, document, losses),
            proposals=_proposals(folder, document.proposals, masks, losses),
            review=ReviewRecord(decisions, {one.of: one for one in document.samples}),
        ),
        settings=document.settings,
        source=_found_source(folder, document.source),
        axes=document.source.axes,
        stack=document.source.stack,
        scene=document.source.scene,
        weights=tuple(WeightsId(one.name, one.version, one.sha256) for one in document.weights),
    )


def _described(path: Path, prompts: Mapping[MaskKey, Prompt], document: SessionDocument, losses: Losses) -> Document:
    """Return prompts with what is said of their objects, as far as it goes together."""
    objects = {info.object_id: info for info in document.objects}
    objects |= {object_id: ObjectInfo(object_id) for object_id, _ in prompts if object_id not in objects}
    try:
        said = Document(prompts, objects)
    except PromptError as error:
        losses.add(f"{SESSION_FILE}: {error} The parents of objects are left out.", path)
        said = Document(prompts, {one: replace(info, parent=None) for one, info in objects.items()})
    about = {"divisions": document.divisions, "events": document.events, "claims": document.claims}
    with suppress(PromptError):
        return _with_said(said, about)
    for name, entries in about.items():
        for entry in entries:
            try:
                said = _with_said(said, {name: (entry,)})
            except PromptError as error:
                losses.add(f"{SESSION_FILE}: {error} One of the {name} is left out.", path)
    return said


def _with_said(document: Document, about: Mapping[str, tuple[Any, ...]]) -> Document:
    """Return the document with divisions, events and claims besides those that it has."""
    claims = {entry.object_id: entry.claims() for entry in about.get("claims", ())}
    return replace(
        document,
        divisions=(*document.divisions, *about.get("divisions", ())),
        events=(*document.events, *about.get("events", ())),
        claims={**document.claims, **claims},
    )


def _blamed(folder: Path, mask_name: str | None) -> Path:
    """Return the file that is at fault where a prompt or proposal cannot be read: that of its mask, if it is one."""
    if mask_name is None or not is_mask_name(mask_name):
        return folder / SESSION_FILE
    return folder / mask_name if is_own_folder(folder / PROMPT_FOLDER) else folder / PROMPT_FOLDER


def _told(content: Mapping[str, Any]) -> str:
    """Return the text of a session.json; what there may be thousands of has a line each, which is written faster."""
    text = json.dumps({name: value for name, value in content.items() if name not in _IN_LINES}, indent=2)
    for name in sorted(_IN_LINES & content.keys()):
        rows = ",\n    ".join(map(json.dumps, content[name]))
        text = f'{text[:-2]},\n  "{name}": [\n    {rows}\n  ]\n}}'
    return text + "\n"


def _proposal_entries(folder: Path, proposals: Mapping[int, Proposal], known: KnownSheets) -> tuple[ProposalEntry, ...]:
    names = write_proposal_masks(folder, proposals, known)
    return tuple(
        ProposalEntry(
            number=number,
            frame=one.frame,
            mask=names[number],
            score=one.score,
            source=one.source,
            state=one.state,
            label=one.label,
        )
        for number, one in proposals.items()
    )


def _proposals(
    folder: Path, entries: Iterable[ProposalEntry], masks: Callable[[int, str], Mask], losses: Losses
) -> dict[int, Proposal]:
    """Return the proposals by number; one whose mask cannot be read is left out and noted."""
    found: dict[int, Proposal] = {}
    for entry in entries:
        try:
            mask = masks(entry.number, entry.mask)
            found[entry.number] = Proposal(entry.frame, mask, entry.score, entry.source, entry.state, entry.label)
        except PromptError as error:
            where = f"proposal {entry.number}, frame {entry.frame}"
            losses.add(f"{where}: {error} The proposal is left out.", _blamed(folder, entry.mask))
    return found


def _keep_previous(folder: Path) -> set[str]:
    """Give the session.json that is there its other name, and return the mask files that it names and needs.

    One that cannot be read, or not all of it, was changed by somebody else and is put aside.
    """
    path, previous = folder / SESSION_FILE, folder / PREVIOUS_FILE
    if not is_there(path):
        return set()
    losses = Losses()
    try:
        named = _parsed(path, losses).mask_files
    except (OSError, ValueError, RecursionError) as error:
        losses.add(str(error), path)
    if losses.files:
        put_aside(path)
        return set()
    if is_there(previous) and not previous.is_file():
        put_aside(previous)
    part = part_beside(previous)
    try:
        os.link(path, part)
        os.replace(part, previous)
    except OSError:  # a disk without links
        part.unlink(missing_ok=True)
        write_atomically(previous, content_of(path))
    return named


def _source_entry(folder: Path, saved: SavedSession) -> SourceEntry:
    if saved.source is None:
        return SourceEntry(axes=saved.axes, stack=saved.stack, scene=saved.scene)
    absolute = Path(saved.source).expanduser().absolute()
    try:
        path = Path(os.path.relpath(absolute, folder.absolute())).as_posix()
    except ValueError:  # on another drive
        path = str(absolute)
    return SourceEntry(path=path, absolute=str(absolute), axes=saved.axes, stack=saved.stack, scene=saved.scene)


def _found_source(folder: Path, entry: SourceEntry) -> str | None:
    """Return where the images are: seen from the folder, else where they were; the latter if they are in neither."""
    beside = None if entry.path is None else os.path.normpath(folder.absolute() / entry.path)
    if beside is not None and (os.path.exists(beside) or entry.absolute is None):
        return beside
    return entry.absolute
