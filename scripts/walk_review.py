"""Steps of `walk_through.py`: places in doubt are reviewed by keys and mouse; a whole job is counted action by action.

The truth of the movie answers as a person would who sees well: it decides which key is pressed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QWidget
from review_job import Job, review_job
from walk_find import in_view
from walk_items import Movie
from walk_window import Window, pause

from napari_sam2._qt.panel_actions import EVERYTHING
from napari_sam2._qt.review_panel import ReviewPanel
from napari_sam2.document.reviews import At
from napari_sam2.masks.stored_masks import MaskKey
from napari_sam2.review.fixes import Fix, Verb
from napari_sam2.review.items import ReviewItem
from napari_sam2.viewer.reviewing import Reviewing

MOST_ACTIONS = 40
_SHIFT, _CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
_NUMBERS = (Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3)


class Truth:
    """What the truth says about a session: which cell an object is on a frame, who is whose daughter."""

    def __init__(self, job: Job, session: Any) -> None:
        self._job = job
        self._session = session

    def label(self, key: MaskKey) -> int:
        """Label that most of an object's pixels have on a frame; 0 for none."""
        mask = self._session.masks.mask(*key)
        if mask is None or not mask.any():
            return 0
        return int(np.bincount(self._job.truth[key[1]][mask]).argmax())

    def before(self, key: MaskKey) -> MaskKey | None:
        """Where an object was last before a frame."""
        there = [frame for frame, mask in self._session.masks.frames(key[0]).items() if not mask.is_empty]
        earlier = [frame for frame in there if frame < key[1]]
        return (key[0], earlier[-1]) if earlier else None

    def is_right(self, fix: Fix) -> bool:
        """Whether a fix makes a link, or a division, that is in the truth."""
        keys, parents = fix.keys, self._job.true_parents
        if fix.verb is Verb.connect:
            return self.label(keys[0]) == self.label(keys[1]) != 0
        if fix.verb is Verb.divide:
            mother = self.label(keys[0])
            return all(parents.get(self.label(one)) == mother for one in keys[1:])
        if fix.verb is Verb.swap:
            own, other = self.before(keys[0]), self.before(keys[1])
            if own is None or other is None:
                return False
            return self.label(own) == self.label(keys[1]) and self.label(other) == self.label(keys[0])
        return fix.verb is Verb.remove and not self.label(keys[0])

    def is_wrong(self, item: ReviewItem) -> bool:
        """Whether a place is to be corrected."""
        key = item.place.object_id, item.place.frame
        label, parents = self.label(key), self._job.true_parents
        if item.place.at is At.division:
            division = next(one for one in self._session.document.divisions if one.mother == key[0])
            mother = self.before(key)
            firsts = [(one, min(self._session.masks.frames(one))) for one in division.daughters]
            return any(parents.get(self.label(one)) != self.label(mother or key) for one in firsts)
        if item.place.at is At.step:
            before = self.before(key)
            return before is not None and self.label(before) != label
        frames = np.flatnonzero((self._job.truth == label).any(axis=(1, 2)))
        if not label:
            return True
        if item.place.at is At.end:
            return bool(frames[-1] > key[1]) or label in parents.values()
        return bool(frames[0] < key[1]) or label in parents


class Counted:
    """A window whose mouse and keys are counted, each action told in words."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.actions: list[str] = []

    def press(self, widget: QWidget, what: str, place: QPoint | None = None) -> None:
        """Click with the mouse on a widget."""
        self.actions.append(what)
        self.window.press(widget, place)

    def key(self, key: Qt.Key, what: str, modifiers: Any = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key."""
        self.actions.append(what)
        self.window.key(key, modifiers)


def places_in_doubt_are_reviewed(window: Window, movie: Movie) -> None:
    """17. Review: all that was linked wrongly is found and corrected by keys and mouse, undone, and told as a rate."""
    job = review_job()
    window.open_image(job.images, axis_labels=("t", "y", "x"))
    job.give(window.session, window.out / "job")
    panel, going, truth = opened(window), window.binding.reviewing, Truth(job, window.session)
    window.picture("17_opened")
    shift_click(window, 4, 10)
    assert window.binding.actions.picking.keys == ((4, 10),), "Shift+click chose nothing"
    assert not window.session.document.prompts, "Shift+click added a point"
    before = len(window.session.document.objects)
    hover(window, 4, 12)
    window.key(Qt.Key.Key_B)
    assert len(window.session.document.objects) == before + 1, "B did not break the track"
    window.key(Qt.Key.Key_Z, _CTRL)
    assert len(window.session.document.objects) == before
    answer_all(Counted(window), truth)
    window.picture("17_done")
    assert going.places.progress.open == 0, [one.place for one in going.listed]
    check(window, truth)
    panel.parts.tabs.setCurrentIndex(1)
    panel.parts.rate.count.setValue(5)
    window.press(panel.parts.rate.draw)
    for _ in range(5):
        window.key(Qt.Key.Key_Y)
    window.picture("17_rate")
    assert "Of 5 links drawn at random" in panel.parts.judging.sentence.text()
    window.key(Qt.Key.Key_H)  # the review's, without a second cell: told, and nothing happens
    assert "takes two cells" in window.panel.message.text()


