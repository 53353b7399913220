from __future__ import annotations

import mmap
from pathlib import Path

import dask.array
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_sam2.stacks import open_stack
from sam2_core.errors import StackError


@pytest.fixture
def values():
    return np.arange(6 * 8 * 9, dtype=np.uint16).reshape(6, 8, 9)


def test_array_frames_are_those_of_the_array(values):
    movie = open_stack(values).movie()
    assert movie.shape == (6, 8, 9)
    assert len(list(movie)) == 6
    np.testing.assert_array_equal(movie[4], values[4])
    np.testing.assert_array_equal(movie[-1], values[5])
    with pytest.raises(IndexError):
        movie[6]


@pytest.mark.parametrize("kind", ["plain", "ome", "imagej"])
def test_tiff_frames_are_read_with_axes_from_the_file(tmp_path, values, kind):
    path = tmp_path / "movie.tif"
    stack4 = np.stack([values, values + 1000], axis=1)  # (T, C, Y, X)
    tifffile.imwrite(path, stack4, metadata={"axes": "TCYX"}, ome=kind == "ome", imagej=kind == "imagej")
    stack = open_stack(path)
    assert (stack.axes, stack.shape, stack.name) == ("TCYX", (6, 2, 8, 9), "movie")
    np.testing.assert_array_equal(stack.movie(channel=1)[3], values[3] + 1000)
    assert stack.movie()[3].shape == (8, 9, 2)


def test_ome_tiff_gives_pixel_size_units_and_channel_names(tmp_path, values):
    path = tmp_path / "movie.ome.tif"
    about = {"axes": "CYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "Channel": {"Name": list("abcdef")}}
    tifffile.imwrite(path, values, metadata=about | {"PhysicalSizeY": 500.0, "PhysicalSizeYUnit": "nm"})
    stack = open_stack(path)
    assert stack.name == "movie"
    assert stack.calibration.scale == {"X": 0.25, "Y": 500.0}
    assert stack.calibration.units == {"X": "µm", "Y": "nm"}
    np.testing.assert_array_equal(stack.movie(channel="c")[0], values[2])


def test_imagej_tiff_gives_pixel_size_and_frame_interval(tmp_path, values):
    path = tmp_path / "movie.tif"
    about = {"axes": "TYX", "unit": "um", "finterval": 30.0}
    tifffile.imwrite(path, values, imagej=True, resolution=(4, 2), metadata=about)
    calibration = open_stack(path).calibration
    assert calibration.scale == {"X": 0.25, "Y": 0.5, "T": 30.0}
    assert calibration.units["X"] == "µm"


def test_zarr_array_with_named_dimensions(tmp_path, values):
    path = tmp_path / "movie.zarr"
    array = zarr.create_array(path, shape=values.shape, dtype="u2", chunks=(1, 8, 9), dimension_names=["z", "y", "x"])
    array[...] = values
    stack = open_stack(path)
    assert stack.axes == "ZYX"
    np.testing.assert_array_equal(stack.movie()[2], values[2])
    np.testing.assert_array_equal(open_stack(array).movie()[2], values[2])


def test_ome_zarr_uses_the_first_level_with_its_axes_and_scale(tmp_path, values):
    path = tmp_path / "movie.zarr"
    group = zarr.open_group(path, mode="w")
    for level, data in enumerate([values[:, None], values[:, None, ::2, ::2]]):
        group.create_array(str(level), data=data)
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    scale = {"type": "scale", "scale": [1.0, 1.0, 0.3, 0.2]}
    datasets = [
        {"path": "0", "coordinateTransformations": [scale]},
        {"path": "1", "coordinateTransformations": [scale]},
    ]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    stack = open_stack(path)
    assert (stack.axes, stack.shape) == ("TCYX", (6, 1, 8, 9))
    assert stack.calibration.scale == {"Y": 0.3, "X": 0.2}
    assert stack.calibration.units == {"Y": "µm", "X": "µm"}
    np.testing.assert_array_equal(stack.movie()[5], values[5])


def test_one_of_several_plain_arrays_of_a_zarr_group_is_chosen_by_name(tmp_path, values):
    group = zarr.open_group(tmp_path / "two.zarr", mode="w")
    group.create_array("left", data=values)
    group.create_array("right", data=values + 1)
    with pytest.raises(StackError, match=r"0: left.*1: right"):
        open_stack(tmp_path / "two.zarr")
    np.testing.assert_array_equal(open_stack(tmp_path / "two.zarr", scene="right").movie()[2], values[2] + 1)


def test_dask_frames_are_computed_only_when_asked_for():
    computed = []

    def plane(block_info=None):
        computed.append(block_info[None]["chunk-location"][0])
        return np.full((1, 4, 5), computed[-1], dtype=np.uint8)

    lazy = dask.array.map_blocks(
        plane, chunks=((1,) * 7, (4,), (5,)), dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8)
    )
    movie = open_stack(lazy).movie()
    assert computed == []
    assert movie[3].tolist() == np.full((4, 5), 3).tolist()
    assert computed == [3]


