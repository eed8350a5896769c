"""Contractions in loops: which sums are products of two matrices, and what they are made of.

A sum C[f] += a * b inside loops, over all their turns, is a contraction if every loop variable is *free* (what is added
to depends on it, and one of a and b does) or *contracted* (both a and b depend on it, what is added to does not). Then
it is a matrix product of a, as a matrix of its free by the contracted variables, and b. Sums of a * b that leave out
what is not finite in a where b is 0, as derivatives do, are products of their own kind (`guarded_matmul`).

The outermost loop is run in blocks of turns (`Block`), within which the range of every other variable must be the same
in all turns. Where it is not (triangles) the product of all that occur in the block may be formed if the variable and
the outermost one are both free, as no element depends on more than its row and column; else the range is cut into a
part that is the same in all turns and the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from wengert.analysis.affine import constant, iadd, isub, renamed
from wengert.analysis.instances import Instances, Site, Touch
from wengert.ir import build as b
from wengert.ir.nodes import ONE, Accumulate, Const, Expr, Extent, Let, Load, Loop, Op, Select, Var
from wengert.ir.ops import CHECKED
from wengert.ir.types import I64
from wengert.ir.walk import loads, map_expr, names_in, subexpressions, substitute

SMALL = 16
"""Constant extents below this are left to loops."""
SIZE = 80
"""The most nodes of a factor that is computed anew."""

Range = tuple[Expr, Expr]


@dataclass(frozen=True, slots=True)
class Turns:
    """A block of turns low <= i < high of the outermost loop."""

    low: Expr
    high: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """A factor, an expression at a site. `early`, `late`: whether it has the same value when computed before (after)
    the whole block; it depends on `variables`, among them the outermost loop's if it is neither."""

    value: Expr
    site: Site
    variables: frozenset[str]
    early: bool
    late: bool


@dataclass(frozen=True, slots=True)
class Contraction:
    """`guarded`: the side, if any, whose elements count as 0 where they are not finite and meet a 0 of the other side;
    each side is then one factor. `shifts`: the range and the subscripts are those of each variable plus its shift,
    which may depend on the outermost one. `domain`: the range in each turn of that one; `hull`: that of all turns
    together. `partial`: the side, if any, whose elements count in a part of the hull only (`present`, by variable, the
    range in each turn) and are zeros elsewhere, so that `domain` is the hull."""

    site: Site
    negative: bool
    scale: tuple[Factor, ...]
    guarded: int | None
    factors: tuple[tuple[Factor, ...], tuple[Factor, ...]]
    free: tuple[tuple[str, ...], tuple[str, ...]]
    contracted: tuple[str, ...]
    shifts: Mapping[str, Expr]
    domain: Mapping[str, Range]
    hull: Mapping[str, Range]
    partial: int | None = None
    present: Mapping[str, Range] = field(default_factory=dict[str, Range])

    @property
    def target(self) -> Accumulate:
        assert isinstance(self.site.stmt, Accumulate)
        return self.site.stmt

    @property
    def outer(self) -> str:
        return self.site.loops[0].var

    @property
    def is_masked(self) -> bool:
        """Whether the product has elements that are not to be added."""
        return any(self.domain[v] != self.hull[v] for v in self.domain)


@dataclass(frozen=True, slots=True)
class Cut:
    """A loop whose range is to be cut at a place, below (above) which it is the same in all turns of the block."""

    loop: Loop
    at: Expr
    below: bool


@dataclass(frozen=True, slots=True)
class Factored:
    """A sum over the innermost loop of `rest` times `common`, which does not change in it."""

    rest: Expr
    common: Expr


