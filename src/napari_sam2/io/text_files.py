"""Text that people wrote with whatever was at hand: with a mark at its beginning or without, on any system."""

from __future__ import annotations

import codecs

_NO_TEXT = {chr(code) for code in range(32)} - set("\t\n\r\f\v")


def encoded(text: str) -> bytes:
    """Return text as UTF-8; of a name of a file that is no text, what is none is escaped."""
    return text.encode("utf-8", "backslashreplace")


def decoded(raw: bytes) -> str:
    """Return bytes as text: UTF-8 or UTF-16 by its first bytes, Latin-1 for what is neither.

    Raises
    ------
    ValueError
        If it is no text.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = raw.decode("utf-16")
    elif raw[1:2] == b"\0" or raw[:1] == b"\0":
        text = raw.decode("utf-16-le" if raw[1:2] == b"\0" else "utf-16-be")
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
    strange = sorted(set(text) & _NO_TEXT)
    if strange:
        raise ValueError(f"it holds the character {strange[0]!r}; save it as UTF-8")
    return text
