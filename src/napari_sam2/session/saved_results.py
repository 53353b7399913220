"""Results of a session folder that may be open elsewhere: nothing is locked, nothing is loaded but what was saved."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from napari_sam2.document.difference import difference
from napari_sam2.document.prompt import Prompt, check_prompts
from napari_sam2.engine.foreign_predictor import weights_of
from napari_sam2.io.results import Results
from napari_sam2.io.saved_history import SavedStep
from napari_sam2.io.saved_session import SavedSession
from napari_sam2.io.session_files import load_session
from napari_sam2.io.session_images import changed_images, open_images
from napari_sam2.masks.stored_masks import MaskKey, StoredMask
from napari_sam2.session.history import Moment, Step
from napari_sam2.session.looks import masks_on, settings_movie
from napari_sam2.session.settings import OF_THE_MOVIE, SessionSettings, changed_fields
from napari_sam2.stacks import ModelMovie, Movie, Stack
from sam2_core.checkpoints.identity import WeightsId, weights_here
from sam2_core.errors import PromptError, StackError

_log = logging.getLogger(__name__)
_MANY_OBJECTS = 500_000


def open_results(folder: str | Path) -> Results:
    """Return the results of a session folder.

    Raises
    ------
    StackError
        If it is no session folder, or its stack is not where it was.
    """
    return results_of(load_session(folder), str(folder))


def results_of(saved: SavedSession, name: str, images: str | None = None) -> Results:
    """Return the results of a saved session; `name` is for messages, `images` for a stack that is not where it was.

    Raises
    ------
    StackError
        If its stack is not there or is another one, or its settings cannot be used.
    """
    settings = saved_settings(saved, name)
    if saved.source is None and images is None:
        raise StackError(f"{name} was made on an array in memory, so its images cannot be found; export it from there.")
    stack = open_images(saved, images, Path(name))
    for warning in changed_images(saved, stack) if images is None else ():
        _log.warning(warning)
    movie = settings_movie(stack, settings)
    fitting, _ = fitted(saved, movie)
    return Results(fitting.document, masks_on(movie, fitting.masks), movie, settings.overlaps)


def saved_settings(saved: SavedSession, name: str) -> SessionSettings:
    """Return the settings of a saved session.

    Raises
    ------
    StackError
        If one of them cannot be used.
    """
    try:
        return SessionSettings.model_validate(dict(saved.settings))
    except StackError as error:
        raise StackError(f"{name}: {error}") from error


def weights_note(made: tuple[WeightsId, ...], settings: SessionSettings, predictor: object) -> tuple[str, ...]:
    """Return a note where a saved session goes on with other weights than it was last worked on with.

    Nothing is said where one of the two is not known. Of a function that makes a predictor, the settings tell.
    """
    is_asked_for = predictor is None or (callable(predictor) and not hasattr(predictor, "init_state"))
    here = weights_here(settings.model) if is_asked_for else weights_of(predictor)
    if not made or here is None or here.sha256 == made[-1].sha256:
        return ()
    return (
        f"The masks of this session were made with {', then '.join(map(str, made))}; new ones will be of {here}. "
        "Nothing was computed again: propagate from scratch to have all masks of one kind, or choose the file of the "
        "earlier weights as the model.",
    )


def without_lost_channels(settings: SessionSettings, stack: Stack) -> tuple[SessionSettings, tuple[str, ...]]:
    """Return settings whose channels a stack has, and a note where it lacks some that were chosen.

    That is so where a process ended between the choice of a layer as a channel and the saving of its images.
    """
    chosen = settings.channels or ()
    if "C" in stack.axes or all(channel == 0 for channel in chosen):
        return settings, ()
    limits = None if settings.contrast_limits is None else settings.contrast_limits[:1]
    note = f"The channels {chosen} were chosen, but only {stack.name} was saved; choose the others again."
    return settings.model_copy(update={"channels": None, "contrast_limits": limits}), (note,)


def fitted_history(
    saved: SavedSession, movie: ModelMovie, settings: SessionSettings
) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Return the steps of a saved session that can be taken back and made again; none where one has no place here."""
    try:
        document = saved.document
        for step in (*reversed(saved.history.done), *saved.history.undone):
            for key in difference(document, step.document).changed:
                _check_prompt(step.document.prompts[key], movie)
            _check_masks(step.masks, movie)
            document = step.document
        done, undone = (
            tuple(_step(one, settings) for one in steps) for steps in (saved.history.done, saved.history.undone)
        )
    except (PromptError, StackError) as error:
        _log.warning("Earlier steps cannot be undone any more: %s", error)
        return (), ()
    return done, undone