class Recognition:
    """Recognises contractions among the sums of a loop, whose range is the block's."""

    def __init__(self, nest: Instances, block: Turns, turns: Expr, done: frozenset[str]) -> None:
        """`turns`: the number of turns of all blocks; `done`: variables of loops that have been cut."""
        self.nest, self.block, self.turns, self.done = nest, block, turns, done
        self.outer = nest.loop.var

    def contraction(self, site: Site) -> Contraction | Cut | None:
        """The contraction that a sum is; or what is to be cut first; or None."""
        stmt = site.stmt
        if not isinstance(stmt, Accumulate) or stmt.op != "add" or not stmt.value.dtype.is_inexact:
            return None
        if len(site.loops) < 2 or any(not _is_counted(loop) for loop in site.loops) or _is_guarded(site):
            return None
        if any(self.nest.resolved(e) is None for e in stmt.index):
            return None
        path = [loop.var for loop in site.loops]
        domain = self._domain(site)
        if domain is None:
            return None
        negative, pieces, guarded = self._terms(stmt.value, site)
        shifts = self._shifts(site, pieces)
        factors = [self._factor(e, at, site, shifts) for e, at in pieces]
        if any(f is None for f in factors):
            return None
        known = [f for f in factors if f is not None]
        free = self._target_variables(site, shifts)
        split = self._sides(known, path, free)
        if split is None:
            return None
        sides, scale = split
        if guarded and (scale or any(len(side) != 1 for side in sides)):
            return None
        variables = [frozenset[str]().union(*(f.variables for f in side)) for side in sides]
        contracted = tuple(v for v in path if v not in free)
        if any(v not in side for v in contracted for side in variables):
            return None
        if not contracted and not self._fills_down(stmt, path, shifts):
            return None
        frees = [tuple(v for v in path if v in side and v in free) for side in variables]
        if len(frees[0]) + len(frees[1]) + len(contracted) != len(path):
            return None
        if not frees[0] and not self._runs_down(sides[1], path, shifts):
            return None
        domain = {
            v: (iadd(a, shifts[v]), iadd(b, shifts[v])) if v in shifts else (a, b) for v, (a, b) in domain.items()
        }
        hull: dict[str, Range] = {self.outer: (self.block.low, self.block.high)}
        present: dict[str, Range] = {}
        for loop in site.loops[1:]:
            found = self._hull(loop, domain[loop.var], shifts.get(loop.var), self.outer in free and loop.var in free)
            if isinstance(found, Cut) and loop.var in self.done:
                present[loop.var] = domain[loop.var]
                found = self._hull(loop, domain[loop.var], None, True)
            if not isinstance(found, tuple):
                return found if frees[0] else None
            hull[loop.var] = found
        domain = {**domain, **{v: hull[v] for v in (self.outer, *present)}}
        partial = next((k for k in (0, 1) if {self.outer, *present} == set(variables[k]) & set(path)), None)
        if present and (partial is None or guarded or not frees[0] or len(present) > 1):
            return None
        if partial is not None and present:  # where there are no terms, nothing is scaled
            sides = [[*side, *scale] if k == partial else side for k, side in enumerate(sides)]
            scale = []
        for group in (frees[0], frees[1], contracted):
            sizes = [constant(self.turns if v == self.outer else isub(hull[v][1], hull[v][0])) for v in group]
            if sizes and None not in sizes and _product(sizes) < SMALL:
                return None
        if frees[0] and self._is_turned(stmt, frees, path):
            sides, frees = sides[::-1], frees[::-1]
            partial = None if partial is None else 1 - partial
        return Contraction(
            site,
            negative,
            tuple(scale),
            int(sides[1][0].value is pieces[0][0]) if guarded else None,
            (tuple(sides[0]), tuple(sides[1])),
            (frees[0], frees[1]),
            contracted,
            shifts,
            domain,
            hull,
            partial if present else None,
            present,
        )

    # -- ranges

    def _domain(self, site: Site) -> dict[str, Range] | None:
        """The range of each inner variable, which may depend on the outermost one only."""
        domain: dict[str, Range] = {}
        inner = {loop.var for loop in site.loops[1:]}
        for loop in site.loops[1:]:
            found = self.nest.range(loop)
            if found is None or names_in(found[0]) & inner or names_in(found[1]) & inner:
                return None
            if not names_in(found[0]).isdisjoint(self.nest.variables - {self.outer}):
                return None
            if not names_in(found[1]).isdisjoint(self.nest.variables - {self.outer}):
                return None
            domain[loop.var] = found
        return domain

    def _shifts(self, site: Site, pieces: list[tuple[Expr, Site]]) -> dict[str, Expr]:
        """For variables that arrays are indexed with relative to the outermost one, by how much."""
        found: dict[str, Expr] = {}
        touched = [x for e, at in pieces for x, _ in self.readings(e, at)]
        rows = [x.index for x in touched if x.storage not in self.nest.local]
        if isinstance(site.stmt, Accumulate) and site.stmt.storage not in self.nest.local:
            rows.append(site.stmt.index)
        for loop in site.loops[1:]:
            counts: dict[Expr, int] = {}
            for e in (e for row in rows for e in row):
                index = self.nest.resolved(e)
                if index is not None and loop.var in names_in(index):
                    moved = self._outer_part(isub(index, Var(loop.var, I64)))
                    if moved is not None:
                        counts[moved] = counts.get(moved, 0) + 1
            best = max(counts, key=lambda s: (counts[s], s == Const(0, I64)), default=None)
            if best is not None and best != Const(0, I64):
                found[loop.var] = best
        return found

    def _outer_part(self, rest: Expr) -> Expr | None:
        """The multiple of the outermost variable in an expression that has no other variable."""
        if names_in(rest) & (self.nest.variables - {self.outer}):
            return None
        slope = self._slope(rest)
        return None if slope is None else iadd(Const(0, I64), Op("mul", (Const(slope, I64), Var(self.outer, I64)), I64))

    def _slope(self, e: Expr) -> int | None:
        """How much an expression grows with each turn."""
        return constant(isub(substitute(e, {self.outer: iadd(Var(self.outer, I64), ONE)}), e))

    def _hull(self, loop: Loop, domain: Range, shift: Expr | None, both_free: bool) -> Range | Cut | None:
        slopes = [self._slope(e) for e in domain]
        if None in slopes:
            return None
        low, high = domain
        if slopes == [0, 0]:
            return low, high
        if slopes[0] and slopes[1]:
            return None
        if both_free:
            return (self._extreme(low, slopes[0], least=True), self._extreme(high, slopes[1], least=False))
        facts = self.nest.facts((self.nest.loop,))
        below = bool(slopes[1])
        if below:
            at = self._extreme(high, slopes[1], least=True)
            at = at if facts.nonnegative(isub(at, low)) else Op("max", (at, low), I64)
        else:
            at = self._extreme(low, slopes[0], least=False)
            at = at if facts.nonnegative(isub(high, at)) else Op("min", (at, high), I64)
        return Cut(loop, at if shift is None else isub(at, shift), below)

    def _extreme(self, e: Expr, slope: int | None, least: bool) -> Expr:
        """The least (greatest) value of an expression in the block."""
        if not slope:
            return e
        end = self.block.low if (slope > 0) == least else isub(self.block.high, ONE)
        return substitute(e, {self.outer: end})

    # -- factors

    def _terms(self, e: Expr, at: Site) -> tuple[bool, list[tuple[Expr, Site]], bool]:
        """The factors of a product, and whether it is negated; whether the first is 0 where it is not finite and the
        second is 0."""
        flipped = False
        product, where = self._named(e, at)
        while isinstance(product, Op) and product.name == "neg":
            flipped = not flipped
            product, where = self._named(product.args[0], where)
        found = _unguarded(product)
        if found is None:
            return (*self._pieces(e, at), False)
        factor, other = found
        negative, rest = self._pieces(other, where)
        return negative != flipped, [self._named(factor, where), *rest], True

    def _named(self, e: Expr, at: Site) -> tuple[Expr, Site]:
        """What a name inside the loop stands for, and where."""
        while isinstance(e, Var) and e.name in self.nest.lets:
            at = self.nest.lets[e.name]
            assert isinstance(at.stmt, Let)
            e = at.stmt.value
        return e, at

    def _pieces(self, e: Expr, at: Site) -> tuple[bool, list[tuple[Expr, Site]]]:
        """The factors of a product, through names, and whether it is negated."""
        match e:
            case Op("mul", (a, b)):
                left, right = self._pieces(a, at), self._pieces(b, at)
                return left[0] != right[0], left[1] + right[1]
            case Op("neg", (a,)):
                negative, pieces = self._pieces(a, at)
                return not negative, pieces
            case Var(name) if name in self.nest.lets:
                site = self.nest.lets[name]
                assert isinstance(site.stmt, Let)
                if isinstance(site.stmt.value, Var) or (
                    isinstance(site.stmt.value, Op) and site.stmt.value.name in ("mul", "neg")
                ):
                    return self._pieces(site.stmt.value, site)
                return False, [(e, at)]
            case _:
                return False, [(e, at)]

    def _factor(self, e: Expr, at: Site, total: Site, shifts: Mapping[str, Expr]) -> Factor | None:
        """A factor and what it depends on; None if that is not known or it may fail."""
        whole = self.inlined(e)
        if whole is None or any(isinstance(x, Op) and x.name in CHECKED for x in subexpressions(whole)):
            return None
        inside = {x.storage for x in subexpressions(whole) if isinstance(x, Extent)} & self.nest.inside
        if inside:
            return None
        variables = names_in(renamed(whole, shifted(shifts))) & self.nest.variables
        if variables - {loop.var for loop in total.loops}:
            return None
        early = late = True
        for x, site in self.readings(e, at):
            writes = list(self.writes(x.storage))
            if any(t.site is total and self.nest.meets(site, x.storage, x.index, t, "before") for t in writes):
                return None  # the sum reads what it has added
            if x.storage in self.nest.local:
                early = late = False
                variables |= {loop.var for loop in self.nest.local[x.storage].loops}
                continue
            others = [t for t in writes if t.site is not total]
            early = early and not any(self.nest.meets(site, x.storage, x.index, t, "before") for t in others)
            late = late and not any(self.nest.meets(site, x.storage, x.index, t, "after") for t in others)
        if not early and not late:
            variables |= {self.outer}
        return Factor(e, at, frozenset(variables), early, late)

    def factored(self, site: Site) -> Factored | None:
        """What is common to all terms of a sum over the innermost loop, if at least two other factors are left."""
        stmt = site.stmt
        if not isinstance(stmt, Accumulate) or stmt.op != "add" or not stmt.value.dtype.is_inexact:
            return None
        if len(site.loops) < 3 or not all(map(_is_counted, site.loops)) or _is_guarded(site):
            return None
        loop = site.loops[-1]
        index = [self.nest.resolved(e) for e in stmt.index]
        if any(e is None or loop.var in names_in(e) for e in index) or not self._is_settled(stmt.storage, loop, True):
            return None
        outside = frozenset(n for n, s in self.nest.lets.items() if loop not in s.loops)
        negative, pieces = self._pieces(stmt.value, site)
        common: list[Expr] = []
        rest: list[Expr] = []
        for e, at in pieces:
            value = self.inlined(e, outside)
            read = [x.storage for x, _ in self.readings(e, at, outside)]
            if value is not None and loop.var not in names_in(value) and all(self._is_settled(x, loop) for x in read):
                common.append(value)
            elif at is site or not any(loads(e)):
                rest.append(e)
            else:
                return None
        if len(rest) < 2 or not any(names_in(e) & (self.nest.inside | self.nest.variables) for e in common):
            return None
        whole = common[0]
        for e in common[1:]:
            whole = b.mul(whole, e)
        value = rest[0]
        for e in rest[1:]:
            value = b.mul(value, e)
        return Factored(b.neg(value) if negative else value, whole)

    def _is_settled(self, storage: str, loop: Loop, sums: bool = False) -> bool:
        """Whether a storage is declared outside a loop and not written in it (apart from sums, and then not read)."""
        local = self.nest.local.get(storage)
        if local is not None and loop in local.loops:
            return False
        touches = self.nest.touches.get(self.nest.aliases.of(storage), ())
        return all(loop not in t.site.loops or t.kind == ("add" if sums else "load") for t in touches)

    def writes(self, storage: str) -> Iterator[Touch]:
        """What writes to the storage's class."""
        return (t for t in self.nest.touches.get(self.nest.aliases.of(storage), ()) if t.kind != "load")

    def readings(self, e: Expr, at: Site, known: frozenset[str] = frozenset()) -> Iterator[tuple[Load, Site]]:
        """The elements an expression depends on, through names that are not known, and where they are read. Each name
        is followed once: derivatives share so much that walking all ways to a load would never end."""
        seen = set(known)
        todo = [(e, at)]
        while todo:
            value, where = todo.pop()
            for x in subexpressions(value):
                if isinstance(x, Load):
                    yield x, where
                elif isinstance(x, Var) and x.name in self.nest.lets and x.name not in seen:
                    seen.add(x.name)
                    site = self.nest.lets[x.name]
                    assert isinstance(site.stmt, Let)
                    todo.append((site.stmt.value, site))

    def inlined(self, e: Expr, known: frozenset[str] = frozenset()) -> Expr | None:
        """An expression in terms of memory and of names that are known or come from outside the loop; None if it
        grows too large or depends on anything else."""
        nodes = 0

        def value(x: Expr) -> Expr:
            nonlocal nodes
            nodes += 1
            if not isinstance(x, Var) or x.name in known or x.name not in self.nest.inside:
                return x
            if x.name in self.nest.variables:
                return x
            site = self.nest.lets.get(x.name)
            if site is None or nodes > SIZE:
                raise _UnknownName
            assert isinstance(site.stmt, Let)
            return map_expr(value, site.stmt.value)

        try:
            made = map_expr(value, e)
        except _UnknownName:
            return None
        return made if nodes <= SIZE else None

    def _target_variables(self, site: Site, shifts: Mapping[str, Expr]) -> frozenset[str]:
        """The variables that what is added to depends on."""
        stmt = site.stmt
        assert isinstance(stmt, Accumulate)
        index = [r for e in stmt.index if (r := self.nest.resolved(e)) is not None]
        found = {n for e in index for n in names_in(renamed(e, shifted(shifts)))}
        if stmt.storage in self.nest.local:
            found |= {loop.var for loop in self.nest.local[stmt.storage].loops}
        return frozenset(found & self.nest.variables)

    def _sides(
        self, factors: list[Factor], path: list[str], free: frozenset[str]
    ) -> tuple[list[list[Factor]], list[Factor]] | None:
        """The factors of the two matrices, told apart by the free variables, and those that depend on none."""
        groups: list[tuple[set[str], list[Factor]]] = []
        rest: list[Factor] = []
        for f in factors:
            mine = set(f.variables & free)
            if not mine:
                rest.append(f)
                continue
            joined = [g for g in groups if g[0] & mine]
            groups = [g for g in groups if not g[0] & mine]
            groups.append((mine.union(*(g[0] for g in joined)), [*(x for g in joined for x in g[1]), f]))
        if len(groups) == 1 and len(path) == 2:
            weights = [f for f in rest if f.variables]
            return ([weights, groups[0][1]], [f for f in rest if not f.variables]) if weights else None
        if len(groups) != 2:
            return None
        sides = [group[1] for group in groups]
        for f in rest:
            if f.variables:  # of contracted ones only: a weight, that goes where a factor is computed anyway
                min(sides, key=lambda side: len(side) == 1).append(f)
        return sides, [f for f in rest if not f.variables]

    def _runs_down(self, side: list[Factor], path: list[str], shifts: Mapping[str, Expr]) -> bool:
        """Whether sums of one turn each run down a column, so that those of many turns at once run along rows."""
        value = self.inlined(side[0].value) if len(side) == 1 else None
        if not isinstance(value, Load) or len(path) != 2 or not value.index:
            return False
        resolved = [self.nest.resolved(e) for e in value.index]
        index = [set(path) & names_in(renamed(e, shifted(shifts))) for e in resolved if e is not None]
        return len(index) == len(resolved) and index[-1] == {path[0]} and {path[1]} in index[:-1]

    def _fills_down(self, stmt: Accumulate, path: list[str], shifts: Mapping[str, Expr]) -> bool:
        """Whether each turn adds to a column, so that many turns at once add to rows."""
        resolved = [self.nest.resolved(e) for e in stmt.index]
        index = [set(path) & names_in(renamed(e, shifted(shifts))) for e in resolved if e is not None]
        is_local = stmt.storage in self.nest.local
        return not is_local and len(path) == 2 and index[-1:] == [{path[0]}] and {path[1]} in index[:-1]

    def _is_turned(self, stmt: Accumulate, free: list[tuple[str, ...]], path: list[str]) -> bool:
        """Whether the first matrix is to be the second: the columns of the product are what the last subscript of what
        is added to moves with, or else the inner loops."""
        last = self.nest.resolved(stmt.index[-1]) if stmt.index else None
        moving = set[str]() if last is None else names_in(last) & set(path)
        return bool(moving & set(free[0])) if moving else path.index(free[0][0]) > path.index(free[1][0])


