"""Image layers that are seen as channels: napari opens an image of several channels as one layer for each.

A session begins on one layer. Others that lie on it are offered; one that is chosen is added to the stack as a further
channel, so that what was made stays, and from then on it is chosen like any channel. Listens to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, permutations

import numpy as np
from napari.layers import Image

from napari_sam2.io.image_files import is_kept
from napari_sam2.stacks import Stack
from napari_sam2.stacks.sources import ArraysAsChannels
from napari_sam2.viewer.binding import SessionBinding
from napari_sam2.viewer.coordinates import lies_alike
from napari_sam2.viewer.image_source import full_resolution

_MOST_TRIED = 60
"""So many orders of layers are looked at for the one that a session was made on."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of a session, or a layer that can become one; `layer` is None where no layer shows the channel."""

    name: str
    layer: Image | None


def channels_of(binding: SessionBinding) -> list[Channel]:
    """Return the channels of a session in a viewer, and behind them the other layers that may be chosen."""
    stack, image = binding.session.stack, binding.image
    if "S" in stack.axes:
        return []
    if "C" in stack.axes and len(stack.axes) == image.ndim:
        return [Channel(str(index), None) for index in range(stack.size("C"))]
    images = (layer for layer in binding.viewer.layers if isinstance(layer, Image))
    beside = [layer for layer in images if layer is not image and lies_on(image, layer)]
    own = [_channel(stack, index, [image, *beside]) for index in range(stack.size("C"))] if "C" in stack.axes else []
    own = own or [Channel(image.name, image)]
    known = [channel.layer for channel in own]
    more = [layer for layer in beside if layer not in known and _can_grow(stack, image)]
    return [*own, *(Channel(layer.name, layer) for layer in more)]


def seen_layers(binding: SessionBinding) -> tuple[Image, ...]:
    """Return the layers that show what the model sees, one for each channel of several; none where one is missing."""
    channels, seen = channels_of(binding), binding.session.movie.movie.channels or (0,)
    if not channels or channels[0].layer is None:
        return (binding.image,)
    layers = [channels[index].layer for index in seen]
    found = tuple(layer for layer in layers if layer is not None)
    return found if len(found) == len(layers) else ()


def lies_on(image: Image, layer: Image) -> bool:
    """Return whether a layer may be seen as a channel beside an image: of one shape, place and axes, and grey."""
    alike = full_resolution(layer).shape == full_resolution(image).shape and layer.axis_labels == image.axis_labels
    return alike and not layer.rgb and not image.rgb and lies_alike(image, layer)


def with_channel(stack: Stack, image: Image, layer: Image) -> Stack:
    """Return the stack of a session on an image with one more layer, as its last channel."""
    if isinstance(stack.data, ArraysAsChannels):
        arrays, names = stack.data.arrays, stack.calibration.channel_names
    else:
        arrays, names = (full_resolution(image),), (image.name,)
    about = replace(stack.calibration, channel_names=(*names, layer.name))
    axes = stack.axes if "C" in stack.axes else f"C{stack.axes}"
    return replace(stack, data=ArraysAsChannels([*arrays, full_resolution(layer)]), axes=axes, calibration=about)


def stacks_of(candidates: Iterable[tuple[Image, Stack]], count: int) -> Iterator[tuple[Image, Stack]]:
    """Yield the stacks of so many layers that lie on each other, with their first layer, in every order."""
    for (image, stack), *others in islice(permutations(candidates, count), _MOST_TRIED):
        if all(lies_on(image, layer) for layer, _ in others):
            for layer, _ in others:
                stack = with_channel(stack, image, layer)
            yield image, stack


def _can_grow(stack: Stack, image: Image) -> bool:
    """Return whether layers may be added: not where the images are read from the session's folder, and stay there."""
    if isinstance(stack.data, ArraysAsChannels):
        return True
    is_in_folder = stack.path is not None and is_kept(stack.path)
    return "C" not in stack.axes and not (is_in_folder and not isinstance(full_resolution(image), np.ndarray))


def _channel(stack: Stack, index: int, layers: Iterable[Image]) -> Channel:
    """Return a channel of a stack with the layer that shows it."""
    names, data = stack.calibration.channel_names, stack.data
    name = names[index] if index < len(names) else str(index)
    for layer in layers:
        if full_resolution(layer) is data.arrays[index] if isinstance(data, ArraysAsChannels) else layer.name == name:
            return Channel(layer.name, layer)
    return Channel(name, None)
