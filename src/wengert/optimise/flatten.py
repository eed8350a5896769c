"""Flatten: one operation per `Let`, the form that differentiation starts from.

Afterwards every operand of a scalar operation, and every expression in a statement, is an *atom*:

- a constant or a name;
- if its type is integer or boolean, also a tree of operations on such names and constants (an index expression). What
  depends on floats or on memory is taken out of the trees: each comparison of floats, load and extent has its `Let`.

The one exception is the `cond` of a loop, which is evaluated before each iteration and stays as it is. Extents of
buffers are replaced by their declared shape. Lets that only rename are removed; an operation that was computed before
in the same block is reused, a load only if nothing may have written its storage (or an alias) since. Index trees are
not named, so that subscripts stay readable.
"""

from __future__ import annotations

from dataclasses import replace

from wengert.analysis.alias import AliasAnalysis, Aliases, analyse
from wengert.ir import build as b
from wengert.ir.nodes import (
    Block,
    Buffer,
    Cast,
    Const,
    Expr,
    Extent,
    Function,
    If,
    Let,
    Load,
    Loop,
    Module,
    Op,
    Select,
    Span,
    Stmt,
    Storage,
    Var,
)
from wengert.ir.types import DType
from wengert.ir.walk import (
    blocks,
    declared,
    function_names,
    map_expr,
    rebuild,
    storages,
    subexpressions,
    substitute,
)


def flatten(module: Module, only: frozenset[str] | None = None) -> Module:
    """Every function (of `only`, if given) flattened."""
    aliases = analyse(module)
    functions = {
        name: _Flattener(f, aliases).function() if only is None or name in only else f
        for name, f in module.functions.items()
    }
    return Module(functions, module.entry)


def is_atom(e: Expr) -> bool:
    """Whether an expression may be an operand in flat code."""
    if isinstance(e, (Const, Var)):
        return True
    return _is_discrete(e.dtype) and all(
        isinstance(x, (Const, Var, Op, Cast, Select)) and _is_discrete(x.dtype) for x in subexpressions(e)
    )


def _is_discrete(dtype: DType) -> bool:
    return not dtype.is_inexact


