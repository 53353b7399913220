"""The command line: `napari-sam2 track | segment | run | embed | edit | import | export | evaluate | finetune | ...`.

`main` is the entry point: it runs a verb, turns every error that a user can meet into one red paragraph, and gives
the exit code. One file per verb; what needs torch is imported inside the functions that use it, so that `--help` is
instant.

Exit codes: 0 done, 1 something given cannot be used, 2 wrong usage, 3 an error of the program, 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Annotated

import typer
from rich.text import Text

from napari_sam2.cli.console import errors, output
from napari_sam2.cli.demo import demo_command
from napari_sam2.cli.doctor import doctor_command
from napari_sam2.cli.edit import edit_command
from napari_sam2.cli.embed import embed_command
from napari_sam2.cli.evaluate import evaluate_command
from napari_sam2.cli.export import export_command
from napari_sam2.cli.finetune import finetune_command
from napari_sam2.cli.import_tracks import import_command
from napari_sam2.cli.interrupt import STOPPED
from napari_sam2.cli.models import models_app
from napari_sam2.cli.run import run_command
from napari_sam2.cli.segment import segment_command
from napari_sam2.cli.track import track_command
from napari_sam2.cli.view import view_command
from sam2_core.errors import CheckpointError, PromptError, StackError

USER_ERROR, PROGRAM_ERROR = 1, 3

app = typer.Typer(
    help="Find and track cells and other objects through time-lapse movies and z-stacks, without a click or with few.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)
app.command("track")(track_command)
app.command("segment")(segment_command)
app.command("run")(run_command)
app.command("embed")(embed_command)
app.command("edit")(edit_command)
app.command("import")(import_command)
app.command("export")(export_command)
app.command("evaluate")(evaluate_command)
app.command("finetune")(finetune_command)
app.add_typer(models_app, name="models")
app.command("doctor")(doctor_command)
app.command("view")(view_command)
app.command("demo")(demo_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        output().print(f"napari-sam2 {metadata.version('napari-sam2')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and leave.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere.")] = False,
) -> None:
    """Find and track cells and other objects through time-lapse movies and z-stacks, without a click or with few."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code of one command; `arguments` are those of the process by default."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    with _messages():
        try:
            words = [word for word in given if word != "--debug"]
            if "" in words:
                raise typer.BadParameter("an empty value was given; is a variable of your shell not set?")
            code = app(words, prog_name="napari-sam2", standalone_mode=False, obj=words)
            return code if isinstance(code, int) else 0
        except typer.Abort:
            return STOPPED
        except KeyboardInterrupt:
            _show("Stopped.")
            return STOPPED
        except Exception as error:  # noqa: BLE001 - the outermost door: every error becomes a message and a code
            if debug:
                errors().print_exception()
            return _report(error, debug)


def _report(error: Exception, debug: bool) -> int:
    """Show an error as one paragraph and return its exit code."""
    usage = getattr(error, "exit_code", None)
    if usage is not None and hasattr(error, "format_message"):
        context = getattr(error, "ctx", None)
        hint = f" See {context.command_path} --help." if context is not None else ""
        _show(f"{error.format_message()}{hint}")
        return int(usage)
    if isinstance(error, StackError | PromptError | CheckpointError | OSError):
        _show(str(error))
        return USER_ERROR
    more = "" if debug else " Run the command again with --debug for details, and report it with them."
    _show(f"Unexpected {type(error).__name__}: {error}.{more}")
    return PROGRAM_ERROR


def _show(message: str) -> None:
    errors().print(Text(message, style="red"))


class _Messages(logging.Handler):
    """Writes what the package logs to standard error, above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        errors().print(Text(self.format(record)))


@contextmanager
def _messages() -> Iterator[None]:
    """Show the notes of the package (which axes are assumed, for example) while a command runs."""
    handler = _Messages()
    logger = logging.getLogger("napari_sam2")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
