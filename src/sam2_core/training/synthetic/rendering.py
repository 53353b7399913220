"""From painted frames to what a camera sees: fluorescence, phase contrast or differential interference contrast.

In order: the cells become a map of light or of optical thickness, the microscope blurs it or turns thickness into
contrast, background, dirt and uneven light come in, and the camera adds its noise and rounds. It moves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .motion import CellStates
from .movie_settings import MovieSettings
from .painting import Fields, Image, Skin

_TILE = 256


@dataclass(frozen=True, slots=True)
class Look:
    """What stays the same over a movie: the cells' own looks, the background and the light."""

    strength: Image  # (N,) light or thickness of each cell, about 0..1
    nucleus: float  # contrast of the nucleus against the cell body, -1..1
    edge: float  # 0..1: how gradually thickness falls to the outline
    angle: float  # of the shear (DIC), radians
    background: Image  # (H, W) zero-mean unevenness
    light: Image  # (H, W) illumination, about 1
    dirt: Image  # (H, W)


def make_skin(settings: MovieSettings, rng: np.random.Generator, cells: int) -> Skin:
    """Return the textures and nuclei of the cells of one movie."""
    noise = rng.standard_normal((2, _TILE, _TILE), dtype=np.float32)
    coarse = _unit(ndimage.gaussian_filter(noise[0], 2.2 * settings.texture_scale_px, mode="wrap", truncate=2.5))
    fine = _unit(ndimage.gaussian_filter(noise[1], 0.6 * settings.texture_scale_px, mode="wrap", truncate=2.5))
    return Skin(
        coarse,
        fine,
        rng.integers(0, _TILE, (cells, 2)),
        rng.normal(0, 0.12, (cells, 2)),
        rng.uniform(0.25, 0.5, cells),
    )


def make_look(settings: MovieSettings, rng: np.random.Generator, cells: int) -> Look:
    """Return what stays the same over one movie."""
    size = (settings.height, settings.width)
    spread = rng.lognormal(0, settings.brightness_spread, cells).clip(0.3, 2.5)
    y, x = np.linspace(-1, 1, size[0])[:, None], np.linspace(-1, 1, size[1])[None]
    light = 1 - settings.vignette * 0.5 * ((y - rng.normal(0, 0.2)) ** 2 + (x - rng.normal(0, 0.2)) ** 2)
    return Look(
        (settings.brightness * spread).astype(np.float32),
        float(rng.uniform(-0.6, 0.6)),
        float(rng.uniform(0.15, 0.9)),
        float(rng.uniform(0, 2 * np.pi)),
        _smooth_field(rng, size, int(rng.integers(2, 5))),
        light.astype(np.float32),
        _dirt(settings, rng),
    )


def render(fields: Fields, snapshot: CellStates, look: Look, settings: MovieSettings) -> Image:
    """Return the noise-free image (H, W) of one frame, roughly in 0..1."""
    draw = {"fluorescence": _fluorescence, "phase": _phase, "dic": _dic}[settings.style]
    image = draw(fields, snapshot, look, settings) * look.light
    return 1.0 - image if settings.inverted else image


def expose(
    image: Image, frame: int, settings: MovieSettings, rng: np.random.Generator
) -> NDArray[np.uint8 | np.uint16]:
    """Return what the camera writes: bleached, with photon and read noise, 8 or 16 bits."""
    fade = np.exp(-settings.bleaching * frame)
    light = np.clip(image, 0.0, 2.0) * np.float32(fade)
    sigma = np.sqrt(light / np.float32(settings.photons) + np.float32(settings.read_noise**2))
    light = light + sigma * rng.standard_normal(image.shape, dtype=np.float32)
    if settings.bits == 8:
        return np.clip(light * 150 + 6, 0, 255).astype(np.uint8)
    return np.clip(light * 6000 + 400, 0, 65535).astype(np.uint16)


def _fluorescence(fields: Fields, snapshot: CellStates, look: Look, settings: MovieSettings) -> Image:
    """Return bright cells on a dark, hazy background."""
    strength = _per_cell(look.strength, snapshot, 1 + 0.9 * snapshot.mitosis)[fields.owner]
    body = _profile(fields.depth, max(0.5 * look.edge, settings.dome))
    texture = settings.texture * (0.45 * fields.coarse + 0.35 * fields.fine)
    if settings.kind == "nucleus":
        texture = texture - 0.9 * settings.texture * (fields.coarse > 1.4)
    else:
        texture = texture + look.nucleus * fields.nucleus
    light = strength * body * np.maximum(1 + texture, 0.1)
    if settings.outline:
        light = light * (1 - 0.7 * abs(settings.outline)) + strength * abs(settings.outline) * _rim(fields.depth)
    if settings.membrane:
        seam = np.exp(-((fields.depth / settings.membrane_width) ** 2)) * (fields.owner > 0)
        uneven = np.maximum(1 + 0.35 * fields.coarse, 0.2)
        light = light * (1 - settings.membrane) + settings.brightness * settings.membrane * uneven * seam
    light = ndimage.gaussian_filter(light, settings.blur_px, truncate=3.0)
    if settings.haze:
        light = light + settings.haze * _wide_blur(light, 0.3 * settings.diameter_px)
    base = settings.background * np.maximum(1 + 2 * settings.uneven * look.background, 0)
    return light + base + 0.5 * settings.brightness * np.abs(look.dirt)


