"""Undo and redo are exact: whatever was done, and whatever runs found in between, comes back to the last bit.

A walk makes edits, runs and changes of settings in any order; every step is taken back and made again at once, at the
end all of them are, and a saved session is reopened.
"""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from disc_predictor import DiscPredictor
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.session import Session, SessionSettings
from sam2_core.errors import PromptError, StackError

FRAMES, SIZE = 6, (40, 60)
IMAGES = np.arange(FRAMES * 40 * 60, dtype=np.uint16).reshape(FRAMES, *SIZE)


def opened(images=IMAGES, axes="TYX", predictor=None, **chosen):
    wanted = SessionSettings(**({"view": "full"} | chosen))
    return Session.open(images, axes=axes, predictor=predictor or DiscPredictor(), settings=wanted)


def everything(session):
    """All that a session says and shows: prompts, objects in their order, masks, labels, settings, what is awaited."""
    prompts = {key: (one.points_yx, one.labels, one.box_yx, one.drawn) for key, one in session.document.prompts.items()}
    labels = [session.labels(frame) for frame in range(FRAMES)]
    return {
        "prompts": prompts,
        "objects": list(session.document.objects.items()),
        "masks": dict(sorted(session.masks.items())),
        "statuses": {one: session.status(one).tolist() for one in session.document.objects},
        "labels": [(one.dtype, one.tobytes()) for one in labels],
        "settings": session.settings,
        "awaited": session._state.waited_for,
    }


def square(y, x):
    mask = np.zeros(SIZE, bool)
    mask[y - 4 : y + 4, x - 4 : x + 4] = True
    return mask


EDITS = {
    "click": lambda s, one, other, frame, y, x: s.add_points(one, frame, [(y, x)], [other % 2]),
    "box": lambda s, one, other, frame, y, x: s.add_box(one, frame, (y - 5, x - 5, y + 5, x + 5)),
    "mask": lambda s, one, other, frame, y, x: s.add_mask(one, frame, square(y, x)),
    "polygon": lambda s, one, other, frame, y, x: s.add_polygon(one, frame, [(y, x), (y + 6, x), (y, x + 6)]),
    "labels": lambda s, one, other, frame, y, x: s.add_labels(frame, square(y, x) * one),
    "paint": lambda s, one, other, frame, y, x: s.edit_masks(frame, {one: square(y, x), other: square(y, x + 2)}),
    "erase": lambda s, one, other, frame, y, x: s.edit_mask(one, frame, np.zeros(SIZE, bool)),
    "clear": lambda s, one, other, frame, y, x: s.set_prompts(
        {key: None for key in s.document.prompts if key[0] == one}
    ),
    "clear a frame": lambda s, one, other, frame, y, x: s.set_prompts({(one, frame): None}),
    "remove": lambda s, one, other, frame, y, x: s.remove_object(one),
    "merge": lambda s, one, other, frame, y, x: s.merge_objects(one, other),
    "swap": lambda s, one, other, frame, y, x: s.swap_objects(one, other, frame),
    "rename": lambda s, one, other, frame, y, x: s.rename_object(one, f"cell {x}"),
    "lock": lambda s, one, other, frame, y, x: s.set_locked(one, bool(other % 2)),
    "hide": lambda s, one, other, frame, y, x: s.set_visible(one, bool(other % 2)),
    "new": lambda s, one, other, frame, y, x: s.new_object(),
    "brightness": lambda s, one, other, frame, y, x: s.change_settings(even_out=bool(other % 2)),
    "contrast": lambda s, one, other, frame, y, x: s.change_settings(contrast_limits=((0, y),)),
    "model": lambda s, one, other, frame, y, x: s.change_settings(model=f"model {one}"),
    "overlaps": lambda s, one, other, frame, y, x: s.change_settings(overlaps=["keep", "logits"][other % 2]),
}
RUNS = {
    "preview": lambda s, count: list(s.preview()),
    "propagate": lambda s, count: list(s.propagate()),
    "stopped": lambda s, count: list(islice(s.propagate(), count)),
    "again": lambda s, count: list(s.propagate("forward", only_stale=False)),
}
NUMBERS = st.tuples(
    *(st.integers(1, 4), st.integers(1, 4), st.integers(0, FRAMES - 1), st.integers(8, 30), st.integers(8, 50))
)
STEPS = st.one_of(
    st.tuples(st.sampled_from(sorted(EDITS)), NUMBERS),
    st.tuples(st.sampled_from(sorted(RUNS)), st.tuples(st.integers(1, 5))),
    st.tuples(st.sampled_from(["undo", "redo"]), st.just(())),
)


def done(session, name, numbers):
    """Do one thing; what is refused changes nothing."""
    before = everything(session)
    try:
        if name in ("undo", "redo"):
            (session.undo if name == "undo" else session.redo)()
        else:
            (EDITS | RUNS)[name](session, *numbers)
    except (PromptError, StackError):
        assert everything(session) == before


