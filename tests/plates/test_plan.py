"""What a plan says: mistakes are named with their place, patterns become movies with a folder each."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2.plates import movies_of, read_plan, run_movie
from napari_sam2.plates.record import read_record
from napari_sam2.stacks import open_stack
from sam2_core.errors import StackError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("out = ", "cannot be read as TOML"),
        ('out = "o"\n[[movies]]\npaths = "*.tif"\n', "do is missing"),
        ('out = "o"\n[[movies]]\npaths = "*.tif"\n[do]\ntask = "tracks"\n', "'tracks'.*'segment'"),
        ('out = "o"\n[[movies]]\npaths = "*.tif"\n[do]\ntask = "track"\ndiametre = 3\n', "do.diametre is not known"),
        ('out = "o"\n[[movies]]\npath = "*.tif"\n[do]\ntask = "track"\n', "movies.0.paths is missing"),
        ('out = "o"\n[[movies]]\npaths = "*"\nmatch = "("\n[do]\ntask = "track"\n', "no regular expression"),
        ('out = "o"\nlayout = "{plate}"\n[[movies]]\npaths = "*"\n[do]\ntask = "track"\n', "the same for every movie"),
        ('out = "o"\nlayout = "{row}/{name}"\n[[movies]]\npaths = "*"\n[do]\ntask = "track"\n', "{plate}, {well}"),
        ('out = "o"\nlayout = "../{name}"\n[[movies]]\npaths = "*"\n[do]\ntask = "track"\n', "leads out of the folder"),
        ('out = "o"\nlayout = "a/../{name}"\n[[movies]]\npaths = "*"\n[do]\ntask = "track"\n', "leads out of the"),
        ('out = "o"\nlayout = "/{name}"\n[[movies]]\npaths = "*"\n[do]\ntask = "track"\n', "leads out of the folder"),
        ('out = "o"\n[[movies]]\npaths = "*"\n[do]\ntask = "track"\nmin_score = 2\n', "do.min_score cannot be 2"),
        ('out = "o"\n[[movies]]\npaths = "*"\n[do]\ntask = "track"\n[settings]\nmodle = "x"\n', "modle"),
        ('out = "o"\n[[movies]]\npaths = "*"\n[do]\ntask = "track"\nwrite = {labels = "../x.tif"}\n', "no plain name"),
        ('out = "o"\n[[movies]]\npaths = "*"\n[do]\ntask = "track"\nwrite = {csv = "x.csv"}\n', "labels"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, text, words):
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(StackError, match=words) as caught:
        read_plan(path)
    assert str(path) in str(caught.value)


def test_a_plan_that_is_not_there_is_said(tmp_path):
    with pytest.raises(StackError, match="There is no plan"):
        read_plan(tmp_path / "plan.toml")


def folders(plan):
    return [task.folder.relative_to(plan.out_folder).as_posix() for task in movies_of(plan)]


def test_files_become_movies_as_people_count_named_by_folder_or_by_what_matches(work, write_plan):
    for number in (2, 10):
        tifffile.imwrite(work / f"t{number}.tif", np.zeros((2, 8, 8), np.uint8), metadata={"axes": "TYX"})
    plan = read_plan(write_plan(movies='paths = ["t*.tif", "raw/A01_s1.tif"]\nplate = "p"'))
    assert folders(plan) == ["p/t2", "p/t10", "p/A01_s1"]
    matched = read_plan(write_plan(movies='paths = "raw/*"\nmatch = "(?P<well>[A-H][0-9]+)_(?P<name>s.)"'))
    assert folders(matched) == ["raw/A01/s1", "raw/A02/s1", "raw/A03/s1"]


def test_brackets_in_the_name_of_a_folder_or_file_are_no_pattern(tmp_path):
    folder = tmp_path / "exp [day1]"
    (folder / "raw").mkdir(parents=True)
    for name in ("a.tif", "b [2].tif"):
        tifffile.imwrite(folder / "raw" / name, np.zeros((2, 8, 8), np.uint8), metadata={"axes": "TYX"})
    path = folder / "plan.toml"
    for paths, names in (("raw/*.tif", ["a", "b_2_"]), ("raw/b [2].tif", ["b_2_"])):
        path.write_text(f'out = "out"\n[[movies]]\npaths = "{paths}"\n[do]\ntask = "track"\n')
        assert [task.name for task in movies_of(read_plan(path))] == names


def test_results_are_no_movies_however_the_folder_for_them_is_written(work, write_plan):
    plan = read_plan(write_plan(out=f"../{work.name}/out", movies='paths = "**/*.tif"\nplate = "p"'))
    before = folders(plan)
    (plan.out_folder / "p" / "a").mkdir(parents=True)
    tifffile.imwrite(plan.out_folder / "p" / "a" / "labels.tif", np.zeros((2, 8, 8), np.uint8))
    assert folders(plan) == before


@pytest.mark.parametrize("layout", ["{well}/{name}", "{well}//{plate}/{name}"])
def test_results_stay_in_their_folder_where_a_movie_has_no_well(work, layout):
    (work / "plan.toml").write_text(
        f'out = "out"\nlayout = "{layout}"\n[[movies]]\npaths = "raw/A01*"\nplate = "p"\n[do]\ntask = "prompts"\n'
        'prompts = "{well}/{name}.csv"\n'
    )
    plan = read_plan(work / "plan.toml")
    (task,) = movies_of(plan)
    assert task.folder == plan.out_folder / ("A01_s1" if layout == "{well}/{name}" else "p/A01_s1")
    assert task.aside == work / "A01_s1.csv"


def test_a_layout_that_leads_out_of_the_folder_for_one_movie_alone_is_said(work):
    (work / "plan.toml").write_text(
        'out = "out"\nlayout = ".{well}./{name}"\n[[movies]]\npaths = "raw/A01*"\n[do]\ntask = "segment"\n'
    )
    with pytest.raises(StackError, match="leads out of the folder for results"):
        movies_of(read_plan(work / "plan.toml"))


def test_a_dead_link_and_a_field_that_is_missing_are_movies_that_fail_by_themselves(work, write_plan):
    (work / "raw" / "A04_s1.tif").symlink_to(work / "gone.tif")
    (work / "raw" / "A05_s1.tif").symlink_to(work / "raw" / "A05_s1.tif")
    assert len(movies_of(read_plan(write_plan()))) == 5
    for place in ("A/1/0", "A/1/2"):
        image = zarr.open_group(work / "plate.zarr" / place, mode="w")
        image.create_array("0", data=np.zeros((2, 8, 8), np.uint8))
        image.attrs["ome"] = {"multiscales": [{"axes": [{"name": one} for one in "tyx"], "datasets": [{"path": "0"}]}]}
    zarr.open_group(work / "plate.zarr", mode="a").attrs["ome"] = {"plate": {"wells": [{"path": "A/1"}]}}
    about = {"well": {"images": [{"path": field} for field in "012"]}}
    zarr.open_group(work / "plate.zarr" / "A/1", mode="a").attrs["ome"] = about
    tasks = movies_of(read_plan(write_plan(movies='paths = "plate.zarr"')))
    assert [task.scene for task in tasks] == ["A/1/0", "A/1/1", "A/1/2"]
    assert open_stack(work / "plate.zarr", scene=2).shape == (2, 8, 8)
    with pytest.raises(StackError, match="names the image A/1/1 but does not hold it"):
        open_stack(work / "plate.zarr", scene="A/1/1")
    about = work / "plate.zarr" / "A/1/0" / "zarr.json"
    about.write_bytes(about.read_bytes()[:20])  # a run that was aborted while it wrote
    assert [task.scene for task in movies_of(read_plan(write_plan(movies='paths = "plate.zarr"', out="o")))] == [
        *("A/1/0", "A/1/1", "A/1/2")
    ]
    assert open_stack(work / "plate.zarr", scene="A/1/2").shape == (2, 8, 8)
    with pytest.raises(StackError, match=r"A/1/0.* cannot be read"):
        open_stack(work / "plate.zarr", scene="A/1/0")


def test_a_folder_with_a_dead_link_in_it_fails_in_its_record(work, write_plan, worker):
    (work / "frames").mkdir()
    for number in (0, 1):
        tifffile.imwrite(work / "frames" / f"{number}.tif", np.zeros((8, 8), np.uint8))
    (work / "frames" / "2.tif").symlink_to(work / "gone.tif")
    (task,) = movies_of(read_plan(write_plan(movies='paths = "frames"')))
    assert run_movie(task, worker).state == "failed"
    assert read_record(task).state == "failed"


def test_results_among_the_movies_are_said(write_plan):
    with pytest.raises(StackError, match=r"folder for results .*of their own"):
        movies_of(read_plan(write_plan(out=".")))


def test_a_plate_and_a_file_of_positions_become_one_movie_each(work, write_plan):
    for place in ("A/1/0", "A/1/1", "B/12/0"):
        image = zarr.open_group(work / "plate.zarr" / place, mode="w")
        image.create_array("0", data=np.zeros((2, 8, 8), np.uint8))
        image.attrs["ome"] = {"multiscales": [{"axes": [{"name": one} for one in "tyx"], "datasets": [{"path": "0"}]}]}
    wells = [{"path": "A/1"}, {"path": "B/12"}]
    zarr.open_group(work / "plate.zarr", mode="a").attrs["ome"] = {"plate": {"wells": wells}}
    for well, fields in (("A/1", "01"), ("B/12", "0")):
        about = {"well": {"images": [{"path": field} for field in fields]}}
        zarr.open_group(work / "plate.zarr" / well, mode="a").attrs["ome"] = about
    with tifffile.TiffWriter(work / "positions.ome.tif") as writer:
        for _ in range(2):
            writer.write(np.zeros((2, 8, 8), np.uint8), photometric="minisblack", metadata={"axes": "TYX"})
    every = 'paths = ["plate.zarr", "positions.ome.tif"]'
    here = work.name
    fields = ["plate/A1/0", "plate/A1/1", "plate/B12/0"]
    plan = read_plan(write_plan(movies=every))
    assert folders(plan) == [*fields, f"{here}/positions_0", f"{here}/positions_1"]
    assert [task.scene for task in movies_of(plan)] == ["A/1/0", "A/1/1", "B/12/0", 0, 1]
    chosen = read_plan(write_plan(movies='paths = "plate.zarr"\nscenes = ["B/12/0"]'))
    assert folders(chosen) == ["plate/B12/0"]


@pytest.mark.parametrize(
    ("movies", "words"),
    [
        ('paths = "none/*.tif"', "movies.0.paths: nothing fits 'none/"),
        ('paths = "none.tif"', "there is no .*none.tif"),
        ('paths = "raw/*.tif"\nmatch = "(?P<well>X..)"', "does not fit match"),
        ('paths = "raw/*.tif"\nmatch = "(?P<name>s1)"', "A01_s1.tif and .*A02_s1.tif would both go into"),
    ],
)
def test_movies_that_are_not_there_or_that_nothing_tells_apart_are_said(write_plan, movies, words):
    with pytest.raises(StackError, match=words):
        movies_of(read_plan(write_plan(movies=movies)))


@pytest.mark.parametrize("written", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_plan_is_read_as_editors_of_windows_write_it(tmp_path, written):
    text = 'out = "größer"\r\n[[movies]]\r\npaths = "*.tif"\r\n[do]\r\ntask = "track"\r\n'
    (tmp_path / "plan.toml").write_bytes(text.encode(written))
    assert read_plan(tmp_path / "plan.toml").out == "größer"
