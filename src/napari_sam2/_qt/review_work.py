"""Connects the parts of the Review panel with the session: what is listed and shown, and what buttons and rows do.

While the panel is seen, what changed is looked through in a worker a moment after each edit (not during a run), and the
film strip is made there; nothing here waits for either.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_sam2._qt.blinker import Blinker
from napari_sam2._qt.holds import hold
from napari_sam2._qt.review_parts import IN_DOUBT, ReviewParts, told_item
from napari_sam2._qt.slots import Slots
from napari_sam2._qt.workbench import Workbench
from napari_sam2.document.reviews import Place, ReviewKind, ReviewState, Sampled

if TYPE_CHECKING:
    import napari

    from napari_sam2.viewer import SessionBinding
    from napari_sam2.viewer.film_strip import Still

_REST_MS = 60
_NOTHING = "Open an image in 'Segment and track' first, and find or track something."


class ReviewWork(QObject):
    """The work of one Review panel; `begin` when it is seen, `end` when it is not, `close` with it."""

    def __init__(self, viewer: napari.viewer.Viewer, bench: Workbench, parts: ReviewParts, slots: Slots) -> None:
        super().__init__(parts.tabs)
        self._viewer = viewer
        self._bench = bench
        self._parts = parts
        self._slots = slots
        self._binding: SessionBinding | None = None
        self._ticket = 0
        self._filmed: tuple[object, ...] = ()
        self._is_seen = False
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._blinker = Blinker(self)
        self._connect()
        viewer.dims.events.current_step.connect(self._on_frame)

    def begin(self) -> None:
        """Review from now on: keys, outlines and looks are on."""
        self._is_seen = True
        self._follow()

    def end(self) -> None:
        """Review no longer; what was decided is kept."""
        self._is_seen = False
        self._rest.stop()
        self._follow()

    def close(self) -> None:
        """Let go of the viewer."""
        self.end()
        self._viewer.dims.events.current_step.disconnect(self._on_frame)

    def _connect(self) -> None:
        queue, buttons, rate, judging = self._parts.queue, self._parts.buttons, self._parts.rate, self._parts.judging
        do, connect = self._with_binding, self._slots.connect
        connect(queue.list.item_chosen, do(lambda binding, item: binding.reviewing.show(item)), 1)
        connect(queue.list.order_chosen, do(self._sort), 1)
        connect(queue.kinds.currentIndexChanged, do(self._filter))
        connect(queue.decided.toggled, do(self._filter))
        for number, button in enumerate(buttons.fixes, 1):
            connect(button.clicked, do(lambda binding, number=number: binding.reviewing.fix(number)))
        connect(buttons.right.clicked, do(lambda binding: binding.reviewing.accept()))
        connect(buttons.dismiss.clicked, do(lambda binding: binding.reviewing.dismiss()))
        connect(buttons.next.clicked, do(lambda binding: binding.reviewing.next()))
        connect(buttons.back.clicked, do(lambda binding: binding.reviewing.back()))
        connect(buttons.alike.clicked, do(lambda binding: binding.reviewing.accept_alike()))
        connect(buttons.above.valueChanged, do(self._set_above), 1)
        connect(self._parts.tabs.currentChanged, do(self._on_tab))
        connect(rate.draw_asked, do(self._draw))
        connect(rate.kinds.currentIndexChanged, do(self._on_tab))
        connect(judging.right.clicked, do(lambda binding: binding.actions.sampling.right()))
        connect(judging.wrong.clicked, do(lambda binding: binding.actions.sampling.wrong()))
        connect(judging.back.clicked, do(lambda binding: binding.actions.sampling.back()))
        connect(self._parts.place.film.frame_chosen, do(lambda binding, frame: binding.show_frame(frame)), 1)
        connect(self._parts.place.film.side_changed, self._film)
        connect(self._rest.timeout, self._look)
        connect(self._bench.changed, self._follow)
        connect(self._bench.edited, self._on_edit)
        connect(self._bench.masks_changed, self._on_edit)
        connect(self._bench.idle, self._on_edit)

    def _with_binding(self, do: Callable[..., object]) -> Callable[..., None]:
        """Return what does something with the binding, where a session is open."""

        @wraps(do)
        def done(*values: object) -> None:
            if self._binding is not None:
                do(self._binding, *values)

        return done

    def _follow(self) -> None:
        """Listen to the session that is open now, while the panel is seen."""
        self._let_go()
        self._bench.review(self._is_seen)
        binding = self._bench.binding if self._bench.session is not None and self._is_seen else None
        self._binding = binding
        if binding is None:
            self._parts.queue.model.show(())
            self._parts.place.show_words("Nothing to review yet", _NOTHING)
            return
        from napari_sam2.viewer.roles import COLORS, Role

        self._bench.run(_import_statistics, _forget)  # half a second, which the first answer to a sample would take
        for signal, slot in self._signals(binding):
            signal.connect(slot)
        binding.reviewing.is_followed, binding.reviewing.soon = True, self._soon
        self._parts.buttons.show_colors([COLORS[role] for role in (Role.first, Role.second, Role.third)])
        self._set_above(binding, self._parts.buttons.above.value())
        self._parts.place.show_words("Looking …", "")
        self._filter(binding)
        self._look()
        if self._parts.is_rating:
            self._on_tab(binding)
        elif binding.reviewing.item is None:
            binding.reviewing.next()

    def _let_go(self) -> None:
        binding, self._binding = self._binding, None
        if binding is not None:
            binding.reviewing.is_followed, binding.reviewing.soon = False, _at_once
            binding.reviewing.arrive()  # its turn may not come any more
            binding.actions.sampling.stop()
            self._blinker.stop()
            for signal, slot in self._signals(binding):
                signal.disconnect(slot)

    def _soon(self, function: Callable[[], None]) -> None:
        QTimer.singleShot(0, self, partial(self._slots.call, function))

    def _signals(self, binding: SessionBinding) -> list[tuple[Any, Callable[..., None]]]:
        return [
            (binding.reviewing.changed, self._show),
            (binding.reviewing.shown, self._show),
            (binding.actions.sampling.changed, self._show),
            (binding.actions.picking.changed, self._mark),
            (binding.actions.surgery.pointed_at, self._blink),
        ]

    def _blink(self, object_id: int) -> None:
        if self._binding is not None:
            self._blinker.blink(self._binding.marked, object_id)

    def _on_edit(self, *about: object) -> None:
        """Look at what has changed once nothing has for a moment; a run tells when it is over."""
        if self._binding is not None and not self._binding.work.is_propagating:
            self._rest.start()

    def _look(self) -> None:
        if self._binding is not None:
            self._binding.reviewing.look()

    def _sort(self, binding: SessionBinding, order: str) -> None:
        from napari_sam2.viewer.places import Order

        self._parts.queue.list.show_order(order)
        binding.reviewing.listing = replace(binding.reviewing.listing, order=Order(order))

    def _filter(self, binding: SessionBinding) -> None:
        queue = self._parts.queue
        kind = queue.kinds.currentData()
        binding.reviewing.listing = replace(
            binding.reviewing.listing, kind=ReviewKind(kind) if kind else None, decided=queue.decided.isChecked()
        )

    def _set_above(self, binding: SessionBinding, percent: int) -> None:
        binding.reviewing.above = percent / 100

    def _on_tab(self, binding: SessionBinding) -> None:
        """Judge the sample that was drawn, if there is one, or go back to the places in doubt."""
        if self._parts.is_rating:
            binding.actions.sampling.go_on(Sampled(self._parts.rate.kinds.currentData()))
        else:
            binding.actions.sampling.stop()
            if binding.reviewing.item is not None:
                binding.reviewing.show(binding.reviewing.item)

    def _draw(self, binding: SessionBinding) -> None:
        rate = self._parts.rate
        binding.actions.sampling.draw(Sampled(rate.kinds.currentData()), rate.count.value(), rate.seed.value())

    def _show(self) -> None:
        """Show the list, the place in view and what may be done about it."""
        binding, parts = self._binding, self._parts
        if binding is None:
            return
        with hold("show the review"):
            reviewing, sampling = binding.reviewing, binding.actions.sampling
            progress = reviewing.places.progress
            parts.queue.show_counts(reviewing.places.open_kinds, progress)
            parts.queue.model.show(reviewing.listed)
            parts.queue.list.show_row(reviewing.row)
            parts.buttons.show_fixes(reviewing.fixes, reviewing.item is not None)
            parts.tabs.setTabText(IN_DOUBT, f"In doubt ({progress.open})")
            rate = sampling.rate
            parts.rate.show_rate(rate)
            parts.judging.show_rate(rate)
            parts.judging.show_place(sampling.place is not None)
            parts.place.show_words(*self._words(binding))
        self._mark()
        self._film()

    def _words(self, binding: SessionBinding) -> tuple[str, str]:
        """Return what is said of the place in view."""
        sampling, item = binding.actions.sampling, binding.reviewing.item
        if self._parts.is_rating:
            place, sample = sampling.place, sampling.sample
            if place is None or sample is None:
                return "No sample is drawn", "Draw one, then say of each place whether it is right (Y) or wrong (N)."
            answer = {None: "not judged yet", True: "judged right", False: "judged wrong"}
            said = answer[sample.answers[sampling.number]]
            which = f"{sampling.number + 1} of {len(sample.places)}"
            return (
                f"Place {which}: cell {place.object_id}, frame {place.frame}",
                f"{_question(place, sample.of)} ({said})",
            )
        if item is None:
            return "Nothing is in doubt", "Track or link something; what looks doubtful comes here by itself."
        progress = binding.reviewing.places.progress
        if item.state is not ReviewState.open and not progress.open:
            return "Nothing is in doubt any more", f"{progress.done} places decided. The error rate tells what is left."
        return told_item(item, binding.reviewing.fixes)

    def _place(self, binding: SessionBinding) -> Place | None:
        item = binding.reviewing.item
        if self._parts.is_rating:
            return binding.actions.sampling.place
        return None if item is None else item.place

    def _mark(self) -> None:
        """Outline who is who at the place in view, and the cells chosen by hand."""
        from napari_sam2.viewer.roles import roles_at

        if self._binding is not None:
            fixes = () if self._parts.is_rating else self._binding.reviewing.fixes
            chosen = [object_id for object_id, _ in self._binding.actions.picking.keys]
            self._binding.marked.mark(roles_at(self._place(self._binding), fixes, chosen))

    def _film(self) -> None:
        """Have the film strip made of the place in view, if it is another one, or who is who there has changed."""
        from napari_sam2.viewer.film_strip import film_of
        from napari_sam2.viewer.roles import roles_at

        binding, film = self._binding, self._parts.place.film
        place = None if binding is None else self._place(binding)
        box = None if binding is None or place is None else binding.session.review.box_of(place)
        if binding is None or place is None or box is None:
            self._filmed = ()
            film.show_stills(())
            return
        roles = roles_at(place, () if self._parts.is_rating else binding.reviewing.fixes)
        stamps = tuple(binding.session.masks.revision(one) for one in roles)
        wanted = (id(binding.session), place, box, tuple(roles.items()), stamps, film.side)
        if wanted == self._filmed:
            return
        self._filmed = wanted
        self._ticket += 1
        with hold("prepare the film strip"):
            made = film_of(binding.session, place.frame, box, roles, film.side)
        self._bench.run(made, partial(self._show_film, self._ticket))
        film.show_frame(binding.frame)

    def _show_film(self, ticket: int, stills: tuple[Still, ...]) -> None:
        if ticket == self._ticket and self._binding is not None:
            self._parts.place.film.show_stills(stills)

    def _on_frame(self, event: Any = None) -> None:
        if self._binding is not None:
            self._parts.place.film.show_frame(self._binding.frame)


def _import_statistics() -> None:
    importlib.import_module("scipy.stats")


def _forget(_: object) -> None:
    """Take a result that says nothing."""


def _at_once(function: Callable[[], None]) -> None:
    function()


def _question(place: Place, of: Sampled) -> str:
    """Return what is asked about a place of a sample."""
    if of is Sampled.links:
        return f"Is cell {place.object_id} on frame {place.frame} the one it was on the frame before, or its daughter?"
    if of is Sampled.masks:
        return f"Is the outline of cell {place.object_id} right?"
    return f"Does cell {place.object_id} divide right before frame {place.frame}?"
