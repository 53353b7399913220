"""Going through the places in doubt, one after the other: what is listed, which one is in view, what is done about it.

What is in doubt is known to `session.review`; here is the way through it. Looking through all masks takes time (0.3 ms
each), so it is done by `elsewhere`, which a panel sets to its worker, while one goes on with what is known; by itself
it is done on the spot. A place that nobody decided about is shown once, and again when it has changed, or when all
were shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from psygnal import Signal

from napari_sam2.document.reviews import At, Place, ReviewRecord, ReviewState
from napari_sam2.review.fixes import Fix
from napari_sam2.review.ground import is_there
from napari_sam2.review.items import ReviewItem
from napari_sam2.session.review import GONE
from napari_sam2.session.session import Session
from napari_sam2.viewer.places import Items, Listing, Places
from sam2_core.errors import PromptError

Elsewhere = Callable[[Callable[[], Places], Callable[[Places], None]], None]
"""Runs a function off the main thread, and hands over its result on the main thread."""
JUDGING = "The error rate is in front: Y says right, N wrong. Places in doubt are in the tab beside it."
SURE = 0.9
"""Confidence from which all of a kind are accepted at once, where nobody said another."""


class Reviewing:
    """The way through the places in doubt of one session; `notify` is told why a place is shown, and what was done.

    `changed` is emitted when the list or the state of a place is another, `shown` when another place is in view.

    Parameters
    ----------
    is_judging
        Whether a place of a sample is in view instead: nothing is decided about the one here then.

    Attributes
    ----------
    places, listed
        All that are known, and those that are listed.
    item, fixes
        The place in view, and what may be done about it: what keys 1, 2, 3 choose.
    soon
        Calls a function in a turn of its own, so that neither an edit nor the next place takes long; at once by itself.
    is_followed
        Whether somebody calls `look` after each change: then one goes on at once with what is known.
    above
        Confidence from which `accept_alike` accepts.
    """

    changed = Signal()
    shown = Signal()

    def __init__(
        self,
        session: Session,
        go_to: Callable[[Place], None],
        notify: Callable[[str], None],
        is_judging: Callable[[], bool] = lambda: False,
    ) -> None:
        self.elsewhere: Elsewhere = lambda function, then: then(function())
        self.soon: Callable[[Callable[[], None]], object] = lambda function: function()
        self.is_followed = self._is_going = False
        self.above = SURE
        self.places = Places()
        self.listed: Items = ()
        self.item: ReviewItem | None = None
        self.fixes: tuple[Fix, ...] = ()
        self._session = session
        self._go_to = go_to
        self._notify = notify
        self._is_judging = is_judging
        self._listing = Listing()
        self._row = -1
        self._seen: set[ReviewItem] = set()
        self._earlier: list[ReviewItem] = []
        self._touched: set[int] = set()
        self._notes = 0
        self._is_looking = self._is_due = self._is_known = False
        self._then: Callable[[], None] | None = None

    @property
    def is_looking(self) -> bool:
        """Whether what has changed is being looked at, or is to be."""
        return self._is_looking or self._is_due

    @property
    def listing(self) -> Listing:
        """What is listed; set another one to list other places."""
        return self._listing

    @listing.setter
    def listing(self, listing: Listing) -> None:
        self._listing = listing
        self._list()

    @property
    def row(self) -> int | None:
        """Where the place in view is listed; None if it is not."""
        is_listed = 0 <= self._row < len(self.listed) and self.listed[self._row] is self.item
        return self._row if is_listed else None

    def look(self) -> None:
        """Look at what has changed; while that is done, once more afterwards."""
        if self._is_looking:
            self._is_due = True
            return
        prepared, known = self._session.review.prepared(), self.places

        def look() -> Places:
            try:
                items = prepared()
                return known if items is known.items else Places(items)
            except BaseException:
                self._is_looking = False
                raise

        self._is_looking, self._is_due = True, False
        self.elsewhere(look, partial(self._looked, self._notes))

    def next(self) -> None:
        """Go to the next open place of the list that was not shown yet; behind the last one, from the top again."""
        if self._is_in_front():
            self._when_known(self._forward)

    def previous(self) -> None:
        """Go to the place above in the list."""
        if self._is_in_front():
            self._when_known(self._backward)

    def back(self) -> None:
        """Go back to the place that was shown before, whatever was decided about it."""
        self.arrive()
        if not self._earlier:
            self._notify("No place was shown before.")
            return
        place = self._earlier.pop().place
        self._show(self.places.get(place), remember=False)

    def arrive(self) -> None:
        """Go to the next place now if that is due: something was decided, and nobody has gone elsewhere since."""
        if self._is_going:
            self._forward()

    def show(self, item: ReviewItem) -> None:
        """Go to a place."""
        self._show(item)

    def accept(self) -> None:
        """Say that all is right at the place in view, and go to the next."""
        self._decide(ReviewState.accepted)

    def dismiss(self) -> None:
        """Say that the place in view does not matter, and go to the next."""
        self._decide(ReviewState.dismissed)

    def accept_alike(self) -> None:
        """Accept all open places of the kind in view whose confidence, 1 - degree, is at least `above`."""
        if not self._is_in_front():
            return
        if self.item is None:
            self._notify("No place is shown; W goes to the first one.")
            return
        kind = self.item.kind
        alike = [one for one in self.places.items if one.kind is kind and one.state is ReviewState.open]
        sure = [one for one in alike if 1 - one.degree >= self.above]
        told = (
            f"{len(sure)} of {len(alike)} places of the kind '{kind.value}' accepted: at least {self.above:.0%} sure."
        )
        if sure:
            self._session.review.accept(sure)
            self._note(sure, ReviewState.accepted)
        self._notify(f"{told} Undo takes that back." if sure else told)
        if self.item.state is not ReviewState.open:
            self._forward()

    def fix(self, number: int) -> None:
        """Do what is offered under a number, from 1, about the place in view, and go to the next."""
        if self._is_going or not self._is_in_front():
            return
        if self.item is None or not 0 < number <= len(self.fixes):
            self._notify(f"There is no alternative {number} here.")
            return
        fix, item = self.fixes[number - 1], self.item
        try:
            self._session.review.correct(item, fix)
        except PromptError as error:
            self._notify(str(error))
            return
        if item.place.at is not At.proposal:
            self._touched |= {object_id for object_id, _ in fix.keys}
        self._note([item], ReviewState.corrected)
        self._notify(f"{fix.told}. Undo takes that back.")
        self._leave()

    def correct(self, edit: Callable[[], object]) -> None:
        """Make an edit by hand: the correction of the place in view if there is one."""
        if self.item is None or self.item.state is not ReviewState.open or self._is_judging():
            edit()
        else:
            self._session.review.correct(self.item, edit)

    def follow_step(self, before: ReviewRecord) -> None:
        """Go to the place about which an undo or redo has changed what was decided, if it is there after a look.

        before: what was decided before that.
        """
        old, new = before.decisions, self._session.document.review.decisions
        if self.item is None or old is new or self._is_judging():
            return
        places = [place for place in {**old, **new} if old.get(place) != new.get(place)]
        if places:
            self._notes += 1
            self._is_going = False
            self._then = partial(self._return, places)
            self.look()

    def _is_in_front(self) -> bool:
        """Return whether keys are about the place here, or say about what they are."""
        if self._is_judging():
            self._notify(JUDGING)
            return False
        return True

    def _when_known(self, go: Callable[[], None]) -> None:
        if self._is_known and (self.is_followed or self._session.review.is_prepared):
            go()
        elif self._then is None:
            self._then = go
            self.look()

    def _looked(self, notes: int, places: Places) -> None:
        self._is_looking = False
        if self._is_due or notes != self._notes:  # it was begun before the last decision
            self.look()
            return
        self._seen -= {one for one in self._seen if self._is_open_again(one, places)}
        self.places, self._is_known = places, True
        self._touched.clear()
        is_gone = self._is_gone() and not self._is_judging()
        if is_gone:
            self.item, self._row = None, self._row - 1  # what came behind it has moved up
        self._list()
        then, self._then = self._then, None
        if then is not None:
            self.soon(then)
        elif is_gone:
            self._notify(GONE)
            self._leave()

    def _is_gone(self) -> bool:
        """Return whether what the place in view was about is there no more, and nobody said that this corrects it."""
        if self.item is None or is_there(self.item.place, self._session.document):
            return False
        return (self.places.get(self.item.place) or self.item).state is ReviewState.open

    def _is_open_again(self, seen: ReviewItem, places: Places) -> bool:
        """Return whether what was decided about a place was taken back."""
        before, now = self.places.get(seen.place), places.get(seen.place)
        was_decided = before is None or before.state is not ReviewState.open
        return was_decided and now is not None and now.state is ReviewState.open

    def _list(self) -> None:
        """List what is known, the place in view as it is now."""
        self.listed = self._listing.of(self.places)
        if self.item is not None:
            self.item = self.places.get(self.item.place) or self.item
            self._row = self._row_of(self.item)
        self.fixes = self._fixes()
        self.changed.emit()

    def _row_of(self, item: ReviewItem) -> int:
        """Return where a place is listed; where the one before was, if it is not, or behind the last one."""
        return next((row for row, one in enumerate(self.listed) if one is item), min(self._row, len(self.listed)))

    def _fixes(self) -> tuple[Fix, ...]:
        """Return what may be done about the place in view; nothing while that would take long."""
        if self.item is None or self._is_looking or not self._session.review.is_prepared:
            return ()
        if not is_there(self.item.place, self._session.document):
            return ()
        return self._session.review.fixes(self.item)

    def _forward(self) -> None:
        self._is_going = False
        ahead = (*self.listed[self._row + 1 :], *self.listed[: self._row + 1])
        fresh = next((one for one in ahead if self._is_ahead(one) and one not in self._seen), None)
        if fresh is not None:
            self._show(fresh)
            return
        left = sum(one.state is ReviewState.open for one in self.listed)
        more = f" Still open: {left}; W goes through them again." if left else ""
        self._notify(f"No more places look wrong.{more}" if self._seen else "No place looks wrong.")
        self._seen.clear()
        self._row = -1

    def _leave(self) -> None:
        """Go on in a turn of its own; until then a key says nothing, as nobody has seen the next place."""
        self._is_going = True
        self.soon(self.arrive)

    def _is_ahead(self, item: ReviewItem) -> bool:
        """Return whether a place may come next: neither decided about, nor of what was just corrected."""
        is_here = self.item is not None and item.place == self.item.place and item in self._seen
        return item.state is ReviewState.open and not is_here and not item.place.is_about(self._touched)

    def _return(self, places: Iterable[Place]) -> None:
        """Go to the first of places that is there."""
        item = next(filter(None, map(self.places.get, places)), None)
        if item is not None:
            self._show(item)

    def _backward(self) -> None:
        if self._row > 0:
            self._show(self.listed[self._row - 1])
        else:
            self._notify("This is the first place of the list.")

    def _decide(self, state: ReviewState) -> None:
        if self._is_going or not self._is_in_front():
            return
        if self.item is None:
            self._notify("No place is shown; W goes to the first one.")
            return
        review = self._session.review
        if not is_there(self.item.place, self._session.document):
            self._notify(GONE)
            self._leave()
            return
        (review.accept if state is ReviewState.accepted else review.dismiss)(self.item)
        self._note([self.item], state)
        self._leave()

    def _note(self, items: Iterable[ReviewItem], state: ReviewState) -> None:
        """List places as they are once they were decided about, before the next look."""
        self._notes += 1
        self.places, row = self.places.decided([item.place for item in items], state), self._row
        self._list()
        is_listed = self._listing.decided or self.item is None or self.item.state is ReviewState.open
        if not is_listed:
            self._row = row - 1  # what came behind it has moved up

    def _show(self, item: ReviewItem | None, remember: bool = True) -> None:
        if item is None:
            self._notify(GONE)
            return
        self._is_going, self._then = False, None  # who goes somewhere stays there
        if remember and self.item is not None and self.item.place != item.place:
            self._earlier.append(self.item)
        self.item = item
        self._row = self._row_of(item)
        self._seen.add(item)
        self.fixes = self._fixes()
        self._go_to(item.place)
        if not self.is_followed:  # who follows shows it
            self._notify(f"{told_place(item.place)}: {', '.join(item.reasons)}.")
        self.shown.emit()


def told_place(place: Place) -> str:
    """Return where a place is, for people."""
    what = "Found cell" if place.at.value == "proposal" else "Object"
    return f"{what} {place.object_id} on frame {place.frame}"
