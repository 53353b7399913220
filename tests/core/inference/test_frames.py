"""Whatever holds frames can be opened, is read one frame at a time, and says clearly what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from sam2_core.errors import StackError
from sam2_core.inference.frames import FrameSource, OpenedFrames, frame_to_rgb, open_frames, read_rgb


@pytest.fixture
def movie(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (12, 20, 30, 3), dtype=np.uint8)


class CountingStack:
    """2,000 frames of 1024 x 1024 of which only the shape exists."""

    def __init__(self, dtype: type = np.uint16, shape: tuple[int, ...] = (2000, 1024, 1024)) -> None:
        self.shape, self.dtype, self.read = shape, np.dtype(dtype), list[int]()

    def __getitem__(self, index: int) -> np.ndarray:
        self.read.append(index)
        frame = np.zeros(self.shape[1:], self.dtype)
        frame[::2] = index
        return frame

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise AssertionError("the whole stack was converted")


def test_a_lazy_stack_opens_without_reading_and_samples_sixteen_frames() -> None:
    stack = CountingStack()
    frames = open_frames(stack)
    assert (len(frames), frames.height, frames.width) == (2000, 1024, 1024)
    assert stack.read == []
    frames.read_rgb(1000)
    assert len(set(stack.read)) <= 18
    already = len(stack.read)
    frames.read_rgb(1001)
    frames.read_rgb(0)
    assert len(stack.read) == already + 2


def test_a_lazy_stack_of_bytes_reads_only_what_is_asked() -> None:
    stack = CountingStack(np.uint8, (50, 64, 64))
    frames = open_frames(stack)
    assert frames.read_rgb(7).dtype == np.uint8
    assert set(stack.read) <= {0, 7}


def test_frames_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = CountingStack(np.uint8, (50, 64, 64))
    frames = open_frames(stack)
    first = frames[3]
    frames[3]
    assert stack.read.count(3) == 2
    assert first is not frames[3]


@pytest.mark.parametrize("wrap", [np.asarray, torch.from_numpy, list, tuple])
def test_arrays_tensors_and_lists_give_the_same_frames(movie: np.ndarray, wrap: Any) -> None:
    frames = open_frames(wrap(movie))
    assert isinstance(frames, FrameSource)
    assert (len(frames), frames.height, frames.width) == (12, 20, 30)
    assert frames.contrast_limits is None
    for index in (0, 11, 5):
        np.testing.assert_array_equal(frames[index], movie[index])
        np.testing.assert_array_equal(read_rgb(frames, index), movie[index])
    np.testing.assert_array_equal(frames[-1], movie[11])
    assert len(list(frames)) == 12


def test_dask_and_zarr_arrays(movie: np.ndarray) -> None:
    dask_array = pytest.importorskip("dask.array")
    zarr = pytest.importorskip("zarr")
    np.testing.assert_array_equal(open_frames(dask_array.from_array(movie, chunks=(1, 20, 30, 3)))[4], movie[4])
    np.testing.assert_array_equal(open_frames(zarr.array(movie))[4], movie[4])


def test_a_dask_stack_computes_one_frame_at_a_time() -> None:
    dask_array = pytest.importorskip("dask.array")
    computed: list[int] = []

    def plane(block_info: Any = None) -> np.ndarray:
        computed.append(block_info[None]["chunk-location"][0])
        return np.zeros((1, 8, 8), np.uint8)

    lazy = dask_array.map_blocks(plane, chunks=((1,) * 40, (8,), (8,)), dtype=np.uint8)
    open_frames(lazy)[17]
    assert computed == [17]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_one_to_four_channels_become_three(movie: np.ndarray, channels: int) -> None:
    stack = np.concatenate([movie, movie], axis=3)[..., :channels]
    frames = open_frames(stack)
    assert frames.read_rgb(0).shape == (20, 30, 3)
    assert frames[0].shape == ((20, 30) if channels == 1 else (20, 30, channels))


def test_one_contrast_for_the_whole_stack() -> None:
    stack = np.stack([np.full((32, 32), value, np.uint16) for value in np.linspace(100, 1100, 40)])
    frames = open_frames(stack)
    ((low, high),) = frames.contrast_limits or ()
    assert (low, high) == pytest.approx((100, 1100))
    assert frames.read_rgb(0).max() == 0
    assert frames.read_rgb(39).min() == 1
    assert frames.read_rgb(20)[0, 0, 0] == pytest.approx((stack[20, 0, 0] - low) / (high - low))


def test_given_contrast_is_used_and_saves_reading() -> None:
    stack = CountingStack(np.uint16, (300, 16, 16))
    frames = open_frames(stack, contrast_limits=(0, 200))
    assert frames.read_rgb(100).max() == pytest.approx(0.5)
    assert stack.read == [100]
    assert open_frames(frames) is frames
    assert open_frames(frames, contrast_limits=(0, 100)).read_rgb(100).max() == 1


def test_an_object_with_length_and_index_may_bring_its_contrast() -> None:
    class Source:
        contrast_limits = ((0.0, 10.0),)

        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> np.ndarray:
            return np.full((4, 6), index, np.float32)

    frames = open_frames(Source())
    assert (frames.height, frames.width) == (4, 6)
    assert frames.read_rgb(2)[0, 0].tolist() == pytest.approx([0.2] * 3)


def test_read_rgb_takes_any_source() -> None:
    class Source:
        height, width = 4, 6

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> np.ndarray:
            return np.arange(24, dtype=np.uint8).reshape(4, 6)

    source: FrameSource = Source()
    np.testing.assert_array_equal(read_rgb(source, 0), frame_to_rgb(source[0]))


# --- folders -----------------------------------------------------------------------------------------------------


def write_images(folder: Path, names: list[str]) -> None:
    for value, name in enumerate(names):
        image = np.full((16, 24), value * 10, np.uint8)
        if name.endswith(".tif"):
            tifffile.imwrite(folder / name, image)
        else:
            Image.fromarray(image).save(folder / name, **({"quality": 100} if name.endswith("jpg") else {}))


def values(frames: OpenedFrames) -> list[int]:
    return [round(float(frame.mean()) / 10) for frame in frames]


@pytest.mark.parametrize(
    "names",
    [
        ["0.jpg", "1.jpg", "2.jpg", "10.jpg", "0011.jpg"],
        ["t1.png", "t2.png", "t10.png", "t10b.png", "t20.png"],
        ["p1_t9.tif", "p1_t10.tif", "p2_t1.tif"],
        ["7.JPEG", "08.jpeg", "9.jpg"],
    ],
)
def test_folders_are_sorted_as_a_person_counts(tmp_path: Path, names: list[str]) -> None:
    write_images(tmp_path, names)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "._0.jpg").write_bytes(b"hidden")
    frames = open_frames(str(tmp_path))
    assert (frames.height, frames.width) == (16, 24)
    assert values(frames) == list(range(len(names)))


def test_a_folder_of_jpegs_is_read_as_pillow_reads_it(tmp_path: Path, movie: np.ndarray) -> None:
    for index, frame in enumerate(movie):
        Image.fromarray(frame).save(tmp_path / f"{index:05d}.jpg")
    frames = open_frames(tmp_path)
    with Image.open(tmp_path / "00004.jpg") as image:
        np.testing.assert_array_equal(frames.read_rgb(4), np.asarray(image.convert("RGB")))


def test_jpegs_come_first_in_a_mixed_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_images(tmp_path, ["0.jpg", "1.jpg", "mask.png"])
    assert len(open_frames(tmp_path)) == 2
    assert "only its 2 .jpg files are used" in caplog.text


@pytest.mark.parametrize(
    ("mode", "shape", "dtype"),
    [
        ("1", (6, 8), np.bool_),
        ("L", (6, 8), np.uint8),
        ("LA", (6, 8), np.uint8),
        ("P", (6, 8, 3), np.uint8),
        ("RGB", (6, 8, 3), np.uint8),
        ("RGBA", (6, 8, 3), np.uint8),
        ("I;16", (6, 8), np.uint16),
    ],
)
def test_kinds_of_png(tmp_path: Path, mode: str, shape: tuple[int, ...], dtype: type) -> None:
    Image.new(mode, (8, 6)).save(tmp_path / "0.png")
    frame = open_frames(tmp_path)[0]
    assert frame.shape == shape
    assert frame.dtype == dtype
    assert open_frames([Image.new(mode, (8, 6))])[0].shape == shape


def test_sixteen_bit_images_keep_their_values(tmp_path: Path) -> None:
    image = np.array([[0, 300], [40000, 65535]], np.uint16)
    Image.fromarray(image).save(tmp_path / "0.png")
    tifffile.imwrite(tmp_path / "0.tif", image)
    tifffile.imwrite(tmp_path / "1.tif", image, byteorder=">")
    np.testing.assert_array_equal(open_frames([tmp_path / "0.png"])[0], image)
    frames = open_frames([tmp_path / "0.tif", str(tmp_path / "1.tif")])
    np.testing.assert_array_equal(frames[0], image)
    np.testing.assert_array_equal(frames[1], image)


def test_single_image_file_is_a_stack_of_one(tmp_path: Path) -> None:
    write_images(tmp_path, ["only.png"])
    assert len(open_frames(tmp_path / "only.png")) == 1


# --- TIFF stacks -------------------------------------------------------------------------------------------------

TIFF_KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "compressed": {"compression": "zlib"},
    "untagged": {"metadata": None},
    "imagej": {"imagej": True, "metadata": {"axes": "TYX"}},
    "ome": {"ome": True, "metadata": {"axes": "TYX"}},
    "big": {"bigtiff": True, "tile": (16, 16), "compression": "zlib"},
    "big_endian": {"byteorder": ">"},
}


@pytest.mark.parametrize("kind", TIFF_KINDS)
def test_tiff_stacks(tmp_path: Path, rng: np.random.Generator, kind: str) -> None:
    stack = rng.integers(0, 60000, (9, 32, 48)).astype(np.uint16)
    suffix = ".ome.tif" if kind == "ome" else ".tif"
    tifffile.imwrite(tmp_path / f"stack{suffix}", stack, **TIFF_KINDS[kind])
    frames = open_frames(tmp_path / f"stack{suffix}")
    assert (len(frames), frames.height, frames.width) == (9, 32, 48)
    for index in (8, 0, 3):
        np.testing.assert_array_equal(frames[index], stack[index])
        assert type(frames[index]) is np.ndarray


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(("axes", "order"), [("TCYX", (0, 1, 2, 3)), ("CTYX", (1, 0, 2, 3))])
def test_channels_of_a_tiff_come_last(
    tmp_path: Path, rng: np.random.Generator, compression: str | None, axes: str, order: tuple[int, ...]
) -> None:
    stack = rng.integers(0, 255, (5, 2, 16, 24)).astype(np.uint8)  # T, C, Y, X
    path = tmp_path / "two.ome.tif"
    tifffile.imwrite(path, stack.transpose(order), ome=True, metadata={"axes": axes}, compression=compression)
    frames = open_frames(path)
    assert len(frames) == 5
    np.testing.assert_array_equal(frames[3], stack[3].transpose(1, 2, 0))


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour_tiff(tmp_path: Path, movie: np.ndarray, planar: str) -> None:
    data = movie if planar == "contig" else movie.transpose(0, 3, 1, 2)
    path = tmp_path / "colour.tif"
    tifffile.imwrite(path, data, photometric="rgb", planarconfig=planar)
    frames = open_frames(path)
    assert len(frames) == 12
    np.testing.assert_array_equal(frames[7], movie[7])


def test_tiff_written_page_by_page(tmp_path: Path, movie: np.ndarray) -> None:
    with tifffile.TiffWriter(tmp_path / "pages.tif") as writer:
        for frame in movie[..., 0]:
            writer.write(frame)
    with Image.new("L", (30, 20)) as first:
        first.save(
            tmp_path / "pillow.tif", save_all=True, append_images=[Image.fromarray(f) for f in movie[1:, ..., 0]]
        )
    for name in ("pages.tif", "pillow.tif"):
        frames = open_frames(tmp_path / name)
        assert len(frames) == 12
        np.testing.assert_array_equal(frames[11], movie[11, ..., 0])


def test_tiff_with_two_axes_too_many_names_them(tmp_path: Path) -> None:
    path = tmp_path / "four.ome.tif"
    tifffile.imwrite(path, np.zeros((3, 4, 16, 16), np.uint8), ome=True, metadata={"axes": "TZYX"})
    with pytest.raises(StackError, match=r"T: 3, Z: 4.*choose a plane"):
        open_frames(path)


def test_a_multi_page_tiff_among_images_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "0.tif", np.zeros((3, 16, 16), np.uint16), photometric="minisblack")
    with pytest.raises(StackError, match="holds 3 images; pass the file itself"):
        open_frames(tmp_path)


def test_only_the_asked_pages_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((30, 16, 16), np.uint8), compression="zlib")
    decoded: list[int] = []
    for page_type in (tifffile.TiffPage, tifffile.TiffFrame):
        original = page_type.asarray

        def counted(page: Any, *args: Any, _original: Any = original, **kwargs: Any) -> Any:
            decoded.append(page.index)
            return _original(page, *args, **kwargs)

        monkeypatch.setattr(page_type, "asarray", counted)
    frames = open_frames(tmp_path / "stack.tif")
    frames[21]
    assert set(decoded) <= {0, 21}


# --- what cannot be used -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "empty"),
        (np.zeros((0, 8, 8)), "empty"),
        (np.zeros((8, 8)), "2 axes.*add the missing axis"),
        (np.zeros((2, 2, 2, 16, 16)), "5 axes.*choose one position"),
        (np.zeros((16, 16, 3), np.uint8), "looks like one image"),
        (np.zeros((5, 3, 16, 16)), "move the channels to the end"),
        (np.zeros((5, 30, 16, 16)), "choose one position"),
        (np.zeros((5, 16, 16, 4), np.uint16), "not RGBA; choose three"),
        ([np.zeros((4, 4, 3, 3))], r"frame 0 has the shape \(4, 4, 3, 3\)"),
        ([np.zeros((9, 9, 6), np.uint8)], "6 channels"),
        ([None], "type object"),
        ([[[1, 2], [3]]], "cannot be read as an array"),
        (Image.new("L", (4, 4)), "a list of images"),
        (17, "int cannot be read as frames"),
        ({"0": 1}, "dict cannot be read as frames"),
        (Path("/nowhere/at/all.tif"), "/nowhere/at/all.tif does not exist"),
        ("/nowhere/at/all", "does not exist"),
    ],
)
def test_each_unusable_source_has_its_own_error(source: Any, message: str) -> None:
    with pytest.raises(StackError, match=message):
        open_frames(source).read_rgb(0)


def test_sizes_and_types_are_compared_when_read(movie: np.ndarray) -> None:
    frames = open_frames([movie[0], movie[1, :10], movie[2].astype(np.uint16), movie[3, ..., 0]])
    with pytest.raises(StackError, match=r"frame 1 has the shape \(10, 30, 3\), others \(20, 30, 3\)"):
        frames[1]
    with pytest.raises(StackError, match="frame 2 has the type uint16"):
        frames[2]
    with pytest.raises(StackError, match="frame 3 has the shape"):
        frames[3]
    frames[0]


def test_nan_names_its_frame() -> None:
    stack = np.zeros((4, 8, 8), np.float32)
    stack[2, 3, 3] = np.nan
    frames = open_frames(stack)
    frames[1]
    with pytest.raises(StackError, match="frame 2 holds NaN"):
        frames[2]


@pytest.mark.parametrize("index", [12, -13])
def test_a_frame_that_does_not_exist(movie: np.ndarray, index: int) -> None:
    with pytest.raises(IndexError, match=f"frame {index} does not exist; the stack has 12"):
        open_frames(movie)[index]


def test_empty_folder_and_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="holds no JPEG, PNG or TIFF"):
        open_frames(tmp_path)
    (tmp_path / "stack.zarr").mkdir()
    with pytest.raises(StackError, match=r"zarr\.open"):
        open_frames(tmp_path / "stack.zarr")
    (tmp_path / "table.csv").write_text("x")
    with pytest.raises(StackError, match="no known kind"):
        open_frames(tmp_path / "table.csv")


@pytest.mark.parametrize("name", ["0.jpg", "0.png", "0.tif"])
@pytest.mark.parametrize("damage", ["garbage", "cut", "nothing"])
def test_damaged_images_are_named(tmp_path: Path, rng: np.random.Generator, name: str, damage: str) -> None:
    image = rng.integers(0, 256, (64, 64), dtype=np.uint8)
    if name.endswith("tif"):
        tifffile.imwrite(tmp_path / name, image, compression="zlib")
    else:
        Image.fromarray(image).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    content = {"garbage": b"this is no image at all", "cut": whole[: len(whole) // 2], "nothing": b""}[damage]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StackError, match=rf"{name} (cannot be read|holds no)"):
        open_frames(tmp_path)[0]


@pytest.mark.parametrize("kind", ["plain", "compressed", "untagged", "imagej", "ome"])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.9])
def test_damaged_tiff_stacks_never_pass_as_shorter_ones(
    tmp_path: Path, rng: np.random.Generator, kind: str, part: float
) -> None:
    path = tmp_path / ("stack.ome.tif" if kind == "ome" else "stack.tif")
    stack = rng.integers(0, 60000, (9, 32, 48)).astype(np.uint16)
    tifffile.imwrite(path, stack, **TIFF_KINDS[kind])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(StackError, match=r"stack.*tif"):
        list(open_frames(path))