def _phase(fields: Fields, snapshot: CellStates, look: Look, settings: MovieSettings) -> Image:
    """Return grey background, dark cell bodies, bright halos that shade inwards."""
    thick = _thickness(fields, snapshot, look, settings)
    sharp = ndimage.gaussian_filter(thick, settings.blur_px, truncate=3.0)
    wide = 0.7 * np.tanh(2 * _wide_blur(thick, settings.halo_width * settings.diameter_px + 1.0 + settings.blur_px))
    grain = ndimage.gaussian_filter(_grain(fields, settings), 0.6 * settings.blur_px, truncate=3.0)
    contrast = 3.3 * settings.halo * (wide - 0.7 * np.tanh(2 * sharp)) - 1.8 * settings.body * np.tanh(1.5 * sharp)
    surround = settings.background * (1 + 0.4 * settings.uneven * look.background + 0.5 * look.dirt)
    image: Image = np.maximum(surround, 0.02) * np.exp(np.clip(contrast + 3.0 * grain, -3.0, 2.2))
    return image


def _dic(fields: Fields, snapshot: CellStates, look: Look, settings: MovieSettings) -> Image:
    """Return the relief that a slanting light would give: the derivative of thickness along the shear."""
    thick = _thickness(fields, snapshot, look, settings) + 1.2 * _grain(fields, settings)
    thick = ndimage.gaussian_filter(thick + 0.3 * look.dirt, 0.7 + settings.blur_px, truncate=3.0)
    down, right = np.gradient(thick)
    relief = np.sin(look.angle) * down + np.cos(look.angle) * right
    gain = 0.25 + 0.05 * min(settings.diameter_px, 60.0)
    return np.maximum(0.5 + gain * relief + 0.12 * settings.uneven * look.background, 0.01)


def _thickness(fields: Fields, snapshot: CellStates, look: Look, settings: MovieSettings) -> Image:
    """Return the optical thickness (H, W), about 0..1.5; dividing cells round up and are thicker."""
    strength = _per_cell(look.strength, snapshot, 1 + 0.8 * snapshot.mitosis)[fields.owner]
    body = _profile(fields.depth, look.edge) * (1 + 0.5 * look.nucleus * fields.nucleus)
    rim = 0.6 * settings.outline * _rim(fields.depth)
    return strength * (body * (1 + 0.25 * settings.texture * fields.coarse) + rim * (fields.owner > 0))


def _grain(fields: Fields, settings: MovieSettings) -> Image:
    """Return granules inside the cells, dark and bright, stronger around the nucleus."""
    spots = fields.fine * (np.abs(fields.fine) > 1.2) * (fields.coarse > 0) + 0.25 * fields.fine + 0.4 * fields.coarse
    envelope = 4 * fields.nucleus * (1 - fields.nucleus)
    return settings.texture * (0.16 * spots * (0.15 + fields.depth) - 0.08 * envelope)


def _per_cell(strength: Image, snapshot: CellStates, factor: NDArray[np.float64]) -> Image:
    """Return a look-up table by owner: 0 for background, else the cell's strength times its factor now."""
    table = np.zeros(len(strength) + 1, np.float32)
    table[snapshot.cell + 1] = strength[snapshot.cell] * factor
    return table


def _profile(depth: Image, edge: float) -> Image:
    """Return 0 outside to 1 inside, rising over the given part of the radius."""
    rise = np.clip(depth / (edge + 0.02), 0, 1)
    profile: Image = np.sqrt(rise * (2 - rise))
    return profile


def _rim(depth: Image) -> Image:
    """Return 1 just inside the outlines, 0 elsewhere."""
    rim: Image = np.exp(-(((depth - 0.08) / 0.09) ** 2)) * (depth > 0)
    return rim


def _wide_blur(image: Image, sigma: float) -> Image:
    """Return the image blurred widely, computed on a coarser grid."""
    factor = max(1, int(sigma / 1.5))
    if factor == 1:
        blurred: Image = ndimage.gaussian_filter(image, sigma, truncate=3.0)
        return blurred
    height, width = image.shape
    padded = np.pad(image, ((0, -height % factor), (0, -width % factor)), mode="edge")
    small = padded.reshape(padded.shape[0] // factor, factor, -1, factor).mean((1, 3))
    small = ndimage.gaussian_filter(small, sigma / factor, truncate=3.0)
    return _stretch(small, padded.shape)[:height, :width]


def _stretch(small: Image, size: tuple[int, ...]) -> Image:
    """Return a small grid stretched linearly over the size."""
    for axis in (0, 1):
        n, wanted = small.shape[axis], size[axis]
        at = np.clip((np.arange(wanted) + 0.5) * n / wanted - 0.5, 0, n - 1)
        low = np.minimum(at.astype(int), max(n - 2, 0))
        part = (at - low).astype(np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
        high = np.minimum(low + 1, n - 1)
        small = small.take(low, axis) * (1 - part) + small.take(high, axis) * part
    return small


def _smooth_field(rng: np.random.Generator, size: tuple[int, int], grid: int) -> Image:
    """Return a smooth random field of about unit size."""
    small = rng.standard_normal((grid, grid)).astype(np.float32)
    return _stretch(ndimage.zoom(small, 8, order=3, mode="nearest", grid_mode=True), size)


def _dirt(settings: MovieSettings, rng: np.random.Generator) -> Image:
    """Return spots that stay in place: blurred points, bright and dark."""
    size = (settings.height, settings.width)
    dirt = np.zeros(size, np.float32)
    count = rng.poisson(settings.debris * 12 * size[0] * size[1] / 192**2)
    if count == 0:
        return dirt
    dirt[rng.integers(0, size[0], count), rng.integers(0, size[1], count)] = rng.normal(0, 1, count)
    sigma = float(rng.uniform(0.8, 2.2))
    spots: Image = ndimage.gaussian_filter(dirt, sigma, truncate=3.0) * np.float32(2 * np.pi * sigma**2)
    return spots


def _unit(values: Image) -> Image:
    """Return the values with zero mean and unit variance."""
    unit: Image = (values - values.mean()) / (values.std() + 1e-6)
    return unit
