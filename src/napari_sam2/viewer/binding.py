"""A session shown in a viewer: what a person does to layers reaches the session, what the session does reaches layers.

    layers edited -> document -> preview -> masks -> the frame in view, at most 20 times a second

`bind` makes the layers (or adopts prompt layers that are given), `unbind` lets go of everything. Any ViewerModel will
do, and several bindings in one viewer. Where jobs run is the runner's business, what they do is the session's; a panel
calls the actions here and shows `current`, `work` and what `notify` is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Points, Shapes

from napari_sam2.document.difference import DocumentDiff
from napari_sam2.document.document import PromptKey
from napari_sam2.document.prompt import Prompt
from napari_sam2.session.found import Proposed
from napari_sam2.session.session import Session
from napari_sam2.session.settings import OF_THE_MOVIE, SessionSettings, changed_fields
from napari_sam2.viewer.actions import Actions
from napari_sam2.viewer.current import Current, heir_of, unused_id
from napari_sam2.viewer.deciding import Deciding
from napari_sam2.viewer.image_source import grid_of
from napari_sam2.viewer.label_layers import Array, LabelLayers
from napari_sam2.viewer.looking_ahead import LookingAhead
from napari_sam2.viewer.marked_cells import MarkedCells
from napari_sam2.viewer.prompt_layers import PromptLayers
from napari_sam2.viewer.prompt_tables import check_adoptable
from napari_sam2.viewer.proposal_layer import ProposalLayer
from napari_sam2.viewer.redraw import Redraw
from napari_sam2.viewer.running import Notify, Runner, Work
from napari_sam2.viewer.session_layers import Later, SessionLayers, at_once
from napari_sam2.viewer.sight import Sight
from napari_sam2.viewer.track_lines import TrackLines
from napari_sam2.viewer.work_place import WorkPlace
from sam2_core.errors import PromptError, StackError


def bind(  # noqa: PLR0913 - one keyword per thing that a panel may want to say
    viewer: ViewerModel,
    session: Session,
    image_layer: Image,
    runner: Runner,
    *,
    notify: Notify | None = None,
    adopt: tuple[Points | Shapes, ...] = (),
    later: Later | None = None,
) -> SessionBinding:
    """Return the binding of a session to a viewer, its layers made; keep it, for it lives as long as it is held.

    Parameters
    ----------
    viewer
        With or without a window.
    session
        Opened on the image, for example with the stack of `image_source`.
    image_layer
        Where the layers are to lie.
    runner
        Runs the jobs.
    notify
        Told, in whole sentences, what a person should know; dropped by default.
    adopt
        A Points and a Shapes layer with the features `object_id` and `polarity`, to be used instead of new ones.
    later
        Puts off what adds a layer to the viewer, which takes napari a tenth of a second; at once by default.

    Raises
    ------
    PromptError
        If a layer cannot be adopted.
    StackError
        If the image does not fit the session.
    """
    binding = SessionBinding(viewer, session, image_layer, runner, notify or (lambda text: None))
    binding.begin(adopt, later or at_once)
    return binding


class SessionBinding:
    """See `bind`.

    Attributes
    ----------
    current
        Object and sign of the next prompt.
    work
        What runs, and how far it is.
    actions
        What keys and buttons do; each is an attribute here as well: `binding.undo()`.
    place
        Where the session works on other axes; `work_at` holds it elsewhere.
    deciding
        What to do about what was found.
    reviewing
        Masks to look at; set its `elsewhere` to keep the main thread free.
    sight
        What of the image is in view.
    prompts, labels, found, lines, marked
        The layers; set `elsewhere` of `lines` to keep the main thread free.
    redraw
        When the labels are drawn anew.
    """

    def __init__(self, viewer: ViewerModel, session: Session, image: Image, runner: Runner, notify: Notify) -> None:
        self.viewer, self.session, self.image = viewer, session, image
        self.notify = notify
        self.grid = grid_of(image, session.stack, session.settings)
        self.current = Current(min(session.document.objects, default=1), unused_id=partial(unused_id, session))
        self.work = Work(session, runner, notify)
        self.sight = Sight(viewer, image, self.grid)
        self.place = WorkPlace(session, self.sight)
        self.show_frame, self.show_at, self.work_at = self.place.show, self.sight.show_at, self.place.work_at
        self.deciding = Deciding(session, self.current, self.work, self.sight, notify, self.place.settle)
        self.actions = do = Actions(session, self.current, self.work, self.sight, self.deciding, notify)
        self.reviewing = do.reviewing
        self.next_object, self.previous_object, self.new_object = do.next_object, do.previous_object, do.new_object
        self.propagate, self.resume, self.stop = do.propagate, do.resume, do.stop
        self.propagate_both, self.propagate_forward = do.propagate_both, do.propagate_forward
        self.next_prompted_frame, self.previous_prompted_frame = do.next_prompted_frame, do.previous_prompted_frame
        self.flip_polarity, self.go_to, self.next_suspicious = do.flip_polarity, do.go_to, do.next_suspicious
        self.undo, self.redo = do.undo, do.redo
        self.labels = LabelLayers(session, image, self.grid, self.current)
        self.prompts = PromptLayers(image, self.grid, self.current, notify, self.labels.color)
        self.found = ProposalLayer(self.deciding.proposals, image, self.grid)
        self._ahead = LookingAhead(viewer, session, self.prompts, self.found, self.sight)
        self.lines = TrackLines(session, image, self.grid)
        self.marked = MarkedCells(session, image, self.grid)
        drawings = self.found, self.lines, self.marked
        self._layers = SessionLayers(viewer, self.labels, self.prompts, drawings, do, notify)
        self.layers, self.make_found = self._layers.all, self._layers.make_found
        self.redraw = Redraw(self.labels)
        self._drawers = [self.redraw.if_due, self.deciding.tell, self.found.go_on, self.lines.go_on]
        self._bound = False

    @property
    def frame(self) -> int:
        """The frame in view."""
        return self.sight.frame

    @property
    def each_click_is_new_object(self) -> bool:
        """Whether each click, box or outline in an object makes a new object; clicks outside are of the current one."""
        return self.current.each_is_new

    @each_click_is_new_object.setter
    def each_click_is_new_object(self, is_new: bool) -> None:
        self.current.each_is_new = is_new

    @property
    def held_in_view(self) -> dict[str, int]:
        """Where the sliders of the axes stand at which the session is held, by letter; see `work_at`."""
        return self.sight.held

    def begin(self, adopt: tuple[Points | Shapes, ...], later: Later) -> None:
        """Make or adopt the layers and follow everything; `bind` does it, once."""
        for layer in adopt:
            check_adoptable(self.image, layer)
        self._bound = True
        for emitter, callback in self._connections():
            emitter.connect(callback)
        self._layers.begin(self.session.document, adopt, later)
        self._take_adopted()

    def make_layers(self) -> None:
        """Make the layers that are not there; afterwards they show the whole session."""
        self._layers.make(self.session.document)

    def unbind(self) -> None:
        """Stop what runs, let go of the layers, the image, the session and the viewer; all of them stay as they are."""
        if not self._bound:
            return
        self._bound = False
        self.actions.picking.end()
        self.work.close()
        self._layers.close()
        for emitter, callback in self._connections():
            emitter.disconnect(callback)

    def flush(self) -> None:
        """Show the frame in view anew if it has changed, at once."""
        self.redraw.at_once()
        self.deciding.tell()

    def poll(self) -> None:
        """Do what napari tells nobody of: rows typed into the features table, a refresh that is due. For a timer.

        Masks and found cells are drawn in turns of their own, so that none takes long.
        """
        self.labels.poll()
        self.prompts.poll()
        self._ahead.poll()
        drew = next((draw for draw in self._drawers if draw()), None)
        if drew is not None:
            self._drawers.remove(drew)
            self._drawers.append(drew)

    def toggle_tracks(self) -> None:
        """Show the tracks of all objects in a Tracks layer of napari's, or take it away."""
        self._edit(self._layers.toggle_lines)
        if not self.redraw.is_polled:
            self.lines.go_on()

    def review(self, begin: bool) -> None:
        """Begin to review or end it: cells in question are outlined, Shift+click chooses some."""
        self._layers.show_marked(begin)
        (self.actions.picking.begin(self.viewer) if begin else self.actions.picking.end())

    def follow_timer(self) -> None:
        """Leave to `poll`, which a timer calls from now on, what takes long to draw."""
        self.redraw.is_polled = self.found.is_polled = True

    def _connections(self) -> list[tuple[Any, Callable[..., object]]]:
        events = self.session.events
        return [
            (events.document_changed, self._on_document),
            (events.masks_changed, self._on_masks),
            (events.settings_changed, self._on_settings),
            (events.history_changed, self._on_step),
            (self.prompts.edited, self._on_rows_edited),
            (self.labels.painted, self._on_painted),
            (self.labels.refused, self._tell_locked),
            (self.labels.recoloured, self.prompts.recolour),
            (self.labels.replaced, self._on_labels_replaced),
            (self.work.ended, self._on_ended),
            (self.actions.looked_at, self.labels.mark),
            (self.deciding.looked_at, self.labels.mark),
            (self.found.clicked, self._on_found_clicked),
            (self.work.found, self._on_found),
            (self.viewer.dims.events.current_step, self.labels.unmark),
            (self.viewer.layers.events.removed, self._on_layer_removed),
            (self.image.events.data, self._on_image_data),
        ]

    def _on_found_clicked(self, position: tuple[float, ...]) -> None:
        self._edit(lambda: self.deciding.click(position))

    def _on_found(self, came: Proposed) -> None:
        """Show how large the cells are that were found."""
        if came.diameter_px is not None and self.deciding.counts()[1]:
            self.deciding.proposals.diameter_px = came.diameter_px

    def _on_rows_edited(self) -> None:
        """Bring what the prompt layers say into the document, in one step; what is refused goes back at once.

        The first prompt says where the session is held: where the viewer is.
        """
        self.place.settle()
        self.prompts.withdraw(self.session.document)
        changes = self._allowed(self.prompts.changes(self.session.document))
        if changes:
            text = "edit prompts"
            if len(changes) == 1:
                object_id, frame = next(iter(changes))
                text = f"prompt of object {object_id} on frame {frame}"
            if self._edit(lambda: self.session.set_prompts(changes, text)):
                return
        self.prompts.show(self.session.document, changes)

    def _allowed(self, changes: Mapping[PromptKey, Prompt | None]) -> dict[PromptKey, Prompt | None]:
        """Return the changes that can be made: to what is seen, and not locked. Other rows go back, and it is said."""
        if changes and self.sight.obstacle:
            self.notify(self.sight.obstacle)
            self.prompts.show(self.session.document, changes)
            return {}
        locked = self.session.document.locked & {object_id for object_id, _ in changes}
        self._tell_locked(sorted(locked))
        self.prompts.show(self.session.document, [key for key in changes if key[0] in locked])
        return {key: prompt for key, prompt in changes.items() if key[0] not in locked}

    def _tell_locked(self, object_ids: Sequence[int]) -> None:
        for object_id in object_ids:
            self.notify(f"Object {object_id} is locked and was not changed; unlock it first.")

    def _on_painted(self, masks: dict[PromptKey, Array], is_away: bool) -> None:
        if self.sight.obstacle:
            self.notify(self.sight.obstacle)
        elif masks:
            self._edit(lambda: self.session.paint(masks))
        elif is_away:
            before = dict(self.grid.held)
            held = ", ".join(f"{letter}={index}" for letter, index in before.items())
            if self.place.settle() and self.grid.held != before:
                self.notify(f"The session worked at {held} and works here from now on; paint again.")
            else:
                self.notify(f"What was painted away from {held} is not kept: the session works there only.")
        self.labels.forget()
        self._show_soon()

    def _edit(self, edit: Callable[[], None]) -> bool:
        """Make an edit, or say why it cannot be made; whether it was."""
        try:
            edit()
        except (PromptError, StackError) as error:
            self.notify(str(error))
            return False
        return True

    def _follow_object(self, diff: DocumentDiff) -> None:
        """Keep the current object where one became part of another; in the mode, go to the one that was just made."""
        current = self.current
        if current.object_id in diff.removed_objects:
            current.choose(heir_of(current.object_id, diff))
        elif current.each_is_new and current.next_id != current.object_id:
            current.choose(max((key[0] for key in diff.changed if key[0] in diff.objects), default=None))

    def _on_document(self, diff: DocumentDiff) -> None:
        if diff.keys:
            self.work.interrupt()
        self.labels.unmark()
        self._follow_object(diff)
        self.prompts.show(self.session.document, diff.keys)
        self._show_proposals(diff)
        if diff.objects or diff.removed_objects:
            self.lines.mark()
            self._layers.sync_labels()
        if diff.removed_objects or not set(diff.objects).isdisjoint(self.session.masks.object_ids()):
            self.labels.forget()
            self.redraw.mark(self.session.document.objects)  # shown once, with the masks that follow

    def _show_proposals(self, diff: DocumentDiff) -> None:
        """Show what is to be decided about now; the layer comes with what is found, or brought back by an undo."""
        known = self.session.document.proposals
        if any(number in known and known[number].is_open for number in diff.proposals):
            self._layers.make_found()
        if known or diff.proposals:
            self.deciding.proposals.forget()

    def _on_step(self) -> None:
        """Show what no mask told of, and find what is not shown yet, at the end of a step."""
        self.redraw.soon()
        self.work.recount()
        self.work.preview()

    def _on_masks(self, frame: int, object_ids: tuple[int, ...]) -> None:
        self.labels.amend(frame, object_ids)
        self.lines.mark((one, frame) for one in object_ids)
        if self.session.document.proposals:
            self.deciding.proposals.forget(frame)
        if frame == self.frame:
            self._show_soon(object_ids)
            self.marked.follow(object_ids)

    def _on_settings(self, old: SessionSettings, new: SessionSettings) -> None:
        if changed_fields(old, new) & OF_THE_MOVIE:
            self.grid = self.labels.grid = self.sight.grid = grid_of(self.image, self.session.stack, new)
            self.prompts.use_grid(self.grid)
            self.found.use_grid(self.grid)
            self.lines.use_grid(self.grid)
            self.marked.use_grid(self.grid)
            self.labels.renew()
        self.labels.forget()
        self._layers.sync_labels()
        self._show_soon()
        self.work.preview()

    def _on_ended(self, text: str) -> None:
        if not self.redraw.is_polled:
            self.flush()
        self.notify(text)

    def _on_image_data(self, event: Any) -> None:
        self.notify(
            f"The data of {self.image.name} were replaced; the session goes on with the data that it was opened with. "
            "Start a new session to work on the new ones."
        )

    def _on_labels_replaced(self, name: str) -> None:
        self.notify(
            f"The data of {name} were replaced; it shows the session's masks again. Add labels as prompts instead."
        )

    def _on_layer_removed(self, event: Any) -> None:
        if event.value is not self.image:
            return
        self.work.stop()
        if self.session.holds_work:
            self.notify(f"The image {self.image.name} was removed; prompts and masks are kept.")

    def _show_soon(self, object_ids: Iterable[int] | None = None) -> None:
        self.redraw.mark(self.session.document.objects if object_ids is None else object_ids)
        self.redraw.soon()

    def _take_adopted(self) -> None:
        """Bring rows of adopted layers into the document; they count before what it says there already."""
        document = self.session.document
        said = {key: prompt for key, prompt in self.prompts.changes(document).items() if prompt is not None}
        older = document.prompts
        added = {key: prompt.completed(older[key]) if key in older else prompt for key, prompt in said.items()}
        if added:
            self._edit(lambda: self.session.set_prompts(added, "adopt prompts"))
        self.prompts.show(self.session.document)
        self.prompts.tell_problems()
        self.work.preview()
