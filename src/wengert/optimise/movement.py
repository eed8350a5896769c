"""Moving a contraction out of a block of turns: where its product may be formed, and the statements that do it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from wengert.analysis.affine import Facts, constant, iadd, imul, isub, renamed
from wengert.analysis.instances import Instances, Site, Touch, When
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import ONE, ZERO, Block, Buffer, Expr, Load, Loop, Op, Stmt, Storage, Var
from wengert.ir.types import I64
from wengert.ir.walk import loads, names_in, rebuild, substitute
from wengert.optimise.contraction import Contraction, Factor, Range, Recognition, at, shifted

Place: TypeAlias = Literal["before", "after", "here"]


@dataclass(frozen=True, slots=True)
class Copy:
    """A matrix that is copied turn by turn, its axes those of some variables; `guard`: only if that holds."""

    buffer: Buffer
    order: tuple[str, ...]
    guard: Expr | None


class Move:
    """How one contraction leaves its block."""

    def __init__(
        self,
        nest: Instances,
        rules: Recognition,
        found: Contraction,
        names: set[str],
        storages: dict[str, Storage],
        products: Mapping[object, Buffer],
        copied: Mapping[object, Copy],
    ) -> None:
        self.nest, self.rules, self.c, self.names, self.storages = nest, rules, found, names, storages
        self.products = products
        """Those that others have formed before the block."""
        self.known: dict[object, Buffer] = {}
        """Those that this one has."""
        self.copied = dict(copied)
        """Matrices that are copied in the block, by what they are made of."""
        self.path = found.site.loops
        self.target = found.target
        self.everything = (*found.factors[0], *found.factors[1], *found.scale)
        self.in_ranges = Facts(dict(nest.known.bounds))
        for v in [loop.var for loop in self.path]:
            low, high = found.hull[v]
            self.in_ranges.assume(Var(v, I64), low, isub(high, ONE))
        self.copies: dict[int, Copy] = {}
        """By side, the matrices whose elements are copied in the block."""
        self.inserted: dict[int, Block] = {}
        self.before = self._emitter()

    def made(self) -> tuple[Block, Loop, Block] | None:
        """What comes before the turns, the turns without the sum, and what comes after; None if it must stay."""
        place = self._place()
        if place is None or not self._is_safe():
            return None
        if self.c.guarded is not None and self.c.is_masked:
            return None  # what is never added may be NaN, and would be looked into each time
        before, after = self.before, self._emitter()
        if place == "after":
            for side in (0, 1):
                if not all(f.late for f in self.c.factors[side]):
                    self._copy(before, side)
        section = after if place == "after" else before
        if not self.c.contracted:
            if place == "here" or self.c.is_masked or self._reads_target():
                return None
            self._add_outer(section)
            return self._without_sum(before, after)
        product, scale = self._product(section, place)
        if place == "here":
            keep = self.c.free[0] + self.c.free[1]
            depth, stmt = self._insertion(keep)
            e = self._emitter()
            self._add(e, product, scale, self.path[:depth])
            self.inserted[id(stmt)] = (*self.inserted.get(id(stmt), ()), *e.block())
        else:
            self._add(section, product, scale, ())
        return self._without_sum(before, after)

    def _without_sum(self, before: Emitter, after: Emitter) -> tuple[Block, Loop, Block]:
        body = edited(self.nest.loop.body, self.inserted, {id(self.target): ()})
        return before.block(), replace(self.nest.loop, body=body), after.block()

    # -- where it may go

    def _place(self) -> Place | None:
        is_local = self.target.storage in self.nest.local
        early, late = all(f.early for f in self.everything), all(f.late for f in self.everything)
        if not is_local and late and self._is_untouched("after"):
            return "after"
        if not is_local and early and self._is_untouched("before"):
            return "before"
        if early and self._may_add_here():
            return "here"
        if is_local or not all(f.late for f in self.c.scale) or not self._is_untouched("after"):
            return None
        changing = [side for side in (0, 1) if not all(f.late for f in self.c.factors[side])]
        return "after" if all(map(self._may_copy, changing)) else None

    def _is_untouched(self, when: When) -> bool:
        """Whether nothing but sums touches what the sum adds to, before (after) it in the block."""
        return not any(
            self.nest.meets(self.c.site, self.target.storage, self.target.index, t, when) for t in self._users()
        )

    def _users(self) -> Iterator[Touch]:
        touches = self.nest.touches.get(self.nest.aliases.of(self.target.storage), ())
        return (t for t in touches if t.site is not self.c.site and t.kind != "add")

    def _may_add_here(self) -> bool:
        """Whether the sums of each turn can be added at once, where the first of them was."""
        free = self.c.free[0] + self.c.free[1]
        if self.c.outer not in free:
            return False
        depth, stmt = self._insertion(free)
        local = self.nest.local.get(self.target.storage)
        if local is not None and not _in_scope(local, self._site(stmt)):
            return False
        return not any(
            stmt in t.site.loops
            and self.nest.meets(self.c.site, self.target.storage, self.target.index, t, "ever", depth)
            for t in self._users()
        )

    def _insertion(self, keep: Sequence[str]) -> tuple[int, Stmt]:
        """The number of loops around the sum, from the outermost one, over some variables only; what stands there."""
        depth = 0
        while depth < len(self.path) and self.path[depth].var in keep:
            depth += 1
        return depth, self.path[depth] if depth < len(self.path) else self.target

    def _site(self, stmt: Stmt) -> Site:
        return next(s for s in self.nest.sites if s.stmt is stmt)

    def _may_copy(self, side: int) -> bool:
        """Whether the factors of a matrix have the same values where they are copied in each turn."""
        variables = self.c.free[side] + self.c.contracted
        if self.c.outer not in variables:
            return False
        depth, stmt = self._insertion(variables)
        here = self._site(stmt)
        known = self._known(here)
        for f in self.c.factors[side]:
            value = self.rules.inlined(f.value, known)
            if value is None or names_in(value) & (self.nest.variables - set(variables)):
                return False
            for x, site in self.rules.readings(f.value, f.site, known):
                local = self.nest.local.get(x.storage)
                if local is not None and not _in_scope(local, here):
                    return False
                inside = (t for t in self.rules.writes(x.storage) if stmt in t.site.loops and t.site is not self.c.site)
                if any(self.nest.meets(site, x.storage, x.index, t, "ever", depth) for t in inside):
                    return False
        return True

    def _known(self, here: Site) -> frozenset[str]:
        return frozenset(n for n, s in self.nest.lets.items() if _in_scope(s, here))

    # -- subscripts in range

    def _is_safe(self) -> bool:
        """Whether nothing is read out of range, if every range is taken to be its hull; with ranges that are surely
        the same in all turns it is enough that no range is empty."""
        if any(not self._is_inside(f) for f in self.c.scale):
            return False
        if self.c.partial is not None:
            whole = self.c.factors[1 - self.c.partial]
            if not all(map(self._is_inside, whole)) or not self._is_in_range(self.target.storage, self.target.index):
                return False
        return not self.c.is_masked or not self._needs_guard()

    def _needs_guard(self) -> bool:
        return not all(self._is_inside(f) for side in self.c.factors for f in side)

    def _is_inside(self, f: Factor) -> bool:
        whole = self.rules.inlined(f.value)
        return whole is not None and all(self._is_in_range(x.storage, x.index) for x in loads(whole))

    def _is_in_range(self, name: str, index: Sequence[Expr]) -> bool:
        storage = self.storages[name]
        if not isinstance(storage, Buffer):
            return False
        for e, extent in zip(index, storage.shape, strict=True):
            position, end = self.nest.resolved(e), self.nest.resolved(extent)
            if position is None or end is None:
                return False
            position, end = (self._shifted(y) for y in (position, end))
            if not self.in_ranges.nonnegative(position) or not self.in_ranges.less(position, end):
                return False
        return True

    def _shifted(self, e: Expr) -> Expr:
        """An expression with each variable standing for its shifted one."""
        return renamed(e, shifted(self.c.shifts))

    def _extent(self, v: str) -> Expr:
        low, high = self.c.hull[v]
        n = isub(high, low)
        return n if self.nest.known.nonnegative(n) else Op("max", (n, ZERO), I64)

    # -- what is emitted

    def _emitter(self) -> Emitter:
        e = Emitter(span=self.target.span)
        e.taken = self.names
        return e

    def _alloc(self, e: Emitter, hint: str, variables: Sequence[str], zero: bool = False) -> Buffer:
        made = e.alloc(hint, self.target.value.dtype, [self._extent(v) for v in variables], zero=zero)
        return self._declared(made)

    def _declared(self, made: Buffer, base: str | None = None) -> Buffer:
        self.storages[made.name] = made
        self.nest.aliases.parent[made.name] = made.name if base is None else self.nest.aliases.of(base)
        return made

    def _order(self, side: int) -> tuple[str, ...]:
        """The variables of a matrix, rows first."""
        free, contracted = self.c.free[side], self.c.contracted
        return (*free, *contracted) if side == 0 else (*contracted, *free)

    def _values(self, side: int, known: frozenset[str] = frozenset()) -> Expr:
        value: Expr | None = None
        for f in self.c.factors[side]:
            one = self.rules.inlined(f.value, known)
            assert one is not None
            value = one if value is None else b.mul(value, one)
        assert value is not None
        return value

    def _copy(self, before: Emitter, side: int) -> None:
        """Copy a matrix turn by turn, where the sum was; or take one that is copied already, if it is the same wherever
        it is known."""
        order, is_partial = self._order(side), side == self.c.partial
        depth, stmt = self._insertion(order)
        value = self._values(side, self._known(self._site(stmt)))
        guard = self._is_nonempty() if self._needs_guard() else None
        key = None
        is_lasting = all(self._is_complete(x.storage, self._site(stmt)) for x in loads(value))
        if is_lasting and not is_partial and len(order) <= 2:
            key = value, self._ranges_of(order)
            found = self.copied.get(key)
            if found is not None and found.guard in (None, guard):
                self.copies[side] = found
                return
        made = self._alloc(before, "factor", order, zero=is_partial)
        e = self._emitter()
        kept = {loop.var for loop in self.path[:depth]}
        with ExitStack() as stack:
            if guard is not None:
                stack.enter_context(e.if_(guard))
            self._fill(e, made, order, value, kept)
        self.inserted[id(stmt)] = (*self.inserted.get(id(stmt), ()), *e.block())
        self.copies[side] = Copy(made, order, guard)
        if key is not None:
            self.copied[key] = self.copies[side]

    def _is_complete(self, storage: str, here: Site) -> bool:
        """Whether nothing is written, from here on, to a storage of the block around."""
        local = self.nest.local.get(storage)
        writes = self.rules.writes(storage)
        return local is not None and local.loops == here.loops and all(t.site.place < here.place for t in writes)

    def _fill(self, e: Emitter, made: Buffer, order: Sequence[str], value: Expr, kept: set[str]) -> None:
        """Store the elements of a matrix; the loops over some variables are there already."""
        values: dict[str, Expr] = {}
        with ExitStack() as stack:
            for v in sorted(order, key=lambda v: v in self.c.present):  # whose range depends on the outermost variable
                if v not in kept:
                    low, high = self._present(v, values)
                    values[v] = stack.enter_context(e.loop(v, low, high, order="any"))
            index = [isub(values.get(v, self._now(v)), self.c.hull[v][0]) for v in order]
            e.store(made, index, at(self.c, value, values))

    def _present(self, v: str, values: Mapping[str, Expr]) -> Range:
        """The range of a variable in which a matrix's elements count, in a turn of the outermost one."""
        low, high = self.c.present.get(v, self.c.hull[v])
        now = {self.c.outer: values[self.c.outer]} if self.c.outer in values else {}
        return substitute(low, now), substitute(high, now)

    def _now(self, v: str) -> Expr:
        """The shifted variable, in a loop of the block."""
        shift = self.c.shifts.get(v)
        return Var(v, I64) if shift is None else iadd(Var(v, I64), shift)

    def _is_nonempty(self) -> Expr:
        return b.and_(*(b.lt(*self.c.hull[loop.var]) for loop in self.path))

    def _product(self, e: Emitter, place: Place) -> tuple[Buffer, Expr | None]:
        """The product, its axes the free variables', and what it is to be multiplied with."""
        scale: Expr | None = None
        for f in self.c.scale:
            value = self.rules.inlined(f.value)
            assert value is not None
            scale = value if scale is None else b.mul(scale, value)
        if scale is not None:
            # Without terms the product is zero, which is to stay so whatever the scale.
            scale = e.let("scale", b.select(self._has_terms(), scale, 1))
        sides = ((self._values(side), self._order(side)) for side in (0, 1))
        key = (self.c.guarded, tuple(self.c.hull.items()), self.c.partial, tuple(self.c.present.items()), *sides)
        if place != "after" and key in self.products:
            return self.products[key], scale
        guard = self._needs_guard()
        product = self._alloc(e, "product", self.c.free[0] + self.c.free[1], zero=guard)
        with ExitStack() as stack:
            if guard:
                stack.enter_context(e.if_(self._is_nonempty()))
            ins = [self._matrix(e, side, place) for side in (0, 1)]
            out = self._flat(e, product, self.c.free)
            if self.c.partial is not None:
                ranges = self._ranges(e, self.c.partial)
                axis = self._order(self.c.partial).index(self.c.outer)
                e.lib("ranged_matmul", [out], [*ins, *ranges], side=self.c.partial, axis=axis)
            elif self.c.guarded is None:
                e.lib("matmul", [out], ins)
            else:
                e.lib("guarded_matmul", [out], ins, guarded=self.c.guarded)
        if place != "after":
            self.known[key] = product
        return product, scale

    def _ranges(self, e: Emitter, side: int) -> list[Buffer]:
        """From where to where the elements of a matrix count, in each turn of the outermost variable."""
        outer, extent = self.c.outer, self._extent(self.c.outer)
        made = [self._declared(e.alloc(hint, I64, [extent])) for hint in ("first", "end")]
        ((v, _),) = self.c.present.items()
        start, stop = self.c.hull[outer]
        with e.loop(outer, start, stop, order="any") as turn:
            for to, x in zip(made, self._present(v, {outer: turn}), strict=True):
                e.store(to, [isub(turn, start)], isub(x, self.c.hull[v][0]))
        return made

    def _has_terms(self) -> Expr:
        ranges = [self.c.hull[v] for v in self.c.contracted]
        return b.and_(*(b.lt(low, high) for low, high in ranges if not self.nest.known.less(low, high)))

    def _matrix(self, e: Emitter, side: int, place: Place) -> Buffer:
        groups = (self.c.free[0], self.c.contracted) if side == 0 else (self.c.contracted, self.c.free[1])
        copy = self.copies.get(side)
        part = self._view(e, side) if copy is None and side != self.c.partial else None
        if part is not None:
            return self._flat(e, part, groups)
        return self._flat(e, self._turned(e, copy or self._filled(e, side, place), self._order(side)), groups)

    def _filled(self, e: Emitter, side: int, place: Place) -> Copy:
        """A matrix of what its elements are before the block (after it), or one that is there already."""
        order, value, is_partial = self._order(side), self._values(side), side == self.c.partial
        is_early = place != "after" or all(f.early for f in self.c.factors[side])
        key = "before", value, self._ranges_of(order), tuple(self.c.present.items()) if is_partial else ()
        found = self.copied.get(key)
        if found is not None and is_early and len(order) <= 2:
            return found
        is_shared = is_early and not self._needs_guard()
        first = self.before if is_shared else e
        made = Copy(self._alloc(first, "factor", order, zero=is_partial), order, None)
        self._fill(first, made.buffer, order, value, set())
        if is_shared:
            self.copied[key] = made
        return made

    def _ranges_of(self, order: Sequence[str]) -> frozenset[object]:
        return frozenset((v, self.c.hull[v], self.c.shifts.get(v)) for v in order)

    def _turned(self, e: Emitter, copy: Copy, order: tuple[str, ...]) -> Buffer:
        """A copied matrix with its axes in another order."""
        if copy.order == order:
            return copy.buffer
        shape = [self._extent(v) for v in order]
        return self._declared(e.view("turned", copy.buffer, [0, 0], [(1, 1), (0, 1)], shape), copy.buffer.name)

    def _flat(self, e: Emitter, buffer: Buffer, groups: Sequence[Sequence[str]]) -> Buffer:
        """A matrix of the elements of a buffer."""
        if buffer.rank == 2:
            return buffer
        shape: list[Expr] = []
        for group in groups:
            n: Expr = ONE
            for v in group:
                n = imul(n, self._extent(v))
            shape.append(n)
        return self._declared(e.reshape("matrix", buffer, shape), buffer.name)

    def _view(self, e: Emitter, side: int) -> Buffer | None:
        """The matrix as a part of an array, if it is one."""
        order = self._order(side)
        if len(order) != 2 or len(self.c.factors[side]) != 1:
            return None
        x = self.rules.inlined(self.c.factors[side][0].value)
        if not isinstance(x, Load):
            return None
        resolved = [self.nest.resolved(i) for i in x.index]
        index = [self._shifted(i) for i in resolved if i is not None]
        axes: dict[str, tuple[int, int]] = {}
        for k, i in enumerate(index):
            for v in names_in(i) & set(order):
                step = constant(isub(substitute(i, {v: iadd(Var(v, I64), ONE)}), i))
                if v in axes or step is None or step == 0 or any(axis == k for axis, _ in axes.values()):
                    return None
                axes[v] = k, step
        if len(index) < len(resolved) or len(axes) < 2:
            return None
        start = [substitute(i, {v: self.c.hull[v][0] for v in order}) for i in index]
        base = self.storages[x.storage]
        shape = [self._extent(v) for v in order]
        return self._declared(e.view("part", base, start, [axes[v] for v in order], shape), x.storage)

    def _add(self, e: Emitter, product: Buffer, scale: Expr | None, around: Sequence[Loop]) -> None:
        """Add the product's elements, inside some loops of the block or, without any, of all turns."""
        free = self.c.free[0] + self.c.free[1]
        kept = {loop.var for loop in around}
        loops = [v for v in free if v not in kept]
        if self.c.is_masked and self.c.outer in loops:  # the others' ranges depend on it
            loops = [self.c.outer, *(v for v in loops if v != self.c.outer)]
        values: dict[str, Expr] = {}
        with ExitStack() as stack:
            for v in loops:
                now = {self.c.outer: values[self.c.outer]} if self.c.outer in values else {}
                low, high = (substitute(x, now) for x in self.c.domain[v])
                values[v] = stack.enter_context(e.loop(v, low, high, order="any"))
            place = [isub(values.get(v, self._now(v)), self.c.hull[v][0]) for v in free]
            value: Expr = b.load(product, place)
            value = value if scale is None else b.mul(scale, value)
            resolved = [self.nest.resolved(i) for i in self.target.index]
            index = [at(self.c, i, values) for i in resolved if i is not None]
            e.accumulate(self.target.storage, index, b.neg(value) if self.c.negative else value)

    def _reads_target(self) -> bool:
        """Whether a factor that was not copied is of the array that the sum adds to, or of one that may overlap it."""
        aliases = self.nest.aliases
        read = [f for side in (0, 1) if side not in self.copies for f in self.c.factors[side]]
        storages = (x.storage for f in (*read, *self.c.scale) for x, _ in self.rules.readings(f.value, f.site))
        return any(aliases.may_overlap(x, self.target.storage) for x in storages)

    def _add_outer(self, e: Emitter) -> None:
        """Add the products of a column's and a row's elements, row by row."""
        values: dict[str, Expr] = {}
        with ExitStack() as stack:
            if self._needs_guard():
                stack.enter_context(e.if_(self._is_nonempty()))
            for v in (self.path[1].var, self.path[0].var):
                values[v] = stack.enter_context(e.loop(v, *self.c.hull[v], order="any"))
            pair: list[Expr] = []
            for side in (0, 1):
                copy = self.copies.get(side)
                at_once = at(self.c, self._values(side), values)
                if copy is not None:
                    at_once = b.load(copy.buffer, [isub(values[v], self.c.hull[v][0]) for v in copy.order])
                pair.append(at_once)
            if self.c.guarded is not None:
                x, y = pair[self.c.guarded], pair[1 - self.c.guarded]
                pair[self.c.guarded] = b.select(b.ne(y, 0), x, b.select(b.op("isfinite", x), x, 0))
            value = b.mul(*pair)
            for f in self.c.scale:
                scale = self.rules.inlined(f.value)
                assert scale is not None
                value = b.mul(scale, value)
            resolved = [self.nest.resolved(i) for i in self.target.index]
            index = [at(self.c, i, values) for i in resolved if i is not None]
            e.accumulate(self.target.storage, index, b.neg(value) if self.c.negative else value)


def _in_scope(site: Site, here: Site) -> bool:
    """Whether what a statement defines is known at another."""
    n = len(site.place) - 1
    return len(here.place) > n and site.place[:n] == here.place[:n] and site.place[n] < here.place[n]


def edited(block: Block, before: Mapping[int, Block], instead: Mapping[int, Block]) -> Block:
    """A block with statements put before some, and some replaced; loops left without statements go."""
    made: list[Stmt] = []
    for s in block:
        made.extend(before.get(id(s), ()))
        if id(s) in instead:
            made.extend(instead[id(s)])
            continue
        new = rebuild(s, block=lambda inner: edited(inner, before, instead))
        if isinstance(new, Loop) and not new.body and new.stop is not None and new.cond is None:
            continue
        made.append(s if new == s else new)
    return tuple(made)
