"""The verifier: does a module keep the rules of `nodes`?

`verify` checks names and scopes, dtypes, ranks, what may be written, calls, library calls and the rules of `any` loops
(see `verify_any` for how far those can be decided). Trip counts, ranges and the targets of refs are run-time matters,
which the interpreter checks.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TypeAlias, assert_never

import numpy as np

from ..errors import exception_class
from .libops import LIBOPS
from .nodes import (
    FORGOTTEN,
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Call,
    Cast,
    Const,
    Declare,
    Expr,
    Extent,
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
    Select,
    Span,
    Stmt,
    Storage,
    Store,
    Var,
    View,
)
from .ops import OPS
from .types import BOOL, I64, DType
from .verify_any import any_loop_errors

Meaning: TypeAlias = DType | Storage
"""What a name stands for: a scalar of a dtype, or a storage."""


class VerifyError(Exception):
    """A module breaks the rules; `errors` says how, a line each."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = errors
        super().__init__("\n".join(["invalid IR:", *errors]))


def verify(module: Module) -> None:
    """Raise VerifyError, listing everything that is wrong, unless the module is valid."""
    errors: list[str] = []
    if module.entry not in module.functions:
        errors.append(f"the entry {module.entry!r} is not a function of the module")
    for name, function in module.functions.items():
        if name != function.name:
            errors.append(f"function {function.name} is filed under {name}")
        checker = _FunctionChecker(module, function)
        errors += checker.errors
        if not checker.errors:  # what follows relies on names and ranks
            errors += any_loop_errors(function, module)
    if errors:
        raise VerifyError(errors)


