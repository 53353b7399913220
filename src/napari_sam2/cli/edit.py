"""`napari-sam2 edit`: tracks cut, joined and divided in a session folder, in words, without a window.

Each edit is one step of undo, saved with the session; all are made and saved as one, or none is.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from napari_sam2.cli.console import errors, output
from napari_sam2.io.session_files import is_session_folder
from napari_sam2.io.text_files import decoded
from sam2_core.errors import PromptError, StackError

if TYPE_CHECKING:
    from napari_sam2.session.session import Session


class Verb(NamedTuple):
    """How an edit is written behind its verb, the fewest and most numbers that it takes, and what it does."""

    written: str
    fewest: int
    most: int
    do: Callable[[Session, list[int]], object]


VERBS: Mapping[str, Verb] = {
    "divide": Verb("MOTHER FRAME [DAUGHTER DAUGHTER]", 2, 4, lambda s, n: s.surgery.divide_here(n[0], n[1], n[2:])),
    "undivide": Verb("MOTHER FRAME", 2, 2, lambda s, n: s.surgery.undivide(*n)),
    "connect": Verb("A FRAME B FRAME", 4, 4, lambda s, n: s.surgery.connect((n[0], n[1]), (n[2], n[3]))),
    "break": Verb("ID FRAME", 2, 2, lambda s, n: s.surgery.break_here(*n)),
    "end": Verb("ID FRAME", 2, 2, lambda s, n: s.surgery.end_here(*n)),
    "begin": Verb("ID FRAME", 2, 2, lambda s, n: s.surgery.begin_here(*n)),
    "absent": Verb("ID FIRST LAST", 3, 3, lambda s, n: s.surgery.absent(*n)),
    "delete": Verb(
        "ID [FRAME]", 1, 2, lambda s, n: s.surgery.delete_from(n[0], n[1]) if len(n) == 2 else s.edits.remove_object(*n)
    ),
    "swap": Verb("A B FRAME", 3, 3, lambda s, n: _told(s.edits.swap_objects(*n))),
    "merge": Verb("INTO OTHER", 2, 2, lambda s, n: _told(s.edits.merge_objects(*n))),
    "lock": Verb("ID", 1, 1, lambda s, n: s.edits.set_locked(n[0], True)),
    "unlock": Verb("ID", 1, 1, lambda s, n: s.edits.set_locked(n[0], False)),
}


def edit_command(
    session: Annotated[Path, typer.Argument(help="Session folder, as movie.sam2.")],
    edits: Annotated[
        list[str] | None, typer.Argument(help='Edits in their order, each one word, as "divide 3 12".')
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Text file with an edit in each line.")] = None,
    undo: Annotated[int, typer.Option(min=0, help="Take so many steps back instead.")] = 0,
    redo: Annotated[int, typer.Option(min=0, help="Make so many steps again instead.")] = 0,
    images: Annotated[str | None, typer.Option(help="The stack, if it is not where the session says.")] = None,
) -> int:
    """Cut, join and divide tracks of a session: "divide MOTHER FRAME", "connect A FRAME B FRAME", "end ID FRAME", ...

    Frames count from 0. Other edits: undivide MOTHER FRAME, break ID FRAME, begin ID FRAME, absent ID FIRST LAST,
    delete ID [FRAME], swap A B FRAME, merge INTO OTHER, lock ID, unlock ID. All of them are made, or none is; --undo
    takes them back, also later.
    """
    from napari_sam2.session.history import LONGEST
    from napari_sam2.session.session import Session

    said = [*(edits or ()), *_lines(file)]
    if bool(said) + bool(undo) + bool(redo) != 1:
        raise typer.BadParameter('say one or more edits, as "divide 3 12", or --undo N, or --redo N.')
    if len(said) > LONGEST:
        raise PromptError(f"{len(said)} edits are more than can be taken back; give at most {LONGEST} at a time.")
    parsed = [_parsed(one) for one in said]
    if not is_session_folder(session):
        raise StackError(f"{session} is no session folder; `napari-sam2 track --session` makes one.")
    with Session.open(session, images=images) as opened:
        for note in opened.notes:
            errors().print(note)
        if opened.folder is None:
            raise StackError(f"{session} can only be read; copy it to where it can be written.")
        done = list[str]()
        with opened.saving.as_one():
            done += _edited(opened, said, parsed)
            done += _crossed("undone", undo, lambda: opened.undo_text, opened.undo)
            done += _crossed("made again", redo, lambda: opened.redo_text, opened.redo)
        opened.flush()
        if images is not None:
            opened.save()  # with where they are now
        for line in done:
            output().print(line)
    return 0


def _lines(file: Path | None) -> list[str]:
    """Return the edits in a file."""
    if file is None:
        return []
    try:
        lines = decoded(file.read_bytes()).splitlines()
    except (OSError, ValueError) as error:
        raise StackError(f"{file} cannot be read ({error}); give a text file with one edit in a line.") from error
    return [line for line in lines if line.split("#")[0].strip()]


def _parsed(said: str) -> tuple[Verb, list[int]]:
    """Return the verb and the numbers of an edit."""
    try:
        name, *words = shlex.split(said, comments=True) or [""]
    except ValueError as error:
        raise PromptError(f"{said!r} is no edit ({error}).") from error
    verb = VERBS.get(name)
    if verb is None:
        raise PromptError(f"{said!r} is no edit; use {', '.join(VERBS)}.")
    try:
        numbers = [int(word) for word in words]
    except ValueError as error:
        raise PromptError(f"{said!r}: whole numbers are expected, as in {name} {verb.written}.") from error
    if not verb.fewest <= len(numbers) <= verb.most:
        raise PromptError(f"{said!r} has {len(numbers)} numbers; write {name} {verb.written}.")
    return verb, numbers


def _edited(session: Session, said: list[str], parsed: list[tuple[Verb, list[int]]]) -> list[str]:
    """Return what was said once all of it is made, each with what else came of it."""
    done: list[str] = []
    for text, (verb, numbers) in zip(said, parsed, strict=True):
        try:
            came = verb.do(session, numbers)
        except (PromptError, StackError) as error:
            raise PromptError(f"{text!r}: {error} Nothing was changed.") from error
        done.append(f"{text}:{came}" if came and isinstance(came, str) else text)
    return done


def _told(alone: tuple[int, ...]) -> str:
    from napari_sam2.session.parentage import told_alone

    return told_alone(alone)


def _crossed(word: str, steps: int, text: Callable[[], str], cross: Callable[[], bool]) -> list[str]:
    """Return what was taken back or made again, step by step."""
    lines: list[str] = []
    for done in range(steps):
        what = text()
        if not cross():
            raise StackError(f"there are only {done} steps to be {word}; nothing was changed.")
        lines.append(f"{word}: {what}")
    return lines
