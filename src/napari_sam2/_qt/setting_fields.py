"""Widgets of settings: each shows a field of `SessionSettings` with the title, range and choices that the field has."""

from __future__ import annotations

from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox

from napari_sam2._qt.parts import Combo
from napari_sam2.session.settings import setting


class ChoiceField(Combo):
    """The values that a field offers, by their words; any other that is shown joins them."""

    def __init__(self, name: str) -> None:
        told = setting(name)
        words = told.words or {told.default: told.default}
        super().__init__([(word, value) for value, word in words.items()], told.description)
        self.name, self.title = name, told.title

    def chosen(self) -> str:
        """Return what the setting is to be."""
        return str(self.currentData())

    def show_value(self, value: object) -> None:
        """Show what the setting is."""
        if self.findData(str(value)) < 0:
            self.addItem(str(value), str(value))
        self.setCurrentIndex(self.findData(str(value)))


class TickField(QCheckBox):
    """A field that is true or false, with its title beside the box."""

    def __init__(self, name: str) -> None:
        told = setting(name)
        super().__init__(told.title)
        self.setToolTip(told.description)
        self.name, self.title = name, ""

    def chosen(self) -> bool:
        """Return what the setting is to be."""
        return self.isChecked()

    def show_value(self, value: object) -> None:
        """Show what the setting is."""
        self.setChecked(bool(value))


class PixelsField(QDoubleSpinBox):
    """A length in pixels, "auto" where the setting is None."""

    def __init__(self, name: str) -> None:
        told = setting(name)
        super().__init__()
        self.setRange(0, told.most or 0)
        self.setDecimals(0)
        self.setSuffix(" px")
        self.setSpecialValueText("auto")
        self.setKeyboardTracking(False)
        self.setToolTip(told.description)
        self.setAccessibleName(told.title)
        self.name, self.title = name, told.title

    def chosen(self) -> float | None:
        """Return what the setting is to be."""
        return self.value() or None

    def show_value(self, value: object) -> None:
        """Show what the setting is."""
        self.setValue(value if isinstance(value, float) else 0)