@settings(max_examples=12, deadline=None)
@given(st.lists(STEPS, min_size=5, max_size=25), st.booleans())
def test_every_step_is_taken_back_and_made_again_exactly(tmp_path_factory, steps, keep):
    with opened(overlaps="keep" if keep else "logits") as session:
        for name, numbers in steps:
            last, before = session._history.last_done, everything(session)
            done(session, name, numbers)
            if name in EDITS and session._history.last_done is not last:
                after = everything(session)
                session.undo()
                assert everything(session) == before
                session.redo()
                assert everything(session) == after
        back = [everything(session)]
        while session.undo():
            back.append(everything(session))
        for state in reversed(back[:-1]):
            session.redo()
            assert everything(session) == state
        folder = session.save(tmp_path_factory.mktemp("walk") / "walk.sam2")
        saved = everything(session)
    with Session.open(folder, predictor=DiscPredictor()) as again:
        shown = everything(again)
        for what in ("prompts", "objects", "masks", "statuses", "labels", "settings"):
            assert shown[what] == saved[what], what


def test_what_a_run_found_comes_back_with_the_object():
    with opened() as session:
        session.add_points(1, 0, [(20, 20)])
        list(session.propagate())
        tracked = everything(session)
        session.undo()
        assert not session.document.objects
        assert not len(session.masks)
        session.redo()
        assert everything(session) == tracked
        session.add_points(1, 3, [(20, 30)])
        list(session.propagate())
        corrected = everything(session)
        session.undo()
        assert everything(session) == tracked
        session.redo()
        assert everything(session) == corrected
        assert not session.anything_to_do()


@pytest.mark.parametrize("change", [{"even_out": True}, {"model": "x"}, {"view": "windows"}, {"channels": (0,)}])
def test_a_change_of_settings_is_a_step_that_brings_the_masks_back(change, tmp_path):
    made, images = [], IMAGES[:, None]
    with opened(images, "TCYX", lambda: made.append(1) or DiscPredictor()) as session:
        session.add_points(1, 0, [(20, 20)])
        list(session.propagate())
        before = everything(session)
        session.change_settings(**change)
        after = everything(session)
        assert session.status(1).tolist() == [4] * FRAMES
        list(session.propagate())
        found = everything(session)
        folder = session.save(tmp_path / "a.sam2")
        session.undo()
        assert everything(session) == before
        assert not session.anything_to_do()
        loaded = len(made)
        session.redo()
        assert everything(session) == found != after
        assert len(made) == loaded, "nothing is loaded before there is work"
        session.undo()
        assert session.redo_text.split()[0] in ("even", "model", "view", "channels")
        session.save()
    with Session.open(folder, images=images, predictor=DiscPredictor()) as again:
        assert again.settings == before["settings"]
        assert again.redo_text.split()[0] in ("even", "model", "view", "channels")
        assert again.undo_text == "add a point"


def test_a_step_says_what_was_set():
    with opened() as session:
        session.change_settings(model="sam2.1_hiera_t")
        assert session.undo_text == "model sam2.1_hiera_t"
        session.change_settings(contrast_limits=((10, 200.5),), even_out=True)
        assert session.undo_text == "contrast 10 to 200.5, even out brightness on"
        session.undo()
        assert (session.undo_text, session.redo_text) == (
            "model sam2.1_hiera_t",
            "contrast 10 to 200.5, even out brightness on",
        )


def test_masks_of_other_frames_are_gone_with_these_and_come_back_with_them():
    images = np.zeros((5, 3, *SIZE), np.uint8)
    with opened(images, "TZYX", track_axis="T", fixed={"Z": 0}) as session:
        session.edit_mask(1, 4, np.zeros(SIZE, bool))
        session.change_settings(track_axis="Z", fixed={"T": 1})
        assert (session.frame_count, len(session.masks)) == (3, 0)
        session.undo()
        assert session.status(1).tolist() == [0, 0, 0, 0, 3]


def test_the_history_counts_the_masks_that_only_it_keeps():
    with opened() as session:
        session.add_mask(1, 0, square(20, 20))
        assert session._history._bytes == 0
        session.add_mask(1, 0, square(22, 20))
        once = session._history._bytes
        assert once > 0
        session.remove_object(1)
        assert session._history._bytes > once
        session.undo()
        assert session._history._bytes == once


@pytest.mark.parametrize("shown", [False, True])
def test_that_one_was_painted_away_does_not_hide_what_it_is_merged_into(shown):
    session = opened()
    session.add_box(1, 5, (4, 13, 8, 17))
    if shown:
        list(session.preview())
    session.add_mask(2, 0, square(20, 20))
    session.edit_mask(2, 5, np.zeros(SIZE, bool))
    session.merge_objects(1, 2)
    list(session.preview())
    assert session.masks.mask(1, 5).any()
    assert not session.needs_preview
    assert session.masks.get((1, 5)).status.name == "prompted"
    session.undo()
    assert session.masks.get((2, 5)).status.name == "edited"