def test_tiff_planes_are_decoded_on_demand(tmp_path, values):
    path = tmp_path / "movie.tif"
    with tifffile.TiffWriter(path) as writer:
        for plane in values:
            writer.write(plane, contiguous=False, compression="zlib")
    with tifffile.TiffFile(path) as tif:
        offset, count = tif.pages[5].dataoffsets[0], tif.pages[5].databytecounts[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + count] = b"\xff" * count
    path.write_bytes(content)
    movie = open_stack(path, axes="TYX").movie()
    np.testing.assert_array_equal(movie[0], values[0])
    with pytest.raises(StackError, match="Frame 5 of movie cannot be read"):
        movie[5]


def test_folder_is_sorted_as_people_count(tmp_path, values):
    for index in range(6):
        Image.fromarray(values[index].astype(np.uint8)).save(tmp_path / f"frame{index + 7}.png")
    stack = open_stack(tmp_path)
    assert (stack.axes, stack.shape) == ("TYX", (6, 8, 9))
    for index, frame in enumerate(stack.movie()):
        np.testing.assert_array_equal(frame, values[index].astype(np.uint8))


def test_folder_of_unequal_images_names_the_file(tmp_path, values):
    tifffile.imwrite(tmp_path / "a1.tif", values[0])
    tifffile.imwrite(tmp_path / "a2.tif", values[0][:5])
    movie = open_stack(tmp_path).movie()
    np.testing.assert_array_equal(movie[0], values[0])
    with pytest.raises(StackError, match=r"a2.tif has shape \(5, 9\)"):
        movie[1]


def test_folder_of_mixed_kinds_or_none_is_refused(tmp_path, values):
    with pytest.raises(StackError, match="holds no TIFF"):
        open_stack(tmp_path)
    tifffile.imwrite(tmp_path / "a1.tif", values[0])
    Image.fromarray(values[0].astype(np.uint8)).save(tmp_path / "a2.png")
    with pytest.raises(StackError, match="mixes kinds"):
        open_stack(tmp_path)


def test_colour_stack_keeps_its_samples_and_drops_alpha(tmp_path):
    seed = 3
    rgba = np.random.default_rng(seed).integers(0, 255, (2, 8, 9, 4), dtype=np.uint8)
    movie = open_stack(rgba, axes="TYXS").movie()
    assert movie.shape == (2, 8, 9, 3), f"seed {seed}"
    np.testing.assert_array_equal(movie[1], rgba[1, ..., :3])
    planar = open_stack(np.moveaxis(rgba, -1, 1), axes="TSYX").movie()
    np.testing.assert_array_equal(planar[1], rgba[1, ..., :3])


