"""Sums are taken in the factors that change with their variable: sum_v c X[v] becomes c sum_v X[v].

What does not change with a loop is computed outside of it, and what is linear in what does is computed after it: of a
sum over eight indices of products of small matrices, as its adjoint, each product is formed for the few indices that it
depends on. Contract: a nest whose turns may come in any order (see `analysis.sums`) is written anew: every
statement of a turn runs in the loops that it needs, those that it shares with others around both. Sums are added in
another order, and where a factor is infinite, or a sum too large for its type, infinite and not-a-number may take each
other's place. Nothing is read that the nest might not have read, unless it is surely there.

Source: operation minimisation, C.-C. Lam, P. Sadayappan, R. Wenger, "On optimizing a class of multi-dimensional loops
with reductions for parallel execution", Parallel Processing Letters 7(2), 1997.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from wengert.analysis.affine import Facts, constant, isub, known_extents
from wengert.analysis.alias import Aliases, analyse
from wengert.analysis.instances import bounds
from wengert.analysis.sums import Factoring, Nest, Part, assume, factoring, is_there, nest_of
from wengert.ir import build as b
from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Expr,
    Function,
    If,
    Let,
    Load,
    Loop,
    Module,
    Stmt,
    Storage,
    Store,
    Var,
)
from wengert.ir.types import I64
from wengert.ir.walk import (
    defined,
    function_names,
    loads,
    map_expr,
    names_in,
    rebuild,
    rename_expr,
    statements,
    storages,
    unused,
    used,
)

GAIN = 0.75
"""The work that is left, at most, over the work there was."""
TURNS = 32
"""The turns that a loop is taken to have where that is not known."""
ELEMENTS = 4096
"""The most elements of the arrays that are new, together."""


def factor_sums(module: Module) -> Module:
    """Every function with its sums factored."""
    if not any(map(_has_turns, module.functions.values())):
        return module
    aliases = analyse(module).aliases
    functions = {n: _Factorer(f, aliases[n]).function() for n, f in module.functions.items()}
    return Module(functions, module.entry)


def _has_turns(f: Function) -> bool:
    """Whether there are arrays of one turn of a loop."""
    loops = (s for s in statements(f.body) if isinstance(s, Loop))
    return any(isinstance(s, Alloc) for loop in loops for s in statements(loop.body))


class _Factorer:
    def __init__(self, f: Function, aliases: Aliases) -> None:
        self.f, self.aliases = f, aliases
        self.names = function_names(f)
        self.storages: dict[str, Storage] = storages(f)

    def function(self) -> Function:
        body = self._block(self.f.body, known_extents(self.storages))
        return self.f if body == self.f.body else replace(self.f, body=body)

    def _block(self, block: Block, known: Facts) -> Block:
        made: list[Stmt] = []
        for s in block:
            inside = known
            if isinstance(s, Loop):
                instead = self._factored(s, known)
                if instead is not None:
                    made.extend(instead)
                    continue
                inside = Facts(dict(known.bounds))
                if s.stop is not None:
                    assume(inside, s)
            made.append(rebuild(s, block=lambda x, inside=inside: self._block(x, inside)))
        return block if tuple(made) == block else tuple(made)

    def _factored(self, loop: Loop, known: Facts) -> Block | None:
        """What a nest becomes; None if it is to stay."""
        nest = nest_of(loop, self.aliases)
        if nest is None:
            return None
        plan = factoring(nest, self.storages, known)
        everything = frozenset(nest.variables)
        before = sum(_work(nest, p, everything) for p in nest.parts)
        if sum(_work(nest, p, plan.runs[p]) for p in nest.parts) > GAIN * before:
            return None
        made = _Writer(nest, plan, self.storages, known).block()
        if made is None:
            return None
        some = [b.lt(*ends) for x in nest.loops if (ends := bounds(x)) and not _turns(x)]
        made = self._renamed(made, {}, set())
        return (If(b.and_(*some), made, (), loop.span),) if some else made

    def _renamed(self, block: Block, names: dict[str, str], taken: set[str]) -> Block:
        """A block in which no name is defined twice."""
        names, made = dict(names), list[Stmt]()
        for s in block:
            name, inside = defined(s), names
            if name is not None and name in taken:
                fresh = unused(name, self.names)
                self.names.add(fresh)
                inside = {**names, name: fresh}
                if not isinstance(s, Loop):
                    names = inside
            elif name is not None:
                taken.add(name)
            made.append(
                rebuild(
                    s,
                    expr=lambda e, names=names: rename_expr(e, names),
                    name=lambda n, inside=inside: inside.get(n, n),
                    block=lambda x, inside=inside: self._renamed(x, inside, taken),
                )
            )
        return tuple(made)


@dataclass(slots=True)
class _Scope:
    """Where statements are written: the variables of the nest that have values, the names that are defined, and
    whether there is surely something to do."""

    variables: frozenset[str]
    names: set[str]
    guarded: bool
    axes: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """The variables along which arrays of one turn have axes more."""


class _Writer:
    """Writes a nest anew."""

    def __init__(self, nest: Nest, plan: Factoring, declared: dict[str, Storage], known: Facts) -> None:
        self.nest, self.plan, self.storages = nest, plan, declared
        self.facts = Facts(dict(known.bounds))
        for loop in nest.loops:
            assume(self.facts, loop)
        self.made = {p.target: p for p in nest.parts if p.target in nest.local}
        self.uses = {p: {x.storage for x in loads(p.value) if x.storage in self.made} for p in nest.parts}
        self.readers = {x: {p for p in nest.parts if x in self.uses[p]} for x in self.made}
        self.summed = {x for x, p in self.made.items() if plan.runs[p] - plan.kept[x]}
        self.elements = 0

    def block(self) -> Block | None:
        """None if arrays become too large."""
        parts: list[Part] = []
        for p in reversed(self.nest.parts):
            if p.target not in self.made or any(r in parts for r in self.readers[p.target]):
                parts.insert(0, p)
        if not parts:
            return None
        made = self._write(parts, _Scope(frozenset(), set(), not self.nest.guards))
        return made if self.elements <= ELEMENTS else None

    def _write(self, parts: list[Part], scope: _Scope) -> Block:
        """Parts, in the loops that they still need."""
        scope = replace(scope, names=set(scope.names))
        made: list[Stmt] = list(self._names(parts, scope))
        if not scope.guarded and self.nest.guarding <= scope.variables and all(map(self._is_guarded, parts)):
            inside = self._write(parts, replace(scope, guarded=True))
            for guard in reversed(self.nest.guards):
                inside = (If(guard, inside, (), parts[0].stmt.span),)
            return (*made, *inside)
        shared = self._shared(parts, scope)
        if shared:
            loops = [loop for loop in self.nest.loops if loop.var in shared]
            inside = self._write(parts, replace(scope, variables=scope.variables | shared))
            for loop in reversed(loops):
                inside = (replace(loop, body=inside),)
            return (*made, *inside)
        runs = self._runs(parts, scope)
        apart = len(runs) > 1
        for x, part in self.made.items():
            users = {part, *self.readers[x]} & set(parts)
            is_inside = apart and any(users <= set(run) for run in runs)
            if x not in scope.axes and part in parts and not is_inside:
                made.append(self._alloc(x, scope))
        for run in runs:
            made += self._write(run, scope) if apart else self._turn(run, scope)
        return tuple(made)

    def _alloc(self, name: str, scope: _Scope) -> Alloc:
        alloc = self.nest.local[name]
        axes = tuple(v for v in self.nest.variables if v in self.plan.kept[name] - scope.variables)
        scope.axes[name] = axes
        ranges = [self._range(v) for v in axes]
        shape = (*(isub(high, low) for low, high in ranges), *alloc.buffer.shape)
        if axes:
            sizes = [constant(e) for e in shape]
            self.elements += prod(s if s is not None else ELEMENTS + 1 for s in sizes)
        return replace(alloc, buffer=replace(alloc.buffer, shape=shape), zero=alloc.zero or name in self.summed)

    def _range(self, v: str) -> tuple[Expr, Expr]:
        ends = bounds(next(loop for loop in self.nest.loops if loop.var == v))
        assert ends is not None
        return ends

    # -- which parts go together

    def _needs(self, part: Part, scope: _Scope) -> frozenset[str]:
        return self.plan.runs[part] - scope.variables

    def _is_guarded(self, part: Part) -> bool:
        return part.target not in self.plan.unguarded

    def _shared(self, parts: Sequence[Part], scope: _Scope) -> frozenset[str]:
        """The loops around all of the parts: what one of them computes for another is complete in each turn."""
        found = frozenset[str].intersection(*(self._needs(p, scope) for p in parts))
        for x, p in self.made.items():
            if p in parts and any(r in parts for r in self.readers[x]):
                found &= self.plan.kept[x]
        return found

    def _runs(self, parts: list[Part], scope: _Scope) -> list[list[Part]]:
        """Parts that share loops, in an order in which what they read has been computed."""
        todo, done, runs = list(parts), set[Part](), list[list[Part]]()
        while todo:
            run: list[Part] = []
            while True:
                ready = [p for p in todo if self._is_ready(p, parts, {*done, *run})]
                chosen = self._next(run, ready, scope)
                if chosen is None:
                    break
                todo.remove(chosen)
                run.append(chosen)
            done.update(run)
            runs.append(sorted(run, key=self.nest.parts.index))
        return runs

    def _is_ready(self, part: Part, among: Iterable[Part], there: set[Part]) -> bool:
        return all(self.made[x] in there for x in self.uses[part] if self.made[x] in among)

    def _next(self, run: list[Part], ready: list[Part], scope: _Scope) -> Part | None:
        """The part that shares most loops with those of a run."""
        if not run:
            return ready[0]
        now = self._shared(run, scope)
        shared = {p: self._shared([*run, p], scope) for p in ready}
        if not now:
            return next((p for p in ready if not self._needs(run[0], scope) and not self._needs(p, scope)), None)
        best = max(ready, key=lambda p: len(shared[p]), default=None)
        return best if best is not None and shared[best] else None

    # -- one turn

    def _names(self, parts: Sequence[Part], scope: _Scope) -> Iterable[Stmt]:
        """The names that parts need, as far as they can be defined here and are not."""
        for name in self._needed(parts):
            let = self.nest.lets[name]
            whole = self._whole(let)
            if name in scope.names or names_in(whole) & (set(self.nest.variables) - scope.variables):
                continue
            if any(x.storage in self.made for x in loads(whole)) or not (scope.guarded or self._is_there(whole)):
                continue
            scope.names.add(name)
            yield self._placed(let, scope)

    def _is_there(self, e: Expr) -> bool:
        found = [(x, self.storages[x.storage]) for x in loads(e)]
        return all(isinstance(s, Buffer) and is_there(self.facts, x, s) for x, s in found)

    def _whole(self, let: Let) -> Expr:
        def value(x: Expr) -> Expr:
            found = self.nest.lets.get(x.name) if isinstance(x, Var) else None
            return x if found is None else self._whole(found)

        return self.nest.seen_through(map_expr(value, let.value))

    def _needed(self, parts: Sequence[Part]) -> list[str]:
        """The names of a turn that parts use, in order."""
        todo = [n for p in parts for s in self._own((p,)) for t in statements((s,)) for n in used(t)]
        found: set[str] = set()
        while todo:
            n = todo.pop()
            if n in self.nest.lets and n not in found:
                found.add(n)
                todo.extend(names_in(self.nest.lets[n].value))
        return [n for n in self.nest.lets if n in found]

    def _own(self, parts: Sequence[Part]) -> Block:
        """The statement of the turn that parts are in, with only them."""
        kept = {id(p.stmt) for p in parts}
        return _only((self.nest.body[parts[0].origin],), kept)

    def _turn(self, parts: list[Part], scope: _Scope) -> Block:
        """Parts that need no further loop of the nest."""
        made: list[Stmt] = []
        assert scope.guarded or not any(map(self._is_guarded, parts))
        while parts:
            group = [p for p in parts if p.origin == parts[0].origin]
            parts = parts[len(group) :]
            for name in self._needed(group):
                if name not in scope.names:
                    scope.names.add(name)
                    made.append(self._placed(self.nest.lets[name], scope))
            made += [self._placed(s, scope) for s in self._own(group)]
        return tuple(made)

    def _placed(self, s: Stmt, scope: _Scope) -> Stmt:
        """A statement with the axes that arrays of one turn have more, and sums for stores that have become some."""

        def index(name: str) -> tuple[Expr, ...]:
            return tuple(isub(Var(v, I64), self._range(v)[0]) for v in scope.axes.get(name, ()))

        def element(x: Expr) -> Expr:
            return replace(x, index=(*index(x.storage), *x.index)) if isinstance(x, Load) else x

        def value(e: Expr) -> Expr:
            return map_expr(element, self.nest.seen_through(e))

        s = rebuild(s, expr=value, block=lambda x: tuple(self._placed(t, scope) for t in x))
        if isinstance(s, Store) and s.storage in self.summed:
            s = Accumulate(s.storage, s.index, s.value, "add", s.span)
        if isinstance(s, (Store, Accumulate)):
            s = replace(s, index=(*index(s.storage), *s.index))
        return s


def _only(block: Block, kept: set[int]) -> Block:
    """Loops with only some of the sums and stores in them, and the names that these need."""
    made: list[Stmt] = []
    needed: set[str] = set()
    for s in reversed(block):
        match s:
            case Let():
                if s.name not in needed:
                    continue
            case Loop():
                body = _only(s.body, kept)
                if not body:
                    continue
                s = replace(s, body=body)
            case _:
                if id(s) not in kept:
                    continue
        needed |= {n for t in statements((s,)) for n in used(t)}
        made.append(s)
    return tuple(reversed(made)) if any(not isinstance(s, Let) for s in made) else ()


def _turns(loop: Loop) -> int | None:
    """The turns of a loop, if they are known and there are some."""
    ends = bounds(loop)
    found = None if ends is None else constant(isub(ends[1], ends[0]))
    return found if found and found > 0 else None


def _work(nest: Nest, part: Part, variables: frozenset[str]) -> float:
    loops = [loop for loop in nest.loops if loop.var in variables]
    return prod(float(_turns(loop) or TURNS) for loop in (*loops, *part.loops))