def a_whole_job_is_short(window: Window, movie: Movie) -> None:
    """18. 30 cells, 40 frames, 5 corrections, 2 divisions, from opening to CSV, CTC and GEFF: at most 40 actions."""
    job, counted = review_job(), Counted(window)
    counted.actions.append("drop the movie on napari")
    window.open_image(job.images, axis_labels=("t", "y", "x"))
    panel = window.panel
    in_view(window, panel.finding.go)
    counted.press(panel.finding.unfold, "unfold what a search can be told")
    counted.actions += ["open the list of frames"]
    counted.actions += ["choose all frames"]
    panel.finding.more.frames.setCurrentIndex(1)
    counted.press(panel.finding.go, "find the cells")
    deciding = window.binding.deciding
    window.wait(lambda: deciding.proposals.on_several_frames, "the second frame", 900)
    window.binding.stop()  # it goes on from frame to frame, and its result is replaced
    window.wait(lambda: not window.binding.work.busy, "the end of the search", 300)
    pause(500)
    in_view(window, panel.finding.link)
    counted.key(Qt.Key.Key_T, "link them (Shift+T)", _SHIFT)
    window.wait(lambda: len(window.session.document.objects) > 1 and not window.binding.work.busy, "the linking", 600)
    pause(500)
    window.picture("18_linked")
    replaced = put_mistakes_in(window, job)
    counted.actions.append("open the review")
    opened(window)
    window.picture("18_review")
    answer_all(counted, Truth(job, window.session))
    check(window, Truth(job, window.session))
    export_all(counted)
    print(f"     {len(counted.actions)} actions ({replaced} objects were linked by the program):")
    for number, action in enumerate(counted.actions, 1):
        print(f"       {number:2} {action}")
    assert len(counted.actions) <= MOST_ACTIONS


def put_mistakes_in(window: Window, job: Job) -> int:
    """Put the tracking with five mistakes in the place of the program's, which makes none that are known beforehand."""
    session = window.session
    found = list(session.document.objects)
    for object_id in found:
        session.remove_object(object_id)
    session.proposals.reject([number for number, one in session.document.proposals.items() if one.is_open])
    job.give(session, window.out / "job")
    return len(found)


def opened(window: Window) -> ReviewPanel:
    """The Review panel, opened by its button, once the first place is shown."""
    window.panel.state.refresh()
    window.press(window.panel.objects.review)
    (panel,) = window.frame.findChildren(ReviewPanel)
    window.wait(lambda: window.binding.reviewing.item is not None, "the first place", 60)
    window.wait(lambda: bool(panel.parts.place.film.stills), "the film strip", 60)
    return panel


def answer_all(counted: Counted, truth: Truth) -> None:
    """Go through all places by keys: a number where one of the first three is right, else Y."""
    window, going = counted.window, counted.window.binding.reviewing
    for _ in range(60):
        settle(window, going)
        item = going.item
        if item is None or not going.places.progress.open:
            return
        where = f"cell {item.place.object_id}, frame {item.place.frame}, {item.kind.value}"
        numbers = [number for number, fix in enumerate(going.fixes[:3]) if truth.is_right(fix)]
        if not truth.is_wrong(item):
            counted.key(Qt.Key.Key_Y, f"{where}: right (Y)")
        else:
            assert numbers, f"none of the first three is right: {where}, {[fix.text for fix in going.fixes]}"
            counted.key(_NUMBERS[numbers[0]], f"{where}: {going.fixes[numbers[0]].text} ({numbers[0] + 1})")
    raise AssertionError("the review does not come to an end")


def settle(window: Window, going: Reviewing) -> None:
    """Wait until the look that follows an edit is over."""
    pause(150)
    window.wait(lambda: not going.is_looking, "a look at what changed", 60)
    pause(50)


def check(window: Window, truth: Truth) -> None:
    """See that every link and division is that of the truth."""
    session = window.session
    for object_id in session.document.objects:
        labels = {truth.label((object_id, frame)) for frame in session.masks.frames(object_id)}
        assert len(labels) == 1, f"object {object_id} is {labels}"
    assert len(session.document.divisions) == 2


def export_all(counted: Counted) -> None:
    """Write all formats by the Export button."""
    window, folder = counted.window, counted.window.out / "results"
    chosen = QFileDialog.getSaveFileName
    QFileDialog.getSaveFileName = lambda *_: (str(folder), EVERYTHING)  # type: ignore[method-assign]
    try:
        counted.press(window.panel.saving.export, "press Export")
        counted.actions += ["choose all formats", "type a name", "press Enter"]
        window.wait(lambda: window.panel.message.text().startswith("All formats"), "the files", 120)
    finally:
        QFileDialog.getSaveFileName = chosen  # type: ignore[method-assign]
    written = {path.name for path in folder.iterdir()}
    assert written >= {"labels.tif", "cells.csv", "tracks.csv", "01_RES", "tracks.geff"}, written


def hover(window: Window, object_id: int, frame: int) -> QPoint:
    """Move the mouse to the middle of a cell on a frame."""
    place = np.argwhere(window.session.masks.mask(object_id, frame)).mean(axis=0)
    return window.point_at(*place.tolist(), frame)


def shift_click(window: Window, object_id: int, frame: int) -> None:
    """Shift+click on a cell."""
    place, canvas = hover(window, object_id, frame), window.viewer.window._qt_viewer.canvas.native
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, _SHIFT, place)
    pause(150)