def test_axes_in_any_order_give_the_same_planes(values):
    five = np.stack([values, values * 2])[None]  # (1, C, Z, Y, X)
    stack = open_stack(np.moveaxis(five, (3, 4), (0, 1)), axes="YXTCZ")
    assert len(stack.movie()) == 6
    np.testing.assert_array_equal(stack.movie(channel=1)[2], values[2] * 2)
    np.testing.assert_array_equal(stack.movie(track_axis="T", channel=0, fixed={"Z": 4})[0], values[4])
    plain = stack.movie(track_axis="T", channel=np.int64(0), fixed={"Z": np.int16(4)})
    np.testing.assert_array_equal(plain[0], values[4])
    for place in ("4", 4.0):
        with pytest.raises(StackError, match="Axis Z cannot be fixed at"):
            stack.movie(track_axis="T", channel=0, fixed={"Z": place})


def test_what_is_no_letter_no_channel_and_no_frame_is_said(values):
    stack = open_stack(np.stack([values, values * 2])[None], axes="TCZYX")
    for one in (np.int64(1), np.array(1), np.array([1])):
        np.testing.assert_array_equal(stack.movie(channel=one)[np.int64(2)], values[2] * 2)
    movie = open_stack(values, axes="TYX").movie(channel=np.array([0]))
    np.testing.assert_array_equal(movie[2.0], values[2])
    for call in (
        lambda: open_stack(values, axes=("T", "Y", "X")),
        lambda: stack.movie(channel=1.5),
        lambda: stack.movie(channel=[None]),
        lambda: stack.movie(track_axis=0),
        lambda: stack.movie(fixed=3),
        lambda: stack.movie(channel=0, fixed={0: 3}),
        lambda: open_stack(values, axes="TYX").movie(channel=np.array([0, 1])),
        lambda: movie[2.7],
        lambda: movie["2"],
    ):
        with pytest.raises(StackError, match=r"cannot be|no channel|no whole number|Cannot track"):
            call()


def test_still_is_a_movie_of_one_frame(values):
    movie = open_stack(values[0]).movie()
    assert (len(movie), movie.track_axis) == (1, None)
    np.testing.assert_array_equal(movie[0], values[0])


@pytest.mark.parametrize(
    ("channel", "words"), [(2, "0 to 1"), ("GFP", "no channel 'GFP'"), ([0, 1, 0, 1], "choose 1 to 3")]
)
def test_channels_that_are_not_there_are_refused(channel, words):
    stack = open_stack(np.zeros((3, 2, 8, 8), np.uint8), axes="TCYX")
    with pytest.raises(StackError, match=words):
        stack.movie(channel=channel)


def test_channel_of_a_stack_without_channels_is_refused(values):
    with pytest.raises(StackError, match="no channel axis"):
        open_stack(values).movie(channel=1)


def test_many_channels_hint_at_a_mislabelled_time_axis():
    with pytest.raises(StackError, match="--axes TYX"):
        open_stack(np.zeros((40, 8, 8), np.uint8), axes="CYX").movie()


def test_scene_is_chosen_by_number_or_name(tmp_path, values):
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(values, metadata={"axes": "TYX", "Name": "first"})
        writer.write(values + 500, metadata={"axes": "ZYX", "Name": "second"})
    with pytest.raises(StackError, match=r"holds 2 series.*0: first.*1: second.*--scene 0"):
        open_stack(path)
    assert open_stack(path, scene=0).axes == "TYX"
    np.testing.assert_array_equal(open_stack(path, scene=1).movie()[0], values[0] + 500)
    assert open_stack(path, scene="second").axes == "ZYX"
    with pytest.raises(StackError, match="0 first, 1 second"):
        open_stack(path, scene="third")


def test_five_dimensions_without_axes_are_refused():
    with pytest.raises(StackError, match=r"\(2, 3, 4, 8, 8\).*--axes TZCYX"):
        open_stack(np.zeros((2, 3, 4, 8, 8), np.uint8))


@pytest.mark.parametrize("shape", [(0, 8, 8), (3, 0, 8), (8,)])
def test_empty_stacks_are_refused(shape):
    with pytest.raises(StackError, match="empty or not an image"):
        open_stack(np.zeros(shape, np.uint8))


