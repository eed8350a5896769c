"""Parts: of a snapshot that only loads ask for, what they may ask for is stored.

For every load that is served by a snapshot its subscripts are bounded over the loops between the two, in terms of the
loops around the snapshot. Legal if the part lies within the storage, whether or not the loads run: it is copied in any
case. What cannot be bounded so, or where bounds of several loads cannot be compared, is stored whole along that axis.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from wengert.ad.reverse.kept import Kept
from wengert.ad.reverse.regions import Definition, Prepared, Region, Snapshot
from wengert.ad.reverse.trips import degree
from wengert.analysis.access import looks
from wengert.analysis.affine import Facts, canonical, constant, iadd, isub
from wengert.analysis.instances import bounds
from wengert.ir.nodes import ONE, ZERO, Expr, Load
from wengert.ir.walk import loads, map_expr, names_in, substitute

Range = tuple[Expr, Expr]
"""From where to before where."""


def parts(
    p: Prepared,
    kept: Kept,
    visible: Collection[str],
    stored: Iterable[Snapshot],
    ways: Mapping[str, Expr],
    whole: Collection[str],
) -> dict[str, Snapshot]:
    """The snapshots of which a part is stored. `ways`: what gives values again, by the name of their let; `whole`: the
    snapshots that others than loads need."""
    found: dict[str, Snapshot] = {}
    readers: dict[str, list[tuple[Load, Definition]]] = {}
    for name, way in ways.items():
        for load in loads(way):
            readers.setdefault(load.storage, []).append((load, p.definitions[name]))
    for s in stored:
        if s.name in whole or s.name not in readers:
            continue
        facts = kept.facts(s.region)
        known = {r.loop.var for r in s.region.loops() if r.loop is not None} | set(visible)
        part = [
            _axis(kept, s, facts, known, [(load.index[k], d.region) for load, d in readers[s.name]], k)
            for k in range(len(s.shape))
        ]
        if any(axis != (ZERO, n) for axis, n in zip(part, s.shape, strict=True)):
            found[s.name] = replace(s, part=tuple(part))
    return found


def within(way: Expr, parts: Mapping[str, Snapshot]) -> Expr:
    """What gives a value again, with loads of snapshots as loads of their parts."""

    def value(e: Expr) -> Expr:
        if not isinstance(e, Load) or e.storage not in parts:
            return e
        part = parts[e.storage].part
        assert part is not None
        return replace(e, index=tuple(isub(i, low) for i, (low, _) in zip(e.index, part, strict=True)))

    return map_expr(value, way)


def _axis(
    kept: Kept, s: Snapshot, facts: Facts, known: Collection[str], asked: list[tuple[Expr, Region]], k: int
) -> Range:
    """Where a part begins along an axis, and how many elements it has."""
    everything = ZERO, s.shape[k]
    hull: Range | None = None
    for index, region in asked:
        found = _range(kept, index, region, s.region)
        if found is None or any(looks(e) or names_in(e) - set(known) for e in found):
            return everything
        hull = found if hull is None else _joined(facts, hull, found)
        if hull is None:
            return everything
    assert hull is not None
    low, high = hull
    size, extent = isub(high, low), kept.inlined(s.shape[k])
    if not all(map(facts.nonnegative, (low, size, isub(extent, high)))) or constant(isub(extent, size)) == 0:
        return everything
    return low, size


def _range(kept: Kept, index: Expr, region: Region, outside: Region) -> Range | None:
    """The least and one more than the greatest value of a subscript over the loops of a region within another."""
    low = high = canonical(kept.inlined(index))
    r: Region | None = region
    while r is not None and r is not outside:
        if r.loop is not None and (r.loop.var in names_in(low) or r.loop.var in names_in(high)):
            ends = bounds(r.loop)
            if r.loop.cond is not None or ends is None:
                return None
            first, last = kept.inlined(ends[0]), isub(kept.inlined(ends[1]), ONE)
            made = [_end(e, r.loop.var, first, last, least) for e, least in ((low, True), (high, False))]
            if made[0] is None or made[1] is None:
                return None
            low, high = made[0], made[1]
        r = r.parent
    return None if r is None else (low, iadd(high, ONE))


def _end(e: Expr, var: str, first: Expr, last: Expr, least: bool) -> Expr | None:
    """The least (greatest) value of an expression in which a variable is linear."""
    power = degree(e, var)
    if power != 1:
        return e if power == 0 else None
    slope = constant(isub(substitute(e, {var: iadd(first, ONE)}), substitute(e, {var: first})))
    if slope is None:
        return None
    return canonical(substitute(e, {var: first if (slope > 0) == least else last}))


def _joined(facts: Facts, a: Range, b: Range) -> Range | None:
    """The hull of two ranges, if their ends can be compared."""

    def ordered(x: Expr, y: Expr) -> Range | None:
        if facts.nonnegative(isub(y, x)):
            return x, y
        return (y, x) if facts.nonnegative(isub(x, y)) else None

    lows, highs = ordered(a[0], b[0]), ordered(a[1], b[1])
    return None if lows is None or highs is None else (lows[0], highs[1])