def _check_prompt(prompt: Prompt, movie: Movie | ModelMovie) -> None:
    """Return nothing if a prompt lies in the movie, or says that a person painted an object away."""
    size, drawn = (movie.height, movie.width), prompt.drawn
    if drawn is None or drawn.size != size or not drawn.is_empty or prompt.frame >= len(movie):
        check_prompts([prompt], (len(movie), *size))


def _check_masks(masks: Mapping[int, Mapping[int, StoredMask]], movie: ModelMovie) -> None:
    for object_id, frames in masks.items():
        for frame, mask in frames.items():
            if frame >= len(movie) or mask.rows.stop > movie.height or mask.columns.stop > movie.width:
                raise StackError(f"object {object_id}, frame {frame}: a mask reaches out of the movie.")


def _step(saved: SavedStep, now: SessionSettings) -> Step:
    """Return a step as it was saved; it goes by the device that is there, and by the frames that are looked at."""
    settings = None
    if saved.settings is not None:
        settings = SessionSettings.model_validate(saved.settings).model_copy(update={"device": now.device})
        if changed_fields(settings, now) & OF_THE_MOVIE:
            raise StackError("They are of another axis.")
    return Step(Moment(saved.document, saved.masks, saved.unshown, settings), saved.text)


@contextmanager
def collecting_later() -> Iterator[None]:
    """Leave Python's collector of cycles at rest.

    While many masks are made it would look at all of them again and again: as long as all the rest takes, for nothing.
    After very many it looks once, here, and not at a person's next click.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            is_much = gc.get_count()[0] > _MANY_OBJECTS
            gc.enable()
            if is_much:
                gc.collect()


def fitted(saved: SavedSession, movie: Movie | ModelMovie) -> tuple[SavedSession, list[MaskKey]]:
    """Return a saved session with what has a place in its movie, and the keys of the masks that are left out.

    Prompts and proposals outside it and masks that reach out of it are damaged, and are noted. Masks of objects that
    are not there are what was not removed any more when a process ended.
    """
    frames, height, width = len(movie), movie.height, movie.width
    notes, document = list(saved.notes), saved.document
    for key, prompt in saved.document.prompts.items():
        try:
            _check_prompt(prompt, movie)
        except PromptError as error:
            notes.append(f"{error} The prompt is left out.")
            document = document.with_prompts({key: None})
    for number, proposal in saved.document.proposals.items():
        if proposal.frame >= frames or proposal.mask.size != (height, width):
            notes.append(f"proposal {number}, frame {proposal.frame}: it lies outside the movie and is left out.")
            document = document.with_proposals({number: None})
    kept: list[tuple[MaskKey, StoredMask]] = []
    left_out: list[MaskKey] = []
    objects = frozenset(document.objects)
    for key, mask in saved.masks:
        y1, x1 = mask.y0 + mask.shape[0], mask.x0 + mask.shape[1]
        is_inside = key[1] < frames and y1 <= height and x1 <= width
        if is_inside and key[0] in objects:
            kept.append((key, mask))
            continue
        left_out.append(key)
        if not is_inside:
            notes.append(f"object {key[0]}, frame {key[1]}: the mask reaches out of the movie and is left out.")
    return replace(saved, document=document, masks=tuple(kept), notes=tuple(notes)), left_out