def test_other_pixel_types_are_refused():
    with pytest.raises(StackError, match="complex64"):
        open_stack(np.zeros((3, 8, 8), np.complex64))


@pytest.mark.parametrize("content", [b"", b"II*\x00", b"not a tiff at all", b"II*\x00\x08\x00\x00\x00\xff\xff"])
def test_corrupt_tiff_is_reported_as_such(tmp_path, content):
    path = tmp_path / "broken.tif"
    path.write_bytes(content)
    with pytest.raises(StackError, match=r"broken\.tif"):
        open_stack(path)


def test_missing_and_unknown_files_are_reported(tmp_path):
    with pytest.raises(StackError, match="no file or folder"):
        open_stack(tmp_path / "nothing.tif")
    (tmp_path / "movie.xyz").write_bytes(b"1")
    with pytest.raises(StackError, match="use TIFF"):
        open_stack(tmp_path / "movie.xyz")
    with pytest.raises(StackError, match="dict is not a stack"):
        open_stack({})


def test_npy_is_mapped_not_loaded(tmp_path, values):
    np.save(tmp_path / "movie.npy", values)
    stack = open_stack(tmp_path / "movie.npy")
    assert isinstance(stack.data, np.memmap)
    np.testing.assert_array_equal(stack.movie()[1], values[1])


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("img_t{t:03}_ch{c}.tif", ["ch0", "ch1"]),
        ("w{c}DAPI_{t}.tif", ["w0", "w1"]),
        ("{t}-{word}.tif", ["DAPI", "GFP"]),
    ],
)
def test_series_in_the_names_of_a_folder_are_said_and_can_be_chosen(tmp_path, caplog, name, series):
    for t in range(12):
        for c, word in enumerate(("DAPI", "GFP")):
            tifffile.imwrite(tmp_path / name.format(t=t, c=c, word=word), np.full((4, 5), 10 * t + c, np.uint8))
    assert len(open_stack(tmp_path).movie()) == 24
    assert f"holds 2 series by the names of its files ({', '.join(series)})" in caplog.text
    for number, one in enumerate(series):
        chosen = open_stack(tmp_path, scene=one).movie()
        assert [int(frame[0, 0]) for frame in chosen] == [10 * t + number for t in range(12)]
    with pytest.raises(StackError, match="no scene 'x'"):
        open_stack(tmp_path, scene="x")


@pytest.mark.parametrize("name", ["2024_05_{t:02}.tif", "frame{t}.tif", "a{t}b{t}.tif", "{t}_{u}.tif"])
def test_one_series_is_not_taken_for_several(tmp_path, caplog, name):
    for t in range(7):
        tifffile.imwrite(tmp_path / name.format(t=t, u=t % 3), np.full((4, 5), t, np.uint8))
    assert len(open_stack(tmp_path).movie()) == 7
    assert not caplog.records


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize <= 8, reason="extended floats are float64 here")
def test_extended_floats_are_refused_before_work_begins(values):
    with pytest.raises(StackError, match="give float64 or less"):
        open_stack(values.astype(np.longdouble), "TYX")


def test_a_dask_array_of_unknown_length_is_refused_in_words(values):
    chosen = dask.array.from_array(values, chunks=1)[dask.array.from_array(np.arange(len(values)) > 2, chunks=1)]
    with pytest.raises(StackError, match="compute_chunk_sizes"):
        open_stack(chosen, "TYX")
    assert len(open_stack(chosen.compute_chunk_sizes(), "TYX").movie()) == len(values) - 3


