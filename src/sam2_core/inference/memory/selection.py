"""Some of the objects of a state, as if they were all: a window on a mapping by object id, not a copy.

What is changed through a `Selected` is changed in the whole: a new object appears there too, a removed one is gone.
Nothing here knows what the values are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import TypeVar

from sam2_core.errors import PromptError
from sam2_core.whole_numbers import plain_id

Value = TypeVar("Value")


class Selected(MutableMapping[int, Value]):
    """The entries of some object ids, in the order in which the whole has them.

    An id that is not there yet is seen as soon as it is added, here or in the whole.
    """

    def __init__(self, whole: MutableMapping[int, Value], object_ids: Iterable[int]) -> None:
        self._whole = whole
        self._ids = {plain_id(one) for one in object_ids}

    def __getitem__(self, object_id: int) -> Value:
        if object_id not in self._ids:
            raise KeyError(object_id)
        return self._whole[object_id]

    def __setitem__(self, object_id: int, value: Value) -> None:
        """Write through to the whole; an object that is new there is selected from now on; see `check_selected`."""
        check_selected(object_id, self, self._whole)
        self._whole[object_id] = value
        self._ids.add(object_id)

    def __delitem__(self, object_id: int) -> None:
        if object_id not in self._ids:
            raise KeyError(object_id)
        del self._whole[object_id]

    def __iter__(self) -> Iterator[int]:
        return (object_id for object_id in self._whole if object_id in self._ids)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def check_selected(object_id: int, selected: Iterable[int], whole: Iterable[int]) -> None:
    """Pass for an object that is selected or new.

    Raises
    ------
    PromptError
        It exists in the whole and was not selected.
    """
    chosen = list(selected)
    if object_id in set(whole) - set(chosen):
        raise PromptError(
            f"object {object_id} is not among the selected ones, {chosen}; select it too, or use the whole"
        )
