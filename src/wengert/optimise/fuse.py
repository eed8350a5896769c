"""Fusion: loops over the same range that share data become one, so that what one writes the other reads from registers.

Contract: two `any` loops with the same bounds are fused if whatever one of them writes and the other touches is, in
both, an element that moves with the loop variable in the same way, so that iterations stay independent; or is
only added to by both; statements between them move out of the way only if nothing depends on their order. Results are
the same to the last bit, but for the order in which contributions to one element are added. Loops that can run in
vector lanes are not fused with ones that cannot, or if the fused one cannot.

Source: K. Kennedy, K. McKinley, "Maximizing loop parallelism and improving data locality via loop fusion and
distribution", LCPC 1993.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wengert.analysis.access import (
    Access,
    Effects,
    accesses,
    common_axis,
    effects,
    folded,
    is_plain,
)
from wengert.analysis.affine import same
from wengert.analysis.alias import AliasAnalysis, Aliases, analyse
from wengert.analysis.lanes import in_lanes
from wengert.ir.libops import SILENT
from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Call,
    Fail,
    Function,
    If,
    Let,
    LibCall,
    Loop,
    Module,
    Op,
    Pop,
    Push,
    Resize,
    Stmt,
    Store,
    Var,
)
from wengert.ir.ops import CHECKED
from wengert.ir.types import I64
from wengert.ir.walk import (
    definitions,
    expressions,
    function_names,
    loads,
    rebuild,
    rename_block,
    statements,
    subexpressions,
    substitute_block,
    unused,
    used,
)

REACH = 12
"""How many statements back a partner is looked for."""
SIZE = 150
"""The most statements in a fused body: gcc allocates registers badly beyond."""


def fuse(module: Module) -> Module:
    """Every function with its loops fused, outermost first."""
    aliases = analyse(module)
    functions = {n: _Fuser(f, aliases).function() for n, f in module.functions.items()}
    return Module(functions, module.entry)


def fuse_parts(module: Module, name: str, parts: Sequence[tuple[int, int]]) -> Module:
    """One function with the loops fused of these stretches of its top level, each by itself: [first, beyond)."""
    f = module.functions[name]
    fuser, body, at = _Fuser(f, analyse(module)), list[Stmt](), 0
    for first, beyond in parts:
        body += [*f.body[at:first], *fuser.block(f.body[first:beyond])]
        at = beyond
    made = replace(f, body=(*body, *f.body[at:]))
    return Module({**module.functions, name: made}, module.entry)


class Joins:
    """Whether the nests of one function could be fused with what makes their arrays again."""

    def __init__(self, module: Module, name: str) -> None:
        self.fuser = _Fuser(module.functions[name], analyse(module))

    def size(self, stmt: Stmt) -> int:
        """How many statements there are, of SIZE in a fused loop at the most."""
        return self.fuser.kind(stmt).size if isinstance(stmt, Loop) else 1

    def may(self, first: Stmt, second: Stmt, array: str) -> bool:
        """Whether a nest that makes an array, under another name, before one that uses it is fused with that."""
        fuser = self.fuser
        of = fuser.aliases.of
        seen = {n for s in statements((second,)) for n in used(s) if n in fuser.aliases.parent and of(n) == of(array)}
        if seen != {array}:
            return False
        again = {array: fuser.fresh(array)}
        (a,), (b,) = (rename_block((s,), again) for s in (first, second))
        return isinstance(a, Loop) and isinstance(b, Loop) and is_plain(b) and fuser.may_fuse(a, b)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What does not change with a loop's names: its statements' number, whether they are simple, contain loops."""

    loop: Loop
    size: int
    simple: bool
    deep: bool


