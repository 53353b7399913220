"""Prompts by object and frame, immutable: an edit makes a new map that shares all objects it does not touch.

So an edit among 100,000 prompts costs as much as the prompts of its object (see `shared_map`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from napari_sam2.document.plain_values import whole_number
from napari_sam2.document.prompt import Prompt
from napari_sam2.document.shared_map import SharedMap
from sam2_core.errors import PromptError

PromptKey = tuple[int, int]
"""(object_id, frame)."""
Frames = Mapping[int, Prompt]
_NONE: Frames = {}


class PromptMap(Mapping[PromptKey, Prompt]):
    """(object_id, frame) -> prompt, ascending.

    Parameters
    ----------
    by_object
        Object id -> frame -> prompt, frames ascending, no object without prompts; nobody changes it any more.
    length
        Number of prompts.
    """

    __slots__ = ("_by_object", "_length")

    def __init__(self, by_object: SharedMap[Frames], length: int) -> None:
        self._by_object = by_object
        self._length = length

    @classmethod
    def of(cls, prompts: Mapping[PromptKey, Prompt]) -> PromptMap:
        """Return the map of prompts by key; see `changed`."""
        return prompts if isinstance(prompts, cls) else cls(SharedMap({}, 0), 0).changed(prompts)

    def __getitem__(self, key: PromptKey) -> Prompt:
        return self._by_object[key[0]][key[1]]

    def get(self, key: PromptKey, default: Any = None) -> Any:
        """Return the prompt of a key, without the exception that `Mapping` raises for a missing one."""
        return self.of_object(key[0]).get(key[1], default)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and len(key) == 2 and key[1] in self.of_object(key[0])

    def __iter__(self) -> Iterator[PromptKey]:
        return ((object_id, frame) for object_id in self._by_object for frame in self._by_object[object_id])

    def __len__(self) -> int:
        return self._length

    @property
    def object_ids(self) -> list[int]:
        """Ids of the objects that have prompts, ascending."""
        return list(self._by_object)

    def of_object(self, object_id: int) -> Frames:
        """Return the prompts of an object by frame, ascending; empty without any."""
        return self._by_object.get(object_id, _NONE)

    def changed(self, changes: Mapping[PromptKey, Prompt | None]) -> PromptMap:
        """Return the map after changes; None takes a prompt away, if it is there.

        Raises
        ------
        PromptError
            If a prompt stands under another key than its own.
        """
        touched: dict[int, dict[int, Prompt]] = {}
        for key, prompt in changes.items():
            object_id, frame = whole_number(key[0], "object id"), whole_number(key[1], "frame")
            frames = touched.setdefault(object_id, dict(self.of_object(object_id)))
            if prompt is None:
                frames.pop(frame, None)
                continue
            if (object_id, frame) != (prompt.object_id, prompt.frame):
                raise PromptError(
                    f"{prompt.place}: the prompt was given for object {object_id}, frame {frame}; use its own key."
                )
            frames[frame] = prompt
        return self.with_objects(touched)

    def with_objects(self, touched: Mapping[int, Frames]) -> PromptMap:
        """Return the map in which these are all the prompts of these objects, by frame."""
        length = self._length + sum(len(frames) - len(self.of_object(one)) for one, frames in touched.items())
        ascending = {object_id: dict(sorted(frames.items())) or None for object_id, frames in touched.items()}
        return PromptMap(self._by_object.changed(ascending), length)

    def differing(self, other: PromptMap) -> Iterator[PromptKey]:
        """Yield the keys, ascending, of prompts that the other map has not or says something else for."""
        for object_id in self._by_object.differing(other._by_object):
            own, others = self.of_object(object_id), other.of_object(object_id)
            yield from ((object_id, frame) for frame in own if own[frame] != others.get(frame))
