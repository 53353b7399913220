"""Damage to a file: what disks, copying and editors do, and what somebody who means harm writes.

`mutate` draws a kind of damage that the file can have, does it, and says in words what it did.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
WORDS = (b"0", b"-1", b"1e309", b"NaN", b"null", b"99999999999", b"2147483647", b"-0.5", b'"x"', b"[]", b"9" * 400)
RECORD = struct.Struct("<4sII")


def flip(held: bytearray, rng: Random) -> str:
    places = [_place(held, rng) for _ in range(rng.choice((1, 1, 2, 8)))]
    for place in places:
        held[place] ^= 1 << rng.randrange(8)
    return f"bits flipped in bytes {places}"


def cut(held: bytearray, rng: Random) -> str:
    place = _place(held, rng)
    del held[place:]
    return f"cut to {place} bytes"


def zero(held: bytearray, rng: Random) -> str:
    start, stop = _span(held, rng)
    held[start:stop] = rng.choice((b"\x00", b"\xff")) * (stop - start)
    return f"bytes {start} to {stop} overwritten"


def double(held: bytearray, rng: Random) -> str:
    start, stop = _span(held, rng)
    held[stop:stop] = held[start:stop]
    return f"bytes {start} to {stop} doubled"


def take_out(held: bytearray, rng: Random) -> str:
    start, stop = _span(held, rng)
    del held[start:stop]
    return f"bytes {start} to {stop} taken out"


def exchange(held: bytearray, rng: Random) -> str:
    start, stop = _span(held, rng)
    held[start:stop] = rng.randbytes(stop - start)
    return f"bytes {start} to {stop} exchanged"


def extreme(held: bytearray, rng: Random) -> str:
    place, value, size = _place(held, rng), rng.choice(EXTREMES), rng.choice((1, 2, 4, 8))
    written = (value & (256**size - 1)).to_bytes(size, rng.choice(("little", "big")))
    held[place : place + size] = written
    return f"byte {place} on is {written.hex()}"


def number(held: bytearray, rng: Random) -> str:
    found = list(re.finditer(rb"-?\d+(\.\d+)?", bytes(held)))
    if not found:
        return flip(held, rng)
    match, word = rng.choice(found), rng.choice(WORDS)
    held[match.start() : match.end()] = word
    return f"{match.group()[:20]!r} at byte {match.start()} is {word[:20]!r}"


def empty(held: bytearray, rng: Random) -> str:
    del held[:]
    return "emptied"


def nested(held: bytearray, rng: Random) -> str:
    """A list in a list in a list, deeper than a reader may follow."""
    place = held.find(rng.choice((b"[", b"{", b":"))) + 1
    held[place:place] = rng.choice((b"[", b'{"a":')) * 100_000
    return f"100,000 brackets at byte {place}"


def node(held: bytearray, rng: Random) -> str:
    """Another value somewhere in JSON."""
    try:
        whole = json.loads(bytes(held))
    except ValueError:
        return flip(held, rng)
    said = _change_node(whole, rng)
    held[:] = json.dumps(whole).encode()
    return said


def record(held: bytearray, rng: Random) -> str:
    """Another value in the header of a record of a masks log, whose checksum is right."""
    places, place = [], 0
    while place + RECORD.size <= len(held):
        magic, length, _ = RECORD.unpack_from(held, place)
        if magic != b"SM2R":
            break
        places.append((place, length))
        place += RECORD.size + length
    if not places:
        return flip(held, rng)
    place, length = rng.choice(places)
    payload = bytes(held[place + RECORD.size : place + RECORD.size + length])
    size = int.from_bytes(payload[:4], "little")
    header = json.loads(payload[4 : 4 + size])
    said, blobs = _change_node(header, rng), payload[4 + size :]
    if rng.random() < 0.2:
        said, blobs = said + ", masks that inflate without end", zlib.compress(bytes(2**28))
    text = json.dumps(header).encode()
    new = len(text).to_bytes(4, "little") + text + blobs
    held[place : place + RECORD.size + length] = RECORD.pack(b"SM2R", len(new), zlib.crc32(new)) + new
    return f"record at {place}: {said}"


def picture_size(held: bytearray, rng: Random) -> str:
    """Another size in the head of a PNG, whose checksum is right."""
    if held[12:16] != b"IHDR":
        return flip(held, rng)
    width, height = (rng.choice((0, 1, 1000, 60_000, 2**31 - 1)) for _ in range(2))
    held[16:24] = struct.pack(">II", width, height)
    held[29:33] = zlib.crc32(bytes(held[12:29])).to_bytes(4, "big")
    return f"a PNG of {width} x {height}"


BLIND: tuple[Callable[[bytearray, Random], str], ...] = (flip, flip, cut, zero, double, take_out, exchange, extreme)
TEXT = (".json", ".csv", ".yaml", ".zarray", ".zattrs", ".zgroup")


def mutate(path: Path, rng: Random) -> str:
    """Damage one file of `path`, a file or a folder; return which one and how."""
    file = path
    if path.is_dir():
        file = rng.choice(sorted(one for one in path.rglob("*") if one.is_file() and one.name != ".lock"))
    name = file.relative_to(path.parent)
    if rng.random() < 0.03:
        return _other_than_a_file(file, rng, str(name))
    kinds = list(BLIND) + [empty] * (rng.random() < 0.1)
    if file.suffix in TEXT or file.name in TEXT:
        kinds = [*kinds, *[number] * 4, *[node] * 8, nested]
    elif file.suffix == ".log":
        kinds = [*kinds, *[record] * 10]
    elif file.suffix == ".png":
        kinds = [*kinds, picture_size, picture_size]
    elif file.suffix in (".npy", ".safetensors", ".tif"):
        kinds = [*kinds, number, number, extreme, extreme]
    held = bytearray(file.read_bytes())
    said = rng.choice(kinds)(held, rng) if held else "empty as it was"
    if file.suffix == ".safetensors" and rng.random() < 0.5 and len(held) > 8:
        _set_header_length(held)
    file.write_bytes(held)
    return f"{name}: {said}"


def _other_than_a_file(file: Path, rng: Random, name: str) -> str:
    file.unlink()
    kind = rng.choice(("gone", "a folder", "a link to nothing", "a link to itself"))
    if kind == "a folder":
        file.mkdir()
    elif kind == "a link to nothing":
        file.symlink_to("not there")
    elif kind == "a link to itself":
        file.symlink_to(file)
    return f"{name}: {kind}"


def _set_header_length(held: bytearray) -> None:
    end = held.find(b"}}") + 2
    if end > 9:
        held[:8] = (end - 8).to_bytes(8, "little")


def _place(held: bytearray, rng: Random) -> int:
    """Return a place in the file, every other time in its head, where formats are written down."""
    most = len(held) if rng.random() < 0.5 else min(len(held), 400)
    return rng.randrange(max(most, 1)) if held else 0


def _span(held: bytearray, rng: Random) -> tuple[int, int]:
    start = _place(held, rng)
    return start, min(len(held), start + rng.choice((1, 4, 16, 64, 512)))


def _change_node(whole: Any, rng: Random) -> str:
    """Change one value of parsed JSON in place; return what was done."""
    nodes: list[tuple[Any, Any]] = []

    def gather(part: Any) -> None:
        entries = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, value in entries:
            nodes.append((part, key))
            gather(value)

    gather(whole)
    if not nodes:
        return "nothing to change"
    part, key = rng.choice(nodes)
    if isinstance(part, dict) and rng.random() < 0.15:
        del part[key]
        return f"{key} taken out"
    deep: list[Any] = []
    for _ in range(500):  # json writes no deeper ones; what reads them is asked for more by `nested`
        deep = [deep]
    numbers = (None, -1, 0, 0.5, 70000, 2**31, 2**63, 1e308, float("nan"), float("inf"), True)
    part[key] = value = rng.choice((*numbers, "x" * 3000, "../../x", "", "-1", "\x00", [], {}, deep, [1] * 9, {"a": 1}))
    return f"{key} is {'a list in a list in ...' if value is deep else str(value)[:30]!r}"
