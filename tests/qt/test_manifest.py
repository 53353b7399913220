"""What napari finds of the plugin: the manifest is valid, and its commands do what their titles say."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any

import numpy as np
import pytest
from npe2 import PluginManifest
from PIL import Image
from pydantic import ValidationError

from napari_sam2._qt.models_panel import ModelsPanel
from napari_sam2._qt.panel import SegmentAndTrackPanel
from napari_sam2._qt.preferences import preferred_settings
from napari_sam2._qt.review_panel import ReviewPanel
from napari_sam2.session.settings import SessionSettings, setting

NAME = "napari-sam2"


@pytest.fixture
def manifest() -> PluginManifest:
    manifest = PluginManifest.from_distribution(NAME)
    manifest.validate_imports()
    return manifest


def test_every_command_can_be_imported_and_is_used(manifest: PluginManifest) -> None:
    contributions = manifest.contributions
    used = {widget.command for widget in contributions.widgets}
    used |= {sample.command for sample in contributions.sample_data}
    used |= {item.command for item in (*contributions.readers, *contributions.writers)}
    assert {command.id for command in contributions.commands} == used


def test_the_icon_is_shipped_and_each_panel_says_where_it_is_docked(manifest: PluginManifest) -> None:
    package, _, name = str(manifest.icon).partition(":")
    with resources.as_file(resources.files(package) / name) as path, Image.open(path) as icon:
        assert icon.size == (256, 256)
    areas = {widget.display_name: widget.default_dock_area for widget in manifest.contributions.widgets}
    assert areas == {"Segment and track": "right", "Review": "bottom", "Models": "right", "Plot": "bottom"}


def test_menus_are_those_that_napari_lets_plugins_fill(manifest: PluginManifest) -> None:
    from napari._app_model.constants._menus import is_menu_contributable

    assert set(manifest.contributions.menus) == {"napari/layers/segment", "napari/layers/track"}
    assert all(is_menu_contributable(menu) for menu in manifest.contributions.menus)


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (f"{NAME}.segment_and_track", SegmentAndTrackPanel),
        (f"{NAME}.models", ModelsPanel),
        (f"{NAME}.review", ReviewPanel),
    ],
)
def test_widget_commands_open_their_panel_by_id(
    make_napari_viewer: Callable[..., Any],
    npe2pm: Any,
    plugin_settings: Any,
    manifest: PluginManifest,
    command: str,
    kind: type,
) -> None:
    from napari._app_model import get_app_model

    viewer = make_napari_viewer()
    npe2pm.register(manifest)
    get_app_model().commands.execute_command(command).result()
    (panel,) = viewer.window._qt_window.findChildren(kind)
    assert panel.minimumWidth() <= 340
    panel.close_work()


def test_preferences_are_the_settings_of_a_new_session(npe2pm: Any, plugin_settings: Any, manifest: Any) -> None:
    from napari.settings import get_plugin_settings

    npe2pm.register(manifest)
    assert SessionSettings(**preferred_settings()) == SessionSettings()
    defaults = get_plugin_settings(NAME).defaults
    defaults.object_diameter_px = 30
    defaults.view = "windows"
    settings = SessionSettings(**preferred_settings())
    assert (settings.view, settings.object_diameter_px) == ("windows", 30)
    with pytest.raises(ValidationError):
        defaults.device = "abacus"


def test_preferences_say_what_the_fields_of_the_settings_say(manifest: PluginManifest) -> None:
    (configuration,) = manifest.contributions.configurations.values()
    assert set(configuration.properties) <= set(SessionSettings.model_fields)
    for name, shown in configuration.properties.items():
        told = setting(name)
        assert (shown.title, shown.description) == (told.title, told.description)
        assert shown.default == (told.default or 0), name  # a preference is never None: 0 stands for it
        assert shown.enum == (list(told.words) or None), name
        assert (shown.minimum, shown.maximum) == ((0, told.most) if told.most else (None, None)), name


def test_labels_are_written_by_the_manifest_s_writer(
    npe2pm: Any, manifest: PluginManifest, tmp_path: Any, make_napari_viewer: Callable[..., Any]
) -> None:
    import tifffile

    npe2pm.register(manifest)
    viewer = make_napari_viewer()
    labels = np.zeros((3, 8, 9), np.uint16)
    labels[1, 2, 3] = 7
    viewer.add_labels(labels)
    path = tmp_path / "labels.tif"
    assert viewer.layers[0].save(str(path), plugin=NAME) == [str(path)]
    assert np.array_equal(tifffile.imread(path), labels)
