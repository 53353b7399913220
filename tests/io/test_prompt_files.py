from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from napari_sam2.io import read_prompts, write_prompts
from napari_sam2.session import Prompt
from sam2_core.errors import PromptError

ENTRY = {"object_id": 1, "frame": 0, "points_yx": [[120, 88]], "labels": [1]}


def write_json(folder, *entries, **top):
    path = folder / "prompts.json"
    path.write_text(json.dumps({"format": "napari-sam2-prompts", "version": 1, "prompts": list(entries)} | top))
    return path


def test_json_points_and_boxes_are_read_in_order_of_frame_and_object(tmp_path):
    box = {"object_id": 2, "frame": 5, "box_yx": [1, 2.5, 30, 40]}
    assert read_prompts(write_json(tmp_path, box, ENTRY)) == (
        Prompt(1, 0, ((120.0, 88.0),), (1,)),
        Prompt(2, 5, box_yx=(1.0, 2.5, 30.0, 40.0)),
    )


def test_labels_that_are_left_out_mean_inside(tmp_path):
    (prompt,) = read_prompts(write_json(tmp_path, {"object_id": 1, "frame": 0, "points_yx": [[1, 2], [3, 4]]}))
    assert prompt.labels == (1, 1)


def test_mask_is_the_place_where_a_label_image_holds_the_object_id(tmp_path):
    labels = np.zeros((8, 9), np.uint16)
    labels[2:5, 3:6] = 7
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    (prompt,) = read_prompts(write_json(tmp_path, {"object_id": 7, "frame": 4, "mask": "labels.tif"}))
    np.testing.assert_array_equal(prompt.mask, labels == 7)


def test_mask_of_a_label_stack_is_taken_from_the_frame_of_the_prompt(tmp_path):
    labels = np.zeros((3, 8, 9), np.uint16)
    labels[2, 1, 1] = 7
    tifffile.imwrite(tmp_path / "labels.tif", labels, photometric="minisblack", metadata={"axes": "TYX"})
    (prompt,) = read_prompts(write_json(tmp_path, {"object_id": 7, "frame": 2, "mask": "labels.tif"}))
    assert prompt.mask.sum() == 1
    with pytest.raises(PromptError, match=r"entry 1: mask labels\.tif holds no pixel of value 7"):
        read_prompts(write_json(tmp_path, {"object_id": 7, "frame": 1, "mask": "labels.tif"}))
    with pytest.raises(PromptError, match="has 3 frames"):
        read_prompts(write_json(tmp_path, {"object_id": 7, "frame": 3, "mask": "labels.tif"}))


def test_what_is_written_is_read_again(tmp_path):
    mask = np.zeros((20, 30), bool)
    mask[4:9, 5:8] = True
    prompts = (
        Prompt(1, 0, ((1.5, 2.0), (3.0, 4.0)), (1, 0)),
        Prompt(3, 0, mask=mask),
        Prompt(2, 6, ((7.0, 8.0),), (1,), (0.0, 1.0, 9.0, 10.5)),
    )
    write_prompts(tmp_path / "prompts.json", prompts)
    again = read_prompts(tmp_path / "prompts.json")
    assert again == prompts
    np.testing.assert_array_equal(again[1].mask, mask)
    assert not list(tmp_path.glob("*.part"))


def test_csv_round_trip_and_refusal_of_masks(tmp_path):
    prompts = (Prompt(1, 0, ((1.5, 2.0), (3.0, 4.0)), (1, 0)), Prompt(2, 6, ((7.0, 8.0),), (1,), (0.0, 1.0, 9.0, 10.5)))
    write_prompts(tmp_path / "prompts.csv", prompts)
    assert read_prompts(tmp_path / "prompts.csv") == prompts
    with pytest.raises(PromptError, match=r"\.json"):
        write_prompts(tmp_path / "prompts.csv", [Prompt(1, 0, mask=np.ones((3, 3), bool))])


@pytest.mark.parametrize(
    ("top", "entries", "words"),
    [
        ({"version": 2}, [ENTRY], "version 2, and this program reads version 1"),
        ({"format": "coco"}, [ENTRY], 'needs "format": "napari-sam2-prompts" at the top and has \'coco\''),
        ({}, [], "holds no prompts"),
        ({"stack": "x"}, [ENTRY], "stack: Extra inputs"),
        ({}, [ENTRY, ENTRY | {"framme": 3}], "entry 2: framme: Extra inputs"),
        ({}, [ENTRY | {"object_id": 0}], "entry 1: object_id: .*found 0"),
        ({}, [ENTRY | {"object_id": "a"}], "entry 1: object_id: .*found 'a'"),
        ({}, [ENTRY | {"frame": -1}], "entry 1: frame: .*found -1"),
        ({}, [ENTRY | {"labels": [1, 0]}], "entry 1: 1 points but 2 labels"),
        ({}, [ENTRY | {"labels": [3]}], "entry 1: labels.0: .*found 3"),
        ({}, [ENTRY | {"points_yx": [[1]]}], "entry 1: points_yx.0.1"),
        ({}, [ENTRY | {"points_yx": [[1, float("nan")]]}], "entry 1: points_yx.0.1: .*found nan"),
        ({}, [{"object_id": 1, "frame": 0}], "entry 1: no point, box or mask"),
        ({}, [{"object_id": 1}], "entry 1: frame: Field required"),
    ],
)
def test_json_faults_name_file_entry_field_and_value(tmp_path, top, entries, words):
    with pytest.raises(PromptError, match=words) as caught:
        read_prompts(write_json(tmp_path, *entries, **top))
    assert str(caught.value).startswith("prompts.json")


