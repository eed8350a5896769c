"""The tables of `wengert bench SUITE --against`: for a terminal and for a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from wengert.cli.bench.results import Contest
from wengert.cli.bench.runs import Run

Quotient = Callable[[Contest], "float | None"]


def times(over: str, under: str) -> Quotient:
    """One time over another, each a competitor and "gradient" or "primal"."""
    (a, what), (b, other) = over.rsplit(" ", 1), under.rsplit(" ", 1)
    return lambda one: one.ratio((a, what), (b, other))


def peaks(over: str, under: str) -> Quotient:
    """One competitor's peak memory over another's."""

    def quotient(one: Contest) -> float | None:
        a, b = one.bytes(over), one.bytes(under)
        return a / b if a and b else None

    return quotient


PAIRS = (
    ("jax gradient", "wengert gradient"),
    ("jax npbench gradient", "wengert gradient"),
    ("dace gradient", "wengert gradient"),
    ("wengert gradient", "wengert primal"),
    ("numpy primal", "wengert primal"),
    ("numba primal", "wengert primal"),
    ("wengert gradient", "numpy primal"),
    ("wengert gradient", "numba primal"),
)
RATIOS: dict[str, Quotient] = {
    **{f"{over} / {under}": times(over, under) for over, under in PAIRS},
    **{f"{name} memory / wengert memory": peaks(name, "wengert") for name in ("jax", "jax npbench", "dace")},
}


@dataclass(frozen=True, slots=True)
class Column:
    """`head` on a terminal, `title` on a page. Left out where `rival` did not take part."""

    head: str
    title: str
    cell: Callable[[Contest], str]
    rival: str = ""


def milliseconds(seconds: float | None) -> str:
    """Three digits; empty for what was not timed."""
    return "" if seconds is None else f"{1e3 * seconds:#.3g}".rstrip(".")


def megabytes(size: int | None) -> str:
    """Three digits."""
    return "-" if size is None else f"{size / 1e6:.3g}"


def ratio(value: float | None) -> str:
    """Two decimals."""
    return "-" if value is None else f"{value:.2f}"


def _time(rival: str, what: str) -> Callable[[Contest], str]:
    return lambda one: milliseconds(one.seconds(rival, what)) or _status(one, rival)


def _quotient(name: str) -> Callable[[Contest], str]:
    return lambda one: ratio(RATIOS[name](one))


def _memory(rival: str, what: str = "peak") -> Callable[[Contest], str]:
    return lambda one: megabytes(one.bytes(rival, what))


def _status(one: Contest, rival: str) -> str:
    entry = one.entries.get(rival)
    return "-" if entry is None or entry.status in ("ok", "absent") else entry.status


def _source(one: Contest) -> str:
    jax = one.entries.get("jax")
    if jax is None or jax.status != "ok":
        return ""
    return jax.source + (", fewer outputs" if "does not return" in jax.note else "")


COLUMNS = (
    Column("numpy", "numpy", _time("numpy", "primal"), "numpy"),
    Column("numba", "numba", _time("numba", "primal"), "numba"),
    Column("wengert", "wengert", _time("wengert", "primal")),
    Column("gradient", "wengert gradient", _time("wengert", "gradient")),
    Column("jax", "JAX gradient", _time("jax", "gradient"), "jax"),
    Column("its own", "JAX as NPBench has it", _time("jax npbench", "gradient"), "jax npbench"),
    Column("dace", "DaCe AD", _time("dace", "gradient"), "dace"),
    Column("jax/wg", "JAX / wengert", _quotient("jax gradient / wengert gradient"), "jax"),
    Column("own/wg", "NPBench's JAX / wengert", _quotient("jax npbench gradient / wengert gradient"), "jax npbench"),
    Column("dace/wg", "DaCe / wengert", _quotient("dace gradient / wengert gradient"), "dace"),
    Column("grad/pr", "gradient / primal", _quotient("wengert gradient / wengert primal")),
    Column("MB", "peak MB", _memory("wengert")),
    Column("MB tape", "tape MB", _memory("wengert", "tape")),
    Column("MB jax", "JAX peak MB", _memory("jax"), "jax"),
    Column("MB dace", "DaCe peak MB", _memory("dace"), "dace"),
    Column("", "JAX program", _source, "jax"),
)


def columns(run: Run) -> list[Column]:
    """Those of the competitors that took part, and of what was measured of any program."""
    present = {"", *run.setting["rivals"], *(name for one in run.programs for name in one.entries)}
    found = [column for column in COLUMNS if column.rival in present]
    return [column for column in found if any(column.cell(one) not in ("", "-") for one in run.programs)]


def means(results: Sequence[Contest]) -> dict[str, dict[str, float]]:
    """Geometric and arithmetic mean, and median, of every ratio over the programs that have it."""
    found: dict[str, dict[str, float]] = {}
    for name, quotient in RATIOS.items():
        values = sorted(value for one in results if (value := quotient(one)) is not None)
        if values:
            found[name] = {
                "geometric": math.exp(sum(map(math.log, values)) / len(values)),
                "arithmetic": sum(values) / len(values),
                "median": values[len(values) // 2],
                "programs": len(values),
                "above one": sum(value > 1 for value in values),
            }
    return found


def table(run: Run) -> Iterator[str]:
    """A line per program (milliseconds, ratios, megabytes), the means, and what was not timed and why."""
    shown = [column for column in columns(run) if column.head]
    width = max([len(one.name) for one in run.programs] + [7])
    yield f"{'program':<{width}}  " + "  ".join(f"{column.head:>8}" for column in shown)
    for one in run.programs:
        yield f"{one.name:<{width}}  " + "  ".join(f"{column.cell(one):>8}" for column in shown)
    yield ""
    yield "medians of one call in milliseconds: the program by numpy, numba, wengert; the gradient by wengert, others"
    for name, mean in means(run.programs).items():
        yield (
            f"{name}: geometric mean {mean['geometric']:.2f}, arithmetic mean {mean['arithmetic']:.2f}, "
            f"median {mean['median']:.2f}, above one in {mean['above one']} of {mean['programs']}"
        )
    yield from compiling(run)
    yield from remarks(run)


def compiling(run: Run) -> Iterator[str]:
    """How long the first gradients took, which compile."""
    for rival in ("wengert", "jax", "jax npbench", "dace"):
        timings = [one.timing(rival, "gradient") for one in run.programs]
        firsts = [timing.first for timing in timings if timing is not None and timing.first is not None]
        if firsts:
            mean = math.exp(sum(map(math.log, firsts)) / len(firsts))
            yield f"first gradient by {rival}: geometric mean {mean:.2f} s, worst {max(firsts):.2f} s"


def remarks(run: Run) -> Iterator[str]:
    """What was not timed, and why."""
    for one in run.programs:
        for rival, entry in one.entries.items():
            if entry.status in ("wrong", "failed"):
                yield f"{one.name}, {rival}: {entry.status}: {entry.reason[:200]}"


def markdown(run: Run) -> Iterator[str]:
    """The tables for a page."""
    shown = columns(run)
    yield f"| program | {' | '.join(column.title for column in shown)} |"
    yield f"|---|{''.join('---:|' if column.head else '---|' for column in shown)}"
    for one in run.programs:
        yield f"| {one.name} | {' | '.join(column.cell(one) for column in shown)} |"
    yield ""
    yield "| ratio | geometric mean | arithmetic mean | median | above one |"
    yield "|---|---:|---:|---:|---:|"
    for name, mean in means(run.programs).items():
        cells = f"{mean['geometric']:.2f} | {mean['arithmetic']:.2f} | {mean['median']:.2f}"
        yield f"| {name} | {cells} | {mean['above one']} of {mean['programs']} |"
    yield ""
    found = [*compiling(run), *(f"{text.split(': ', 2)[0]}: {text.split(': ', 2)[1]}" for text in remarks(run))]
    yield "; ".join(found) + "." if found else ""


def speedups(one: Run, more: Run) -> Iterator[str]:
    """The table for a page of two runs that differ in their threads: how much faster each competitor becomes."""
    kinds = [
        ("wengert", "gradient"),
        ("wengert", "primal"),
        ("jax", "gradient"),
        ("dace", "gradient"),
        ("numba", "primal"),
    ]
    before = {contest.name: contest for contest in one.programs}
    rows: list[tuple[str, list[float | None], Contest]] = []
    for contest in more.programs:
        if contest.name in before:
            values = [_gain(before[contest.name], contest, *kind) for kind in kinds]
            rows.append((contest.name, values, contest))
    used = [k for k in range(len(kinds)) if any(values[k] is not None for _, values, _ in rows)]
    threads = more.setting["threads"]
    heads = " | ".join(f"{kinds[k][0]} {kinds[k][1]}" for k in used)
    yield f"| program | {heads} | JAX / wengert, both with {threads} |"
    yield f"|---|{'---:|' * (len(used) + 1)}"
    for name, values, contest in rows:
        both = contest.ratio(("jax", "gradient"), ("wengert", "gradient"))
        yield f"| {name} | {' | '.join(ratio(values[k]) for k in used)} | {ratio(both)} |"
    gains = [[value for _, values, _ in rows if (value := values[k]) is not None] for k in used]
    mean = " | ".join(ratio(math.exp(sum(map(math.log, values)) / len(values))) for values in gains)
    yield f"| geometric mean | {mean} | |"


def _gain(before: Contest, after: Contest, rival: str, what: str) -> float | None:
    a, b = before.seconds(rival, what), after.seconds(rival, what)
    return a / b if a is not None and b is not None else None
