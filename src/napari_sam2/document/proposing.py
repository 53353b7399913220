"""How proposals come into a document and leave it: proposed, accepted as objects, rejected, forgotten.

Each function returns a new document. Which proposals lie on top of objects, and which of them are meant, is the
session's business: masks are not known here.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

from napari_sam2.document.document import Document
from napari_sam2.document.objects import ObjectInfo
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.proposal_map import ProposalMap
from napari_sam2.document.proposals import Proposal, ProposalState
from sam2_core.errors import PromptError


def proposed(
    document: Document, found: Sequence[Proposal], frame: int, source: str, kept: Container[int] = ()
) -> Document:
    """Return the document with what a source found on a frame, in place of what it proposed there before.

    What a person accepted or rejected stays, as do `kept` numbers. New ones are numbered on, in their order.
    """
    here = ProposalMap.of(document.proposals).on_frame(frame)
    gone = [number for number, one in here.items() if one.source == source and one.is_open and number not in kept]
    new = enumerate(found, start=document.next_proposal())
    return document.with_proposals({**dict.fromkeys(gone), **dict(new)})


def accepted(document: Document, ids: Mapping[int, int]) -> Document:
    """Return the document in which proposals, number -> id of a new object, are objects with their mask as a prompt.

    Raises
    ------
    PromptError
        If there is no such proposal, or an object of that id is there already.
    """
    chosen = {number: _proposal(document, number) for number in ids}
    taken = sorted(document.objects.keys() & set(ids.values()))
    if taken or len(set(ids.values())) < len(ids):
        raise PromptError(f"proposals cannot become objects {sorted(ids.values())}: give each a new id of its own.")
    prompts = {
        (ids[number], one.frame): Prompt(ids[number], one.frame, mask=one.mask) for number, one in chosen.items()
    }
    infos = [ObjectInfo(ids[number], source=one.source, score=one.score) for number, one in chosen.items()]
    made = document.with_objects(infos).with_prompts(prompts)
    return _in_state(made, chosen, ProposalState.accepted)


def rejected(document: Document, numbers: Iterable[int]) -> Document:
    """Return the document in which proposals are rejected.

    Raises
    ------
    PromptError
        If there is no such proposal.
    """
    return _in_state(document, {number: _proposal(document, number) for number in numbers}, ProposalState.rejected)


def forgotten(document: Document, numbers: Iterable[int]) -> Document:
    """Return the document without proposals, whatever was said of them; objects that were made of them stay.

    Raises
    ------
    PromptError
        If there is no such proposal.
    """
    chosen = list(numbers)
    for number in chosen:
        _proposal(document, number)
    return document.with_proposals(dict.fromkeys(chosen))


def _proposal(document: Document, number: int) -> Proposal:
    found = document.proposals.get(number)
    if found is None:
        raise PromptError(f"there is no proposal {number}; choose one of those in document.proposals.")
    return found


def _in_state(document: Document, chosen: Mapping[int, Proposal], state: ProposalState) -> Document:
    return document.with_proposals({number: replace(one, state=state) for number, one in chosen.items()})
