"""Link the detections of a movie to tracks: `link`, or `link_steps` frame by frame.

1. `detections`: what was seen, frame by frame, as arrays.
2. `drift`: what objects have in common of their motion is taken out.
3. `pairs` and `forks`: what may be the same object, and what may be the daughters of one; `judging` says how likely.
4. `hypotheses`: all of that from one frame to the next ones; `search`: windows of frames, in which `choice` takes what
   fits together best. What a person said (`options.Kept`) holds whatever it costs.
   `owners`: links that would make one object of two known ones go.
5. `tracks`: tracks, divisions, how each begins and ends. `verdicts` looks at each division once more, with what came
   before and after it; mothers of those that do not hold go on as the daughter that fits better.

Nothing here knows images, files, documents or a network. Every detection ends up in exactly one track or, unsure and
alone, in none; merges are not made: of two objects that become one, one ends. The order of the detections of a frame
does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from napari_sam2.linking.detections import Detection
from napari_sam2.linking.hypotheses import Movie
from napari_sam2.linking.judging import confidence
from napari_sam2.linking.linked import Linked
from napari_sam2.linking.options import Kept, LinkingOptions
from napari_sam2.linking.owners import parted
from napari_sam2.linking.search import Searched, search, without_divisions
from napari_sam2.linking.tracks import Order, alternatives_to, links_from, tracks_from
from napari_sam2.linking.verdicts import LEAST_VERDICT, verdicts

LinkSteps: TypeAlias = Generator[tuple[int, int], None, Linked]
"""Yields (frames done, frames in all) and returns what was linked; closing it ends the work."""


def link(
    frames: Sequence[Sequence[Detection]],
    options: LinkingOptions | None = None,
    *,
    kept: Kept | None = None,
    frame_hw: tuple[int, int] | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Linked:
    """Return the tracks that the detections of a movie make.

    Parameters
    ----------
    frames
        For each frame its detections, in any order; a frame may have none.
    options
        How; see `LinkingOptions`.
    kept
        What a person said and what therefore holds; see `Kept`.
    frame_hw
        Height and width of a frame in pixels, which say who leaves at the border; the rows and columns that
        detections reach where None.
    progress
        Is told (frames done, frames in all). What it raises ends the work and comes through.

    Raises
    ------
    PromptError
        What is to be kept contradicts itself, or names a detection that is not there.
    """
    steps = link_steps(frames, options, kept=kept, frame_hw=frame_hw)
    while True:
        try:
            done, total = next(steps)
        except StopIteration as end:
            linked: Linked = end.value
            return linked
        if progress is not None:
            progress(done, total)


def link_steps(
    frames: Sequence[Sequence[Detection]],
    options: LinkingOptions | None = None,
    *,
    kept: Kept | None = None,
    frame_hw: tuple[int, int] | None = None,
    sought: range | None = None,
) -> LinkSteps:
    """Return the work of `link` frame by frame: a generator of (done, total), whose value is the result.

    On frames beyond `sought` nobody looked for objects; where None, beyond those on which any is seen.
    """
    kept = kept or Kept()
    kept.check([len(each) for each in frames])
    order = Order.of(frames)
    movie = Movie(order.frames, options or LinkingOptions(), sought)
    own = order.of_kept(kept)
    found = yield from search(movie, own)
    linked = _linked(movie, found, {}, order, kept, frame_hw)
    odds = {movie.number(order.place_of(node)): value for node, value in verdicts(linked, frames, movie.sought)}
    refused = [mother for mother, value in odds.items() if value < LEAST_VERDICT]
    if refused:
        found = without_divisions(movie, own, found, refused)
    return _linked(movie, found, odds, order, kept, frame_hw)


def _linked(
    movie: Movie, found: Searched, odds: Mapping[int, float], order: Order, kept: Kept, frame_hw: tuple[int, int] | None
) -> Linked:
    """Return what was found as tracks; odds of divisions by the number of the mother, where they were judged."""
    every = links_from(movie, found.chosen, confidence(found.chosen, found.rivals, odds), order, kept)
    links, dropped = parted(every, kept.owners)
    alternatives = alternatives_to(links, dropped, movie, found.others, order)
    return replace(tracks_from(movie, links, order, frame_hw), alternatives=tuple(alternatives))
