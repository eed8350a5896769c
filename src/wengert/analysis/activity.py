"""Activity: which storages and lets carry derivatives from chosen inputs to chosen outputs.

The flow graph of a function has a node per inexact let, scalar parameter and storage class (see `alias`) and an edge
a -> b if the value of b is computed from that of a. It is flow-insensitive, so a class is active if anything it ever
holds may be. Through a call, arguments are connected as the parameters are in the callee's graph, to a fixpoint. A node
is *varied* if it can be reached from the chosen inputs, *useful* if the chosen outputs can be reached from it, and
*active* if both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wengert.analysis.alias import AliasAnalysis, analyse
from wengert.ir.nodes import (
    Accumulate,
    Buffer,
    Call,
    Cast,
    Const,
    Expr,
    Extent,
    Function,
    Growable,
    If,
    Let,
    LibCall,
    Load,
    Module,
    Op,
    Param,
    Pop,
    Push,
    Scalar,
    Select,
    Stmt,
    Store,
    Var,
)
from wengert.ir.ops import OPS
from wengert.ir.walk import names_in, statements, storages

Edges = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class Activity:
    """The active names of one function: lets and scalar parameters in `values`, storages in `storages`."""

    values: frozenset[str]
    storages: frozenset[str]

    def has(self, name: str) -> bool:
        return name in self.values or name in self.storages

    def param(self, p: Param) -> bool:
        return p.name in (self.values if isinstance(p, Scalar) else self.storages)


class Flow:
    """The flow graphs of a module."""

    def __init__(self, module: Module, aliases: AliasAnalysis | None = None) -> None:
        self.module = module
        self.inherited: dict[str, frozenset[str]] = {}
        """Of functions made of parts of others: what is left out (see `left_out`) where they came from."""
        self.aliases = aliases or analyse(module)
        self.edges: dict[str, Edges] = {name: {} for name in module.functions}
        self.inexact = {name: _inexact_storages(f) for name, f in module.functions.items()}
        self.through: dict[str, Edges] = {name: {} for name in module.functions}
        """By function: for each parameter, the parameters that may depend on it."""
        for name, f in module.functions.items():
            for stmt in statements(f.body):
                self._add(name, stmt)
        calls = [(name, s) for name, f in module.functions.items() for s in statements(f.body) if isinstance(s, Call)]
        while True:
            before = self.through
            self.through = {name: self._params_through(f) for name, f in module.functions.items()}
            if self.through == before:
                break
            for name, call in calls:
                self._add_call(name, call)

    def activity(self, function: str, wrt: Iterable[str], of: Iterable[str]) -> Activity:
        """What is active in a function if the names `wrt` are varied at entry and `of` are useful at exit."""
        edges = self.edges[function]
        wrt, of = list(wrt), list(of)
        active = _reach(edges, self._nodes(function, wrt)) & _reach(_reversed(edges), self._nodes(function, of))
        aliases, inexact = self.aliases.aliases[function], self.inexact[function]
        named = frozenset(s for s in inexact if aliases.of(s) in active)
        return Activity(frozenset(active - set(aliases.parent)), named)

    def _between_lets(self, function: str) -> Edges:
        """The edges that do not go through memory."""
        storages = self.aliases.aliases[function].parent
        return {
            a: {t for t in targets if t not in storages}
            for a, targets in self.edges[function].items()
            if a not in storages
        }

    def around(self, function: str, steep: Callable[[Expr], bool], reverse: bool) -> frozenset[str]:
        """The lets computed, without going through memory, from those that `steep` holds of (`reverse`: those that
        they are computed from), themselves included. Roots of what is kept off zero do not count."""
        lets = {s.name: s.value for s in statements(self.module.functions[function].body) if isinstance(s, Let)}
        start = [n for n, value in lets.items() if steep(value) and not _is_kept_off_zero(value, lets)]
        edges = self._between_lets(function) if start else {}
        return frozenset(_reach(_reversed(edges) if reverse else edges, start))

    def left_out(self, function: str) -> frozenset[str]:
        """The lets whose operands may be infinite or NaN and whose value may be left out later.

        They may be because of a division or the like, or since the program tests what is computed from them for it.
        They may be left out by a select, max or min, or by an If, after they went through memory, too.
        """
        return self._left_out(function) | self.inherited.get(function, frozenset())

    def _left_out(self, function: str) -> frozenset[str]:
        body = self.module.functions[function].body
        edges = self.edges[function]
        lets = {s.name: s.value for s in statements(body) if isinstance(s, Let)}
        poles = [n for n, value in lets.items() if isinstance(value, Op) and value.name in POLES]
        tests = [a for s in statements(body) if isinstance(s, Let) for a in _tested(s.value)]
        if not poles and not tests:
            return frozenset()
        chosen = [n for value in lets.values() if _is_choice(value) for n in self._sources(function, value)]
        chosen += [n for s in statements(body) if isinstance(s, If) for n in self._used(function, s)]
        infinite = _reach(edges, poles)
        back = _reversed(edges)
        tested = _reach(back, [n for a in tests for n in self._sources(function, a)])
        maybe = _reach(back, chosen) & set(lets)
        return frozenset(n for n in maybe if n in tested or any(a in infinite for a in names_in(lets[n])))

    def _used(self, function: str, stmt: If) -> list[str]:
        """The nodes that the sides of an If use."""
        found: list[str] = []
        for side in (stmt.then, stmt.orelse):
            for s in statements(side):
                match s:
                    case Let(value=value) | Store(value=value) | Accumulate(value=value) | Push(value=value):
                        found += self._sources(function, value)
                    case _:
                        pass
        return found

    def _nodes(self, function: str, names: Iterable[str]) -> list[str]:
        return [node for n in names if (node := self._node(function, n)) is not None]

    def _node(self, function: str, name: str) -> str | None:
        """The node of a storage, if it is inexact, or of a scalar."""
        aliases = self.aliases.aliases[function]
        if name not in aliases.parent:
            return name
        return aliases.of(name) if name in self.inexact[function] else None

    def _edge(self, function: str, source: str, target: str) -> None:
        self.edges[function].setdefault(source, set()).add(target)

    def _add(self, function: str, stmt: Stmt) -> None:
        """The edges of one statement (calls apart)."""
        match stmt:
            case Let(name, value):
                target, sources = (name if value.dtype.is_inexact else None), self._sources(function, value)
            case Store(storage, _, value) | Accumulate(storage, _, value) | Push(storage, value):
                target, sources = self._node(function, storage), self._sources(function, value)
            case Pop(name, growable, dtype):
                target, sources = (name if dtype.is_inexact else None), self._nodes(function, [growable])
            case LibCall(_, outs, ins):
                sources = [s for i in ins for s in self._argument(function, i)]
                for target in self._nodes(function, outs):
                    for s in sources:
                        self._edge(function, s, target)
                return
            case _:
                return
        if target is not None:
            for s in sources:
                self._edge(function, s, target)

    def _argument(self, function: str, argument: str | Expr) -> list[str]:
        """The nodes of an argument of a call."""
        return self._nodes(function, [argument]) if isinstance(argument, str) else self._sources(function, argument)

    def _sources(self, function: str, value: Expr) -> list[str]:
        """The nodes that a value's derivative depends on (all inexact names in it that reach it differentiably)."""
        if not value.dtype.is_inexact:
            return []
        match value:
            case Const() | Extent():
                return []
            case Var(name):
                return [name]
            case Load(storage):
                return self._nodes(function, [storage])
            case Select(_, then, orelse):
                return self._sources(function, then) + self._sources(function, orelse)
            case Cast(inner):
                return self._sources(function, inner)
            case Op(name, args):
                return [] if OPS[name].partials is None else [s for a in args for s in self._sources(function, a)]

    def _add_call(self, function: str, call: Call) -> None:
        params = self.module.functions[call.function].params
        argument = {p.name: a for p, a in zip(params, call.args, strict=True)}
        for p, targets in self.through[call.function].items():
            sources = self._argument(function, argument[p])
            for q in targets:
                target = argument[q]
                if isinstance(target, str):
                    for s in sources:
                        for t in self._nodes(function, [target]):
                            self._edge(function, s, t)

    def _params_through(self, f: Function) -> Edges:
        """For each parameter, the storage parameters whose final content may depend on it (itself excepted)."""
        result: Edges = {}
        outputs = [p.name for p in f.params if isinstance(p, (Buffer, Growable))]
        for p in f.params:
            reached = _reach(self.edges[f.name], self._nodes(f.name, [p.name]))
            result[p.name] = {q for q in outputs if q != p.name and reached & set(self._nodes(f.name, [q]))}
        return result


