"""Each operation's derivative rule by itself, at the operands that it met in a run of a program.

Every inexact scalar operation, selecting accumulation and library call of the program is made a program of one
statement. Its JVP is compared with differences of the statement alone, its VJP with its JVP. What fails there is the
fault of the rule, wherever the operation stands; what passes may still be put together wrongly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from wengert import ad
from wengert import differences as fd
from wengert.errors import NotDifferentiable
from wengert.ir import build as b
from wengert.ir.interpret import Interpreter
from wengert.ir.interpret_runtime import IllegalIR
from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Cast,
    Const,
    Expr,
    Function,
    Let,
    LibCall,
    Load,
    Module,
    Op,
    Param,
    Scalar,
    Span,
    Stmt,
    Store,
    Var,
)
from wengert.ir.types import DType
from wengert.ir.walk import map_expr, subexpressions
from wengert.optimise.flatten import flatten
from wengert.recording import Recorder

SAMPLES = 8
LARGEST = 10_000
"""Elements of a library call's operand beyond which it is not examined."""

DERIVATIVE, DOT = 1e-5, 1e-8
STEP, KINK = 1e-6, 1e-3
WIDE = {DType.F32: DType.F64, DType.C64: DType.C128}


class Wrong(NamedTuple):
    """A statement whose rule is wrong, and how."""

    span: Span | None
    reason: str


def wrong_rule(module: Module, args: Sequence[Any]) -> Wrong | None:
    """The first statement, in the order of a run at `args`, whose derivative rule is wrong."""
    recorder = Recorder(flatten(module), _operands, keep=SAMPLES)
    recorder(args)
    known: dict[tuple[Any, ...], _Alone | None] = {}
    for k, samples in recorder.notes.items():
        stmt = recorder.watched[k].stmt
        for sample in samples:
            key, program = _alone(stmt, sample)
            if key not in known:
                known[key] = _Alone.of(program)
            alone = known[key]
            try:
                reason = alone.wrong(sample[: alone.count]) if alone is not None else None
            except IllegalIR as error:
                reason = f"what it emits cannot run: {error}"
            if reason is not None:
                return Wrong(stmt.span, f"the derivative rule of {_title(stmt)}: {reason}")
    return None


def _title(stmt: Stmt) -> str:
    match stmt:
        case Let(value=Op(name=name)) | LibCall(op=name):
            return name
        case Accumulate(op=op):
            return f"{op}="
        case Let(value=value):
            return type(value).__name__.lower()
        case _:
            return type(stmt).__name__.lower()


def _variables(value: Expr) -> list[Var]:
    return list(dict.fromkeys(x for x in subexpressions(value) if isinstance(x, Var)))


def _operands(_: str, stmt: Stmt) -> tuple[Expr | str, ...] | None:
    """What the statement's derivative depends on."""
    match stmt:
        case Let(value=value):
            if isinstance(value, (Load, Const, Var)) or not value.dtype.is_inexact:
                return None
            found = _variables(value)
            return tuple(found) if any(v.dtype.is_inexact for v in found) else None
        case Accumulate(storage, index, value, op):
            return (Load(storage, index, value.dtype), value) if op != "add" and value.dtype.is_inexact else None
        case LibCall(outs=outs, ins=ins):
            return (*ins, *outs)
        case _:
            return None


def _wide(dtype: DType) -> DType:
    return WIDE.get(dtype, dtype)


def _widened(e: Expr) -> Expr:
    match e:
        case Const(value, dtype):
            return Const(value, _wide(dtype))
        case Var() | Op() | Cast() | Load():
            return replace(e, dtype=_wide(e.dtype))
        case _:
            return e


def _alone(stmt: Stmt, sample: tuple[Any, ...]) -> tuple[tuple[Any, ...], Module]:
    """The program of one statement, in double precision, and what tells it from others."""
    params: list[Param]
    match stmt:
        case Let(value=value):
            found = _variables(value)
            names: dict[str, Expr] = {v.name: Var(f"a{k}", v.dtype) for k, v in enumerate(found)}
            named = map_expr(lambda x: names.get(x.name, x) if isinstance(x, Var) else x, value)
            value = map_expr(_widened, named)
            params = [Scalar(f"a{k}", _wide(v.dtype)) for k, v in enumerate(found)]
            body: Block = (Alloc(Buffer("r", value.dtype, ())), Store("r", (), value))
            return (repr(value),), _module(params, body, ("r",))
        case Accumulate(value=value, op=op):
            dtype = _wide(value.dtype)
            params = [Scalar("old", dtype), Scalar("new", dtype)]
            body = (
                Alloc(Buffer("r", dtype, ())),
                Store("r", (), Var("old", dtype)),
                Accumulate("r", (), Var("new", dtype), op),
            )
            return (op, dtype), _module(params, body, ("r",))
        case LibCall(op, _, ins, attrs):
            values = [np.asarray(v) for v in sample]
            dtypes = [_wide(_dtype(v)) for v in values]
            shapes = [tuple(b.i64(n) for n in v.shape) for v in values]
            buffers = [Buffer(f"a{k}", d, s) for k, (d, s) in enumerate(zip(dtypes, shapes, strict=True))]
            params = [
                replace(x, intent="in") if isinstance(i, str) else Scalar(x.name, x.dtype)
                for i, x in zip(ins, buffers, strict=False)
            ]
            arguments = tuple(
                x.name if isinstance(i, str) else Var(x.name, x.dtype) for i, x in zip(ins, buffers, strict=False)
            )
            results = buffers[len(ins) :]
            call = LibCall(op, tuple(x.name for x in results), arguments, attrs, stmt.span)
            body = (*(Alloc(x) for x in results), call)
            inexact = tuple(x.name for x in results if x.dtype.is_inexact)
            return (op, attrs, *(v.shape for v in values), *dtypes), _module(params, body, inexact)
        case _:
            raise TypeError(stmt)


