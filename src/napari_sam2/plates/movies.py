"""The movies of a plan: patterns become files, files of several images become one movie each, each with a folder.

A movie is a value of paths and settings (`MovieTask`): it can be sent anywhere, and says all that is to be done. Which
images a file holds is looked up once and remembered beside the results, so that a job of an array knows its movie
without opening all others.
"""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.io import is_session_folder
from napari_sam2.io.atomic import write_atomically
from napari_sam2.plates.plan import Evaluate, FromPrompts, Movies, Plan, Work, filled
from napari_sam2.session.settings import SessionSettings
from napari_sam2.stacks.sources import scenes_of
from sam2_core.errors import StackError

_SCENES_FILE = ".scenes.json"
_WILD = re.compile(r"[*?\[]")
_UNFIT = re.compile(r"[^\w.+-]+")
_SUFFIXES = (".ome.zarr", ".ome.tiff", ".ome.tif")
Scene = int | str | None


@dataclass(frozen=True, slots=True)
class MovieTask:
    """One movie and what is done to it, as values that any process can be given.

    Attributes
    ----------
    source, axes, scene
        The images, or a session folder, or tracks that are judged.
    plate, well, name
        Who it is.
    folder
        Where its results go.
    work, settings
        What is done, and how the model sees the images.
    aside
        The prompt file or the truth that belongs to it.
    """

    source: Path
    axes: str | None
    scene: Scene
    plate: str
    well: str
    name: str
    folder: Path
    work: Work
    settings: SessionSettings
    aside: Path | None = None

    @property
    def title(self) -> str:
        """Plate, well and name, for people."""
        return "/".join(filter(None, (self.plate, self.well, self.name)))


def movies_of(plan: Plan) -> tuple[MovieTask, ...]:
    """Return the movies of a plan, in the order of its entries and, within one, as people count.

    Raises
    ------
    StackError
        If a pattern fits nothing, a file cannot be looked into, or two movies would go into one folder.
    """
    scenes = _Scenes(plan.out_folder / _SCENES_FILE)
    tasks: dict[Path, MovieTask] = {}
    for place, entry in enumerate(plan.movies):
        for path in _paths(plan, entry, place):
            for task in _tasks(plan, entry, path, scenes):
                before = tasks.setdefault(task.folder, task)
                if before is not task:
                    raise StackError(
                        f"{_described(before)} and {_described(task)} would both go into {task.folder}; tell them "
                        "apart by `plate`, `match` or `layout`."
                    )
    scenes.keep()
    return tuple(tasks.values())


class _Scenes:
    """Which images files hold, remembered by size and time of change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[object]] = {}
        self._is_changed = False
        with suppress(OSError, ValueError):
            known = json.loads(path.read_text(encoding="utf-8"))
            self._known = known if isinstance(known, dict) else {}

    def of(self, path: Path) -> tuple[Scene, ...]:
        """Return what may be given as scene; None alone where there is only one image."""
        about = path.stat()
        mark = [about.st_size, about.st_mtime_ns]
        known = self._known.get(str(path))
        if known is None or known[:2] != mark:
            known = self._known[str(path)] = [*mark, list(scenes_of(path))]
            self._is_changed = True
        found = known[2]
        return tuple(found) if isinstance(found, list) and found else (None,)

    def keep(self) -> None:
        """Write what was learned, where that can be written."""
        if self._is_changed:
            with suppress(OSError, StackError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self._path, json.dumps(self._known).encode())


def _paths(plan: Plan, entry: Movies, place: int) -> Iterator[Path]:
    """Yield the files that an entry names; a name with brackets that is there is no pattern."""
    for pattern in entry.paths:
        path, results = plan.beside(pattern), plan.out_folder
        if path.exists():
            yield path
            continue
        if not _WILD.search(pattern):
            raise StackError(f"movies.{place}.paths: there is no {path}.")
        names = glob.glob(str(Path(pattern).expanduser()), root_dir=plan.folder, recursive=True)
        found = [path for path in map(plan.folder.joinpath, names) if not path.name.startswith(".")]
        paths = [path for path in found if _real(results) not in _real(path).parents]
        if found and not paths:
            raise StackError(
                f"movies.{place}.paths: all that fits {pattern!r} lies in {results}, the folder for results (out), "
                "where no movies are looked for; give results a folder of their own."
            )
        if not paths:
            raise StackError(f"movies.{place}.paths: nothing fits {pattern!r} in {plan.folder}.")
        yield from sorted(paths, key=_as_counted)


def _real(path: Path) -> Path:
    """Return where a path leads; of links in a circle, as far as they do."""
    return Path(os.path.realpath(path))


def _tasks(plan: Plan, entry: Movies, path: Path, scenes: _Scenes) -> Iterator[MovieTask]:
    """Yield the movies in a file."""
    chosen: tuple[Scene, ...] = entry.scenes if entry.scenes != "all" else (None,)
    if entry.scenes == "all" and not isinstance(plan.do, Evaluate) and not is_session_folder(path):
        try:
            chosen = scenes.of(path)
        except (OSError, StackError):  # a file that is damaged or gone is said so when its turn comes
            chosen = (None,)
    for scene in chosen:
        names = _names(entry, path, scene)
        aside = None
        if isinstance(plan.do, FromPrompts):
            aside = plan.beside(filled(plan.do.prompts, names))
        elif isinstance(plan.do, Evaluate):
            aside = plan.beside(filled(plan.do.truth, names))
        who = names["plate"], names["well"], names["name"]
        yield MovieTask(path, entry.axes, scene, *who, plan.folder_of(names), plan.do, plan.settings, aside)


def _names(entry: Movies, path: Path, scene: Scene) -> dict[str, str]:
    """Return who a movie is, each part fit to be the name of a folder."""
    stem = next((path.name[: -len(end)] for end in _SUFFIXES if path.name.lower().endswith(end)), path.stem)
    names = {"plate": path.absolute().parent.name, "well": "", "name": stem}
    if isinstance(scene, str) and scene.count("/") >= 2:  # row, column and field of an OME-Zarr plate
        row, column, *field = scene.split("/")
        names = {"plate": stem, "well": f"{row}{column}", "name": "_".join(field)}
    elif scene is not None:
        names["name"] = f"{stem}_{scene}"
    names |= {key: said for key, said in (("plate", entry.plate), ("well", entry.well)) if said is not None}
    found = None if entry.match is None else re.search(entry.match, path.as_posix())
    if entry.match is not None and found is None:
        raise StackError(f"{path} does not fit match = {entry.match!r}.")
    told = {} if found is None else {key: one for key, one in found.groupdict().items() if one is not None}
    return {key: _fit(told.get(key, names[key])) for key in names}


def _fit(name: str) -> str:
    """Return a name that can be one folder."""
    fit = _UNFIT.sub("_", name)
    return "_" if fit in (".", "..") else fit


def _described(task: MovieTask) -> str:
    return f"{task.source}" if task.scene is None else f"{task.source} ({task.scene})"


def _as_counted(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", str(path))]