class _FunctionChecker:
    def __init__(self, module: Module, function: Function) -> None:
        self.module = module
        self.function = function
        self.errors: list[str] = []
        self.scope: dict[str, Meaning] = {}
        self.seen: set[str] = set()
        self.read_only: set[str] = set()
        self.roots: dict[str, str] = {}  # of views and reshapes: the storage whose elements they name
        self.span: Span | None = function.span
        self._check_function()

    def report(self, message: str) -> None:
        where = f"{self.span}: " if self.span else ""
        self.errors.append(f"{where}{self.function.name}: {message}")

    def _check_function(self) -> None:
        for p in self.function.params:
            self._define_param(p)
        for p in self.function.params:
            if isinstance(p, Buffer):
                self._indices(p.shape, f"extents of {p.name}")
        self._statements(self.function.body)
        if self.function.attached not in ("", FORGOTTEN):
            self._attached(self.function.attached)
        for r in self.function.results:
            if isinstance(self.scope.get(r), (DType, type(None))):
                self.report(f"result {r} is not a storage in scope at the end")

    def _attached(self, name: str) -> None:
        """The parameters again, and those that come last among them once more."""
        other, own = self.module.functions.get(name), self.function.params
        if other is None:
            self.report(f"there is no function {name}")
            return
        kinds = [(p.dtype, None if isinstance(p, Scalar) else p.rank) for p in (*own, *own)]
        count = len(other.params) - len(own)
        wanted = [*kinds[: len(own)], *kinds[len(kinds) - count :]] if 0 < count <= len(own) else []
        if [(p.dtype, None if isinstance(p, Scalar) else p.rank) for p in other.params] != wanted:
            self.report(f"{name} does not take the parameters of {self.function.name} and its last ones again")

    def _define_param(self, p: Param) -> None:
        self._define(p.name, p.dtype if isinstance(p, Scalar) else p)
        if isinstance(p, Buffer):
            if p.intent == "local":
                self.report(f"parameter {p.name} has intent local")
            if p.intent == "in":
                self.read_only.add(p.name)

    # -- names

    def _define(self, name: str, meaning: Meaning) -> None:
        if not name.isidentifier():
            self.report(f"{name!r} is not an identifier")
        if name in self.seen:
            self.report(f"{name} is defined twice")
        self.seen.add(name)
        self.scope[name] = meaning

    def _storage(self, name: str, what: str) -> Storage | None:
        meaning = self.scope.get(name)
        if meaning is None or isinstance(meaning, DType):
            self.report(f"{what}: {name} is not a storage in scope")
            return None
        return meaning

    def _growable(self, name: str, of_refs: bool) -> Growable | None:
        g = self._storage(name, "growable")
        if g is not None and (not isinstance(g, Growable) or (g.ref_rank is not None) is not of_refs):
            self.report(f"{name} is not a growable of {'refs' if of_refs else 'scalars'}")
            return None
        return g

    def _ref(self, name: str) -> Ref | None:
        ref = self._storage(name, "ref")
        if ref is not None and not isinstance(ref, Ref):
            self.report(f"{name} is not a ref")
            return None
        return ref

    def _check_writable(self, name: str) -> None:
        if name in self.read_only:
            self.report(f"{name} is read-only and is written")

    @contextmanager
    def _nested(self) -> Generator[None, None, None]:
        outside = dict(self.scope)
        yield
        self.scope = outside

    # -- expressions

    def _expr(self, e: Expr, dtype: DType | None, what: str) -> None:
        """Check an expression, which must be of `dtype`."""
        if dtype is not None and e.dtype is not dtype:
            self.report(f"{what} is {e.dtype.value}, not {dtype.value}")
        match e:
            case Const(value, kind):
                self._const(value, kind)
            case Var(name, kind):
                if self.scope.get(name) is not kind:
                    self.report(f"{name} is not a scalar of {kind.value} in scope")
            case Load(storage, index, kind):
                self._element(storage, index, kind)
            case Extent(storage, axis):
                s = self._storage(storage, "extent")
                if s is not None and not 0 <= axis < s.rank:
                    self.report(f"{storage} has no axis {axis}")
            case Op(name, args, kind):
                self._op(name, args, kind)
            case Select(cond, then, orelse):
                self._expr(cond, BOOL, "the condition of a select")
                self._expr(then, None, "")
                self._expr(orelse, then.dtype, "the other branch of a select")
            case Cast(value, _):
                self._expr(value, None, "")
            case _:
                assert_never(e)

    def _const(self, value: object, dtype: DType) -> None:
        kind = bool if dtype is BOOL else int if dtype.is_integer else complex if dtype.is_complex else float
        if type(value) is not kind:
            self.report(f"constant {value!r} of {dtype.value} must be a {kind.__name__}")
        elif isinstance(value, int) and dtype.is_integer:
            info = np.iinfo(dtype.numpy)
            if not info.min <= value <= info.max:
                self.report(f"constant {value} does not fit {dtype.value}")

    def _op(self, name: str, args: tuple[Expr, ...], dtype: DType) -> None:
        for a in args:
            self._expr(a, None, "")
        row = OPS.get(name)
        if row is None:
            self.report(f"there is no operation {name}")
        elif len(args) != row.arity:
            self.report(f"{name} takes {row.arity} operands, not {len(args)}")
        else:
            try:
                expected = row.result_dtype(tuple(a.dtype for a in args))
            except TypeError as error:
                self.report(str(error))
                return
            if dtype is not expected:
                self.report(f"{name} gives {expected.value}, not {dtype.value}")

    def _indices(self, index: Sequence[Expr], what: str) -> None:
        for i in index:
            self._expr(i, I64, what)

    def _element(self, name: str, index: tuple[Expr, ...], dtype: DType | None) -> Storage | None:
        """Check an element's place; the storage if it is known."""
        self._indices(index, f"index of {name}")
        s = self._storage(name, "element")
        if s is None:
            return None
        if isinstance(s, Growable) and s.ref_rank is not None:
            self.report(f"{name} holds refs, not scalars")
        if len(index) != s.rank:
            self.report(f"{name} has rank {s.rank}, not {len(index)}")
        if dtype is not None and s.dtype is not dtype:
            self.report(f"{name} holds {s.dtype.value}, not {dtype.value}")
        return s

    # -- statements

    def _statements(self, block: Block) -> None:
        for stmt in block:
            self.span = stmt.span or self.span
            self._statement(stmt)

    def _block(self, block: Block) -> None:
        with self._nested():
            self._statements(block)

    def _statement(self, stmt: Stmt) -> None:
        match stmt:
            case Let(name, value, _):
                self._expr(value, None, "")
                self._define(name, value.dtype)
            case Store(storage, index, value, _) | Accumulate(storage, index, value, _, _):
                s = self._element(storage, index, None)
                self._expr(value, s.dtype if s else None, f"the value stored in {storage}")
                self._check_writable(storage)
                if isinstance(stmt, Accumulate) and not OPS[stmt.op].accepts(value.dtype):
                    self.report(f"{stmt.op}= does not accept {value.dtype.value}")
            case Loop():
                self._loop(stmt)
            case If(cond, then, orelse, _):
                self._expr(cond, BOOL, "the condition of an if")
                self._block(then)
                self._block(orelse)
            case LibCall():
                self._lib(stmt)
            case Call():
                self._call(stmt)
            case Fail(exception, message, args, _):
                for a in args:
                    self._expr(a, None, "")
                if message.count("{}") != len(args):
                    self.report(f"{message!r} does not show {len(args)} values")
                if exception_class(exception) is None:
                    self.report(f"unknown exception {exception}")
            case _:
                self._storage_statement(stmt)

    def _loop(self, loop: Loop) -> None:
        self._expr(loop.start, I64, "the start of a loop")
        if loop.stop is not None:
            self._expr(loop.stop, I64, "the stop of a loop")
        if loop.step == 0:
            self.report("a loop with step 0")
        with self._nested():
            self._define(loop.var, I64)
            if loop.cond is not None:
                self._expr(loop.cond, BOOL, "the condition of a loop")
            self._statements(loop.body)

    def _storage_statement(
        self, stmt: Alloc | Declare | View | Reshape | Rebind | Push | Pop | Resize | PushRef | PopRef
    ) -> None:
        match stmt:
            case Alloc(b, _, _):
                self._buffer(b, strided=False)
            case Declare(storage, _):
                self._define(storage.name, storage)
            case View():
                self._view(stmt)
            case Reshape(b, base, _):
                s = self._storage(base, "base")
                if s is not None and (isinstance(s, Growable) or (isinstance(s, Buffer) and s.strided)):
                    self.report(f"{base} is not contiguous and cannot be reshaped")
                self._derived(b, s)
                self._buffer(b, strided=False)
            case Rebind(ref, target, _):
                self._same_kind(self._ref(ref), self._storage(target, "target"), f"{ref} and {target}")
            case Push(growable, value, _):
                g = self._growable(growable, of_refs=False)
                self._expr(value, g.dtype if g else None, f"the value pushed on {growable}")
            case Pop(name, growable, dtype, _):
                g = self._growable(growable, of_refs=False)
                if g and g.dtype is not dtype:
                    self.report(f"{growable} holds {g.dtype.value}, not {dtype.value}")
                self._define(name, dtype)
            case Resize(growable, delta, _):
                self._growable(growable, of_refs=False)
                self._expr(delta, I64, "the change of length")
            case PushRef(growable, ref, _):
                g, r = self._growable(growable, of_refs=True), self._storage(ref, "ref")
                self._same_kind(g, r, f"{growable} and {ref}")
            case PopRef(ref, growable, _):
                self._same_kind(self._growable(growable, of_refs=True), self._ref(ref), f"{growable} and {ref}")
            case _:
                assert_never(stmt)

    def _buffer(self, b: Buffer, strided: bool) -> None:
        self._indices(b.shape, f"extents of {b.name}")
        if b.strided is not strided:
            self.report(f"{b.name} must {'' if strided else 'not '}be strided")
        if b.intent != "local":
            self.report(f"{b.name} is not a parameter and has intent {b.intent}")
        self._define(b.name, b)

    def _view(self, view: View) -> None:
        b, base = view.buffer, self._storage(view.base, "base")
        self._indices(view.start, f"start of {b.name}")
        self._indices([step for _, step in view.axes], f"steps of {b.name}")
        first = 0
        if base is not None:
            rank = base.rank
            if isinstance(base, Growable):
                first, rank = 1, 1 + (base.ref_rank or 0)
                if base.ref_rank is None:
                    self.report(f"{view.base} is a growable of scalars and cannot be viewed")
            if len(view.start) != rank:
                self.report(f"view {b.name} needs {rank} starts, not {len(view.start)}")
            if any(axis is not None and not first <= axis < rank for axis, _ in view.axes):
                self.report(f"view {b.name} names an axis that {view.base} does not have")
        if len(view.axes) != b.rank:
            self.report(f"view {b.name} has {len(view.axes)} axes and rank {b.rank}")
        if any(axis is None for axis, _ in view.axes):
            self.read_only.add(b.name)
        self._derived(b, base)
        self._buffer(b, strided=True)

    def _derived(self, b: Buffer, base: Storage | None) -> None:
        if base is None:
            return
        if b.dtype is not base.dtype:
            self.report(f"{b.name} is {b.dtype.value}, its base {base.name} is {base.dtype.value}")
        if base.name in self.read_only:
            self.read_only.add(b.name)
        self.roots[b.name] = self.roots.get(base.name, base.name)

    def _same_kind(self, a: Storage | None, b: Storage | None, what: str) -> None:
        """Check that both name buffers of one dtype and rank (a growable of refs stands for its elements)."""
        if a is None or b is None:
            return
        rank = a.ref_rank if isinstance(a, Growable) else a.rank
        if isinstance(b, Growable) or a.dtype is not b.dtype or rank != b.rank:
            self.report(f"{what} differ in kind, dtype or rank")

    def _call(self, call: Call) -> None:
        callee = self.module.functions.get(call.function)
        if callee is None:
            self.report(f"there is no function {call.function}")
            return
        if callee.results:
            self.report(f"{call.function} has results and cannot be called")
        if len(callee.params) != len(call.args):
            self.report(f"{call.function} takes {len(callee.params)} arguments, not {len(call.args)}")
            return
        for param, arg in zip(callee.params, call.args, strict=True):
            self._argument(f"argument {param.name} of {call.function}", param, arg)

    def _argument(self, what: str, param: Param, arg: str | Expr) -> None:
        if isinstance(param, Scalar) or not isinstance(arg, str):
            if isinstance(arg, str) or not isinstance(param, Scalar):
                self.report(f"{what} must be a {'scalar' if isinstance(param, Scalar) else 'storage'}")
            else:
                self._expr(arg, param.dtype, what)
            return
        s = self._storage(arg, what)
        if s is None:
            return
        if isinstance(param, Growable):
            if not isinstance(s, Growable) or (s.dtype, s.ref_rank) != (param.dtype, param.ref_rank):
                self.report(f"{what}: {arg} is not such a growable")
            return
        self._same_kind(param, s, what)
        if not param.strided and not (isinstance(s, Buffer) and not s.strided):
            self.report(f"{what} must be contiguous; {arg} may be strided")
        if param.intent == "inout":
            self._check_writable(arg)

    def _lib(self, call: LibCall) -> None:
        row = LIBOPS.get(call.op)
        if row is None:
            self.report(f"there is no library operation {call.op}")
            return
        if (len(call.ins), len(call.outs)) != (len(row.ins), len(row.outs)):
            self.report(f"{call.op} takes {len(row.ins)} inputs and {len(row.outs)} outputs")
            return
        if tuple(k for k, _ in call.attrs) != row.attrs:
            self.report(f"{call.op} takes the attributes {row.attrs}")
        ins = [a for a in call.ins if isinstance(a, str)]
        if len(ins) < len(call.ins):
            self.report(f"the inputs of {call.op} are storages")
            return
        first = self._storage(ins[0], call.op)
        for name, signature in zip((*ins, *call.outs), (*row.ins, *row.outs), strict=True):
            s = self._storage(name, call.op)
            if first is not None and s is not None:
                self._operand(call.op, s, signature, first.dtype)
        if first is not None and first.dtype.numpy.kind not in row.kinds:
            self.report(f"{call.op} does not accept {first.dtype.value}")
        roots = [self.roots.get(n, n) for n in call.outs]
        if row.adds and ins[0] != call.outs[0]:
            self.report(f"{call.op} adds to its first input, which is to be its output")
        others = ins[1:] if row.adds else ins
        if len(set(roots)) < len(roots) or {self.roots.get(n, n) for n in others} & set(roots):
            self.report(f"an output of {call.op} aliases another operand")
        for name in call.outs:
            self._check_writable(name)

    def _operand(self, op: str, s: Storage, signature: str, common: DType) -> None:
        axes, _, kind = signature.partition(":")
        dtype = common.real if kind == "real" else DType(kind) if kind else common
        if isinstance(s, Growable) or s.rank != len(axes) or s.dtype is not dtype:
            self.report(f"{op}: {s.name} must be a buffer of {dtype.value} and rank {len(axes)}")
