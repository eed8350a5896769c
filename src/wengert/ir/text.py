"""The text form of the IR: `show` writes it, `parse` reads it.

    entry energy

    func energy(u: f64[N] inout, nu: f64, n: i64, N: i64) -> (s) {        # burgers.py:4:1-20 in energy
      alloc un: f64[N]
      for t in 0:n {
        for i in 1:N - 1 any {
          let c = un[i]
          u[i] = c - nu * c * (c - un[i - 1])                             # burgers.py:7:9-60 in energy
        }
      }
      alloc s: f64[] zero
      for i in 0:N any {
        s[] += u[i] * u[i]
      }
    }

Plain integers are i64, numbers with a point f64; others carry their dtype (`2.0f32`, `3u8`, `{1.0, 0.0}c128`, `@inf`,
`@nan`). `f64(x)` is a cast; operations without a symbol are written as functions. Views are
`view v: f64[n] = A[i, 0] along (1: 1)`: the starts, then a (base axis: step) per view axis. Names that are words of the
language are put in backquotes.

`parse(show(m)) == plain(m)` for valid modules, where `plain` drops the source text (but no other field) from spans.
Constants must be in the form that `build.const` gives them, attributes of library calls bool, int, float, str or None.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import assert_never

from . import walk
from .nodes import (
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
from .parse import LEVELS, RESERVED, ParseError, parse
from .types import BOOL, F64, I64

__all__ = ["ParseError", "parse", "plain", "show", "show_block", "show_expr"]

_INFIX = {name: (level, symbol) for level, names in enumerate(LEVELS) for name, symbol in names.items()}
_TIGHT = len(LEVELS)
_COMMENT_COLUMN = 60


def show(module: Module) -> str:
    """The text of a module."""
    parts = [f"entry {_name(module.entry)}" if module.entry else "entry"]
    parts += ["\n".join(_function(f)) for f in module.functions.values()]
    return "\n\n".join(parts) + "\n"


def show_block(block: Block, indent: int = 0) -> str:
    """The text of statements alone."""
    return "\n".join(_block(block, indent))


def show_expr(e: Expr) -> str:
    """The text of an expression."""
    return _expr(e, 0)


def plain(module: Module) -> Module:
    """`module` without what the text form leaves out: the source text in spans."""

    def statement(s: Stmt) -> Block:
        return (replace(s, span=span(s.span)),)

    def span(s: Span | None) -> Span | None:
        return s and replace(s, text="")

    functions = {
        name: replace(f, body=walk.map_statements(f.body, statement), span=span(f.span))
        for name, f in module.functions.items()
    }
    return Module(functions, module.entry)


def _name(name: str) -> str:
    return f"`{name}`" if name in RESERVED else name


def _noted(line: str, span: Span | None) -> str:
    if span is None:
        return line
    where = f" in {span.function}" if span.function else ""
    return f"{line:<{_COMMENT_COLUMN}}  # {span.file}:{span.line}:{span.col}-{span.end_col}{where}"


def _function(f: Function) -> list[str]:
    params = ", ".join(f"{_name(p.name)}: {_type(p)}" for p in f.params)
    results = f" -> ({', '.join(map(_name, f.results))})" if f.results else ""
    attached = f" attached by {_name(f.attached)}" if f.attached else ""
    return [_noted(f"func {_name(f.name)}({params}){results}{attached} {{", f.span), *_block(f.body, 1), "}"]


def _type(p: Param | Storage) -> str:
    """The type of a parameter or storage, with the words that differ from a parameter's (strided, written)."""
    match p:
        case Scalar(dtype=dtype):
            return dtype.value
        case Ref(dtype=dtype, rank=rank):
            return f"ref {dtype.value} rank {rank}"
        case Growable(dtype=dtype, ref_rank=rank):
            return f"growable {dtype.value}" + ("" if rank is None else f" rank {rank}")
        case Buffer(strided=strided, intent=intent):
            return _extents(p) + (" strided" if strided else "") + ("" if intent == "in" else f" {intent}")


def _extents(b: Buffer) -> str:
    return f"{b.dtype.value}[{_list(b.shape)}]"


def _local(b: Buffer, strided: bool = False) -> str:
    """A buffer declared in the body, with the words that differ from the usual."""
    words = "" if b.strided is strided else " strided" if b.strided else " contiguous"
    return f"{_name(b.name)}: {_extents(b)}{words}" + ("" if b.intent == "local" else f" {b.intent}")


# -- statements ----------------------------------------------------------------------------------------------


def _block(block: Block, indent: int) -> list[str]:
    lines: list[str] = []
    for s in block:
        pad = "  " * indent
        lines.append(_noted(pad + _head(s), s.span))
        match s:
            case Loop(body=body):
                lines += [*_block(body, indent + 1), pad + "}"]
            case If(then=then, orelse=orelse):
                lines += _block(then, indent + 1)
                if orelse:
                    lines += [pad + "} else {", *_block(orelse, indent + 1)]
                lines.append(pad + "}")
            case _:
                pass
    return lines


