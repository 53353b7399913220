"""Which outlines masks were drawn with: an outline is a mask in the document, and its rows are known here.

So an undo brings them back, and they follow a mask to another object, whose id they then have. A mask that was
painted or imported has no rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from napari_sam2.document.document import PromptKey
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.prompt_parts import Mask
from napari_sam2.viewer.prompt_rows import PromptRow


class Outlines:
    """The rows of outlines by the masks that they draw.

    Attributes
    ----------
    drawn
        Prompts whose mask the rows of the layer draw now.
    """

    def __init__(self) -> None:
        self.drawn: set[PromptKey] = set()
        self._rows: dict[tuple[int, Mask | None], list[PromptRow]] = {}

    def keep(self, prompt: Prompt, rows: Sequence[PromptRow]) -> None:
        """Take rows that draw the mask of a prompt."""
        self.drawn.add((prompt.object_id, prompt.frame))
        self._rows[prompt.frame, prompt.drawn] = list(rows)

    def rows(self, prompt: Prompt) -> list[PromptRow]:
        """Return the rows that draw the mask of a prompt, as rows of its object; none where it was not drawn by any."""
        if prompt.drawn is None:
            return []
        return [replace(row, object_id=prompt.object_id) for row in self._rows.get((prompt.frame, prompt.drawn), [])]