class _Fuser:
    def __init__(self, f: Function, aliases: AliasAnalysis) -> None:
        self.f, self.calls = f, aliases
        self.aliases: Aliases = aliases.aliases[f.name]
        self.names = function_names(f)
        self.folded = folded(f.body, self.aliases)
        self._effects: dict[int, tuple[Stmt, Effects]] = {}
        self._kinds: dict[int, _Kind] = {}
        self._lanes: dict[int, tuple[Loop, bool]] = {}

    def function(self) -> Function:
        body = self.block(self.f.body)
        return self.f if body == self.f.body else replace(self.f, body=body)

    def block(self, block: Block) -> Block:
        out: list[Stmt] = []
        for stmt in block:
            out.append(stmt)
            place: int | None = len(out) - 1
            while place is not None:  # a fused loop may be fused again, further up
                loop = out[place]
                place = self._join(out, place, loop) if isinstance(loop, Loop) and is_plain(loop) else None
        made = tuple(rebuild(s, block=self.block) for s in out)
        return block if made == block else made

    def effects(self, stmt: Stmt) -> Effects:
        found = self._effects.get(id(stmt))
        if found is None:
            found = self._effects[id(stmt)] = stmt, effects(stmt, self.aliases, self.calls)
        return found[1]

    def kind(self, loop: Loop) -> _Kind:
        found = self._kinds.get(id(loop))
        if found is None:
            inside = list(statements(loop.body))
            deep = any(isinstance(s, Loop) for s in inside)
            found = self._kinds[id(loop)] = _Kind(loop, len(inside), all(map(is_simple, inside)), deep)
        return found

    def in_lanes(self, loop: Loop) -> bool:
        found = self._lanes.get(id(loop))
        if found is None:
            found = self._lanes[id(loop)] = loop, in_lanes(loop, self.aliases)
        return found[1]

    def _join(self, out: list[Stmt], place: int, loop: Loop) -> int | None:
        """Fuse the loop at a place with an earlier statement, if that is possible; statements in between that it needs
        move before that one. The fused loop's place, or None."""
        mine = self.effects(loop)
        needed: list[Stmt] = []
        passed: list[Stmt] = []
        for k in range(place - 1, max(-1, place - 1 - REACH), -1):
            stmt = out[k]
            theirs = self.effects(stmt)
            blocked = any(theirs.before(self.effects(n)) for n in needed)
            if isinstance(stmt, Loop) and not blocked and self.may_fuse(stmt, loop):
                out[k : place + 1] = [*reversed(needed), self._fused(stmt, loop), *reversed(passed)]
                return k + len(needed)
            if theirs.before(mine) or blocked:
                # It stays before the loop: it must be able to go before whatever lies further back, too.
                if not isinstance(stmt, (Alloc, Let, Store, Accumulate)) or not cannot_fail(stmt):
                    return None
                needed.append(stmt)
            elif all(_is_silent(s) for s in statements((stmt,))):
                passed.append(stmt)
            else:
                return None
        return None

    # -- legality and profit

    def may_fuse(self, a: Loop, b: Loop) -> bool:
        if not is_plain(a) or a.step != b.step or not same(a.start, b.start):
            return False
        if a.stop is None or b.stop is None or not same(a.stop, b.stop):
            return False
        kinds = self.kind(a), self.kind(b)
        if kinds[0].deep != kinds[1].deep or kinds[0].size + kinds[1].size > SIZE:
            return False
        mine, theirs = self.effects(a), self.effects(b)
        if not (mine.reads | mine.writes) & (theirs.reads | theirs.writes) or not all(k.simple for k in kinds):
            return False
        if not kinds[0].deep and self.in_lanes(a) != self.in_lanes(b):
            return False
        lanes = not kinds[0].deep and self.in_lanes(a)
        b = self._renamed(a, b)
        local = definitions(a.body) | definitions(b.body) | {a.var}
        first, second = list(accesses(a.body)), list(accesses(b.body))
        shared = {self.aliases.of(x.storage) for x in first} & {self.aliases.of(x.storage) for x in second}
        if not shared or self._changes_bounds(first, b):
            return False
        for c in shared:
            both = [x for x in (*first, *second) if self.aliases.of(x.storage) == c]
            if not any(x.writes for x in both) or all(x.adds for x in both):
                continue
            if c in self.folded or not _moves_alike(both, a.var, local):
                return False
        if kinds[0].deep:
            return self._inner_fuse(a.body, b.body)
        return in_lanes(replace(a, body=(*a.body, *b.body)), self.aliases) == lanes

    def _changes_bounds(self, first: list[Access], b: Loop) -> bool:
        """Whether the first loop may write what the second one's bounds read."""
        written = {self.aliases.of(x.storage) for x in first if x.writes}
        bounds = (b.start, *(() if b.stop is None else (b.stop,)))
        return any(self.aliases.of(x.storage) in written for e in bounds for x in loads(e))

    def _inner_fuse(self, a: Block, b: Block) -> bool:
        """Nests are worth fusing if their inner loops can be fused in turn."""
        inner = [s for s in a if isinstance(s, Loop)], [s for s in b if isinstance(s, Loop)]
        return all(len(loops) == 1 for loops in inner) and self.may_fuse(inner[0][0], inner[1][0])

    def _renamed(self, a: Loop, b: Loop) -> Loop:
        """The second loop with the variable of the first, and no name that the first defines."""
        body = substitute_block(b.body, {b.var: Var(a.var, I64)}) if b.var != a.var else b.body
        clash = sorted(definitions(body) & (definitions(a.body) | {a.var}))
        if clash:
            names = {n: self.fresh(n) for n in clash}
            body = rename_block(body, names)
        return replace(b, var=a.var, body=body)

    def fresh(self, name: str) -> str:
        made = unused(name, self.names)
        self.names.add(made)
        if name in self.aliases.parent:
            self.aliases.add(made)
        return made

    def _fused(self, a: Loop, b: Loop) -> Loop:
        """Both in one, inner loops too, so that a third one finds a single nest."""
        mine, theirs = self.effects(a), self.effects(b)
        made = replace(a, body=self.block((*a.body, *self._renamed(a, b).body)))
        self._effects[id(made)] = made, mine.union(theirs)
        return made


def cannot_fail(stmt: Stmt) -> bool:
    return not any(isinstance(x, Op) and x.name in CHECKED for e in expressions(stmt) for x in subexpressions(e))


def _is_silent(s: Stmt) -> bool:
    """Whether a statement surely ends without an error, so that a later one may run first."""
    match s:
        case Loop():
            return s.cond is None and s.stop is not None and cannot_fail(s)
        case LibCall(op=op):
            return op in SILENT
        case Fail() | Call() | Push() | Pop() | Resize():
            return False
        case _:
            return cannot_fail(s)


def is_simple(s: Stmt) -> bool:
    """Whether a statement neither fails nor touches anything but elements of buffers."""
    match s:
        case Let() | Store() | Alloc() | If():
            return cannot_fail(s)
        case Accumulate(op=op):
            return op == "add" and cannot_fail(s)
        case Loop():
            return s.cond is None and s.stop is not None and cannot_fail(s)
        case _:
            return False


def _moves_alike(both: list[Access], var: str, local: set[str]) -> bool:
    one = {x.storage for x in both}
    return len(one) == 1 and common_axis([x.index for x in both], var, local) is not None
