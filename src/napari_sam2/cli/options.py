"""Options that several commands share, each declared once: its type and its line of help."""

from __future__ import annotations

from typing import Annotated

import typer

StackArgument = Annotated[
    str | None, typer.Argument(help="TIFF, OME-TIFF, zarr, OME-Zarr, .npy, or a folder of images.")
]
Model = Annotated[str, typer.Option(help="Name (see: napari-sam2 models) or path of a checkpoint.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
ImageSize = Annotated[int | None, typer.Option(help="Side of the model input in pixels, a multiple of 32.")]
Axes = Annotated[str | None, typer.Option(help="One letter of TZCYXS per dimension, e.g. TCYX; wins over the file.")]
Scene = Annotated[str | None, typer.Option(help="Image of a file that holds several: number or name.")]
TrackAxis = Annotated[str | None, typer.Option(help="T or Z; T by default, Z where there is no time.")]
Channel = Annotated[list[str] | None, typer.Option(help="Number or name; give it up to three times to mix.")]
Fixed = Annotated[list[str] | None, typer.Option(help="Index of another axis, e.g. Z=3; may be repeated.")]
Contrast = Annotated[tuple[float, float] | None, typer.Option(help="LOW HIGH: stored values shown as black and white.")]
