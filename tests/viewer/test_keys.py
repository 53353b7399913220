from __future__ import annotations

import inspect

from app_model.types import KeyBinding
from napari.layers import Labels, Points, Shapes
from napari.utils.key_bindings import KeymapHandler
from napari.utils.shortcuts import default_shortcuts

from napari_sam2.viewer import KEYS
from napari_sam2.viewer.actions import Actions
from napari_sam2.viewer.deciding import Deciding
from napari_sam2.viewer.lineage_verbs import LineageVerbs


def press(layer, combination):
    handler = KeymapHandler()
    handler.keymap_providers = [layer]
    handler.press_key(combination)


def test_every_key_names_an_action_and_only_once():
    assert len({key.combination for key in KEYS}) == len(KEYS)
    assert len({key.action for key in KEYS}) == len(KEYS)
    for key in KEYS:
        verbs = [vars(kind).get(key.action) for kind in (Actions, Deciding, LineageVerbs)]
        assert inspect.unwrap(key.do) in verbs
        assert key.label
        assert key.text


def test_keys_of_napari_are_left_alone_but_those_that_mean_the_same():
    taken = {binding for bindings in default_shortcuts.values() for binding in bindings}
    ours = {key.action: KeyBinding.from_int(key.combination) for key in KEYS}
    assert {action for action, binding in ours.items() if binding in taken} <= {"new_object", "undo", "redo"}


def test_keys_work_on_every_layer_of_ours_and_on_no_other(desk):
    desk.points.add((0, 20, 15))
    for layer in desk.binding.layers():
        assert len(layer.keymap) == len(KEYS)
    assert not desk.image.keymap
    for kind in (Labels, Points, Shapes):
        assert not any(
            KeyBinding.from_int(key.combination) in kind.class_keymap for key in KEYS if key.action == "stop"
        )
    by_action = {key.action: key.combination for key in KEYS}
    press(desk.points, by_action["new_object"])
    assert desk.binding.current.object_id == 2
    press(desk.shapes, by_action["next_object"])
    assert desk.binding.current.object_id == 1
    press(desk.points, by_action["flip_polarity"])
    assert desk.binding.current.polarity == "out"
    press(desk.labels, by_action["propagate_forward"])
    assert desk.session.status(1).tolist() == [1, 2, 2, 2, 2, 2]
    press(desk.labels, by_action["undo"])
    assert not desk.session.document.prompts