def test_broken_and_missing_files_are_reported(tmp_path):
    (tmp_path / "broken.json").write_text('{"format":\n [')
    with pytest.raises(PromptError, match=r"broken\.json, line 2"):
        read_prompts(tmp_path / "broken.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(PromptError, match="has 'list'"):
        read_prompts(tmp_path / "list.json")
    with pytest.raises(PromptError, match="no prompt file"):
        read_prompts(tmp_path / "nothing.json")
    with pytest.raises(PromptError, match=r"\.json or \.csv"):
        read_prompts(tmp_path / "prompts.txt")
    (tmp_path / "binary.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    with pytest.raises(PromptError, match="cannot be read as text"):
        read_prompts(tmp_path / "binary.csv")


def csv_file(folder, *lines):
    path = folder / "prompts.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_csv_rows_of_one_object_make_one_prompt(tmp_path):
    path = csv_file(
        tmp_path,
        "object_id,frame,kind,y,x,label,y0,x0,y1,x1",
        "1,0,point,10,20,1,,,,",
        "1,0,point,11,21,0,,,,",
        "2,3,box,,,,1,2,3,4",
        "",
    )
    assert read_prompts(path) == (
        Prompt(1, 0, ((10.0, 20.0), (11.0, 21.0)), (1, 0)),
        Prompt(2, 3, box_yx=(1.0, 2.0, 3.0, 4.0)),
    )


def test_short_csv_of_points_needs_only_the_columns_it_uses(tmp_path):
    assert read_prompts(csv_file(tmp_path, "object_id, frame, y, x", "4, 2, 5.5, 6")) == (
        Prompt(4, 2, ((5.5, 6.0),), (1,)),
    )


def test_napari_points_without_ids_are_one_object_each(tmp_path):
    path = csv_file(tmp_path, "index,axis-0,axis-1,axis-2", "0.0,2.0,10.0,20.0", "1.0,2.0,30.0,40.0")
    assert read_prompts(path) == (Prompt(1, 2, ((10.0, 20.0),), (1,)), Prompt(2, 2, ((30.0, 40.0),), (1,)))


def test_napari_points_with_features_keep_ids_and_polarity(tmp_path):
    path = csv_file(
        tmp_path,
        "index,axis-0,axis-1,axis-2,object_id,polarity",
        "0,0,10,20,5,positive",
        "1,0,12,22,5,negative",
    )
    assert read_prompts(path) == (Prompt(5, 0, ((10.0, 20.0), (12.0, 22.0)), (1, 0)),)


def test_napari_points_on_a_still_are_on_frame_0(tmp_path):
    path = csv_file(tmp_path, "index,axis-0,axis-1", "0,10,20")
    assert read_prompts(path) == (Prompt(1, 0, ((10.0, 20.0),), (1,)),)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["a,b", "1,2"], "has the columns a, b"),
        (["object_id,frame,y,x", "1,0,5,"], "row 2: x is ''"),
        (["object_id,frame,y,x", "1,0,5,6", "1,zero,5,6"], "row 3: frame is 'zero'"),
        (["object_id,frame,y,x", "1,0.5,5,6"], "row 2: frame is '0.5'"),
        (["object_id,frame,y,x", "0,0,5,6"], "row 2: .*object id 0 cannot be a label"),
        (["object_id,frame,y,x", "1,0,inf,6"], "row 2: y is 'inf'"),
        (["object_id,frame,y,x,label", "1,0,5,6,maybe"], "row 2: label 'maybe'"),
        (["object_id,frame,kind,y,x", "1,0,line,5,6"], "row 2: kind 'line'"),
        (["object_id,frame,y,x"], "holds no prompts"),
        (["object_id,frame,kind,y0,x0,y1,x1", "1,0,box,1,2,3,4", "1,0,box,1,2,3,4"], "row 3: .*already a box"),
    ],
)
def test_csv_faults_name_file_row_and_value(tmp_path, lines, words):
    with pytest.raises(PromptError, match=words) as caught:
        read_prompts(csv_file(tmp_path, *lines))
    assert str(caught.value).startswith("prompts.csv")
