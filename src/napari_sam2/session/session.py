"""One piece of work on one stack, for scripts and for the viewer alike: edits, runs, masks, undo, files.

Everything but `run` belongs to the main thread. Edits change the document and start nothing; a job is made from the
document as it is (`preview_job`, `propagate_job`), `run` iterates it on any thread while the lane computes, and
`accept` writes what came into the masks unless it became void. `preview` and `propagate` do all of that in a script.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from psygnal import Signal, SignalGroup

from napari_sam2.session.document import Document, DocumentDiff, PromptKey
from napari_sam2.session.jobs import CancelToken, Job, PreviewJob, PropagateJob, PropagateRequest
from napari_sam2.session.plan import Direction
from napari_sam2.session.prompts import Prompt
from napari_sam2.session.settings import SessionSettings
from napari_sam2.session.updates import FrameUpdate

Objects = Sequence[int] | Literal["stale"] | None


class SessionEvents(SignalGroup):
    """What a session tells; emitted on the main thread after the change."""

    document_changed = Signal(DocumentDiff)
    masks_changed = Signal(int, tuple)  # frame, object ids
    history_changed = Signal()
    settings_changed = Signal(SessionSettings, SessionSettings)  # old, new


class Session:
    """State and work on one stack.

    Attributes (main thread): stack, movie, settings, document, revision, masks, events, folder, frame_count, size.
    """

    events: SessionEvents

    @classmethod
    def open(
        cls,
        source: Any,
        *,
        axes: str | None = None,
        model: str | None = None,
        device: str | None = None,
        settings: SessionSettings | None = None,
        predictor: Any = None,
    ) -> Session:
        """Return a session on a path, an array, a Stack, or a saved session folder (a folder with session.json).

        `predictor`: an instance or a function without arguments that makes one, instead of loading `model`.
        """
        raise NotImplementedError

    # edits: one undo step each
    def new_object(self, name: str = "") -> int: ...
    def add_points(self, object_id: int, frame: int, points_yx: Any, labels: Sequence[int] | None = None) -> None: ...
    def add_box(self, object_id: int, frame: int, box_yx: Sequence[float]) -> None: ...
    def add_polygon(self, object_id: int, frame: int, vertices_yx: Any) -> None: ...
    def add_mask(self, object_id: int, frame: int, mask: Any) -> None: ...
    def add_labels(self, frame: int, labels: Any, object_ids: Sequence[int] | None = None) -> tuple[int, ...]: ...
    def set_prompts(self, changes: Mapping[PromptKey, Prompt | None], text: str = "edit prompts") -> None: ...
    def edit_mask(self, object_id: int, frame: int, mask: Any) -> None: ...
    def edit_masks(self, frame: int, masks: Mapping[int, Any]) -> None: ...  # several objects, one step
    def rename_object(self, object_id: int, name: str) -> None: ...
    def set_visible(self, object_id: int, visible: bool) -> None: ...
    def set_locked(self, object_id: int, locked: bool) -> None: ...
    def remove_object(self, object_id: int) -> None: ...
    def merge_objects(self, into: int, other: int) -> None: ...
    def swap_objects(self, a: int, b: int, from_frame: int) -> None: ...
    def undo(self) -> bool: ...
    def redo(self) -> bool: ...

    # can_undo, can_redo, undo_text, redo_text: properties

    def change_settings(self, **changes: Any) -> None:
        """Replace settings; emits settings_changed; a new model/contrast/... makes masks stale and keeps prompts."""

    # work in a script
    def preview(self) -> Iterator[FrameUpdate]: ...
    def propagate(
        self,
        direction: Direction = "both",
        frames: range | None = None,
        objects: Objects = None,
        until_next_prompt: bool = False,
    ) -> Iterator[FrameUpdate]: ...

    # work elsewhere
    def preview_job(self) -> PreviewJob: ...
    def propagate_job(self, request: PropagateRequest | None = None) -> PropagateJob: ...
    def run(self, job: Job, token: CancelToken | None = None) -> Iterator[FrameUpdate]:
        """Yield updates on the thread that calls; the lane computes at most two ahead. Load errors are raised here."""

    def accept(self, update: FrameUpdate) -> bool:
        """Main thread: write an update into the masks, emit masks_changed; False if all of it was void."""

    def cancel(self) -> None:
        """Ask every run of this session to stop before its next frame."""

    @property
    def is_dirty(self) -> bool: ...  # not saved since the last change
    @property
    def needs_preview(self) -> bool: ...  # some prompt's mask is not shown yet
    @property
    def interrupted_run(self) -> PropagateRequest | None: ...
    def resume_job(self) -> PropagateJob: ...
    def resume(self) -> Iterator[FrameUpdate]: ...
    def status(self, object_id: int) -> Any: ...  # (T,) uint8, codes of MaskStatus
    def labels(
        self, frame: int, object_id: int | None = None
    ) -> Any: ...  # (H, W): visible objects by settings.overlaps, or one object
    def save(self, folder: Path | str | None = None) -> Path: ...
    def export_labels(self, path: Path | str) -> None: ...
    def close(self) -> None: ...