def _head(s: Stmt) -> str:
    """A statement on a line; of one with blocks, its first line."""
    match s:
        case Let(name, value, _):
            return f"let {_name(name)} = {show_expr(value)}"
        case Store(storage, index, value, _):
            return f"{_element(storage, index)} = {show_expr(value)}"
        case Accumulate(storage, index, value, op, _):
            return f"{_element(storage, index)} {'+' if op == 'add' else op}= {show_expr(value)}"
        case Loop(var, start, stop, _, step, order, cond, _):
            bounds = f"{show_expr(start)}:" + ("" if stop is None else show_expr(stop))
            words = f" step {step}" * (step != 1) + " any" * (order == "any")
            test = "" if cond is None else f" while {show_expr(cond)}"
            return f"for {_name(var)} in {bounds}{words}{test} {{"
        case If(cond=cond):
            return f"if {show_expr(cond)} {{"
        case LibCall(op, outs, ins, attrs, _):
            parts = [*map(_argument, ins), *(f"{_name(k)}={v!r}" for k, v in attrs)]
            return f"lib {_name(op)}({', '.join(map(_name, outs))}; {', '.join(parts)})"
        case Call(function, args, _):
            return f"call {_name(function)}({', '.join(map(_argument, args))})"
        case Fail(exception, message, args, _):
            return f"fail {exception}({', '.join([repr(message), *map(show_expr, args)])})"
        case _:
            return _storage_head(s)


def _storage_head(
    s: Alloc | Declare | View | Reshape | Rebind | Push | Pop | Resize | PushRef | PopRef,
) -> str:
    match s:
        case Alloc(b, zero, _):
            return f"alloc {_local(b)}" + " zero" * zero
        case Declare(storage, _):
            return f"declare {_name(storage.name)}: {_type(storage)}"
        case View(b, base, start, axes, _):
            steps = ", ".join(f"{'none' if axis is None else axis}: {show_expr(step)}" for axis, step in axes)
            return f"view {_local(b, strided=True)} = {_element(base, start)} along ({steps})"
        case Reshape(b, base, _):
            return f"reshape {_local(b)} = {_name(base)}"
        case Rebind(ref, target, _):
            return f"rebind {_name(ref)} = {_name(target)}"
        case Push(growable, value, _):
            return f"push {_name(growable)}: {show_expr(value)}"
        case Pop(name, growable, _, _):
            return f"pop {_name(name)} = {_name(growable)}"
        case Resize(growable, delta, _):
            return f"resize {_name(growable)}: {show_expr(delta)}"
        case PushRef(growable, ref, _):
            return f"pushref {_name(growable)}: {_name(ref)}"
        case PopRef(ref, growable, _):
            return f"popref {_name(ref)} = {_name(growable)}"
        case _:
            assert_never(s)


def _argument(a: str | Expr) -> str:
    return _name(a) if isinstance(a, str) else show_expr(a)


def _element(storage: str, index: tuple[Expr, ...]) -> str:
    return f"{_name(storage)}[{_list(index)}]"


def _list(es: tuple[Expr, ...]) -> str:
    return ", ".join(map(show_expr, es))


# -- expressions ---------------------------------------------------------------------------------------------


def _expr(e: Expr, level: int) -> str:
    """An expression, in parentheses if it binds more loosely than `level`."""
    match e:
        case Const():
            return _const(e)
        case Var(name=name):
            return _name(name)
        case Load(storage, index, _):
            return _element(storage, index)
        case Extent(storage, axis):
            return f"extent({_name(storage)}, {axis})"
        case Select(cond, then, orelse):
            return f"select({_list((cond, then, orelse))})"
        case Cast(value, dtype):
            return f"{dtype.value}({show_expr(value)})"
        case Op(name, (a, b), _) if name in _INFIX:
            own, symbol = _INFIX[name]
            text = f"{_expr(a, own)} {symbol} {_expr(b, own + 1)}"
            return f"({text})" if own < level else text
        case Op("not", (a,), _):
            return f"not {_expr(a, _TIGHT)}"
        case Op("neg", (a,), _) if not isinstance(a, Const):
            return f"-{_expr(a, _TIGHT)}"
        case Op(name, args, _):
            return f"{name}({_list(args)})"
        case _:
            assert_never(e)


def _const(c: Const) -> str:
    value = c.value
    if c.dtype is BOOL:
        return "true" if value else "false"
    if isinstance(value, complex):
        return f"{{{_real(value.real)}, {_real(value.imag)}}}{c.dtype.value}"
    usual = I64 if isinstance(value, int) else F64
    return _real(value) + ("" if c.dtype is usual else c.dtype.value)


def _real(value: int | float) -> str:
    if math.isinf(value):
        return "@inf" if value > 0 else "-@inf"
    return "@nan" if math.isnan(value) else repr(value)
