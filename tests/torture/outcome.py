"""What came of one unit of torture, as it goes from a worker to the one who counts."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """A word for the table, a fault with all that it takes to repeat it ("" for none), and what was counted."""

    result: str
    fault: str = ""
    about: dict[str, object] = field(default_factory=dict)
