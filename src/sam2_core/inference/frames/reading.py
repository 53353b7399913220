"""The one door through which what a reader raises comes out as a `StackError`: on opening, and on reading a part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sam2_core.errors import StackError


@contextmanager
def reading(what: object) -> Iterator[None]:
    """Turn whatever is raised inside into a `StackError`, whose text `what` opens; one that is raised stays as it is.

    Readers, codecs and stores raise some thirty types on damaged files, none of which a user can do anything with.
    """
    try:
        yield
    except StackError:
        raise
    except MemoryError as error:
        raise StackError(
            f"{what} does not fit into the memory ({str(error) or 'no room'}); it is damaged and says a wrong size, or "
            "has to be opened in smaller parts."
        ) from error
    except Exception as error:  # see above
        words = " ".join(str(error).split())[:300] or type(error).__name__
        raise StackError(
            f"{what} cannot be read ({words}); the file may be damaged, cut short, still being written, or of another "
            "kind than its name says."
        ) from error