class _Flattener:
    def __init__(self, function: Function, analysis: AliasAnalysis) -> None:
        self.original = function
        self.analysis = analysis
        self.aliases: Aliases = analysis.aliases[function.name]
        self.storages: dict[str, Storage] = storages(function)
        self.emitter = b.Emitter(function_names(function))
        self.values: dict[str, Expr] = {}
        """Removed lets, by name: the atom each stands for."""
        self.known: list[dict[tuple[Expr, str], Var]] = []
        """Operations with a name, by open block, innermost last."""
        self.reads: list[dict[str, list[tuple[Expr, str]]]] = []
        """Of these the loads and extents, by alias class."""
        self.written: dict[int, frozenset[str]] = {}

    def function(self) -> Function:
        f = self.original
        params = tuple(
            Buffer(p.name, p.dtype, tuple(map_expr(self._parameter_extent, e) for e in p.shape), p.strided, p.intent)
            if isinstance(p, Buffer)
            else p
            for p in f.params
        )
        return replace(f, params=params, body=self._block(f.body))

    def _block(self, block: Block) -> Block:
        with self.emitter.collect() as stmts:
            self.known.append({})
            self.reads.append({})
            for stmt in block:
                with self.emitter.at(stmt.span):
                    self._statement(stmt)
            self.known.pop()
            self.reads.pop()
        return tuple(stmts)

    def _statement(self, stmt: Stmt) -> None:
        match stmt:
            case Let(name, value, span):
                self._let(name, value, span)
            case Loop():
                start, stop = self._atom(stmt.start), None if stmt.stop is None else self._atom(stmt.stop)
                cond = None if stmt.cond is None else substitute(stmt.cond, self.values)
                body = self._block(stmt.body)
                self.emitter.emit(Loop(stmt.var, start, stop, body, stmt.step, stmt.order, cond, stmt.span))
                self._forget_writes(stmt)
            case If():
                cond = self._atom(stmt.cond)
                self.emitter.emit(If(cond, self._block(stmt.then), self._block(stmt.orelse), stmt.span))
                self._forget_writes(stmt)
            case _:
                new = rebuild(stmt, expr=self._atom)
                if (storage := declared(new)) is not None:
                    self.storages[storage.name] = storage
                self.emitter.emit(new)
                self._forget_writes(stmt)

    def _forget_writes(self, stmt: Stmt) -> None:
        """Forget loads from what a statement, or a statement nested in it, may write."""
        known, reads = self.known[-1], self.reads[-1]
        for written in self._written(stmt):
            for key in reads.pop(written, ()):
                known.pop(key, None)

    def _written(self, stmt: Stmt) -> frozenset[str]:
        """The alias classes that a statement, or one nested in it, may write."""
        found = self.written.get(id(stmt))
        if found is None:
            own = {self.aliases.of(n) for n in self.analysis.targets(stmt)}
            found = frozenset(own).union(*(self._written(s) for inner in blocks(stmt) for s in inner))
            self.written[id(stmt)] = found
        return found

    def _let(self, name: str, value: Expr, span: Span | None) -> None:
        flat = self._operation(value)
        if isinstance(flat, (Const, Var)):
            self.values[name] = flat
            return
        known = self._find(flat)
        if known is not None:
            self.values[name] = known
            return
        stmt = Let(name, flat, span)
        self.emitter.emit(stmt)
        self._remember(flat, stmt.var)

    def _find(self, value: Expr) -> Var | None:
        return self.known[-1].get((value, repr(value))) if self.known else None

    def _remember(self, value: Expr, var: Var) -> None:
        key = (value, repr(value))
        self.known[-1][key] = var
        if isinstance(value, (Load, Extent)):
            self.reads[-1].setdefault(self.aliases.of(value.storage), []).append(key)

    def _atom(self, e: Expr) -> Expr:
        """An atom equal to `e`; lets are emitted for what must have a name."""
        flat = self._operation(e)
        if is_atom(flat):
            return flat
        known = self._find(flat)
        if known is None:
            stmt = Let(self.emitter.fresh(_hint(flat)), flat, self.emitter.span)
            self.emitter.emit(stmt)
            known = stmt.var
            self._remember(flat, known)
        return known

    def _operation(self, e: Expr) -> Expr:
        """One operation on atoms equal to `e`."""
        match e:
            case Const():
                return e
            case Var(name):
                return self.values.get(name, e)
            case Extent(storage, axis):
                return self._extent(storage, axis)
            case Load(storage, index, dtype):
                return Load(storage, tuple(self._atom(i) for i in index), dtype)
            case Op(name, args):
                return b.op(name, *(self._atom(a) for a in args))
            case Select(cond, then, orelse):
                return b.select(self._atom(cond), self._atom(then), self._atom(orelse))
            case Cast(value, dtype):
                return b.cast(self._atom(value), dtype)

    def _extent(self, storage: str, axis: int) -> Expr:
        match self.storages[storage]:
            case Buffer(shape=shape):
                return self._atom(shape[axis])
            case _:
                return Extent(storage, axis)

    def _parameter_extent(self, e: Expr) -> Expr:
        """Extents of other parameters in a parameter's shape are replaced; no statement can be emitted there."""
        match e:
            case Extent(storage, axis) if isinstance(buffer := self.storages[storage], Buffer):
                return map_expr(self._parameter_extent, buffer.shape[axis])
            case _:
                return e


def _hint(value: Expr) -> str:
    """A readable name for the value of an operation."""
    match value:
        case Load(storage=storage):
            return f"{storage}_at"
        case Extent(storage=storage):
            return f"{storage}_len"
        case Op(name=name):
            return "c" if not value.dtype.is_inexact and any(a.dtype.is_inexact for a in value.args) else f"t_{name}"
        case _:
            return "t"
