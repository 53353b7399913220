"""Tables of prompts as spreadsheets and napari write them, in all their dialects."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.document.prompt import Prompt
from napari_sam2.io import read_prompts, write_prompts
from napari_sam2.stacks import Movie, open_stack
from sam2_core.errors import PromptError, StackError

POINT = Prompt(1, 2, ((30.5, 20.0),), (1,))
CORNERS = [(3, 4), (3, 20), (30, 20), (30, 4)]
PLAIN = "object_id,frame,y,x\n1,2,30.5,20\n"


@pytest.mark.parametrize(
    "written",
    [
        PLAIN.encode(),
        PLAIN.replace(",", ";").replace("\n", "\r\n").encode(),
        b"object_id;frame;y;x\r1;2;30,5;20,0\r",
        b"sep=;\r\nobject_id;frame;y;x\r\n1;2;30,5;20\r\n",
        b"object_id\tframe\ty\tx\n1\t2\t30,5\t20\n",
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-8-sig"),
        "object_id,frame,y,x,größe\n1,2,30.5,20,µ\n".encode("latin-1"),
        b'\n"object_id", "Frame", "Y", "X"\n\n"1","2","30.5","20"\n,,,\n',
        b",object_id,frame,y,x,\n0,1,2,30.5,20,,,\n",
        b"index,axis-0,axis-1,axis-2\n0.0,2.0,30.5,20.0\n",
        b"index;axis-0;axis-1;axis-2\n0;2;30,5;20\n",
        b",axis-0,axis-1,axis-2\n0,2,30.5,20\n",
        b"index,axis-x,axis-t,axis-y\n0,20,2,30.5\n",
    ],
    ids=range(15),
)
def test_a_table_says_the_same_in_every_dialect(tmp_path, written):
    (tmp_path / "clicks.csv").write_bytes(written)
    assert read_prompts(tmp_path / "clicks.csv") == (POINT,)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (b"object_id,frame,y,x\n1,0,30,5,30,2\n", "row 2 has 6 values for 4 columns.*semicolons"),
        (b"object_id;frame;y;x\n1;0;1.234,5;3\n", "row 2: y is '1.234,5'; a number is needed"),
        (b"object_id,frame,y,x,y\n1,0,3,4,5\n", "the column y more than once"),
        (b"object_id frame y x\n1 0 3 4\n", "separated by commas, semicolons or tabs"),
        (b"object_id,frame,y,x\n1,0,1," + b"1" * 200_000, "cannot be read as a table"),
        (b"object_id,frame,y,x\n1,-1,1,1\n", "frame is -1"),
        (b"index,axis-0,axis-1,axis-2\n0,-2,1,1\n", "row 2: it lies on frame -2"),
        (b"index,axis-0,axis-1,axis-2,object_id\n0,0,1,1,5\n1,0,9,9,\n", "row 3: object_id is ''"),
        (b"index,axis-0,axis-1,axis-2,axis-3\n0,1,4,30,30\n", r"4 axes.*read_prompts\(path, movie\)"),
        (b"index,axis-t,axis-z,axis-y,axis-x\n0,1,4,30,30\n", "which is the frame"),
        (b"index,axis-t,axis-q,axis-x\n0,1,4,30\n", "name each of t, z, c, y, x once"),
        ("index,axis-²,axis-1\n0,1,4\n".encode(), "name each of"),
        (b"", "has the columns"),
    ],
)
def test_what_cannot_be_meant_is_an_error_of_words(tmp_path, written, words):
    (tmp_path / "clicks.csv").write_bytes(written)
    with pytest.raises(PromptError, match=words):
        read_prompts(tmp_path / "clicks.csv")


def movie(axes: str, shape: tuple[int, ...], **chosen: object) -> Movie:
    return open_stack(np.zeros(shape, np.uint8), axes).movie(**chosen)


@pytest.mark.parametrize(
    ("images", "point", "frame"),
    [
        (movie("CZYX", (2, 7, 40, 50), channel=1), (1, 4, 30, 20), 4),
        (movie("CZYX", (2, 7, 40, 50), channel=1), (4, 30, 20), 4),
        (movie("TZYX", (4, 5, 40, 50), track_axis="Z", fixed={"T": 1}), (1, 3, 30, 20), 3),
        (movie("TZYX", (4, 5, 40, 50), fixed={"Z": 1}), (3, 1.2, 30, 20), 3),
        (movie("TZCYX", (4, 1, 2, 40, 50)), (3, 0, 1, 30, 20), 3),
        (movie("CTZYX", (1, 4, 1, 40, 50)), (3, 30, 20), 3),
        (movie("TYXS", (4, 40, 50, 3)), (3, 30, 20), 3),
        (movie("CYX", (2, 40, 50)), (1, 30, 20), 0),
        (movie("TYX", (4, 40, 50)), (30, 20), 0),
    ],
    ids=lambda value: value.stack.axes if isinstance(value, Movie) else str(value),
)
def test_the_tracked_axis_of_the_images_gives_the_frame(tmp_path, images, point, frame):
    head = ",".join(f"axis-{number}" for number in range(len(point)))
    (tmp_path / "points.csv").write_text(f"index,{head}\n0,{','.join(map(str, point))}\n")
    assert read_prompts(tmp_path / "points.csv", images) == (Prompt(1, frame, ((30.0, 20.0),), (1,)),)


@pytest.mark.parametrize(
    ("head", "row", "words"),
    [
        ("axis-0,axis-1,axis-2,axis-3", "0,4,30,20", "row 2: it lies at Z=4, .* are held at Z=1.*--fixed Z=4"),
        ("axis-0,axis-1,axis-2,axis-3,axis-4", "0,0,1,30,20", "has 5 axes, but .* has TZYX"),
        ("axis-z,axis-y,axis-x", "1,30,20", "is tracked along T"),
    ],
)
def test_points_that_lie_elsewhere_than_the_images_are_refused(tmp_path, head, row, words):
    images = movie("TZYX", (4, 5, 40, 50), fixed={"Z": 1})
    (tmp_path / "points.csv").write_text(f"index,{head}\n0,{row}\n")
    with pytest.raises(PromptError, match=words):
        read_prompts(tmp_path / "points.csv", images)


def shapes_csv(folder, *shapes, head="index,shape-type,vertex-index,axis-0,axis-1,axis-2"):
    """As `napari_builtins` writes it: a row per corner."""
    rows = [
        f"{number},{kind},{place},{frame},{y},{x}"
        for number, (kind, frame, corners) in enumerate(shapes)
        for place, (y, x) in enumerate(corners)
    ]
    path = folder / "shapes.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


SQUARE = [(5, 6), (5, 16), (15, 16), (15, 6)]
TURNED = [(20, 30), (25, 35), (30, 30), (25, 25)]
IMAGES = movie("TYX", (4, 40, 50))


def test_each_shape_of_a_layer_is_an_object(tmp_path):
    shapes = [("rectangle", 0, SQUARE), ("polygon", 1, SQUARE), ("ellipse", 1, SQUARE), ("rectangle", 2, TURNED)]
    box, polygon, ellipse, around = read_prompts(shapes_csv(tmp_path, *shapes), IMAGES)
    assert (box.object_id, box.frame, box.box_yx) == (1, 0, (5.0, 6.0, 15.0, 16.0))
    assert (polygon.object_id, polygon.frame, polygon.mask.sum()) == (2, 1, 121)
    assert ellipse.mask[10, 11]
    assert not ellipse.mask[5, 6]
    assert ellipse.mask.sum() == pytest.approx(np.pi * 25, rel=0.1)
    assert (around.object_id, around.box_yx) == (4, (20.0, 25.0, 30.0, 35.0))


def test_boxes_need_no_images_and_are_cut_to_those_that_there_are(tmp_path):
    over = [(-3, -0.5), (-3, 60), (9, 60), (9, -0.5)]
    path = shapes_csv(tmp_path, ("rectangle", 2, over), head=",shape-type,vertex-index,axis-0,axis-1,axis-2")
    assert read_prompts(path)[0].box_yx == (-3.0, -0.5, 9.0, 60.0)
    assert read_prompts(path, IMAGES)[0].box_yx == (0.0, 0.0, 9.0, 50.0)


@pytest.mark.parametrize(
    ("kind", "corners", "words"),
    [
        ("line", [(1, 1), (9, 9)], "row 2: line: it encloses nothing"),
        ("path", [(1, 1), (9, 9)], "three or more vertices"),
        ("rectangle", SQUARE[:3], "it has 3 rows"),
        ("rectangle", [(60, 60), (60, 70), (70, 70), (70, 60)], "holds nothing of the image"),
        ("polygon", [(60, 60), (60, 70), (70, 70)], "holds no pixel"),
        ("", SQUARE, "shape without a type"),
    ],
)
def test_shapes_that_enclose_nothing_are_refused(tmp_path, kind, corners, words):
    with pytest.raises(PromptError, match=words):
        read_prompts(shapes_csv(tmp_path, (kind, 0, corners)), IMAGES)


def test_an_outline_needs_the_size_of_the_images(tmp_path):
    with pytest.raises(PromptError, match=r"polygon: .*read_prompts\(path, movie\)"):
        read_prompts(shapes_csv(tmp_path, ("polygon", 0, SQUARE)))


def test_a_shape_lies_on_one_frame(tmp_path):
    path = tmp_path / "shapes.csv"
    rows = "\n".join(f"0,rectangle,{place},{place},{y},{x}" for place, (y, x) in enumerate(SQUARE))
    path.write_text(f"index,shape-type,vertex-index,axis-0,axis-1,axis-2\n{rows}\n")
    with pytest.raises(PromptError, match="reaches over frames 0 to 3"):
        read_prompts(path, IMAGES)


def test_numbers_keep_their_digits_in_a_table(tmp_path):
    prompts = (Prompt(1, 0, ((1234.56789, 0.1),), (1,)), Prompt(2, 0, box_yx=(0.25, 1.125, 12345.678, 9876.54321)))
    write_prompts(tmp_path / "p.csv", prompts)
    assert read_prompts(tmp_path / "p.csv") == prompts


@pytest.mark.parametrize(
    "prompt",
    [
        '{"object_id":1,"frame":' + "9" * 5000 + "}",
        "[" * 100_000,
        '{"object_id":1,"frame":0,"mask":"' + "a" * 5000 + '"}',
    ],
    ids=["digits", "brackets", "long name"],
)
def test_monstrous_json_is_refused_in_words(tmp_path, prompt):
    (tmp_path / "p.json").write_text('{"format":"napari-sam2-prompts","version":1,"prompts":[' + prompt + "]}")
    with pytest.raises((PromptError, StackError), match=r"p\.json|cannot be read"):
        read_prompts(tmp_path / "p.json")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("object_id,frame,y,x,lable\n1,2,30,20,0\n", "write label"),
        ("object_id,frame,y,x,Labels\n1,2,30,20,0\n", "write label"),
        ("object_id,frame,y,x,polarty\n1,2,30,20,negative\n", "write polarity"),
        ("index,axis-0,axis-1,axis-2,polarty\n0,2,30,20,negative\n", "write polarity"),
        ("index,axis-0,axis-1,axis-2,objectid\n0,2,30,20,7\n", "write object_id"),
    ],
)
def test_a_misspelt_column_is_not_left_unread(tmp_path, written, meant):
    (tmp_path / "clicks.csv").write_text(written)
    with pytest.raises(PromptError, match=meant):
        read_prompts(tmp_path / "clicks.csv")


@pytest.mark.parametrize("sign", ["label", "polarity"])
@pytest.mark.parametrize("place", ["object_id,frame,y,x", "index,axis-0,axis-1,axis-2"])
def test_a_click_outside_is_one_by_either_column(tmp_path, place, sign):
    (tmp_path / "clicks.csv").write_text(f"{place},{sign}\n1,2,30,20,0\n")
    assert read_prompts(tmp_path / "clicks.csv")[0].labels == (0,)


def test_other_columns_are_named_as_not_read(tmp_path, caplog):
    (tmp_path / "clicks.csv").write_text("object_id,frame,y,x,label,score,note\n1,2,30.5,20,1,0.9,good\n")
    assert read_prompts(tmp_path / "clicks.csv") == (POINT,)
    assert "'score', 'note' not read" in caplog.text
    caplog.clear()
    (tmp_path / "clicks.csv").write_text("index,axis-0,axis-1,axis-2,object_id,polarity\n0,2,30.5,20,1,positive\n")
    assert read_prompts(tmp_path / "clicks.csv") == (POINT,)
    assert not caplog.text


@pytest.mark.parametrize(
    "written",
    [
        "object_id,frame,kind,y0,x0,y1,x1,label\n1,2,box,3,4,30,20,0\n",
        "index,shape-type,vertex-index,axis-0,axis-1,axis-2,polarity\n"
        + "".join(f"0,rectangle,{corner},2,{y},{x},negative\n" for corner, (y, x) in enumerate(CORNERS)),
    ],
)
def test_a_box_outside_is_refused_rather_than_taken_for_one_inside(tmp_path, written):
    (tmp_path / "boxes.csv").write_text(written)
    with pytest.raises(PromptError, match="says where the object is"):
        read_prompts(tmp_path / "boxes.csv")
