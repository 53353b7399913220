"""What can be undone and redone, as it is saved: each step with what is put in place by crossing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from napari_sam2.document.document import Document, PromptKey
from napari_sam2.masks.stored_masks import StoredMask

StepKind = Literal["step", "undo", "redo", "amend"]


@dataclass(frozen=True, slots=True)
class SavedStep:
    """A step of a session: document and masks on the other side of it.

    Attributes
    ----------
    masks
        Object id -> frame -> mask: all masks of every object that the step touches.
    unshown
        Prompts of these whose masks are not shown.
    settings
        As JSON can hold them; None where the step leaves them alone.
    text
        See `session.history.Step`.
    """

    document: Document
    masks: Mapping[int, Mapping[int, StoredMask]] = field(default_factory=dict)
    unshown: frozenset[PromptKey] = frozenset()
    settings: Mapping[str, Any] | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class SavedHistory:
    """Steps that can be taken back, and those that can be made again; the next one of each is the last."""

    done: tuple[SavedStep, ...] = ()
    undone: tuple[SavedStep, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryChange:
    """One thing that happened to a history.

    Attributes
    ----------
    kind
        A step was made, taken back or made again, or what the last one came to was amended.
    left
        What was there before; of an amendment, the document alone counts.
    after
        The document that is there now.
    """

    kind: StepKind
    left: SavedStep
    after: Document