POLES = frozenset({"div", "log", "log2", "log10", "log1p", "pow", "atanh"})
"""Operations that can be infinite or NaN of finite operands, often enough to be masked out."""


def _tested(value: Expr) -> tuple[Expr, ...]:
    """The operands that this tests for being finite."""
    return value.args if isinstance(value, Op) and value.name in ("isnan", "isinf", "isfinite") else ()


def _is_choice(value: Expr) -> bool:
    return isinstance(value, Select) or (isinstance(value, Op) and value.name in ("max", "min", "fmax", "fmin"))


def _is_kept_off_zero(value: Expr, lets: dict[str, Expr]) -> bool:
    """Whether the operand is positive: as `ad/roots.py` writes it, or a square plus a positive constant."""

    def definition(e: Expr) -> Expr | None:
        return lets.get(e.name) if isinstance(e, Var) else None

    match definition(value.args[0]) if isinstance(value, Op) else None:
        case Select(_, Const(value=c)):
            return c != 0
        case Op(name="add", args=(Const(value=c), x) | (x, Const(value=c))):
            square = definition(x)
            return not isinstance(c, complex) and c > 0 and isinstance(square, Op) and _is_square(square)
        case _:
            return False


def _is_square(value: Op) -> bool:
    return value.name == "mul" and value.args[0] == value.args[1]


def _reversed(edges: Edges) -> Edges:
    back: Edges = {}
    for a, targets in edges.items():
        for t in targets:
            back.setdefault(t, set()).add(a)
    return back


def _reach(edges: Edges, start: Iterable[str]) -> set[str]:
    """All nodes that can be reached, the start included."""
    seen, todo = set(start), list(start)
    while todo:
        for t in edges.get(todo.pop(), ()):
            if t not in seen:
                seen.add(t)
                todo.append(t)
    return seen


def _inexact_storages(f: Function) -> set[str]:
    return {name for name, s in storages(f).items() if s.dtype.is_inexact}
