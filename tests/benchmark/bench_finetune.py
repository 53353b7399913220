"""A few minutes of fine-tuning on a movie's first frames, judged on its later ones.

``make bench NAME=bench_finetune.py`` makes a synthetic movie that the base model has not seen (a seed of its own),
labels its first frames, fine-tunes on them, and follows every object of the later frames with one click, before and
after, by the protocol of `sam2_core.training.validation`. It prints seed and numbers and fails if J did not rise.

BENCH_TRAIN (decoder, memory, adapters, all), BENCH_STEPS, BENCH_MINUTES, BENCH_SEED, BENCH_STYLE (fluorescence, phase,
dic) and BENCH_WEIGHTS (a file of cells-nano weights; by default those that ship) ask for others.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from sam2_core.build import build_sam2
from sam2_core.checkpoints.registry import BUNDLED_NAME, find_model, place_of
from sam2_core.scoring.metrics import movie_metrics
from sam2_core.training.finetuning import FinetuneSettings, Finetuning
from sam2_core.training.labelled_stack import split_stack
from sam2_core.training.pack import to_gray_u8
from sam2_core.training.synthetic import make_movie, random_settings
from sam2_core.training.validation import FollowedMovie, evaluate_movie

FRAMES, LABELLED, SIDE_PX = 24, 12, 160
SHIPPED = place_of(find_model(BUNDLED_NAME))


def later_frames(model, images, labels):
    """J of the objects of the frames that nobody labelled, each followed from one click where it appears."""
    later = FollowedMovie(to_gray_u8(images)[LABELLED:], labels[LABELLED:])
    return movie_metrics(evaluate_movie(model, later)).j


def test_fine_tuning_on_the_first_frames_raises_j_on_the_later_ones(tmp_path):
    weights = Path(os.environ.get("BENCH_WEIGHTS", SHIPPED))
    if not weights.is_file():
        pytest.skip(f"no weights at {weights}")
    seed = int(os.environ.get("BENCH_SEED", "910001"))
    settings = random_settings(
        np.random.default_rng(seed), FRAMES, SIDE_PX, SIDE_PX, style=os.environ.get("BENCH_STYLE", "phase")
    )
    movie = make_movie(settings, seed)
    model = build_sam2("cells-nano", weights, device="cpu")
    before = later_frames(model, movie.images, movie.labels)
    asked = FinetuneSettings(
        train=os.environ.get("BENCH_TRAIN", "decoder"),
        steps=int(os.environ.get("BENCH_STEPS", "150")),
        minutes=float(os.environ.get("BENCH_MINUTES", "6")),
        seed=seed,
    )
    began = time.monotonic()
    run = Finetuning(model, split_stack(movie.images[:LABELLED], movie.labels[:LABELLED]), asked, tmp_path)
    for progress in run.run():
        if progress.scores is not None:
            print(f"step {progress.step}: loss {progress.loss}, held out {progress.scores}", flush=True)
    minutes = (time.monotonic() - began) / 60
    model = build_sam2("cells-nano", None, device="cpu")
    model.load_state_dict(run.best_state_dict())
    after = later_frames(model, movie.images, movie.labels)
    print(
        f"seed {seed}, {movie.style} movie of {FRAMES} frames with {len(movie.lineage)} objects; {asked.train} trained "
        f"on frames 0 to {run.data.training_frames[-1]}, {run.step} steps in {minutes:.1f} min ({run.reason}), best "
        f"after step {run.best.step}: J of frames {LABELLED} to {FRAMES - 1} from one click {before:.3f} -> {after:.3f}"
    )
    assert after > before