class _UnknownName(Exception):
    """An expression depends on more than memory and names from outside."""


def _unguarded(e: Expr) -> tuple[Expr, Expr] | None:
    """x and y if an expression is x y, but 0 where y is 0 and x is not finite."""
    match e:
        case Op(
            "mul", (Select(Op("ne", (tested, Const(0))), x, Select(Op("isfinite", (looked_at,)), again, Const(0))), y)
        ) if tested == y and looked_at == x == again:
            return x, y
        case _:
            return None


def _is_counted(loop: Loop) -> bool:
    return loop.cond is None and loop.stop is not None and loop.step in (1, -1)


def _is_guarded(site: Site) -> bool:
    """Whether a branch is between the statement and the loops around it."""
    return len(site.place) != 2 * len(site.loops) - 1


def _product(sizes: list[int | None]) -> int:
    total = 1
    for s in sizes:
        total *= s or 0
    return total


def shifted(shifts: Mapping[str, Expr]) -> dict[str, Expr]:
    """What to put for shifted variables, in terms of what they are shifted to, under the same names."""
    return {v: isub(Var(v, I64), shift) for v, shift in shifts.items()}


def at(contraction: Contraction, e: Expr, values: Mapping[str, Expr]) -> Expr:
    """An expression with the (shifted) variables replaced; shifts are by the outermost one given, if it is."""
    outer = {contraction.outer: values[contraction.outer]} if contraction.outer in values else {}
    shifts = contraction.shifts
    return renamed(e, {v: isub(x, substitute(shifts[v], outer)) if v in shifts else x for v, x in values.items()})
