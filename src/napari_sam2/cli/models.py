"""`napari-sam2 models`: which models there are, where they are, and fetching one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from napari_sam2.cli.console import output, table

if TYPE_CHECKING:
    from sam2_core.checkpoints.registry import ModelEntry

models_app = typer.Typer(help="List the models, or download one.", invoke_without_command=True)


@models_app.callback()
def list_models(context: typer.Context) -> None:
    """List the models with size, licence and where they are."""
    if context.invoked_subcommand is not None:
        return
    from sam2_core.checkpoints.registry import models

    columns = ["name", "version", "parameters", "size", "licence", "sha256", "where"]
    output().print(table("Models", columns, [_row(entry) for entry in models()], right=["parameters", "size"]))


@models_app.command("download")
def download(name: Annotated[str, typer.Argument(help="Name of the model, as `napari-sam2 models` lists it.")]) -> None:
    """Fetch the weights of a model, verify them, and say where they are."""
    from napari_sam2.cli.model_choice import download_bar
    from sam2_core.checkpoints.download import fetch, told_of
    from sam2_core.checkpoints.registry import find_model

    entry = find_model(name)
    with download_bar() as told:
        path = fetch(entry, told_of(entry, told))
    output().print(f"{entry.name}: {path}")


def _row(entry: ModelEntry) -> list[str]:
    parameters = "" if entry.parameters_m is None else f"{entry.parameters_m:.1f} M"
    size = "" if entry.size_bytes is None else f"{entry.size_bytes / 1e6:.0f} MB"
    return [entry.name, entry.version, parameters, size, entry.licence or "unknown", _sha256(entry), _where(entry)]


def _sha256(entry: ModelEntry) -> str:
    """Return the beginning of the sha256 that a fetched file is held to: stated, or of the first download."""
    from sam2_core.checkpoints.download import expected_sha256

    expected = expected_sha256(entry)
    return "" if expected is None else expected[:12]


def _where(entry: ModelEntry) -> str:
    from sam2_core.checkpoints.registry import place_of

    path = place_of(entry)
    if path.is_file():
        return str(path)
    return f"missing: {path}" if entry.is_local else f"not here; napari-sam2 models download {entry.name}"