def folder_of(folder, names, dtype=np.uint16):
    folder.mkdir()
    for name in names:
        tifffile.imwrite(folder / name, np.zeros((4, 6), dtype))
    return folder


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["t0.tif", "t1.tif", "t3.tif", "t4.tif"], "no 2. The 4 images that are there"),
        (["a_000_z.tif", "a_010_z.tif", "a_040_z.tif"], "no 20, 30."),
        ([f"{number}.tif" for number in range(40) if number % 3 != 1], "4, 7, 10, 13, 16, 19, 22, 25, 28 and 3 more"),
        (["t0.tif", "t1.tif", "t2.tif"], ""),
        (["t00.tif", "t10.tif", "t20.tif"], ""),
        (["t1700000000.tif", "t1700000061.tif", "t1700000120.tif"], ""),
        (["a1.tif", "b7.tif", "c2.tif"], ""),
    ],
)
def test_numbers_that_are_missing_in_a_folder_are_said(tmp_path, caplog, names, missing):
    assert len(open_stack(folder_of(tmp_path / "frames", names)).movie()) == len(names)
    assert missing in caplog.text
    assert bool(caplog.text) is bool(missing)


def test_images_of_two_types_in_a_folder_are_refused_and_labels_of_two_are_not(tmp_path):
    folder = folder_of(tmp_path / "frames", ["t0.tif", "t1.tif", "t2.tif"])
    tifffile.imwrite(folder / "t1.tif", np.ones((4, 6), np.uint8))
    tifffile.imwrite(folder / "t2.tif", np.ones((4, 6), ">u2"))
    movie = open_stack(folder).movie()
    assert movie[2].max() == 1
    with pytest.raises(StackError, match=r"t1\.tif has pixels of type uint8, .* has uint16"):
        movie[1]
    assert open_stack(folder, indexed=True).movie()[1].max() == 1


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is told by /proc")
def test_what_was_read_of_a_long_tiff_is_no_memory_of_the_process(tmp_path):
    path, frames = tmp_path / "long.tif", 64
    tifffile.imwrite(path, np.ones((frames, 512, 1024), np.uint8), metadata={"axes": "TYX"})
    movie = open_stack(path).movie()
    before = shared_pages()
    assert sum(int(frame[0, 0]) for frame in movie) == frames
    assert (shared_pages() - before) * mmap.PAGESIZE < frames * 512 * 1024 // 4


def shared_pages():
    return int(Path("/proc/self/statm").read_text().split()[2])


def write_set(folder, frames):
    """Write an OME-TIFF set of a file for each frame, each of which names all."""
    count, height, width = frames.shape
    planes = "".join(
        f'<TiffData FirstT="{t}" FirstC="0" FirstZ="0" IFD="0" PlaneCount="1"><UUID FileName="t{t}.ome.tif">'
        f"urn:uuid:00000000-0000-0000-0000-00000000000{t}</UUID></TiffData>"
        for t in range(count)
    )
    for t, frame in enumerate(frames):
        about = (
            '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:00000000-0000-0000-0000-00000000000{t}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            f'DimensionOrder="XYZCT" Type="uint16" SizeX="{width}" SizeY="{height}" SizeZ="1" SizeC="1" '
            f'SizeT="{count}">'
            f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image></OME>'
        )
        tifffile.imwrite(folder / f"t{t}.ome.tif", frame, description=about, metadata=None, photometric="minisblack")


@pytest.mark.filterwarnings("error")
def test_a_folder_with_the_files_of_one_set_is_that_set_and_a_part_of_it_is_refused(tmp_path, rng):
    frames = rng.integers(0, 900, (3, 12, 16)).astype(np.uint16)
    (tmp_path / "set").mkdir()
    write_set(tmp_path / "set", frames)
    for path in (tmp_path / "set", tmp_path / "set" / "t1.ome.tif"):
        stack = open_stack(path)
        assert stack.axes == "TYX"
        np.testing.assert_array_equal(np.stack(list(stack.movie())), frames)
    (tmp_path / "set" / "other.tif").write_bytes((tmp_path / "set" / "t0.ome.tif").read_bytes())
    with pytest.raises(StackError, match="is one of a set of 3 files; open it alone"):
        open_stack(tmp_path / "set")
