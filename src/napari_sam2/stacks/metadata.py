"""What a TIFF or OME-Zarr says about itself besides pixels: pixel size, units, frame interval, channel names.

Everything here is optional: a file without it, or with something unreadable in its place, gives an empty answer. A
`Source` is what has been opened, with all of this. This module decodes no pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from napari_sam2.stacks.axes import letters_from_names
from sam2_core.inference.frames.stored_images import LazyArray
from sam2_core.inference.frames.tiff_file import TiffImages

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffTags

_UNIT_NAMES = {"um": "µm", "micron": "µm", "microns": "µm", "micrometer": "µm", "\\u00b5m": "µm", "μm": "µm"}
_UNIT_NAMES |= {"nanometer": "nm", "millimeter": "mm", "second": "s", "sec": "s", "minute": "min", "hour": "h"}


@dataclass(frozen=True, slots=True)
class Calibration:
    """Physical size of one step along each axis that the file describes.

    Attributes
    ----------
    scale
        Axis letter -> size of one pixel, slice or frame, > 0.
    units
        Axis letter -> unit of that size, for example "µm" or "s".
    channel_names
        Names of the channels, in order; empty if unknown.
    """

    scale: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A lazy array with what its file says about it; `axes` is None or has one character per dimension."""

    data: LazyArray
    name: str
    axes: str | None = None
    calibration: Calibration = field(default_factory=Calibration)


def tiff_calibration(tiff: TiffImages) -> Calibration:
    """Return what an OME or ImageJ TIFF says about its pixel size; empty for other TIFFs."""
    if tiff.file.ome_metadata:
        return ome_calibration(tiff.file.ome_metadata, tiff.series_index)
    return _imagej_calibration(tiff.file) if tiff.file.imagej_metadata else Calibration()


def ome_calibration(xml: str, image_index: int) -> Calibration:
    """Return the pixel size, units and channel names of one image in an OME-XML text."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return Calibration()
    pixels = [element for element in root.iter() if element.tag.endswith("}Pixels")]
    if not 0 <= image_index < len(pixels):
        return Calibration()
    entry = pixels[image_index]
    keys = {letter: (f"PhysicalSize{letter}", f"PhysicalSize{letter}Unit", "µm") for letter in "XYZ"}
    keys["T"] = ("TimeIncrement", "TimeIncrementUnit", "s")
    sizes = {letter: entry.get(size) for letter, (size, _, _) in keys.items()}
    units = {letter: entry.get(unit, default) for letter, (_, unit, default) in keys.items()}
    channels = [element for element in entry if element.tag.endswith("}Channel")]
    names = tuple(channel.get("Name") or f"channel {index}" for index, channel in enumerate(channels))
    return _calibration(sizes, units, names)


def multiscales_calibration(multiscale: Mapping[str, Any]) -> Calibration:
    """Return the pixel size and units of the first level of an OME-Zarr `multiscales` entry."""
    axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in _listed(multiscale.get("axes"))]
    letters = letters_from_names([axis.get("name") for axis in axes])
    level = next(iter(_listed(multiscale.get("datasets"))), None)
    scale: list[float | None] = [1.0] * len(letters)
    for owner in (level, multiscale):
        for factors in _scales(owner, len(letters)):
            scale = [
                None if one is None else one * (_positive(by) or 1.0) for one, by in zip(scale, factors, strict=True)
            ]
    units = {letter: axis.get("unit") for letter, axis in zip(letters, axes, strict=True)}
    sizes = {letter: size for letter, size in zip(letters, scale, strict=True) if letter in "TZYX" and units[letter]}
    return _calibration(sizes, units, ())


def _scales(owner: object, count: int) -> list[Sequence[Any]]:
    """Return the factors of all scale transforms of an entry that have one factor per axis."""
    transforms = _listed(owner.get("coordinateTransformations")) if isinstance(owner, Mapping) else ()
    found = [one.get("scale") for one in transforms if isinstance(one, Mapping) and one.get("type") == "scale"]
    return [factors for factors in found if isinstance(factors, list | tuple) and len(factors) == count]


def _listed(entry: object) -> Sequence[Any]:
    return entry if isinstance(entry, list | tuple) else ()


def omero_names(ome: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the channel names of an OME-Zarr, in order; empty if it has none."""
    omero = ome.get("omero")
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    known = [channel for channel in _listed(channels) if isinstance(channel, Mapping)]
    return tuple(str(channel.get("label") or f"channel {index}") for index, channel in enumerate(known))


def _imagej_calibration(tif: TiffFile) -> Calibration:
    about: Mapping[str, Any] = tif.imagej_metadata or {}
    unit = str(about.get("unit", "pixel"))
    sizes: dict[str, Any] = {"T": about.get("finterval")}
    units: dict[str, Any] = {"T": str(about.get("tunit", "s"))}
    if unit not in ("pixel", "pixels", ""):
        tags = tif.pages.first.tags
        sizes |= {"Z": about.get("spacing"), "X": _tag_size(tags, "XResolution"), "Y": _tag_size(tags, "YResolution")}
        units |= dict.fromkeys("XYZ", unit)
    return _calibration(sizes, units, ())


def _tag_size(tags: TiffTags, name: str) -> float | None:
    """Return the pixel size from a resolution tag (pixels per unit as a fraction), or None."""
    tag = tags.get(name)
    if tag is None:
        return None
    fraction = tag.value
    return fraction[1] / fraction[0] if isinstance(fraction, tuple) and len(fraction) == 2 and fraction[0] else None


def _calibration(sizes: Mapping[str, Any], units: Mapping[str, Any], names: tuple[str, ...]) -> Calibration:
    scale = {letter: number for letter, value in sizes.items() if (number := _positive(value)) is not None}
    known = {letter: _unit(str(units[letter])) for letter in scale if units.get(letter)}
    return Calibration(scale, known, names)


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _unit(word: str) -> str:
    return _UNIT_NAMES.get(word.strip().lower(), word.strip())
