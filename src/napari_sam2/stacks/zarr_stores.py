"""Zarr stores on disk: an array, an OME-Zarr image, or one of the images of a plate, a well or a converted file.

OME-Zarr 0.1 to 0.5, zarr formats 2 and 3. Where a store holds several images, the caller chooses one by number, name or
place inside ("A/1/0"); labels beside an image are no choice of their own. A store may come from anybody: what it says
about codecs is checked before zarr sees it, so that none is used that could run code (pickle) or is not known here, and
a chunk of blosc that lacks bytes, which its decoder would read beyond, is not handed to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_sam2.stacks.axes import letters_from_names
from napari_sam2.stacks.metadata import Source, multiscales_calibration, omero_names
from sam2_core.errors import StackError
from sam2_core.inference.frames.reading import reading
from sam2_core.inference.frames.scenes import scene_index, several

_NO_IMAGES = ("labels", "OME")
_DEEPEST = 4  # plate, row, column, field
_DOCUMENTS = ("zarr.json", ".zarray", ".zmetadata")
_CODEC_LISTS = ("codecs", "index_codecs", "filters", "compressor", "storage_transformers")
_CODECS = frozenset(
    {
        *("bytes", "endian", "transpose", "sharding_indexed", "scale_offset", "cast_value"),
        *("crc32c", "crc32", "adler32", "fletcher32", "jenkins_lookup3"),
        *("blosc", "zstd", "gzip", "zlib", "bz2", "lzma", "lz4", "zfpy", "pcodec"),
        *("delta", "fixedscaleoffset", "quantize", "bitround", "shuffle", "packbits", "astype"),
        *("vlen-utf8", "vlen-bytes", "json2"),
    }
)
_PREFIXES = ("imagecodecs_",)


@dataclass(frozen=True, slots=True)
class _Image:
    """One image of a store: the group that holds it, where that is in the store, and its `multiscales` entry.

    Of one that a plate or well names and that is not there or not whole, as of a run that was aborted, there is a fault
    instead of the rest.
    """

    group: Any
    place: str
    entry: Mapping[str, Any]
    fault: StackError | None = None

    @property
    def name(self) -> str:
        given = self.entry.get("name")
        return self.place or (given if isinstance(given, str) else "")


def open_zarr(path: Path, scene: int | str | None = None) -> Source:
    """Return the array of a zarr store, of which nothing is read.

    Raises
    ------
    StackError
        It holds no image, several and none is chosen, or uses a codec that is not known to be safe; damage raises what
        zarr raises.
    """
    import zarr

    node = _opened(path)
    if isinstance(node, zarr.Group):
        return from_group(node, path.stem, scene)
    if scene not in (None, 0, "0"):
        raise StackError(f"{path} is one array; leave out the scene ({scene!r}).")
    return Source(node, path.stem, array_axes(node))


def images_to_choose(path: Path) -> tuple[str, ...]:
    """Return the places of the images of a store of which one has to be chosen; empty where there is only one."""
    import zarr

    node = _opened(path)
    places = tuple(image.place for image in _images(node)) if isinstance(node, zarr.Group) else ()
    return places if len(places) > 1 and all(places) else ()


def _opened(path: Path) -> Any:
    import zarr
    from zarr.storage import LocalStore

    return zarr.open(_checking(LocalStore(path, read_only=True)), mode="r")


def from_group(group: Any, name: str, scene: int | str | None = None) -> Source:
    """Return the image of a zarr group, or the one that is chosen of several; its only array where there is none.

    Raises
    ------
    StackError
        There is nothing that can be meant.
    """
    if isinstance(scene, str) and "/" in scene.strip("/"):
        with _reading_image(scene.strip("/")):
            if scene.strip("/") in group:
                return _inside(group, scene.strip("/"), name)
    images = list(_images(group))
    if not images:
        return _only_array(group, name, scene)
    if scene is None and len(images) > 1:
        raise StackError(several([image.name for image in images], name))
    image = images[0 if scene is None else scene_index([image.name for image in images], scene, name)]
    return _source(image, name if len(images) == 1 else _beside(name, image.name))


def array_axes(array: Any) -> str | None:
    """Return the axes that a zarr array names (v3 dimension names, xarray's attribute, or `axes`), or None."""
    named = getattr(getattr(array, "metadata", None), "dimension_names", None)
    attributes = getattr(array, "attrs", None)
    if not named and isinstance(attributes, Mapping):
        named = attributes.get("_ARRAY_DIMENSIONS") or attributes.get("axes")
    return letters_from_names(list(named)) if isinstance(named, list | tuple | str) and named else None


def _inside(group: Any, place: str, name: str) -> Source:
    """Return what is at a place inside a group: an image, one of several, or an array."""
    import zarr

    node = group[place]
    if isinstance(node, zarr.Group):
        return from_group(node, _beside(name, place))
    return Source(node, _beside(name, place), array_axes(node))


def _images(group: Any, place: str = "", depth: int = 0) -> Iterator[_Image]:
    """Yield the images in a group and in the groups below it, in the order in which people count."""
    ome = _ome(group)
    entries = ome.get("multiscales") or ()
    for entry in entries:
        yield _Image(group, place, entry)
    if entries or depth == _DEEPEST:
        return
    for child in _children(group, ome):
        inside = f"{place}/{child}".strip("/")
        try:
            with _reading_image(inside):
                yield from _images(_group_in(group, child, inside), inside, depth + 1)
        except StackError as error:
            yield _Image(None, inside, {}, error)


def _reading_image(inside: str) -> AbstractContextManager[None]:
    return reading(f"The image {inside} of the zarr store")


def _group_in(group: Any, child: str, inside: str) -> Any:
    """Return the group of that name in a group.

    Raises
    ------
    StackError
        There is none; damage raises what zarr raises.
    """
    import zarr

    node = group.get(child)
    if not isinstance(node, zarr.Group):
        raise StackError(f"The zarr store names the image {inside} but does not hold it; choose another one.")
    return node


def _children(group: Any, ome: Mapping[str, Any]) -> list[str]:
    """Return where the images below a group are: as a plate or a well says, else all groups but labels and metadata."""
    if "plate" in ome:
        return [str(well["path"]) for well in ome["plate"]["wells"]]
    if "well" in ome:
        return [str(image["path"]) for image in ome["well"]["images"]]
    names = (name for name, _ in group.groups() if name not in _NO_IMAGES)
    return sorted(names, key=lambda name: [(int(part), "") if part.isdecimal() else (0, part) for part in _parts(name)])


def _parts(name: str) -> list[str]:
    return re.split(r"(\d+)", name)


def _ome(group: Any) -> Mapping[str, Any]:
    """Return what OME-Zarr says about a group: its attributes, from version 0.5 on those below `ome`."""
    attributes = dict(group.attrs)
    ome = attributes.get("ome", attributes)
    return ome if isinstance(ome, Mapping) else {}


def _source(image: _Image, name: str) -> Source:
    """Return the full resolution of an image."""
    import zarr

    if image.fault is not None:
        raise image.fault
    ome, levels = _ome(image.group), image.entry.get("datasets") or ()
    if not levels:
        raise StackError(f"{name} is an OME-Zarr image that names no datasets; its metadata is damaged.")
    place = str(levels[0]["path"])
    data = image.group.get(place)
    if not isinstance(data, zarr.Array):
        raise StackError(f"{name} names the dataset {place!r} but does not hold it; copy the store again.")
    named = [axis.get("name") if isinstance(axis, Mapping) else axis for axis in image.entry.get("axes") or ()]
    axes = letters_from_names(named) if named else "TCZYX" if data.ndim == 5 else None  # as up to version 0.2
    calibration = replace(multiscales_calibration(image.entry), channel_names=omero_names(ome))
    return Source(data, _given_name(image.entry, name), axes, calibration)


def _only_array(group: Any, name: str, scene: int | str | None) -> Source:
    """Return the array of a group without images; those of fewer than two dimensions are coordinates."""
    arrays = {key: array for key, array in group.arrays() if array.ndim >= 2}
    names = sorted(arrays)
    if not names:
        labels = f"only labels ({', '.join(sorted(group['labels']))})" if "labels" in group else "nothing"
        raise StackError(f"The zarr group {name} has no multiscales and holds {labels}; give the path of an image.")
    if scene is None and len(names) > 1:
        raise StackError(several([f"{key} {arrays[key].shape}" for key in names], f"The zarr group {name}"))
    key = names[0 if scene is None else scene_index(names, scene, name)]
    return Source(arrays[key], name if len(names) == 1 else _beside(name, key), array_axes(arrays[key]))


def _given_name(entry: Mapping[str, Any], name: str) -> str:
    """Return what an OME-Zarr calls its image, `name` where it is nothing that people would call it."""
    given = entry.get("name")
    return given if isinstance(given, str) and given.strip() and "/" not in given else name


def _beside(name: str, place: str) -> str:
    """Return a name for one of the images of a store, which may be part of a file's name."""
    return f"{name}_{re.sub(r'[^0-9A-Za-z.-]+', '_', place)}"


def _checking(store: Any) -> Any:
    """Return a store that looks through its documents, and at the length of chunks, before zarr does."""
    from zarr.abc.store import RangeByteRequest
    from zarr.storage import WrapperStore

    blosc: dict[str, bool] = {}  # place of an array -> whether what blosc packed are its chunks, or parts of shards

    class CheckingStore(WrapperStore):  # type: ignore[type-arg]
        async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
            value = await super().get(key, prototype, byte_range)
            if value is None:
                return value
            place, _, name = key.rpartition("/")
            if name in _DOCUMENTS:
                blosc.update(_packed_by_blosc(place, check_codecs(value.to_bytes(), key)))
            if name in _DOCUMENTS or name.startswith("."):
                return value
            whole = next((one for at, one in blosc.items() if key.startswith(f"{at}/" if at else "")), None)
            if whole is not None and (byte_range is None if whole else isinstance(byte_range, RangeByteRequest)):
                _check_blosc(value.to_bytes(), key)
            return value

    return CheckingStore(store)


def _packed_by_blosc(place: str, content: object) -> dict[str, bool]:
    """Return the places of arrays of which a document says that blosc packs them last; see `_checking`."""
    if not isinstance(content, Mapping):
        return {}
    together = content.get("consolidated_metadata", content)
    if isinstance(together, Mapping) and isinstance(together.get("metadata"), Mapping):
        found: dict[str, bool] = {}
        for inside, entry in together["metadata"].items():
            found |= _packed_by_blosc(f"{place}/{str(inside).removesuffix('/.zarray')}".strip("/"), entry)
        return found
    codecs = content.get("codecs")
    last = codecs[-1] if isinstance(codecs, list) and codecs else content.get("compressor")
    if not isinstance(last, Mapping):
        return {}
    if last.get("name") == "sharding_indexed":
        inner = last.get("configuration")
        return dict.fromkeys(_packed_by_blosc(place, inner), False)
    return {place: True} if "blosc" in (last.get("id"), last.get("name")) else {}


def _check_blosc(chunk: bytes, key: str) -> None:
    """Raise where a chunk is not as long as blosc says in its first 16 bytes, of which the last four are its length.

    Raises
    ------
    ValueError
        As said; who reads says which image it is. Source: https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst
    """
    said = int.from_bytes(chunk[12:16], "little")
    if len(chunk) < 16 or said != len(chunk):
        raise ValueError(f"{key} has {len(chunk)} bytes, and should have {said}; copy the store again")


def check_codecs(document: bytes, key: str) -> object:
    """Return what a document of a zarr store says; raise where it names a codec that could run code or is not known.

    Raises
    ------
    StackError
        As said; a document that is no JSON is left to zarr.
    """
    try:
        content = json.loads(document)
    except ValueError:
        return None
    for name in _named_codecs(content):
        if name.removeprefix("numcodecs.") not in _CODECS and not name.startswith(_PREFIXES):
            raise StackError(
                f"{key} wants the codec {name!r}, which is not read: it is not known to be safe. Write the array again "
                "with one of the usual ones (blosc, zstd, gzip), without objects."
            )
    return content


def _named_codecs(content: object) -> Iterator[str]:
    """Yield the names of all codecs in a document, nested ones too; attributes are not looked at."""
    if isinstance(content, Mapping):
        for key, entry in content.items():
            if key in _CODEC_LISTS:
                yield from _codec_names(entry)
            if key != "attributes":
                yield from _named_codecs(entry)
    elif isinstance(content, list):
        for entry in content:
            yield from _named_codecs(entry)


def _codec_names(entry: object) -> Iterator[str]:
    entries: Sequence[object] = entry if isinstance(entry, list) else [entry]
    for codec in entries:
        if isinstance(codec, Mapping):
            yield str(codec.get("id", codec.get("name")))
        elif codec is not None:
            yield str(codec)
