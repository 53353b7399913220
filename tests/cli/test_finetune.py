from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from rich.console import Console

from napari_sam2.cli import finetune_screen

TINY = Path(__file__).parents[1] / "data" / "tiny.yaml"
FINETUNE = (
    "finetune --model tiny --images movie.tif --labels labels.tif --out run --device cpu --steps 3 --validate-every 2"
)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with a movie of two discs, its labels, and a tiny model that is registered."""
    import torch

    from sam2_core.build import build_model
    from sam2_core.checkpoints.registry import add_model
    from sam2_core.checkpoints.save import save_checkpoint
    from sam2_core.config import load_config

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "tiny.pt", build_model(load_config(TINY)).state_dict())
    add_model("tiny", tmp_path / "tiny.pt", str(TINY))
    images, labels = disc_movie()
    write(tmp_path / "movie.tif", images)
    write(tmp_path / "labels.tif", labels)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)


def disc_movie():
    rows, columns = np.mgrid[:64, :64]
    labels = np.zeros((6, 64, 64), dtype=np.uint16)
    for frame in range(6):
        for identity, (y, x) in enumerate(((18, 18), (44, 40)), start=1):
            labels[frame][np.hypot(rows - y, columns - x - frame) < 9] = identity
    return np.where(labels > 0, 3000, 400).astype(np.uint16), labels


def write(path, stack):
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "TYX"})


def test_labels_become_a_model_with_a_card_that_the_model_list_knows(work, run):
    code, out, err = run(FINETUNE)
    assert code == 0, err
    assert sorted(path.name for path in (work / "run").iterdir()) == [
        "finetune.pt",
        "tiny-movie.md",
        "tiny-movie.safetensors",
        "tiny-movie_curve.png",
    ]
    assert "6 labelled frames with 12 objects, taken as a movie; 2 of them are held out" in err
    assert [line.split(",")[0] for line in err.splitlines() if line.startswith("step")] == [
        "step 0",
        "step 2",
        "step 3",
    ]
    assert "IoU after one click" in out
    assert "--model tiny-movie" in out
    card = (work / "run" / "tiny-movie.md").read_text()
    assert "movie, TYX 6 x 64 x 64" in card
    assert str(work) not in card.replace(str(TINY), "")
    assert "tiny-movie" in run("models")[1]


def test_images_and_labels_along_time_and_depth_are_cut_at_a_fixed_depth(work, run):
    for name, plane in zip(("movie", "labels"), disc_movie(), strict=True):
        stored = np.stack([np.zeros_like(plane), plane], axis=1)
        tifffile.imwrite(work / f"{name}.tif", stored, imagej=True, metadata={"axes": "TZYX"})
    code, _, err = run(f"{FINETUNE} --steps 1 --fixed Z=1")
    assert (code, "6 labelled frames with 12 objects" in err) == (0, True)


def test_the_new_model_tracks(work, run):
    assert run(f"{FINETUNE} --steps 1 --train adapters --name mine --format pt")[0] == 0
    (work / "clicks.csv").write_text("object_id,frame,y,x\n1,0,18,18\n")
    code, _, err = run("track movie.tif --prompts clicks.csv --out masks.tif --model mine --device cpu")
    assert code == 0, err
    assert tifffile.imread(work / "masks.tif").shape == (6, 64, 64)


def test_ctrl_c_keeps_the_best_so_far_and_resume_goes_on(work, run, monkeypatch):
    from napari_sam2.cli.interrupt import StopOnCtrlC

    asked = iter([False, False])
    monkeypatch.setattr(StopOnCtrlC, "is_requested", lambda self: next(asked, True))
    code, out, err = run(FINETUNE)
    assert code == 130
    assert "Go on with:" in err
    assert "finetune --model tiny" in err
    assert "--resume" in err
    assert "2 steps; it ended because it was stopped by hand" in out
    assert (work / "run" / "tiny-movie.safetensors").is_file()
    monkeypatch.undo()
    monkeypatch.chdir(work)
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(work / "home"))
    code, out, err = run(f"{FINETUNE} --resume")
    assert code == 0, err
    assert "3 steps; it ended because all steps were done" in out
    assert [line.split(",")[0] for line in err.splitlines() if line.startswith("step")] == ["step 3"]


def test_a_run_is_neither_overwritten_nor_resumed_by_accident(work, run):
    assert run(f"{FINETUNE} --resume")[2].count("no run to go on with") == 1
    assert run(f"{FINETUNE} --steps 1")[0] == 0
    code, _, err = run(FINETUNE)
    assert (code, "go on with --resume, start again with --overwrite" in err) == (1, True)
    code, _, err = run(f"{FINETUNE} --resume --train all")
    assert (code, "train was decoder, now all" in err) == (1, True)
    assert run(f"{FINETUNE} --steps 1 --overwrite")[0] == 0
    code, _, err = run(f"{FINETUNE} --resume --overwrite")
    assert (code, "exclude each other" in err) == (1, True)


def test_a_moved_run_is_put_on_the_list_again(work, run):
    assert run(f"{FINETUNE} --steps 1")[0] == 0
    (work / "run").rename(work / "moved")
    code, _, err = run(f"{FINETUNE.replace('run', 'moved')} --steps 1 --resume")
    assert code == 0, err
    assert str(work / "moved" / "tiny-movie.safetensors") in run("models")[1]


def other_shape(work):
    write(work / "labels.tif", disc_movie()[1][:, :50])
    return FINETUNE


def fewer_frames(work):
    write(work / "labels.tif", disc_movie()[1][:4])
    return FINETUNE


def no_objects(work):
    write(work / "labels.tif", np.zeros_like(disc_movie()[1]))
    return FINETUNE


def colour_labels(work):
    np.save(work / "labels.npy", np.zeros((6, 64, 64, 3), np.uint8))
    return FINETUNE.replace("labels.tif", "labels.npy") + " --labels-axes TYXS"


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (other_shape, "an image frame is 64 x 64 and a label frame 50 x 64"),
        (fewer_frames, "6 image frames and 4 label frames"),
        (no_objects, "0 of 6 label frames hold objects"),
        (colour_labels, "3 values per pixel"),
        (lambda work: FINETUNE.replace("--model tiny", "--model tinny"), "did you mean tiny"),
        (lambda work: FINETUNE.replace("--model tiny", "--model none.pt"), "no checkpoint file none.pt"),
        (lambda work: FINETUNE.replace("movie.tif", "no.tif"), "no file or folder no.tif"),
        (lambda work: f"{FINETUNE} --name cells-nano", "a model named cells-nano already"),
        (lambda work: f"{FINETUNE} --name tiny", "a model named tiny already; choose another name: --name NAME"),
        (lambda work: f"{FINETUNE} --name a/b", "'a/b' cannot be the name of a model"),
        (lambda work: f"{FINETUNE} --device cuda:99", "device"),
    ],
)
def test_what_cannot_be_used_is_said_before_training(work, run, prepare, words):
    code, out, err = run(prepare(work))
    assert code == 1, err
    assert words in err
    assert "Traceback" not in err
    assert out == ""
    assert not (work / "run" / "finetune.pt").exists()


def test_wrong_usage_is_exit_code_2(work, run):
    assert run("finetune --images movie.tif")[0] == 2
    assert run(f"{FINETUNE} --train encoder")[0] == 2


def test_in_a_terminal_the_table_grows_in_place(work, run, monkeypatch, tmp_path):
    with (tmp_path / "screen.txt").open("w+") as file:
        screen = Console(file=file, force_terminal=True, width=100, height=40)
        monkeypatch.setattr(finetune_screen, "errors", lambda: screen)
        assert run(f"{FINETUNE} --steps 2")[0] == 0
        file.seek(0)
        shown = file.read()
    assert "Fine-tuning" in shown
    assert "IoU followed" in shown
    assert "step 2 of 2, loss " in shown