def _dtype(value: Any) -> DType:
    return next(d for d in DType if d.numpy == value.dtype)


def _module(params: Sequence[Param], body: Block, results: tuple[str, ...]) -> Module:
    return Module({"rule": Function("rule", tuple(params), body, results)}, "rule")


@dataclass
class _Alone:
    """A program of one statement and its derivatives."""

    module: Module
    wrt: list[str]
    primal: Interpreter
    forward: Interpreter
    reverse: Interpreter

    @classmethod
    def of(cls, module: Module) -> _Alone | None:
        """None if there is nothing to differentiate, or no derivative on purpose."""
        wrt = [p.name for p in module.root.params if p.dtype.is_inexact]
        if not wrt or not module.root.results:
            return None
        try:
            forward = ad.jvp(module, "rule", wrt)
            reverse = ad.vjp(module, "rule", wrt, module.root.results)
        except NotDifferentiable:
            return None
        return cls(module, wrt, Interpreter(module), Interpreter(forward), Interpreter(reverse))

    @cached_property
    def count(self) -> int:
        return len(self.module.root.params)

    def wrong(self, sample: tuple[Any, ...]) -> str | None:
        """What is wrong at these operands, if anything."""
        values = [np.asarray(v, p.dtype.numpy) for v, p in zip(sample, self.module.root.params, strict=True)]
        moving = [k for k, p in enumerate(self.module.root.params) if p.name in self.wrt]
        if any(v.size > LARGEST for v in values) or not all(np.all(np.isfinite(values[k])) for k in moving):
            return None
        rng = np.random.default_rng(0)
        direction = fd.direction([values[k] for k in moving], rng)

        def outputs(t: complex) -> fd.Vector:
            moved = list(values)
            for k, d in zip(moving, direction, strict=True):
                moved[k] = np.asarray((values[k] + t * d).astype(values[k].dtype))
            return fd.flat([np.asarray(r) for r in self.primal(moved)])

        with np.errstate(all="ignore"):
            primal = [np.asarray(r) for r in self.primal(values)]
            tangents = [np.asarray(r) for r in self.forward([*values, *direction])[len(primal) :]]
            weights = fd.random_like(primal, rng)
            gradients = [np.asarray(r) for r in self.reverse([*values, *weights])[len(primal) :]]
            estimate = fd.derivative_at_zero(outputs, accepts_complex=False)
            found = fd.flat(tangents)
            good = np.isfinite(estimate.value) & np.isfinite(estimate.error) & _smooth(outputs, estimate)
            scale = float(np.max(np.abs(estimate.value[good]), initial=0.0))
            off = np.abs(found - estimate.value) > DERIVATIVE * scale + 10 * estimate.error
        operands = ", ".join(_short(v) for v in values)
        if bool(np.any(off & good & (estimate.error <= DERIVATIVE * max(scale, 1e-30)))):
            k = int(np.argmax(off & good))
            return f"at {operands} its tangent is {found[k]:.6g} where differences give {estimate.value[k]:.6g}"
        left, right = fd.inner(weights, tangents), fd.inner(gradients, direction)
        size = sum(float(np.sum(np.abs(w * t))) for w, t in zip(weights, tangents, strict=True))
        if np.isfinite(left) and not abs(left - right) <= DOT * max(size, abs(right)):
            return f"at {operands} its adjoint is not the transpose of its tangent ({right:.6g} is not {left:.6g})"
        return None


def _smooth(g: Callable[[complex], fd.Vector], estimate: fd.Estimate) -> Any:
    """Where the differences to both sides agree: no tie, no kink."""
    base, ahead, behind = g(0.0), (g(STEP) - g(0.0)) / STEP, (g(0.0) - g(-STEP)) / STEP
    noise = 10 * np.finfo(np.float64).eps * np.abs(base) / STEP
    return np.abs(ahead - behind) <= KINK * np.max(np.abs(estimate.value), initial=0.0) + noise


def _short(value: fd.Vector) -> str:
    return f"{value[()]:.6g}" if value.ndim == 0 else f"an array {list(value.shape)}"
