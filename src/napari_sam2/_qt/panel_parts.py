"""What stands in the main panel from top to bottom, made at once and handed to those who work with it."""

from __future__ import annotations

from napari_sam2._qt.objects_model import ObjectsModel
from napari_sam2._qt.objects_section import ObjectsSection
from napari_sam2._qt.parts import InfoLine, Section
from napari_sam2._qt.sections import ImageSection, ModelSection, PromptsSection, PropagateSection, SaveSection


class PanelParts:
    """The lines for hint and message, and the sections between them."""

    def __init__(self, objects: ObjectsModel) -> None:
        self.hint = InfoLine("Open sample")
        self.image = ImageSection()
        self.model_section = ModelSection()
        self.objects = ObjectsSection(objects)
        self.prompts = PromptsSection()
        self.propagate = PropagateSection()
        self.saving = SaveSection()
        self.message = InfoLine("Restore layers")
        self.message.button.setVisible(False)
        self.message.setVisible(False)

    def sections(self) -> tuple[Section, ...]:
        """Return the sections from top to bottom."""
        return (self.image, self.model_section, self.objects, self.prompts, self.propagate, self.saving)
