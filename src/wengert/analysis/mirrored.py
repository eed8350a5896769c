"""Sums over triangles that mirror each other: with the two together, a whole matrix, or a whole product, takes part.

All that a loop adds to an array is written as *terms*: T[index] += scale * product of elements, over ranges of loop
variables, seen through names and through arrays that hold sums of one turn. Two terms over the same triangle of i and j
are mirrored

- *in what is summed*: T[i, k] += a(i, j) X[j, k] and T[j, k] += b(i, j) X[i, k]. They are one product S X, where S has
  a in the one triangle and b in the other. Where the triangle leaves out the diagonal there must be a third term
  T[i, k] += d(i) X[i, k], so that nothing is multiplied that the program does not multiply;
- *in what is added to*: T[i, j] += a[i, k] b[j, k] and T[i, j] += a[j, k] b[i, k]. They are P[i, j] + P[j, i] of one
  product P.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wengert.analysis.affine import Facts, canonical, iadd, isub, renamed, same
from wengert.analysis.instances import Instances, Site, Touch, When
from wengert.ir.nodes import ONE, Accumulate, Alloc, Buffer, Const, Expr, Let, Load, Op, Store, Var
from wengert.ir.types import I64
from wengert.ir.walk import names_in, substitute

Range = tuple[Expr, Expr]
WHEN: tuple[When, ...] = ("before", "after")
MOST = 8
"""Factors of a term."""


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """T[index] += scale * elements, over ranges by variable, the outermost loop's first. `before`, `after`: whether it
    may be added before (after) all else that the loop does."""

    stmt: Accumulate
    index: tuple[Expr, ...]
    scale: tuple[Expr, ...]
    elements: tuple[Load, ...]
    ranges: Mapping[str, Range]
    before: bool
    after: bool

    @property
    def outer(self) -> str:
        return next(iter(self.ranges))


@dataclass(frozen=True, slots=True)
class Triangle:
    """The pairs of a term's variables i and j: all j of i's range below i, or above it, perhaps with i itself."""

    i: str
    j: str
    inner: Range
    whole: Range
    diagonal: bool


@dataclass(frozen=True, slots=True)
class Summed:
    """Terms mirrored in what is summed: `row` is the one whose T moves with i, `other` the one whose T moves with j.
    Each has a matrix of scale and `parts` elements; the rest are the elements of X, as they are in `row`."""

    row: Term
    other: Term
    diagonal: Term | None
    triangle: Triangle
    parts: tuple[tuple[Expr, ...], tuple[Expr, ...], tuple[Expr, ...]]
    rest: tuple[Load, ...]

    @property
    def terms(self) -> tuple[Term, ...]:
        return tuple(t for t in (self.row, self.other, self.diagonal) if t is not None)


@dataclass(frozen=True, slots=True)
class Added:
    """Terms mirrored in what is added to."""

    first: Term
    second: Term
    triangle: Triangle

    @property
    def terms(self) -> tuple[Term, ...]:
        return self.first, self.second


class Terms:
    """The terms of a loop."""

    def __init__(self, nest: Instances) -> None:
        self.nest = nest

    def all(self) -> list[Term]:
        found = (self.term(s) for s in self.nest.sites if isinstance(s.stmt, Accumulate))
        return [t for t in found if t is not None]

    def term(self, site: Site) -> Term | None:
        """What a sum adds, if it is a product."""
        stmt = site.stmt
        assert isinstance(stmt, Accumulate)
        if stmt.op != "add" or not stmt.value.dtype.is_inexact or stmt.storage in self.nest.local:
            return None
        ranges = self.ranges(site)
        index = self.resolved(stmt.index, {})
        if ranges is None or index is None:
            return None
        flat = _Flat(self, dict(ranges))
        if not flat.add(stmt.value, site, {}) or len(flat.elements) > MOST:
            return None
        before, after = (self._moves(site, flat.read, when) for when in WHEN)
        return Term(stmt, index, tuple(flat.scale), tuple(flat.elements), flat.ranges, before, after)

    def ranges(self, site: Site) -> dict[str, Range] | None:
        """The ranges of the loops around a statement that no branch is between."""
        found: dict[str, Range] = {}
        for loop in site.loops:
            ends = self.nest.range(loop)
            if loop.cond is not None or loop.step not in (1, -1) or ends is None:
                return None
            found[loop.var] = ends
        return found if len(site.place) == 2 * len(site.loops) - 1 else None

    def resolved(self, index: Sequence[Expr], values: Mapping[str, Expr]) -> tuple[Expr, ...] | None:
        found = [self.nest.resolved(e) for e in index]
        return None if None in found else tuple(canonical(substitute(e, values)) for e in found if e is not None)

    def _moves(self, site: Site, read: Sequence[tuple[Load, Site]], when: When) -> bool:
        """Whether elements that are read are the same before (after) all else, and nothing but sums touches, before
        (after) a sum, what it adds to."""
        stmt = site.stmt
        assert isinstance(stmt, Accumulate)
        for t in self._touches(stmt.storage):
            if t.kind != "add" and self.nest.meets(site, stmt.storage, stmt.index, t, when):
                return False
        return not any(
            t.kind != "load" and self.nest.meets(s, x.storage, x.index, t, when)
            for x, s in read
            for t in self._touches(x.storage)
        )

    def _touches(self, storage: str) -> list[Touch]:
        return self.nest.touches[self.nest.aliases.of(storage)]


class _Flat:
    """A product of elements that are not of one turn, in the making."""

    def __init__(self, terms: Terms, ranges: dict[str, Range]) -> None:
        self.terms, self.nest, self.ranges = terms, terms.nest, ranges
        self.scale: list[Expr] = []
        self.elements: list[Load] = []
        self.read: list[tuple[Load, Site]] = []

    def add(self, e: Expr, site: Site, values: Mapping[str, Expr]) -> bool:
        """Multiply with a value at a site, where variables have values."""
        match e:
            case Op("mul", (x, y)):
                return self.add(x, site, values) and self.add(y, site, values)
            case Op("neg", (x,)):
                self.scale.append(Const(-1.0, e.dtype))
                return not e.dtype.is_complex and self.add(x, site, values)
            case Const():
                self.scale.append(e)
                return True
            case Var(name) if name in self.nest.lets:
                let = self.nest.lets[name]
                assert isinstance(let.stmt, Let)
                return self.add(let.stmt.value, let, values)
            case Var(name) if name not in self.nest.inside:
                self.scale.append(e)
                return True
            case Load(storage) if storage in self.nest.local:
                return self._sum(e, site, values)
            case Load(storage, index, dtype):
                found = self.terms.resolved(index, values)
                if found is None or storage in self.nest.inside:
                    return False
                self.elements.append(Load(storage, found, dtype))
                self.read.append((e, site))
                return True
            case _:
                return False

    def _sum(self, x: Load, site: Site, values: Mapping[str, Expr]) -> bool:
        """Multiply with an element of one turn: of an array that one earlier statement of the turn has computed."""
        made = self.nest.local[x.storage]
        touches = self.nest.touches[self.nest.aliases.of(x.storage)]
        writes = [t for t in touches if t.kind not in ("load", "whole")]
        if not isinstance(made.stmt, Alloc) or len(writes) != 1 or any(t.storage != x.storage for t in touches):
            return False
        writer = writes[0].site
        stmt = writer.stmt
        if not isinstance(stmt, (Store, Accumulate)) or (isinstance(stmt, Accumulate) and not made.stmt.zero):
            return False
        depth = len(made.loops)
        if writer.place >= site.place or len(writer.place) - len(made.place) != 2 * (len(writer.loops) - depth):
            return False
        if any(a is b for a, b in zip(writer.loops[depth:], site.loops[depth:], strict=False)):
            return False  # not complete before the next turn of a loop around both
        ranges = self.terms.ranges(Site(stmt, writer.loops, writer.place))
        index = self.terms.resolved(x.index, values)
        if ranges is None or index is None or any(v in values for v in [loop.var for loop in made.loops]):
            return False
        own = [loop.var for loop in writer.loops[depth:]]
        names = [e.name for e in stmt.index if isinstance(e, Var) and e.name in own]
        if len(names) != len(stmt.index) or len(set(names)) != len(names):
            return False
        if isinstance(stmt, Store) and set(names) != set(own):
            return False
        inside = dict(zip(names, index, strict=True))
        facts = self._facts()
        for v in own:
            low, high = (canonical(substitute(e, inside)) for e in ranges[v])
            if v not in inside:
                if v in self.ranges:
                    return False
                self.ranges[v] = low, high
            elif not facts.nonnegative(isub(inside[v], low)) or not facts.less(inside[v], high):
                return False
        return self.add(stmt.value, writer, inside)

    def _facts(self) -> Facts:
        facts = Facts(dict(self.nest.known.bounds))
        for v, (low, high) in self.ranges.items():
            facts.assume(Var(v, I64), low, isub(high, ONE))
        return facts


def mirrored(terms: list[Term], known: Facts, extents: Mapping[str, Buffer]) -> Iterator[Summed | Added]:
    """Pairs of terms, no term in two of them."""
    taken: set[Term] = set()
    for first in terms:
        triangle = _triangle(first)
        if triangle is None or first in taken:
            continue
        for second in terms:
            if second is first or second in taken or _triangle(second) is None:
                continue
            found = _summed(first, second, triangle, terms) or _added(first, second, triangle, known, extents)
            if found is None or taken & set(found.terms):
                continue
            if any(all(getattr(t, when) for t in found.terms) for when in ("before", "after")):
                taken |= set(found.terms)
                yield found
                break


def _triangle(term: Term) -> Triangle | None:
    """The triangle of a term, all of whose other ranges are the same in every turn."""
    i, variables = term.outer, set(term.ranges)
    moving = [v for v, (a, b) in term.ranges.items() if (names_in(a) | names_in(b)) & variables]
    if len(moving) != 1 or len(term.ranges) != 3:
        return None
    low, high = term.ranges[i]
    start, end = term.ranges[moving[0]]
    here = Var(i, I64)
    after = iadd(here, ONE)
    for diagonal in (False, True):
        below = same(start, low) and same(end, after if diagonal else here)
        above = same(end, high) and same(start, here if diagonal else after)
        if below or above:
            return Triangle(i, moving[0], (start, end), (low, high), diagonal)
    return None


def _third(term: Term, triangle: Triangle) -> str:
    return next(v for v in term.ranges if v not in (triangle.i, triangle.j))


def _renamed(e: Expr, names: Mapping[str, str]) -> Expr:
    """An expression with variables renamed, its subscripts simplified."""
    return renamed(e, {v: Var(n, I64) for v, n in names.items()})


def _without(all_of: Sequence[Expr], some: Sequence[Expr]) -> tuple[Expr, ...] | None:
    """What is left of some factors without others; None if these are not among them."""
    left = list(all_of)
    for e in some:
        if e not in left:
            return None
        left.remove(e)
    return tuple(left)


def _summed(row: Term, other: Term, mine: Triangle, terms: Sequence[Term]) -> Summed | None:
    """Two terms, mirrored in what is summed."""
    theirs = _triangle(other)
    if theirs is None or row.stmt.storage != other.stmt.storage:
        return None
    k, i, j = _third(row, mine), mine.i, mine.j
    names = {theirs.j: j, _third(other, theirs): k}
    back = {theirs.j: i, i: j, _third(other, theirs): k}
    if {v: (_renamed(a, names), _renamed(b, names)) for v, (a, b) in _named(other.ranges, names).items()} != {
        v: (canonical(a), canonical(b)) for v, (a, b) in row.ranges.items()
    }:
        return None
    used = set[str]().union(*map(names_in, row.index))
    if not {i, k} <= used or j in used or row.index != tuple(_renamed(e, back) for e in other.index):
        return None
    matrix = [x for x in row.elements if k not in names_in(x)]
    rest = [x for x in row.elements if k in names_in(x)]
    if not rest or any(i in names_in(x) for x in rest) or not any({i, j} <= names_in(x) for x in matrix):
        return None
    left = _without([_renamed(x, back) for x in other.elements], rest)
    if left is None or any(k in names_in(x) for x in left) or not any({i, j} <= names_in(x) for x in left):
        return None
    there = {i: Var(j, I64), j: Var(i, I64)}
    second = (*other.scale, *(renamed(x, there) for x in left))
    parts = (*row.scale, *matrix), second
    if mine.diagonal:
        return Summed(row, other, None, mine, (*parts, ()), tuple(rest))
    for term in terms:
        found = _diagonal(term, row, mine, rest)
        if found is not None and term not in (row, other):
            return Summed(row, other, term, mine, (*parts, found), tuple(rest))
    return None


def _named(ranges: Mapping[str, Range], names: Mapping[str, str]) -> dict[str, Range]:
    return {names.get(v, v): r for v, r in ranges.items()}


def _diagonal(term: Term, row: Term, triangle: Triangle, rest: Sequence[Expr]) -> tuple[Expr, ...] | None:
    """The factors d(i) of a term T[i, k] += d(i) X[i, k]; None if it is none."""
    if term.stmt.storage != row.stmt.storage or len(term.ranges) != 2:
        return None
    k = _third(row, triangle)
    own = next(v for v in term.ranges if v != term.outer)
    names = {own: k}
    if not all(same(a, b) for a, b in zip(term.ranges[own], row.ranges[k], strict=True)):
        return None
    if tuple(_renamed(e, names) for e in term.index) != row.index:
        return None
    here = [renamed(x, {triangle.j: Var(triangle.i, I64)}) for x in rest]
    left = _without([_renamed(x, names) for x in term.elements], here)
    return None if left is None or any(k in names_in(x) for x in left) else (*term.scale, *left)


def _added(first: Term, second: Term, mine: Triangle, known: Facts, extents: Mapping[str, Buffer]) -> Added | None:
    """Two terms, mirrored in what is added to."""
    theirs = _triangle(second)
    if theirs is None or first.stmt.storage != second.stmt.storage:
        return None
    k, i, j = _third(first, mine), mine.i, mine.j
    names = {theirs.j: j, _third(second, theirs): k}
    if {v: (_renamed(a, names), _renamed(b, names)) for v, (a, b) in _named(second.ranges, names).items()} != {
        v: (canonical(a), canonical(b)) for v, (a, b) in first.ranges.items()
    }:
        return None
    used = set[str]().union(*map(names_in, first.index))
    if not {i, j} <= used or k in used or first.index != tuple(_renamed(e, names) for e in second.index):
        return None
    if any({i, j} <= names_in(x) or k not in names_in(x) for x in first.elements):
        return None
    sides = [[x for x in first.elements if v in names_in(x)] for v in (i, j)]
    if not all(sides) or len(sides[0]) + len(sides[1]) != len(first.elements):
        return None
    swapped = {**names, theirs.j: i, i: j}
    if _without([_renamed(x, swapped) for x in second.elements], first.elements) != ():
        return None
    if _without(second.scale, first.scale) != ():
        return None
    facts = Facts(dict(known.bounds))
    for v in first.ranges:
        low, high = mine.whole if v == j else first.ranges[v]
        facts.assume(Var(v, I64), low, isub(high, ONE))
    for x in first.elements:
        buffer = extents.get(x.storage)
        if buffer is None or not all(
            facts.nonnegative(e) and facts.less(e, n) for e, n in zip(x.index, buffer.shape, strict=True)
        ):
            return None
    return Added(first, second, mine)
