"""How our own models are trained: the recipe of `cells-nano` as data, in runs that refine what those before gave.

Written for two CPU cores: a dense warm-up of the encoder, stills with prompts on 128 px windows, then stills and clips
on windows of all sizes, the same with most weight on what is hardest (adherent cells in phase contrast), at last mostly
on large windows while the learning rate falls. The second run begins at the averaged weights of the first, and sees the
few outlined images of adherent cells in many new arrangements. The third begins at those of the second, and gives clips
and sheets of cells more room again. The fourth trains the dense head with all the rest, and on clips in which a mask
has slipped before a person corrects it. The others begin at what those four gave, and of them only the seventh is in
the weights that ship (docs/models.md): the fifth asks about what the dense head sees, as finding does, and shows flat
cells with processes; the sixth dwells on outlined stills; the seventh shows straight, blurred rods besides. The eighth
and the ninth begin at the mean of 1.1 and these two, and ask about small cells beside large ones and cells of few
pixels. Objects span 20 to 70 px of a 128 px window and up to 100 px of a 256 px one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from sam2_core.training.clip_windows import WindowSettings
from sam2_core.training.clips import ClipSettings
from sam2_core.training.dense_training import DenseRecipe
from sam2_core.training.dense_windows import DenseWindowSettings
from sam2_core.training.losses import LossWeights
from sam2_core.training.recipes import Phase, Recipe, Task
from sam2_core.training.steps import PromptSettings

# share of each group in stills and in clips
GROUPS = {
    "nuclei": (0.9, 0.5),
    "phase": (1.7, 1.1),
    "phase pasted": (0.0, 0.0),  # from the second run on
    "synthetic fluorescence": (0.15, 0.3),
    "synthetic phase": (0.35, 0.5),
    "synthetic dic": (0.25, 0.3),
    "everyday fluorescence": (0.1, 0.5),
    "everyday phase": (0.2, 0.6),
    "everyday dic": (0.2, 0.5),
    "colony phase": (0.6, 0.9),
    "colony dic": (0.1, 0.2),
    "tissue fluorescence": (0.0, 0.0),  # from the last phase of the first run on
    "rods phase": (0.0, 0.0),  # from the fourth run on, as those below
    "rods fluorescence": (0.0, 0.0),
    "sheet fluorescence": (0.0, 0.0),
    "adherent phase": (0.0, 0.0),  # in the fifth and the seventh, as those below
    "adherent fluorescence": (0.0, 0.0),
    "adherent dic": (0.0, 0.0),
    "capsules phase": (0.0, 0.0),  # in the seventh
}
HALOED = ("phase", "phase pasted", "colony phase")
INVERTING = dict.fromkeys(HALOED, 0.08)  # halos are bright: what is inverted is another thing
SPANS = {128: (0.15, 0.55), 192: (0.12, 0.45), 256: (0.1, 0.4)}  # 20 to 100 px in all


class Mixed(NamedTuple):
    """One kind of step in a mixture: window side in px, windows, frames, objects a window at most, odds of the step."""

    size: int
    clips: int
    frames: int
    objects: int
    odds: float = 1.0


class Emphasis(NamedTuple):
    """What a mixture dwells on: share of each group in stills and in clips, strength of augmentation, odds of a box.

    box_noise: how far off the corners of boxes are, see `PromptSettings`. smallest, coarse: see `ClipSettings`.
    """

    stills: dict[str, float]
    clips: dict[str, float]
    augmentation: float
    box: float
    box_noise: tuple[float, ...] = (0.01, 0.08)
    smallest: float = 0.0
    coarse: float = 0.0


DENSE_GROUPS = {group: still for group, (still, _) in GROUPS.items()} | {
    "nuclei": 1.9,
    "phase": 1.4,
    "phase pasted": 1.4,
    "tissue fluorescence": 0.6,
    "everyday fluorescence": 0.2,
    "everyday phase": 0.5,
    "everyday dic": 0.25,
    "synthetic phase": 0.4,
    "colony phase": 0.6,
    "rods phase": 0.6,
    "rods fluorescence": 0.15,
    "capsules phase": 0.8,
}
EVERYTHING = Emphasis(
    stills={group: still for group, (still, _) in GROUPS.items()},
    clips={group: clip for group, (_, clip) in GROUPS.items()},
    augmentation=1.0,
    box=0.25,
)
ADHERENT = EVERYTHING._replace(
    stills=EVERYTHING.stills | {"phase": 4.0}, clips=EVERYTHING.clips | {"phase": 2.0}, augmentation=0.6, box=0.35
)
WITH_TISSUE = ADHERENT._replace(
    stills=ADHERENT.stills | {"tissue fluorescence": 0.9}, clips=ADHERENT.clips | {"tissue fluorescence": 0.8}
)
REARRANGED = WITH_TISSUE._replace(
    stills=WITH_TISSUE.stills | {"nuclei": 1.3, "phase": 2.5, "phase pasted": 3.5},
    clips=WITH_TISSUE.clips | {"phase": 1.2, "phase pasted": 1.4},
    box=0.4,
    box_noise=(0.0, 0.01, 0.04),
)
BALANCED = REARRANGED._replace(
    stills=REARRANGED.stills | {"phase pasted": 3.0, "synthetic phase": 0.6, "tissue fluorescence": 1.3},
    clips=REARRANGED.clips | {"synthetic phase": 0.9, "tissue fluorescence": 1.3},
)
EVERY_KIND = BALANCED._replace(
    stills=BALANCED.stills | {"nuclei": 1.9, "rods phase": 0.5, "rods fluorescence": 0.15, "sheet fluorescence": 0.4},
    clips=BALANCED.clips | {"rods phase": 0.7, "rods fluorescence": 0.2, "sheet fluorescence": 1.0},
    box=0.3,
)
REAL_FIRST = EVERY_KIND._replace(
    stills=EVERY_KIND.stills | {"nuclei": 4.5, "phase": 1.5, "phase pasted": 4.5, "tissue fluorescence": 1.6}, box=0.35
)
WITH_ADHERENT = EVERY_KIND._replace(
    stills=EVERY_KIND.stills
    | {"tissue fluorescence": 1.6, "adherent phase": 1.4, "adherent fluorescence": 0.7, "adherent dic": 0.3},
    clips=EVERY_KIND.clips | {"adherent phase": 1.0, "adherent fluorescence": 0.5, "adherent dic": 0.25},
)
MORE_KINDS = WITH_ADHERENT._replace(
    stills=WITH_ADHERENT.stills
    | {"nuclei": 2.5, "phase pasted": 2.5, "tissue fluorescence": 2.2, "capsules phase": 1.6},
    clips=WITH_ADHERENT.clips | {"capsules phase": 0.9},
)
SMALL_TOO = MORE_KINDS._replace(
    stills=MORE_KINDS.stills | {"nuclei": 3.0, "tissue fluorescence": 2.6, "capsules phase": 1.2},
    clips=MORE_KINDS.clips | {"synthetic phase": 1.1, "synthetic fluorescence": 0.5, "tissue fluorescence": 1.6},
    smallest=0.25,
    coarse=0.2,
)
SMALL_FIRST = REAL_FIRST._replace(
    stills=REAL_FIRST.stills | {"adherent phase": 0.7, "capsules phase": 0.7},
    clips=SMALL_TOO.clips,
    augmentation=0.8,
    smallest=0.35,
    coarse=0.1,
)
EVERY_SIZE = (
    Mixed(128, 10, 1, 6, 0.27),
    Mixed(192, 5, 1, 6, 0.1),
    Mixed(256, 3, 1, 8, 0.25),
    Mixed(128, 4, 4, 8, 0.12),
    Mixed(128, 3, 8, 8, 0.08),
    Mixed(192, 2, 4, 8, 0.06),
    Mixed(256, 1, 4, 12, 0.12),
)
CORRECTED_CLIPS = (  # from the fourth run on: as many clips as stills
    Mixed(128, 10, 1, 6, 0.08),
    Mixed(256, 4, 1, 8, 0.42),
    Mixed(128, 4, 4, 8, 0.14),
    Mixed(128, 3, 8, 8, 0.12),
    Mixed(192, 2, 4, 8, 0.08),
    Mixed(256, 1, 4, 12, 0.1),
    Mixed(256, 1, 8, 8, 0.06),
)
SEEN_STILLS = (  # of the fifth and the seventh run: two stills to a clip
    Mixed(128, 8, 1, 6, 0.08),
    Mixed(256, 4, 1, 8, 0.6),
    Mixed(128, 4, 4, 8, 0.1),
    Mixed(128, 3, 8, 8, 0.06),
    Mixed(192, 2, 4, 8, 0.06),
    Mixed(256, 1, 4, 12, 0.1),
)
OUTLINED_STILLS = (  # of the sixth run: five stills to a clip, mostly of the size at which the model is used
    Mixed(128, 10, 1, 6, 0.08),
    Mixed(192, 5, 1, 6, 0.08),
    Mixed(256, 4, 1, 8, 0.64),
    Mixed(128, 4, 4, 8, 0.06),
    Mixed(128, 3, 8, 8, 0.05),
    Mixed(256, 1, 4, 12, 0.06),
    Mixed(256, 1, 8, 8, 0.03),
)
LARGE_WINDOWS = (  # mostly of the size at which the model is used
    Mixed(128, 10, 1, 6, 0.1),
    Mixed(192, 5, 1, 6, 0.1),
    Mixed(256, 4, 1, 8, 0.5),
    Mixed(128, 3, 8, 8, 0.08),
    Mixed(256, 1, 4, 12, 0.14),
    Mixed(256, 1, 8, 8, 0.08),
)
MOSTLY_STILLS = tuple(
    one._replace(odds=odds) for one, odds in zip(LARGE_WINDOWS, (0.1, 0.1, 0.55, 0.05, 0.1, 0.05), strict=True)
)


def cells_nano_recipe(scale: float = 1.0, precision: str = "bfloat16") -> Recipe:
    """The first run of `cells-nano`, from nothing; `scale` multiplies the steps after the warm-up."""
    dense = Task("dense", _clips(Mixed(128, 10, 1, 1), EVERYTHING))
    first = Task("prompts", _clips(Mixed(128, 8, 1, 6), EVERYTHING), _person(1.0, 0.0, 0.0, 0))
    return Recipe(
        phases=(
            Phase("dense", 400, (dense,)),
            Phase("stills", 1200, (first, *_tasks((Mixed(128, 10, 1, 6),), EVERYTHING))),
            Phase("all", int(5800 * scale), _tasks(EVERY_SIZE, EVERYTHING)),
            Phase("adherent", int(3700 * scale), _tasks(EVERY_SIZE, ADHERENT)),
            Phase("finish", int(5300 * scale), _tasks(LARGE_WINDOWS, WITH_TISSUE)),
        ),
        learning_rate=5e-4,
        precision=precision,
    )


def cells_nano_refinement(scale: float = 1.0, precision: str = "bfloat16") -> Recipe:
    """The second run of `cells-nano`, from the averaged weights of the first; `scale` multiplies its steps."""
    tasks = _tasks(MOSTLY_STILLS, REARRANGED)
    return Recipe(
        phases=(Phase("again", int(1700 * scale), tasks), Phase("settle", int(4500 * scale), tasks)),
        learning_rate=5e-4,
        precision=precision,
        seed=1,
    )


def cells_nano_balance(scale: float = 1.0, precision: str = "bfloat16") -> Recipe:
    """The third run of `cells-nano`, from the averaged weights of the second; `scale` multiplies its steps."""
    return Recipe(
        phases=(Phase("balance", int(4000 * scale), _tasks(LARGE_WINDOWS, BALANCED)),),
        learning_rate=4e-4,
        precision=precision,
        seed=2,
    )


def cells_nano_corrections(scale: float = 1.0, precision: str = "bfloat16") -> Recipe:
    """The fourth run of `cells-nano`, from what those before give; `scale` multiplies its steps."""
    tasks = _slipping(CORRECTED_CLIPS, EVERY_KIND)
    return Recipe(
        phases=(Phase("corrections", int(2200 * scale), tasks),), learning_rate=3e-4, precision=precision, seed=3
    )


def cells_nano_finding(scale: float = 1.0, precision: str = "bfloat16") -> Recipe:
    """The fifth run of `cells-nano`, from the weights of version 1.1; `scale` multiplies its steps."""
    tasks = _slipping(SEEN_STILLS, WITH_ADHERENT, seen=0.6)
    return Recipe(phases=(Phase("finding", int(2600 * scale), tasks),), learning_rate=3e-4, precision=precision, seed=4)


def cells_nano_stills(scale: float = 1.0, precision: str = "bfloat16") -> Recipe:
    """The sixth run of `cells-nano`, from the weights of version 1.1; `scale` multiplies its steps."""
    tasks = _slipping(OUTLINED_STILLS, REAL_FIRST)
    return Recipe(phases=(Phase("stills", int(5200 * scale), tasks),), learning_rate=4e-4, precision=precision, seed=5)


def cells_nano_kinds(scale: float = 1.0, precision: str = "bfloat16") -> Recipe:
    """The seventh run of `cells-nano`, from the weights of version 1.1; `scale` multiplies its steps."""
    tasks = _slipping(SEEN_STILLS, MORE_KINDS)
    return Recipe(phases=(Phase("kinds", int(4200 * scale), tasks),), learning_rate=4e-4, precision=precision, seed=6)


def cells_nano_small(scale: float = 1.0, precision: str = "bfloat16") -> Recipe:
    """The eighth run of `cells-nano`, from the mean of 1.1 and the two before; `scale` multiplies its steps."""
    tasks = _slipping(CORRECTED_CLIPS, SMALL_TOO)
    return Recipe(phases=(Phase("small", int(4700 * scale), tasks),), learning_rate=4e-4, precision=precision, seed=7)


def cells_nano_beside(scale: float = 1.0, precision: str = "bfloat16") -> Recipe:
    """The ninth run of `cells-nano`, from where the eighth begins; `scale` multiplies its steps."""
    tasks = _slipping(OUTLINED_STILLS, SMALL_FIRST)
    return Recipe(phases=(Phase("beside", int(5900 * scale), tasks),), learning_rate=4e-4, precision=precision, seed=8)


CELLS_NANO_RUNS = (
    cells_nano_recipe,
    cells_nano_refinement,
    cells_nano_balance,
    cells_nano_corrections,
    cells_nano_finding,
    cells_nano_stills,
    cells_nano_kinds,
    cells_nano_small,
    cells_nano_beside,
)
"""In their order."""


def _tasks(mixture: tuple[Mixed, ...], emphasis: Emphasis) -> tuple[Task, ...]:
    """Stills that are looked at and corrected, and clips that are followed from a click, a box or a mask."""
    look = replace(_person(1.0 - emphasis.box, emphasis.box, 0.0, 2), box_noise=emphasis.box_noise)
    follow = replace(_person(0.6, 0.2, 0.2, 2), box_noise=emphasis.box_noise)
    return tuple(
        Task("prompts", _clips(one, emphasis), look if one.frames == 1 else follow, odds=one.odds) for one in mixture
    )


def _slipping(mixture: tuple[Mixed, ...], emphasis: Emphasis, seen: float = 0.0) -> tuple[Task, ...]:
    """The tasks of a mixture, in whose clips most masks slip; see `_with_slips`."""
    return tuple(_with_slips(task, seen) for task in _tasks(mixture, emphasis))


def _with_slips(task: Task, seen: float = 0.0) -> Task:
    """Return a task in whose clips most masks slip, and are corrected until they obey.

    seen: share of the stills in which the dense head gives the prompts.
    """
    loss = LossWeights(dense=1.0, obeyed=0.3)
    if task.clips.frames == 1:
        return replace(task, prompts=replace(task.prompts, seen=seen, loss=replace(loss, nothing=seen > 0)))
    return replace(task, prompts=replace(task.prompts, corrections=3, corrected_frame=0.75, slipped=0.7, loss=loss))


def _clips(one: Mixed, emphasis: Emphasis) -> ClipSettings:
    return ClipSettings(
        WindowSettings(one.size, SPANS[one.size]),
        one.clips,
        one.frames,
        one.objects,
        weights=emphasis.stills if one.frames == 1 else emphasis.clips,
        augmentation=emphasis.augmentation,
        inverting=INVERTING,
        smallest=emphasis.smallest,
        coarse=emphasis.coarse,
    )


def _person(click: float, box: float, mask: float, corrections: int) -> PromptSettings:
    first = {"click": click, "box": box, "mask": mask}
    return PromptSettings({kind: odds for kind, odds in first.items() if odds > 0}, corrections, corrected_frame=0.4)


def dense_head_recipe(share: float = 1.0, until: int = 2) -> DenseRecipe:
    """The dense head of `cells-nano`, trained by itself on the frozen encoder; `share` of the usual windows."""
    near = DenseWindowSettings(weights=DENSE_GROUPS, inverting=INVERTING)
    far = replace(near, usual=(0.022, 0.08), any_size=(0.25, 0.8), odd=0.5, max_side_ratio=2.0)
    return DenseRecipe(((int(2240 * share), near), (int(480 * share), far)), until=until)


def dense_head_again_recipe(share: float = 1.0) -> DenseRecipe:
    """The same for a head that is there and goes on: other windows, a fifth of the rate, which falls to the end."""
    return replace(dense_head_recipe(share, until=2), passes=2, learning_rate=4e-4, seed=5)
