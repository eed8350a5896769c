"""Forward mode: `jvp` makes a program compute a directional derivative beside its value.

Every active storage `s` has a twin `s_dot` that is allocated, viewed, rebound, pushed and popped as `s` is; every
active let `v` a tangent `v_dot`, the sum over its operands of partial * tangent. Storing an inactive value stores a
zero tangent. A function that is called with active arguments gets one derivative per set of active parameters: it
takes the primal's parameters and then the twins of the active ones, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from wengert.ad.attach import attach, detach
from wengert.ad.extrema import sequentialise, took_new
from wengert.ad.loops import each
from wengert.ad.names import reachable
from wengert.ad.roots import smooth_roots
from wengert.ad.rules import scalar, table
from wengert.ad.rules.library import Operand
from wengert.analysis.activity import Activity, Flow
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.depth import deep
from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Call,
    Declare,
    Expr,
    Fail,
    Function,
    Growable,
    If,
    Let,
    LibCall,
    Load,
    Loop,
    Module,
    Op,
    Param,
    Pop,
    PopRef,
    Push,
    PushRef,
    Rebind,
    Ref,
    Reshape,
    Resize,
    Scalar,
    Stmt,
    Storage,
    Store,
    Var,
    View,
)
from wengert.ir.walk import function_names, names_in, rebuild, statements, storages, unused
from wengert.optimise.flatten import flatten


@deep()
def jvp(module: Module, name: str, wrt: Sequence[str]) -> Module:
    """The derivative of the function `name` along tangents of the parameters `wrt`.

    Parameters: the primal's, then `x_dot` for each x in wrt (same kind and shape; a scalar's tangent is a scalar),
    which is inout if x is. Results: the primal's, then a tangent per result (zero where inactive). A parameter outside
    wrt that the function writes has its tangent dropped at the end.

    Raises NotDifferentiable if an active operation has no derivative.
    """
    original = reachable(module.functions, name)
    primal = attach(original)
    f = primal.root
    missing = set(wrt) - {p.name for p in f.params if p.dtype.is_inexact}
    if missing:
        raise ValueError(f"not inexact parameters of {name}: {', '.join(sorted(missing))}")
    flat = smooth_roots(flatten(primal))
    state = _Forward(flat, Flow(flat), dict(primal.functions))
    inout = [p.name for p in f.params if isinstance(p, Buffer) and p.intent == "inout" and p.name in wrt]
    activity = state.flow.activity(name, wrt, [*f.results, *inout])
    entry = unused(f"{name}_jvp", state.functions)
    state.functions[entry] = flat.root  # reserves the name
    state.functions[entry] = _Function(state, flat.root, activity, entry).root(wrt)
    while state.pending:
        callee, active, derived = state.pending.pop()
        target = flat.functions[callee]
        names = [p.name for p, is_active in zip(target.params, active, strict=True) if is_active]
        outputs = [p.name for p in target.params if not isinstance(p, Scalar) and p.name in names]
        inner = state.flow.activity(callee, names, outputs)
        state.functions[derived] = _Function(state, target, inner, derived).callee(names)
    made = reachable(state.functions, entry)
    return made if primal is original else detach(made)


Pattern = tuple[bool, ...]


@dataclass
class _Forward:
    """The derivative module as it grows."""

    flat: Module
    flow: Flow
    functions: dict[str, Function]
    instances: dict[tuple[str, Pattern], str] = field(default_factory=dict[tuple[str, Pattern], str])
    pending: list[tuple[str, Pattern, str]] = field(default_factory=list[tuple[str, Pattern, str]])

    def instance(self, callee: str, active: Pattern) -> str:
        """The name of the derivative of `callee` for active parameters; it is made later if new."""
        key = callee, active
        if key not in self.instances:
            derived = unused(f"{callee}_jvp", self.functions)
            self.functions[derived] = self.flat.functions[callee]  # reserves the name
            self.instances[key] = derived
            self.pending.append((callee, active, derived))
        return self.instances[key]


class _Function:
    """The derivative of one function."""

    def __init__(self, state: _Forward, f: Function, activity: Activity, name: str) -> None:
        self.state, self.f, self.activity, self.name = state, f, activity, name
        self.storages = storages(f)
        self.e = Emitter(function_names(f))
        self.twins: dict[str, str] = {}
        self.dots: dict[str, Expr] = {}
        self.steep = state.flow.around(f.name, scalar.is_steep, reverse=False)
        self.zeroed = scalar.zeroed((s.name, s.value) for s in statements(f.body) if isinstance(s, Let))

    def root(self, wrt: Sequence[str]) -> Function:
        params = {p.name: p for p in self.f.params}
        extra = [self._tangent_param(params[x]) for x in wrt]
        for p in self.f.params:
            if p.name not in wrt and not isinstance(p, Scalar) and p.name in self.activity.storages:
                self._zero_twin(p)
        self._block(sequentialise(self.f.body, self.activity))
        results = [*self.f.results, *(self._result(r) for r in self.f.results)]
        return Function(self.name, (*self.f.params, *extra), self.e.block(), tuple(results), self.f.span)

    def callee(self, active: Sequence[str]) -> Function:
        extra = [self._tangent_param(p) for p in self.f.params if p.name in active]
        self._block(sequentialise(self.f.body, self.activity))
        return Function(self.name, (*self.f.params, *extra), self.e.block(), (), self.f.span)

    def _tangent_param(self, p: Param) -> Param:
        name = self.e.fresh(f"{p.name}_dot")
        match p:
            case Scalar(dtype=dtype):
                if p.name in self.activity.values:
                    self.dots[p.name] = Var(name, dtype)
                return Scalar(name, dtype)
            case Buffer():
                self.twins[p.name] = name
                return Buffer(name, p.dtype, p.shape, p.strided, p.intent)
            case Growable():
                self.twins[p.name] = name
                return Growable(name, p.dtype, p.ref_rank)

    def _zero_twin(self, p: Buffer | Growable) -> None:
        match p:
            case Buffer():
                self.twins[p.name] = self.e.alloc(f"{p.name}_dot", p.dtype, p.shape, zero=True).name
            case Growable():
                twin = self.e.growable(f"{p.name}_dot", p.dtype, p.ref_rank)
                self.twins[p.name] = twin.name
                self.e.resize(twin, b.extent(p, 0))

    def _result(self, name: str) -> str:
        """The storage of a result's tangent; zero if it is inactive."""
        if name in self.activity.storages or name in self.twins:
            return self.twins[name]
        storage = self.storages[name]
        if isinstance(storage, Growable):
            twin = self.e.growable(f"{name}_dot", storage.dtype)
            self.e.resize(twin, b.extent(storage, 0))
            return twin.name
        shape = [b.extent(storage, k) for k in range(storage.rank)]
        return self.e.alloc(f"{name}_dot", storage.dtype, shape, zero=True).name

    # -- statements

    def _block(self, block: Block) -> None:
        for stmt in block:
            with self.e.at(stmt.span):
                self._statement(stmt)

    def _nested(self, block: Block) -> Block:
        with self.e.collect() as stmts:
            self._block(block)
        return tuple(stmts)

    def _dot(self, value: Expr) -> Expr | None:
        return self.dots.get(value.name) if isinstance(value, Var) else None

    def _dot_or_zero(self, value: Expr) -> Expr:
        dot = self._dot(value)
        return b.zero(value.dtype) if dot is None else dot

    def _is_active(self, storage: str) -> bool:
        return storage in self.activity.storages

    def _twin_statement(self, stmt: Stmt) -> None:
        """The same statement for the twins."""
        self.e.emit(rebuild(stmt, name=lambda n: self.twins.get(n, n)))

    def _declare_twin(self, storage: Storage) -> None:
        self.twins[storage.name] = self.e.fresh(f"{storage.name}_dot")

    def _statement(self, stmt: Stmt) -> None:
        match stmt:
            case Let():
                self.e.emit(stmt)
                if stmt.name in self.activity.values:
                    self._let(stmt)
            case Store(storage, index, value):
                self.e.emit(stmt)
                if self._is_active(storage):
                    self.e.store(self.twins[storage], index, self._dot_or_zero(value))
            case Accumulate():
                self._accumulate(stmt)
            case Alloc() | View() | Reshape():
                self.e.emit(stmt)
                if self._is_active(stmt.buffer.name):
                    self._declare_twin(stmt.buffer)
                    self._twin_statement(stmt)
            case Declare():
                self.e.emit(stmt)
                if self._is_active(stmt.storage.name):
                    self._declare_twin(stmt.storage)
                    self._twin_statement(stmt)
            case Rebind() | PopRef() | PushRef():
                self.e.emit(stmt)
                if self._is_active(stmt.ref):
                    self._twin_statement(stmt)
            case Resize(growable=growable):
                self.e.emit(stmt)
                if self._is_active(growable):
                    self._twin_statement(stmt)
            case Push(growable, value):
                self.e.emit(stmt)
                if self._is_active(growable):
                    self.e.push(self.twins[growable], self._dot_or_zero(value))
            case Pop(name, growable, dtype):
                self.e.emit(stmt)
                if self._is_active(growable):
                    self.dots[name] = self.e.pop(f"{name}_dot", Growable(self.twins[growable], dtype))
            case Loop():
                body = self._nested(stmt.body)
                self.e.emit(Loop(stmt.var, stmt.start, stmt.stop, body, stmt.step, stmt.order, stmt.cond, stmt.span))
            case If(cond, then, orelse, span):
                self.e.emit(If(cond, self._nested(then), self._nested(orelse), span))
            case LibCall():
                self._library(stmt)
            case Call():
                self._call(stmt)
            case Fail():
                self.e.emit(stmt)
            case _:
                assert_never(stmt)

    def _let(self, stmt: Let) -> None:
        match stmt.value:
            case Load(storage, index, dtype):
                dot: Expr | None = b.load(self.twins[storage], index, dtype) if self._is_active(storage) else None
            case value:
                product = isinstance(value, Op) and bool(names_in(value) & self.zeroed)
                dot = scalar.tangent(self.e, value, stmt.var, self._dot, product, stmt.name in self.steep)
        if dot is not None:
            self.dots[stmt.name] = self.e.let(f"{stmt.name}_dot", dot)

    def _accumulate(self, stmt: Accumulate) -> None:
        if not self._is_active(stmt.storage):
            self.e.emit(stmt)
            return
        twin, index, dot = self.twins[stmt.storage], stmt.index, self._dot(stmt.value)
        if stmt.op == "add":
            self.e.emit(stmt)
            if dot is not None:
                self.e.accumulate(twin, index, dot)
            return
        took = took_new(self.e, stmt)
        self.e.emit(stmt)
        kept = b.load(twin, index, stmt.value.dtype)
        self.e.store(twin, index, b.select(took, self._dot_or_zero(stmt.value), kept))

    def _library(self, stmt: LibCall) -> None:
        self.e.emit(stmt)
        if not any(self._is_active(o) for o in stmt.outs):
            return
        rule = table.rule(stmt)
        operands = [self._operand(i) if isinstance(i, str) else Operand(None, None) for i in stmt.ins]
        outs = tuple(self._operand(o) for o in stmt.outs)
        if any(o.derivative is not None for o in operands):
            rule.forward(self.e, dict(stmt.attrs), tuple(operands), outs)
            return
        for dot in (o.derivative for o in outs if o.derivative is not None):
            shape = tuple(b.extent(dot, k) for k in range(dot.rank))
            each(self.e, shape, lambda i, s=dot: self.e.store(s, i, b.zero(s.dtype)))

    def _operand(self, name: str) -> Operand:
        storage = self.storages[name]
        return Operand(storage, renamed(storage, self.twins[name]) if self._is_active(name) else None)

    def _call(self, stmt: Call) -> None:
        active = tuple(self._is_active(a) if isinstance(a, str) else self._dot(a) is not None for a in stmt.args)
        written = self.state.flow.aliases.written[stmt.function]
        if not any(active[k] for k in written):
            self.e.emit(stmt)
            return
        extra = [
            self.twins[a] if isinstance(a, str) else self._dot_or_zero(a)
            for a, is_active in zip(stmt.args, active, strict=True)
            if is_active
        ]
        self.e.call(self.state.instance(stmt.function, active), *stmt.args, *extra)


def renamed(storage: Storage, name: str) -> Storage:
    """The same kind of storage under another name."""
    match storage:
        case Buffer():
            return Buffer(name, storage.dtype, storage.shape, storage.strided, storage.intent)
        case Ref():
            return Ref(name, storage.dtype, storage.rank)
        case Growable():
            return Growable(name, storage.dtype, storage.ref_rank)
