"""`wengert bench speed`: NPBench's programs at the sizes for which adjoints were written by hand, and how far we are.

The table (`benchmarks/hand_written.json`) has, of one machine, the times of the NumPy program and of the hand-written
primal plus gradient. Another machine's hand-written time is estimated by that of its NumPy program:
hand_ms * (NumPy's time here / numpy_ms). NumPy and wengert take turns on one thread; a multiple is the median over the
turns of the gradient's time over that estimate.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wengert.cli.bench.programs import SuiteError
from wengert.cli.bench.report import milliseconds, ratio
from wengert.cli.bench.results import Contest
from wengert.cli.bench.suite import BENCHMARKS, Suite

PRESET = "hand"  # what the sizes of the table are called among the presets


@dataclass(frozen=True, slots=True)
class Reference:
    """One row of the table: milliseconds, on the machine where the adjoint was written."""

    numpy_ms: float
    hand_ms: float


def references(path: Path) -> dict[str, Reference]:
    """The table, by program."""
    if not path.exists():
        raise SuiteError(f"there is no {path}; name a table with --table (benchmarks/hand_written.json of the sources)")
    return {name: Reference(row["numpy_ms"], row["hand_ms"]) for name, row in json.loads(path.read_text()).items()}


def suite(checkout: Path, table: Path | None) -> tuple[Suite, dict[str, Reference]]:
    """NPBench with the table's sizes as one more preset; the table."""
    path = table or BENCHMARKS / "hand_written.json"
    return Suite("npbench", str(checkout), sizes=str(path)), references(path)


@dataclass(frozen=True, slots=True)
class Standing:
    """One program against its hand-written adjoint. Seconds, medians; `multiples`: median and quartiles, by turn."""

    name: str
    numpy: float | None = None
    primal: float | None = None
    gradient: float | None = None
    hand: float | None = None  # estimated for this machine
    multiple: float | None = None
    lower: float | None = None
    upper: float | None = None
    checked: str = ""  # what the gradient was compared with
    reason: str = ""


def standing(contest: Contest, reference: Reference) -> Standing:
    """What a contest says about one program."""
    plain, gradient = contest.seconds("numpy", "primal"), contest.seconds("wengert", "gradient")
    if plain is None or gradient is None:
        reasons = [
            f"{rival} {entry.status}: {entry.reason}" for rival, entry in contest.entries.items() if entry.reason
        ]
        return Standing(contest.name, reason="; ".join(reasons) or contest.note or "not timed")
    spread = contest.spread(("wengert", "gradient"), ("numpy", "primal"))
    assert spread is not None
    median, lower, upper = (value * reference.numpy_ms / reference.hand_ms for value in spread)
    hand = plain * reference.hand_ms / reference.numpy_ms
    primal = contest.seconds("wengert", "primal")
    return Standing(contest.name, plain, primal, gradient, hand, median, lower, upper, contest.checked)


def geometric(values: Sequence[float]) -> float:
    """The geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def _cells(one: Standing) -> list[str]:
    times = [one.numpy, one.hand, one.primal, one.gradient]
    spread = "-" if one.lower is None else f"{one.lower:.2f}-{one.upper:.2f}"
    return [*(milliseconds(value) or "-" for value in times), ratio(one.multiple), spread]


HEADS = ("NumPy", "by hand, scaled", "wengert", "gradient", "multiple", "quartiles")


def table(found: Sequence[Standing], page: bool) -> Iterator[str]:
    """A line per program and the geometric mean, for a terminal or a page."""
    if page:
        yield f"| program | {' | '.join(HEADS)} |"
        yield f"|---|{'---:|' * len(HEADS)}"
        for one in found:
            yield f"| {one.name} | {' | '.join(_cells(one))} |"
    else:
        yield f"{'program':<12}" + "".join(f"{head:>17}" for head in HEADS)
        for one in found:
            yield f"{one.name:<12}" + "".join(f"{cell:>17}" for cell in _cells(one))
    yield ""
    yield summary(found)
    for one in found:
        if one.reason:
            yield f"{one.name}: {one.reason}"


def summary(found: Sequence[Standing]) -> str:
    """The geometric mean, in a sentence."""
    values = [one.multiple for one in found if one.multiple is not None]
    return f"milliseconds; gradient over hand-written, geometric mean of {len(values)}: {geometric(values):.2f}"


def as_json(found: Sequence[Standing], machine: Mapping[str, Any]) -> str:
    """Everything found, for scripts; `read` reads it."""
    values = [one.multiple for one in found if one.multiple is not None]
    programs = [asdict(one) for one in found]
    return json.dumps({"machine": machine, "geometric": geometric(values), "standings": programs}, indent=1)


def read(path: Path) -> list[Standing]:
    """What `as_json` wrote."""
    return [Standing(**one) for one in json.loads(path.read_text())["standings"]]
