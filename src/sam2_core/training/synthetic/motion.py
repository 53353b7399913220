"""Where every cell is on every frame: a persistent random walk with growth, soft repulsion, divisions and borders.

In order: `simulate` places the cells, lets them push each other apart, and then per frame moves, grows, divides, buds
and repels them; it records one `CellStates` per frame. It does not know outlines or pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .movie_settings import MovieSettings

Floats = NDArray[np.float64]
_MITOSIS_FRAMES = 5
_DISCS = np.array([-0.75, 0.0, 0.75])  # a cell pushes with three discs on its long axis
_ROD_DISCS = np.linspace(-0.95, 0.95, 7)


@dataclass(frozen=True, slots=True)
class CellStates:
    """The cells alive on one frame; every array has one entry per cell."""

    cell: NDArray[np.int64]  # which cell, 0-based, in order of birth
    centre_yx: Floats  # (N, 2)
    angle: Floats  # of the long axis, radians, 0 along +x
    semi_axes: Floats  # (N, 2): long, short
    mitosis: Floats  # 0 resting .. 1 about to divide or just divided
    pinch: Floats  # 0 none .. 1 nearly cut in two


class Population:
    """The cells of one movie as growing arrays; the state of the simulation."""

    def __init__(self, settings: MovieSettings, rng: np.random.Generator) -> None:
        self.settings, self.rng, self.frame = settings, rng, 0
        n = settings.cells
        self.parent = np.full(n, -1)
        self.alive = np.ones(n, bool)
        self.centre = _places(settings, rng)
        self.radius = _radii(settings, rng, n)
        self.full_radius = self.radius.copy()
        self.elongation = 1.0 + (settings.elongation - 1.0) * rng.uniform(0.5, 1.4, n)
        self.angle = _angles(settings, rng, n)
        self.heading = rng.uniform(0, 2 * np.pi, n)
        self.speed = settings.speed_px * rng.lognormal(-0.1, 0.5, n)
        self.age = np.full(n, 100)
        self.leaving = rng.random(n) < settings.leave_probability
        self.leave_frame = rng.integers(0, max(1, settings.frames // 2), n)
        self.free = np.zeros(n, bool)
        self.division = self._division_frames(n)
        self.attached = np.full(n, -1)
        self.bud_angle = np.zeros(n)
        self.full_elongation = self.elongation.copy()
        if settings.doubling:
            self._begin_at(rng.uniform(0.55, 0.95, n if rng.random() < 0.5 else 1))  # by chance all are equally old
        self._send_in(rng.random(n) < settings.enter_probability)

    def _division_frames(self, n: int) -> NDArray[np.int64]:
        """Return the frame on which each of n cells divides, -1 for never."""
        last = self.settings.frames
        frames = self.rng.integers(min(1, last - 1), max(last, 2), n)
        divides = self.rng.random(n) < self.settings.divide_probability
        return np.where(divides & (frames < last) & (frames > 0), frames, -1)

    def _send_in(self, chosen: NDArray[np.bool_]) -> None:
        """Move the chosen cells just outside a border, heading in."""
        size = np.array([self.settings.height, self.settings.width], float)
        for i in np.flatnonzero(chosen):
            axis, far = self.rng.integers(2), self.rng.integers(2)
            reach = self.radius[i] * np.sqrt(self.elongation[i]) * self.rng.uniform(1.0, 1.6)
            self.centre[i, axis] = size[axis] + reach if far else -reach
            inward = size / 2 - self.centre[i]
            self.heading[i] = np.arctan2(inward[0], inward[1]) + self.rng.normal(0, 0.3)
            self.speed[i] = max(self.speed[i], min(0.2 * self.radius[i], 3 * reach / self.settings.frames))
            self.free[i], self.leaving[i] = True, False

    def step(self, frame: int) -> None:
        """Advance the cells by one frame: divide, move, grow, push, stay inside."""
        self.age += 1
        if self.settings.doubling:
            self._lengthen()
        for i in np.flatnonzero(self.alive & (self.division == frame)):
            if self.settings.kind == "yeast":
                self._bud(i)
            else:
                self._divide(i)
        self._start_leaving(frame)
        self._walk()
        self._grow()
        self.push(8 if self.settings.doubling else 2)
        self._hold_buds()
        self._keep_inside()

    def _begin_at(self, share: Floats) -> None:
        """Cut rods down to a share (N,) or (1,) of the length at which they divide; they stay as wide."""
        self.elongation *= share
        self.radius *= np.sqrt(share)

    def _lengthen(self) -> None:
        """Let rods grow along their axis, and cut those in two that are as long as they get."""
        grown = 2 ** (self.rng.normal(1.0, 0.15, len(self.alive)).clip(0.3) / self.settings.doubling)
        self.elongation *= grown
        self.radius *= np.sqrt(grown)
        for i in np.flatnonzero(self.alive & (self.elongation >= self.full_elongation)):
            self._cut(i)

    def _cut(self, i: np.intp) -> None:
        """Replace a rod by its two ends, one behind the other and as wide as it was."""
        reach = self._semi_axes()[i, 0] * np.array([np.sin(self.angle[i]), np.cos(self.angle[i])])
        self.alive[i] = False
        share = self.rng.uniform(0.44, 0.56)
        for sign, part in ((-1, share), (1, 1 - share)):
            self._append(i, self.centre[i] + sign * (1 - part) * reach, self.radius[i] * np.sqrt(part))
            self.elongation[-1] *= part
            self.full_elongation[-1] = self.settings.elongation * self.rng.uniform(0.85, 1.15)
            self.angle[-1] += self.rng.normal(0, 0.08)

    def _divide(self, i: np.intp) -> None:
        """Replace a cell by two daughters, side by side on its long axis."""
        long = self._semi_axes()[i, 0]
        along = np.array([np.sin(self.angle[i]), np.cos(self.angle[i])])
        radius = self.radius[i] / np.sqrt(2) * self.rng.uniform(0.94, 1.04, 2)
        shift = max(0.55 * long, 0.95 * radius.mean())
        self.alive[i] = False
        turn = np.pi / 2 if self.settings.kind == "nucleus" else 0.0
        for sign, r in zip((-1, 1), radius, strict=True):
            self._append(i, self.centre[i] + sign * shift * along, r)
            self.angle[-1] += turn + self.rng.normal(0, 0.15)
            self.heading[-1] = self.angle[i] + (np.pi if sign < 0 else 0.0)
            self.full_radius[-1] = self.full_radius[i] * self.rng.uniform(0.85, 1.0)

    def _bud(self, i: np.intp) -> None:
        """Give a cell a small attached daughter; the mother lives on."""
        direction = self.rng.uniform(0, 2 * np.pi)
        radius = 0.35 * self.radius[i]
        place = self.centre[i] + (self.radius[i] + 0.6 * radius) * np.array([np.sin(direction), np.cos(direction)])
        self._append(i, place, radius)
        self.attached[-1], self.bud_angle[-1] = i, direction
        self.angle[-1] = direction
        self.full_radius[-1] = self.full_radius[i] * self.rng.uniform(0.75, 1.0)

    def _append(self, parent: np.intp, centre: Floats, radius: float) -> None:
        """Add one cell that inherits what is not given."""
        self.alive = np.append(self.alive, True)
        self.elongation = np.append(self.elongation, self.elongation[parent])
        self.full_elongation = np.append(self.full_elongation, self.full_elongation[parent])
        self.angle = np.append(self.angle, self.angle[parent])
        self.heading = np.append(self.heading, self.heading[parent])
        self.speed = np.append(self.speed, self.speed[parent])
        self.leave_frame = np.append(self.leave_frame, self.leave_frame[parent])
        self.free = np.append(self.free, self.free[parent])
        self.full_radius = np.append(self.full_radius, self.full_radius[parent])
        self.parent = np.append(self.parent, parent)
        self.centre = np.vstack([self.centre, centre])
        self.radius = np.append(self.radius, radius)
        self.age = np.append(self.age, 0)
        self.leaving = np.append(self.leaving, False)
        self.division = np.append(self.division, -1)
        self.attached = np.append(self.attached, -1)
        self.bud_angle = np.append(self.bud_angle, 0.0)

    def _start_leaving(self, frame: int) -> None:
        """Turn the cells whose time has come towards their nearest border, fast enough to get out."""
        size = np.array([self.settings.height, self.settings.width], float)
        for i in np.flatnonzero(self.alive & self.leaving & (self.leave_frame < frame) & ~self.free):
            to_border = np.concatenate([self.centre[i], size - self.centre[i]])
            side = int(np.argmin(to_border))
            self.heading[i] = (-np.pi / 2, np.pi, np.pi / 2, 0.0)[side] + self.rng.normal(0, 0.2)
            way = to_border[side] + 1.5 * self.radius[i] * np.sqrt(self.elongation[i])
            wanted = way / (0.6 * max(1, self.settings.frames - frame))
            self.speed[i] = np.clip(wanted, self.speed[i], 0.4 * self.radius[i] + self.speed[i])
            self.free[i] = True

    def _walk(self) -> None:
        """Move every cell along its slowly turning heading; spread cells turn their axis after it."""
        n = len(self.alive)
        self.heading += self.rng.normal(0, np.where(self.free, 0.05, 0.35), n)
        direction = np.stack([np.sin(self.heading), np.cos(self.heading)], 1)
        pace = self.speed * self.rng.uniform(0.5, 1.5, n)
        self.centre += pace[:, None] * direction + self.rng.normal(0, 0.1 + 0.15 * self.settings.speed_px, (n, 2))
        turn = 0.1 if self.settings.kind in ("spread", "amoeboid", "rod") else 0.0
        lag = np.angle(np.exp(2j * (self.heading - self.angle))) / 2
        self.angle += turn * lag + self.rng.normal(0, 0.03 if self.settings.kind != "yeast" else 0.005, n)

    def _grow(self) -> None:
        """Grow the cells: buds fast to their full size, the others by the rate of the settings."""
        if self.settings.doubling:
            return
        young = self.attached >= 0
        rate = np.where(young, 0.12, self.settings.growth)
        ceiling = np.where(young, self.full_radius, self.full_radius * 1.35)
        self.radius = np.minimum(self.radius * (1 + rate), np.maximum(ceiling, self.radius))
        self.attached[young & (self.radius > 0.85 * self.full_radius)] = -1

    def _semi_axes(self) -> Floats:
        """Return the long and short semi-axis of every cell, (N, 2)."""
        if self.settings.doubling:
            ratio = np.sqrt(self.elongation)
            return np.stack([self.radius * ratio, self.radius / ratio], 1)
        mitosis = self._mitosis_before() if len(self.alive) else np.zeros(0)
        round_up = 1.0 + (self.elongation - 1.0) * np.where(self.age < 6, self.age / 6, 1.0)
        ratio = np.sqrt(np.where(mitosis > 0, 1.0 + (round_up - 1.0) * (1 - mitosis) + 0.75 * mitosis, round_up))
        radius = self.radius * (1 - 0.2 * mitosis) if self.settings.kind == "nucleus" else self.radius
        return np.stack([radius * ratio, radius / ratio], 1)

    def _mitosis_before(self) -> Floats:
        """Return 0..1: how close each cell is to its division."""
        if self.settings.kind == "yeast":
            return np.zeros(len(self.alive))
        left = self.division - self.frame
        return np.where((self.division > 0) & (left > 0), np.clip(1 - left / _MITOSIS_FRAMES, 0, 1), 0.0)

    def push(self, rounds: int) -> None:
        """Push overlapping cells apart, each round by half of what overlaps."""
        living = np.flatnonzero(self.alive)
        axes = self._semi_axes()[living]
        direction = np.stack([np.sin(self.angle[living]), np.cos(self.angle[living])], 1)
        places = _ROD_DISCS if self.settings.doubling else _DISCS
        many = len(places)
        offsets = (axes[:, 0] - axes[:, 1])[:, None, None] * places[None, :, None] * direction[:, None, :]  # (N, D, 2)
        radius = np.repeat(axes[:, 1], many)
        owner = np.repeat(np.arange(len(living)), many)
        reach = (radius[:, None] + radius[None]) * (1 - self.settings.overlap)
        reach[owner[:, None] == owner[None]] = 0.0
        for _ in range(rounds):
            discs = (self.centre[living][:, None] + offsets).reshape(-1, 2)
            distance = np.hypot(*(np.subtract.outer(part, part) for part in discs.T)) + 1e-6  # (ND, ND)
            weight = np.maximum(reach / distance - 1.0, 0.0)
            force = weight.sum(1, keepdims=True) * discs - weight @ discs  # the sum of weight * (disc - other)
            self.centre[living] += np.clip(0.3 * force.reshape(-1, many, 2).sum(1), -4.0, 4.0)

    def _hold_buds(self) -> None:
        """Keep every attached bud on the outline of its mother."""
        for i in np.flatnonzero(self.alive & (self.attached >= 0)):
            mother = self.attached[i]
            way = np.array([np.sin(self.bud_angle[i]), np.cos(self.bud_angle[i])])
            self.centre[i] = self.centre[mother] + (0.97 * self.radius[mother] + 0.9 * self.radius[i]) * way

    def _keep_inside(self) -> None:
        """Turn cells back at the border, unless they are on their way in or out."""
        size = np.array([self.settings.height, self.settings.width], float)
        inside = ((self.centre > 0.3 * self.radius[:, None]) & (self.centre < size - 0.3 * self.radius[:, None])).all(1)
        self.free &= ~(inside & ~self.leaving)
        held = self.alive & ~self.free
        outside = held & ((self.centre < 0) | (self.centre > size)).any(1)
        back = size / 2 - self.centre
        self.heading[outside] = np.arctan2(back[:, 0], back[:, 1])[outside]
        self.centre[held] = np.clip(self.centre[held], 0, size)

    def snapshot(self) -> CellStates:
        """Return the cells alive now, for the record."""
        living = np.flatnonzero(self.alive)
        before = self._mitosis_before()
        after = np.where((self.parent >= 0) & (self.age < 4), 1 - self.age / 4, 0.0)
        after = np.zeros_like(after) if self.settings.kind == "yeast" or self.settings.doubling else after
        return CellStates(
            living,
            self.centre[living].copy(),
            self.angle[living].copy(),
            self._semi_axes()[living],
            np.maximum(before, after)[living],
            np.clip(before * 1.6 - 0.6, 0, 1)[living],
        )


def simulate(settings: MovieSettings, rng: np.random.Generator) -> tuple[list[CellStates], NDArray[np.int64]]:
    """Return one snapshot per frame, and the parent of every cell that ever lived (-1 for none)."""
    population = Population(settings, rng)
    population.push(12)
    record = []
    for frame in range(settings.frames):
        population.frame = frame
        if frame:
            population.step(frame)
        record.append(population.snapshot())
    return record, population.parent


def _places(settings: MovieSettings, rng: np.random.Generator) -> Floats:
    """Return starting centres (N, 2): random places with room, near each other if crowded."""
    size = np.array([settings.height, settings.width], float)
    middle = size * rng.uniform(0.25, 0.75, 2)
    tight = np.sqrt(settings.cells) * settings.diameter_px * 0.3
    places = np.empty((settings.cells, 2))
    for i in range(settings.cells):
        tries = rng.uniform(0, 1, (8, 2)) * size
        near = middle + rng.normal(0, tight, (8, 2))
        tries = np.clip(np.where(rng.random((8, 1)) < settings.crowding, near, tries), 0, size)
        gap = ((tries[:, None] - places[None, :i]) ** 2).sum(-1).min(1) if i else np.zeros(8)
        places[i] = tries[np.argmax(np.minimum(gap, (0.9 * settings.diameter_px) ** 2))]
    return places


def _radii(settings: MovieSettings, rng: np.random.Generator, n: int) -> Floats:
    """Return mean radii in pixels, log-normal about the typical one."""
    return settings.diameter_px / 2 * rng.lognormal(0, settings.diameter_spread, n).clip(0.5, 1.8)


def _angles(settings: MovieSettings, rng: np.random.Generator, n: int) -> Floats:
    """Return long-axis angles: free, or for some movies of long cells nearly parallel."""
    if settings.kind in ("spread", "rod") and rng.random() < 0.5:
        return rng.uniform(0, np.pi) + rng.normal(0, 0.35, n)
    return rng.uniform(0, np.pi, n)
