"""What single arrays of compiled code take to be stored or made again, at the sizes of a call: the problem of `trades`,
read off the code itself, its footprint and the cost model."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

from wengert.analysis.cost.counts import Counts
from wengert.analysis.cost.model import Model
from wengert.analysis.making import Making, Makings
from wengert.backend.c.footprint import Footprint
from wengert.ir.nodes import Alloc, Block, Const, Loop, Module, Reshape, View
from wengert.optimise.contract import contract
from wengert.optimise.fuse import SIZE, Joins
from wengert.optimise.make_again import make_again
from wengert.trades import Trades, Value

SMALL = 512
"""Bytes up to which arrays of fixed extents lie on the machine stack."""


@dataclass(frozen=True, slots=True)
class Remade:
    """Arrays of the code that are made `again`, and those that are `kept` for that though nothing else needs them."""

    again: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @staticmethod
    def of(problem: Trades, stored: Sequence[bool]) -> Remade:
        """What a selection makes again, and keeps for that."""
        pairs = list(zip(problem.values, stored, strict=True))
        return Remade(
            tuple(v.name for v, s in pairs if not s and v.first is not None),
            tuple(v.name for v, s in pairs if s and v.first is None),
        )

    def __bool__(self) -> bool:
        return bool(self.again)


@dataclass(frozen=True, slots=True)
class Priced:
    """An array that waits for the reverse sweep: its bytes, and the seconds to make it again (None: it cannot be)."""

    making: Making
    bytes: int
    seconds: float | None


class Trading:
    """The arrays of one module's root."""

    def __init__(self, module: Module) -> None:
        self.module, self.root = module, module.root

    @cached_property
    def makings(self) -> Makings:
        return Makings.of(self.module, self.root.name)

    @cached_property
    def _joins(self) -> dict[str, bool]:
        """Whether an array becomes a number when it is made again where it is used. As many as are fused together with
        one nest, the small ones first."""
        joins, body = Joins(self.module, self.root.name), self.root.body
        found = dict.fromkeys(self.makings.arrays, False)
        room: dict[int, int] = {}
        parts = [(m, m.block[0]) for m in self.makings.arrays.values() if m.block is not None and len(m.block) == 1]
        for m, part in sorted(parts, key=lambda x: joins.size(x[1])):
            if len(m.late) == 1 and joins.may(part, body[k := m.late[0]], m.name):
                left = room.get(k, SIZE - joins.size(body[k])) - joins.size(part)
                if left >= 0:
                    found[m.name], room[k] = True, left
        return found

    @cached_property
    def _alloc(self) -> dict[str, int]:
        return {s.buffer.name: k for k, s in enumerate(self.root.body) if isinstance(s, Alloc)}

    @cached_property
    def _vanishes(self) -> dict[str, bool]:
        """Whether an array becomes a number where it is made first, if nothing else uses that."""
        return {m.name: m.early == m.last and self._is_number(m) for m in self.makings.arrays.values()}

    def _is_number(self, m: Making) -> bool:
        alloc, maker = (self.root.body[k] for k in (self._alloc[m.name], m.last))
        f = replace(self.root, body=(alloc, maker), results=())
        (made,) = contract(Module({f.name: f}, f.name)).functions.values()
        return isinstance(maker, Loop) and not any(isinstance(s, Alloc) and s.buffer.shape for s in made.body)

    def code(self, remade: Remade) -> Module:
        """The module with these arrays made again."""
        return make_again(self.module, self.makings, remade.again, {*remade.kept, *self._free})

    @cached_property
    def _free(self) -> set[str]:
        """Arrays that take no memory of the arena."""
        return {m.name for m in self.makings.arrays.values() if _is_small(m)}

    def priced(self, sizes: Mapping[str, int]) -> dict[str, Priced]:
        """All arrays that are made before the turn, with what they take and cost."""
        known = {n: float(x) for n, x in sizes.items()}
        asked: dict[int, list[Block]] = {}
        for m in self.makings.arrays.values():
            asked.setdefault(m.last, []).append(m.block or ())
        costs = Model(self.module).along(self.root.name, known, asked)
        counts = Counts(self.root, known)
        found: dict[str, Priced] = {}
        for m in self.makings.arrays.values():
            cost = costs[m.last].pop(0)
            seconds = cost.core if self._joins[m.name] else cost.seconds
            size = 0 if m.name in self._free else max(int(-(-counts.size(m.buffer) // 64)), 1) * 64
            found[m.name] = Priced(m, size, None if m.block is None else seconds)
        return found

    def problem(self, sizes: Mapping[str, int], footprint: Footprint) -> Trades:
        """The problem at these sizes; `footprint`: of the module as it is."""
        priced = {n: p for n, p in self.priced(sizes).items() if n not in self._free}
        operands = {n: set(p.making.operands) & priced.keys() for n, p in priced.items() if p.seconds is not None}
        seconds = {n: inf if p.seconds is None else p.seconds for n, p in priced.items()}
        parts: dict[str, list[str]] = {n: [n] for n in priced}
        for n in reversed(list(priced)):
            if priced[n].making.late:
                continue
            users = [w for w, found in operands.items() if n in found]
            if users and (len(users) > 1 or n not in operands):
                continue
            mine = operands.pop(n, set())
            for w in users:  # made again with what it is for
                operands[w] = (operands[w] | mine) - {n}
                seconds[w] += seconds[n]
                parts[w] += parts[n]
            del seconds[n]
        number = {n: k for k, n in enumerate(n for n in priced if n in seconds)}
        values: list[Value] = []
        for n in number:
            m, size = priced[n].making, priced[n].bytes
            needs = tuple(sorted(number[x] for x in operands.get(n, ()) if x in number))
            early = self._alloc[n] - 1 if self._vanishes[n] else m.early
            first, last = (2 * m.late[0], 2 * m.late[-1] + 1) if m.late else (None, None)
            held = 0 if self._joins[n] else size
            extra = self._extra(parts[n], priced)
            values.append(Value(n, size, seconds[n], needs, 2 * early + 1, first, last, held, extra))
        return Trades(tuple(values), self._points(footprint, {v.first for v in values}))

    def _extra(self, parts: list[str], priced: Mapping[str, Priced]) -> int:
        """The most bytes beyond those of an array that are there while it is made again, with others in between."""
        order = sorted(parts, key=lambda n: priced[n].making.last)
        most = 0
        for k, n in enumerate(order):
            later = [priced[x].making.operands for x in order[k:]]
            needed = [x for x in order[:k] if any(x in found for found in later)]
            most = max(most, sum(priced[x].bytes for x in (n, *needed)))
        return most - priced[order[-1]].bytes

    def _points(self, footprint: Footprint, events: Container[int | None]) -> tuple[int, ...]:
        """Bytes before (2 k) and during (2 k + 1) every statement k. Arrays that are made just before a statement that
        uses them first come after what is made again."""
        found: list[int] = []
        before = 0
        for k, (s, moment) in enumerate(zip(self.root.body, footprint.moments, strict=True)):
            found += [before if 2 * k in events else 0, moment.most]
            before = before if isinstance(s, (Alloc, View, Reshape)) else moment.after
        return tuple(found)


def _is_small(m: Making) -> bool:
    size = m.buffer.dtype.numpy.itemsize
    for e in m.buffer.shape:
        if not isinstance(e, Const):
            return False
        size *= max(int(e.value.real), 0)
    return size <= SMALL
