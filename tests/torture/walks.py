"""Walks through a session and through a viewer, some of each to a unit; a fault names the steps that lead there."""

from __future__ import annotations

import warnings
from collections import Counter

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from torture.outcome import Outcome

STEPS = 30
PER_UNIT = 10


def play_session(seed: int, unit: int, shrink: bool = False) -> Outcome:
    """Return what came of ten walks through a session."""
    from torture.session_walk import SessionWalk

    return _played(SessionWalk, seed * 100_003 + unit, PER_UNIT, shrink)


def play_viewer(seed: int, unit: int, shrink: bool = False) -> Outcome:
    """Return what came of ten walks through a viewer."""
    from torture.viewer_walk import ViewerWalk

    return _played(ViewerWalk, seed * 100_003 + unit, PER_UNIT, shrink)


def walk(machine: type[RuleBasedStateMachine], seed: int, walks: int, shrink: bool = False) -> Counter[str]:
    """Return how many walks and steps were made; raises what went wrong."""
    made: Counter[str] = Counter()

    class Counted(machine):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__()
            made["walks"] += 1

        def check_invariants(self, *given: object) -> None:
            made["steps"] += 1
            super().check_invariants(*given)

    Counted.__name__ = Counted.__qualname__ = machine.__name__
    about = settings(
        max_examples=walks,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
    )
    run_state_machine_as_test(seeded(seed)(Counted), settings=about)
    return made


def _played(machine: type[RuleBasedStateMachine], seed: int, walks: int, shrink: bool) -> Outcome:
    warnings.simplefilter("ignore")
    try:
        made = walk(machine, seed, walks, shrink)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a fault, and is told
        first = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        steps = "\n".join(line for line in getattr(first, "__notes__", []))
        return Outcome("fault", f"{type(first).__name__}: {first}\n{steps}", {})
    return Outcome("held", "", dict(made))
