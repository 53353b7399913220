"""Files that are whole, one small one of every kind that a person may open, and the door that opens each.

A door opens a file the way a person does, reads what is in it, and lets go. What it raises has to be one of our errors.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from disc_predictor import DiscPredictor
from torture.scene import FRAMES, HEIGHT, WIDTH, movie

from napari_sam2.io import load_session, read_prompts, write_prompts
from napari_sam2.io.exports import export
from napari_sam2.io.found_frames import FoundFrames
from napari_sam2.io.found_table import write_found_table
from napari_sam2.io.imports import import_labels
from napari_sam2.io.track_files import open_tracks, read_parents
from napari_sam2.napari_reader import read_session_layers
from napari_sam2.session.saved_results import open_results
from napari_sam2.session.session import Session
from napari_sam2.session.settings import SessionSettings
from napari_sam2.stacks import open_stack
from sam2_core.inference.frames import open_frames

TINY = Path(__file__).parents[1] / "data" / "tiny.yaml"
MOST_PLANES = 4


@dataclass(frozen=True)
class Specimen:
    """How a kind of file is made in a folder, how it is opened there, and how often it is drawn."""

    name: str
    make: Callable[[Path], Path]
    doors: tuple[Callable[[Path], object], ...]
    weight: int = 1


# images


def read_stack(path: Path, scene: str | None = None) -> None:
    frames = open_stack(path, scene=scene).movie()
    for frame in range(min(len(frames), MOST_PLANES)):
        frames[frame]


def read_second_series(path: Path) -> None:
    read_stack(path, scene="movie")


def read_frames(path: Path) -> None:
    frames = open_frames(path)
    for frame in range(min(len(frames), MOST_PLANES)):
        frames[frame]
    frames.read_rgb(0)


def read_labels(path: Path) -> None:
    import_labels(open_stack(path).movie())


def tiff(name: str, data: np.ndarray[Any, Any], **options: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        tifffile.imwrite(folder / name, data, **{"photometric": "minisblack", **options})
        return folder / name

    return make


def series(folder: Path) -> Path:
    """Two series, with a thumbnail first."""
    with tifffile.TiffWriter(folder / "series.ome.tif", ome=True) as file:
        file.write(movie()[0, ::4, ::4], photometric="minisblack", metadata={"axes": "YX", "Name": "thumbnail"})
        file.write(movie(), photometric="minisblack", compression="zlib", metadata={"axes": "TYX", "Name": "movie"})
    return folder / "series.ome.tif"


def ome_zarr(folder: Path) -> Path:
    import zarr

    group = zarr.open_group(folder / "movie.ome.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=movie(), chunks=(1, HEIGHT, WIDTH))
    axes = [{"name": "t", "type": "time"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    scale = [{"type": "scale", "scale": [1.0, 0.5, 0.5]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    return folder / "movie.ome.zarr"


def zarr_3(folder: Path) -> Path:
    import zarr

    group = zarr.open_group(folder / "movie.zarr", mode="w", zarr_format=3)
    group.create_array("0", data=movie(), chunks=(1, HEIGHT, WIDTH), dimension_names=["t", "y", "x"])
    axes = [{"name": "t", "type": "time"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    return folder / "movie.zarr"


def npy(folder: Path) -> Path:
    np.save(folder / "movie.npy", movie())
    return folder / "movie.npy"


def pictures(kind: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        from PIL import Image

        (folder / kind).mkdir()
        for frame, data in enumerate(movie()[:3]):
            Image.fromarray(data).save(folder / kind / f"t{frame}.{kind}")
        return folder / kind

    return make


def tiff_folder(folder: Path) -> Path:
    (folder / "tiffs").mkdir()
    for frame, data in enumerate(movie()[:3]):
        tifffile.imwrite(folder / "tiffs" / f"t{frame}.tif", data, photometric="minisblack", compression="lzw")
    return folder / "tiffs"


def video(folder: Path) -> Path:
    import av

    with av.open(str(folder / "movie.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for data in movie():
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.dstack([data] * 3), format="rgb24")):
                container.mux(packet)
        container.mux(stream.encode())
    return folder / "movie.mp4"


# prompts, models, settings


def prompt_json(folder: Path) -> Path:
    write_prompts(folder / "prompts.json", tuple(worked(folder).document.prompts.values()))
    return folder / "prompts.json"


def prompt_csv(folder: Path) -> Path:
    (folder / "p.csv").write_text("object_id,frame,y,x,label\n1,0,12,12,1\n1,0,30.5,2,0\n2,3,28,36,1\n")
    return folder / "p.csv"


def napari_points(folder: Path) -> Path:
    (folder / "n.csv").write_text("index,axis-0,axis-1,axis-2,object_id\n0,0,12.0,12.0,1\n1,2,28.0,36.5,2\n")
    return folder / "n.csv"


def napari_shapes(folder: Path) -> Path:
    rows = [f"0,rectangle,{vertex},1,{y},{x}" for vertex, (y, x) in enumerate(((4, 4), (4, 20), (20, 20), (20, 4)))]
    (folder / "s.csv").write_text("index,shape-type,vertex-index,axis-0,axis-1,axis-2\n" + "\n".join(rows) + "\n")
    return folder / "s.csv"


def safetensors(folder: Path) -> Path:
    from small_models import tiny_model

    from sam2_core.checkpoints.save import save_checkpoint

    save_checkpoint(folder / "m.safetensors", dict(list(tiny_model().state_dict().items())[:6]))
    return folder / "m.safetensors"


def torch_file(folder: Path) -> Path:
    import torch

    torch.save({"model": {"a": torch.arange(40.0), "b": torch.ones(3, 4, dtype=torch.bfloat16)}}, folder / "m.pt")
    return folder / "m.pt"


def read_weights(path: Path) -> None:
    from sam2_core.checkpoints.load import read_metadata, read_state_dict
    from sam2_core.checkpoints.signature import infer_config

    read_metadata(path)
    infer_config(read_state_dict(path))


def configuration(folder: Path) -> Path:
    (folder / "tiny.yaml").write_bytes(TINY.read_bytes())
    return folder / "tiny.yaml"


def read_configuration(path: Path) -> None:
    from sam2_core.checkpoints.registry import add_model, find_model

    (path.parent / "w.safetensors").touch()
    with _models_in(path.parent):
        add_model("mine", path.parent / "w.safetensors", str(path))
        find_model("mine")


@contextmanager
def _models_in(folder: Path) -> Iterator[None]:
    """Look for the user's models in a folder."""
    before = os.environ.get("NAPARI_SAM2_HOME")
    os.environ["NAPARI_SAM2_HOME"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("NAPARI_SAM2_HOME")
        os.environ.update({} if before is None else {"NAPARI_SAM2_HOME": before})


def model_list(folder: Path) -> Path:
    entry = {"name": "mine", "path": str(folder / "m.safetensors"), "config": str(TINY)}
    (folder / "models.json").write_text(json.dumps({"models": [entry]}))
    return folder / "models.json"


def read_model_list(path: Path) -> None:
    from sam2_core.checkpoints.registry import find_model, models

    with _models_in(path.parent):
        models()
        find_model("mine")


def feature_limit(folder: Path) -> Path:
    (folder / "limit.json").write_text('{"limit_bytes": 20000000000}')
    return folder / "limit.json"


def read_feature_limit(path: Path) -> None:
    from sam2_core.inference.feature_folder import FeatureFolder

    assert FeatureFolder(path.parent).limit_bytes >= 0


# sessions


def worked(folder: Path, source: object = None) -> Session:
    """A session with clicks, a box, drawn, painted and tracked masks, and a run that was stopped."""
    if source is None:
        source = tiff("worked.tif", movie(), metadata={"axes": "TYX"})(folder)
    settings = SessionSettings(view="full")
    session = Session.open(source, axes="TYX", predictor=DiscPredictor(), settings=settings)
    drawn = np.zeros((HEIGHT, WIDTH), bool)
    drawn[20:30, 28:40] = True
    session.add_points(1, 0, [(12, 12), (30, 2)], [1, 0])
    session.add_box(2, 1, (20, 26, 34, 42))
    session.add_mask(3, 2, drawn)
    list(session.propagate())
    session.edit_mask(1, 3, np.roll(drawn, -8, axis=0))
    session.edit_mask(4, 1, np.zeros_like(drawn))
    return session


def session_folder(folder: Path) -> Path:
    return _saved(folder, worked(folder))


def session_of_array(folder: Path) -> Path:
    return _saved(folder, worked(folder, movie()))


def _saved(folder: Path, session: Session) -> Path:
    place = session.save(folder / "worked.sam2")
    session.rename_object(1, "mother")
    for update in session.propagate("forward"):
        if update.leg == "forward":
            break
    session.close()
    return place


def work_on(path: Path) -> None:
    """Open a session folder, look at it, go on with it, and save."""
    session = Session.open(_folder(path), predictor=DiscPredictor())
    try:
        for frame in range(FRAMES):
            session.labels(frame)
        if session.interrupted_run is not None:
            list(session.resume())
        session.add_points(1, 0, [(13.0, 12.0)])
        list(session.preview())
        session.save()
    finally:
        session.close()


def look_at(path: Path) -> None:
    folder = _folder(path)
    load_session(folder)
    results = open_results(folder)
    for frame in range(FRAMES):
        results.labels(frame)
    results.tracks()
    for data, _, _ in read_session_layers(str(folder)):
        np.asarray(data[0])


# tracks of other programs, runs that were stopped


def tracks(name: str, kind: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        place = session_folder(folder)
        export(open_results(place), {kind: folder / name})
        shutil.rmtree(place)
        return folder / name

    return make


def track_table(folder: Path) -> Path:
    path = folder / "parents.csv"
    path.write_text("track_id,parent,colour\n1,0,red\n2,1,\n3,1,\n")
    return path


def read_tracks(path: Path) -> None:
    found = open_tracks(path)
    for frame in range(min(len(found.labels), MOST_PLANES)):
        found.labels[frame]


def stopped_run(folder: Path) -> Path:
    parts = FoundFrames(folder / "out.tif.partial")
    parts.begin({"frames": [0, 1], "diameter": [None, None, None]})
    for frame in (0, 1):
        labels = (movie()[frame] > 100).astype(np.uint16)
        rows = [{"frame": frame, "label": 1, "score": "0.9", "area_px": int(labels.sum())}]
        parts.put(frame, labels, rows, 12.5)
    return parts.folder


def go_on(path: Path) -> None:
    parts = FoundFrames(path)
    parts.asked()
    parts.diameter_px()
    write_found_table(path.parent / "table.csv", parts.rows())
    for frame in parts.finished():
        parts.labels(frame)


def _folder(path: Path) -> Path:
    """Return the session folder that a file lies in."""
    return next((one for one in (path, *path.parents) if one.suffix == ".sam2"), path)


IMAGES: tuple[Callable[[Path], object], ...] = (read_stack, read_frames)
GREY16 = movie().astype(np.uint16) * 50
COLOUR = np.repeat(movie()[:3, ..., None], 3, axis=-1)


def specimens() -> Iterable[Specimen]:
    """Return all kinds of files."""
    tyx: dict[str, Any] = {"metadata": {"axes": "TYX"}}
    return (
        Specimen("session", session_folder, (work_on, look_at), 10),
        Specimen("session of an array", session_of_array, (work_on, look_at), 4),
        Specimen("TIFF", tiff("plain.tif", movie(), **tyx), (*IMAGES, read_labels), 3),
        Specimen("TIFF, 16 bit, zlib", tiff("zlib.tif", GREY16, compression="zlib", **tyx), IMAGES, 2),
        Specimen("TIFF, tiled, big", tiff("big.tif", GREY16, bigtiff=True, tile=(16, 16), **tyx), IMAGES, 2),
        Specimen("TIFF of colour", tiff("colour.tif", COLOUR, photometric="rgb"), IMAGES),
        Specimen("ImageJ TIFF", tiff("imagej.tif", GREY16, imagej=True, **tyx), IMAGES, 2),
        Specimen("OME-TIFF", tiff("movie.ome.tif", GREY16, ome=True, compression="lzw", **tyx), IMAGES, 3),
        Specimen("OME-TIFF, two series", series, (read_second_series,), 2),
        Specimen("folder of TIFFs", tiff_folder, IMAGES, 2),
        Specimen("OME-Zarr 0.4", ome_zarr, (read_stack,), 3),
        Specimen("OME-Zarr 0.5", zarr_3, (read_stack,), 3),
        Specimen("npy", npy, IMAGES, 3),
        Specimen("PNGs", pictures("png"), IMAGES, 2),
        Specimen("JPEGs", pictures("jpg"), IMAGES),
        Specimen("video", video, IMAGES, 2),
        Specimen("prompt JSON", prompt_json, (read_prompts,), 4),
        Specimen("prompt CSV", prompt_csv, (read_prompts,), 3),
        Specimen("napari points CSV", napari_points, (read_prompts,), 2),
        Specimen("napari shapes CSV", napari_shapes, (read_prompts,), 2),
        Specimen("GEFF", tracks("tracks.geff", "tracks"), (read_tracks,), 2),
        Specimen("CTC folder", tracks("01_RES", "ctc"), (read_tracks,), 2),
        Specimen("table of parents", track_table, (read_parents,)),
        Specimen("stopped run of segment", stopped_run, (go_on,), 2),
        Specimen("safetensors", safetensors, (read_weights,), 3),
        Specimen("torch file", torch_file, (read_weights,), 3),
        Specimen("model YAML", configuration, (read_configuration,), 3),
        Specimen("models.json", model_list, (read_model_list,), 2),
        Specimen("limit.json", feature_limit, (read_feature_limit,)),
    )
