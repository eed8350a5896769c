"""The interpreter: the meaning of the IR, over NumPy.

Each function becomes Python source over NumPy scalars of the exact dtypes and NumPy arrays, which `exec` compiles.
Refs are Python names bound to arrays, growables are Python lists, views are strided arrays. Undefined contents are
filled with NaN (two thirds of the largest integer, True), read-only parameters cannot be written, both sides of a
select are evaluated, and negative indices do not wrap: a program that breaks the rules of `nodes` fails with
`IllegalIR` wherever that can be seen.

The generated lines are visible in tracebacks.
"""

from __future__ import annotations

import itertools
import linecache
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias, assert_never

import numpy as np

from . import interpret_runtime as runtime
from . import walk
from .interpret_runtime import Array, IllegalIR
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
    Pop,
    PopRef,
    Push,
    PushRef,
    Rebind,
    Reshape,
    Resize,
    Select,
    Stmt,
    Store,
    Var,
    View,
)
from .ops import OPS
from .types import BOOL, DType

AnyOrder: TypeAlias = Literal["forward", "reverse", "random"]
DEPTH_LIMIT = 1000

INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">",
    "ge": ">=", "and": "&", "or": "|", "xor": "^",
}  # fmt: skip
"""Operations that a Python operator on NumPy scalars does faster than the row's function, with the same result."""

MAX_DEPTH = 40
"""Nesting of an expression beyond which its parts become statements (Python allows 200 nested parentheses)."""


def run(module: Module, args: Sequence[Any], any_order: AnyOrder = "forward", seed: int = 0) -> tuple[Array, ...]:
    """Run the root function. See `Interpreter`."""
    return Interpreter(module, any_order, seed)(args)


class Interpreter:
    """A module ready to run.

    `args` line up with the root's parameters: ndarrays of the exact dtype and extents for buffers (those of intent
    "inout" are written; a number will do for rank 0 and "in"), numbers for scalars, lists for growables. The result is
    an ndarray per result of the root; one that names a parameter is that very object.

    Raises the exceptions of `Fail` (with an attribute `span`), OverflowError from checked integers, LinAlgError from
    library operations, RecursionError at 1000 nested calls, TypeError and ValueError for wrong arguments and
    `IllegalIR` for programs that break the rules. Iterations of `any` loops run in the order asked for.
    """

    def __init__(self, module: Module, any_order: AnyOrder = "forward", seed: int = 0) -> None:
        self.module = module
        self._depth = [0]
        self._globals: dict[str, Any] = {
            "_depth": self._depth,
            "_any": _orders(any_order, random.Random(seed)),
            "_range": _range,
            "_count": itertools.count,
            "_i64": np.int64,
            **runtime.ENVIRONMENT,
            **{f"_op_{name}": row.raw for name, row in OPS.items()},
            **{f"_t_{dtype.value}": dtype.numpy.type for dtype in DType},
        }
        for function in module.functions.values():
            self._compile(function)

    def __call__(self, args: Sequence[Any]) -> tuple[Array, ...]:
        root = self.module.root
        if len(args) != len(root.params):
            raise TypeError(f"{root.name} takes {len(root.params)} arguments, not {len(args)}")
        bound = [runtime.argument(p, a) for p, a in zip(root.params, args, strict=True)]
        self._depth[0] = 0
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, 4 * DEPTH_LIMIT))
        try:
            with np.errstate(all="ignore"):
                results = self._globals[f"f_{root.name}"](*bound)
        except np.linalg.LinAlgError:
            raise
        except (IndexError, TypeError, ValueError, NameError, AttributeError) as error:
            if hasattr(error, "span"):  # of a Fail
                raise
            raise IllegalIR(f"{type(error).__name__}: {error}") from error
        finally:
            sys.setrecursionlimit(limit)
        return results

    def _compile(self, function: Function) -> None:
        lines = FunctionSource(function, self._globals).lines
        file = f"<ir {function.name}>"
        text = "\n".join(lines) + "\n"
        linecache.cache[file] = (len(text), None, [f"{line}\n" for line in lines], file)
        exec(compile(text, file, "exec"), self._globals)


def _range(start: np.int64, stop: np.int64, step: int) -> Iterable[np.int64]:
    return map(np.int64, range(int(start), int(stop), step))


def _orders(order: AnyOrder, rng: random.Random) -> Callable[[np.int64, np.int64, int], Iterable[np.int64]]:
    def reverse(start: np.int64, stop: np.int64, step: int) -> Iterable[np.int64]:
        return map(np.int64, reversed(range(int(start), int(stop), step)))

    def shuffled(start: np.int64, stop: np.int64, step: int) -> Iterable[np.int64]:
        domain = range(int(start), int(stop), step)
        return map(np.int64, rng.sample(domain, len(domain)))

    return {"forward": _range, "reverse": reverse, "random": shuffled}[order]


class FunctionSource:
    """The Python source of one IR function, in `lines`; constants it needs are added to `environment`."""

    def __init__(self, function: Function, environment: dict[str, Any]) -> None:
        self.function = function
        self.storages = walk.storages(function)
        self.environment = environment
        self.lines: list[str] = []
        self._indent = 0
        self._temporaries = 0
        self._write_function()

    def _write_function(self) -> None:
        params, name = self.function.params, self.function.name
        self._line(f"def f_{name}({', '.join(f'p_{p.name}' for p in params)}):")
        self._indent += 1
        self._line("_depth[0] += 1")
        self._line(f"if _depth[0] > {DEPTH_LIMIT}: raise RecursionError('maximum recursion depth exceeded')")
        for p in params:
            read_only = isinstance(p, Buffer) and p.intent == "in"
            self._line(f"{self._name(p.name)} = " + (f"_read_only(p_{p.name})" if read_only else f"p_{p.name}"))
        for p in params:
            if isinstance(p, Buffer):
                self._line(f"_check_extents({p.name!r}, p_{p.name}, {self._tuple(p.shape)})")
        self._block(self.function.body)
        self._line("_depth[0] -= 1")
        passed = {p.name for p in params}
        results = (
            f"p_{r}" if r in passed else f"_result({self._name(r)}, _t_{self.storages[r].dtype.value})"
            for r in self.function.results
        )
        self._line(f"return ({''.join(f'{r}, ' for r in results)})")

    def _line(self, text: str) -> None:
        self.lines.append("    " * self._indent + text)

    def _name(self, name: str) -> str:
        if not name.isidentifier():
            raise IllegalIR(f"{name!r} is not an identifier")
        return f"v_{name}"

    def _temporary(self) -> str:
        self._temporaries += 1
        return f"t_{self._temporaries}"

    def _constant(self, prefix: str, value: object) -> str:
        """A global name for `value`."""
        name = f"{prefix}_{len(self.environment)}"
        self.environment[name] = value
        return name

    # -- expressions

    def _expr(self, e: Expr) -> str:
        return self._nested(e)[0]

    def _nested(self, e: Expr) -> tuple[str, int]:
        """Source and nesting depth; what nests too deeply is computed by a statement before."""
        text, depth = self._spell(e)
        if depth < MAX_DEPTH:
            return text, depth
        name = self._temporary()
        self._line(f"{name} = {text}")
        return name, 0

    def _spell(self, e: Expr) -> tuple[str, int]:
        match e:
            case Const(value, dtype):
                return self._constant("k", dtype.numpy.type(value)), 0
            case Var(name=name):
                return self._name(name), 0
            case Extent(storage, axis):
                return f"_extent({self._name(storage)}, {axis})", 1
            case Load(storage, index, _):
                parts = [self._nested(i) for i in index]
                return self._load(storage, index, [p for p, _ in parts]), 3 + max((d for _, d in parts), default=0)
            case Op(name, args, _):
                parts = [self._nested(a) for a in args]
                texts = [p for p, _ in parts]
                text = f"({texts[0]} {INFIX[name]} {texts[1]})" if name in INFIX else f"_op_{name}({', '.join(texts)})"
                return text, 1 + max(d for _, d in parts)
            case Select(cond, then, orelse):
                parts = [self._nested(x) for x in (cond, then, orelse)]
                return f"_select({', '.join(p for p, _ in parts)})", 1 + max(d for _, d in parts)
            case Cast(value, dtype):
                text, depth = self._nested(value)
                return self._cast(text, value.dtype, dtype), depth + 1
            case _:
                assert_never(e)

    def _cast(self, text: str, old: DType, new: DType) -> str:
        if new is BOOL:
            return f"({text} != 0)"
        if old.is_complex and not new.is_complex:
            return self._cast(f"{text}.real", old.real, new)
        return f"_t_{new.value}({text})" if new.is_inexact else f"{text}.astype(_t_{new.value})"

    def _load(self, storage: str, index: tuple[Expr, ...], texts: list[str]) -> str:
        checks: list[str] = []
        places: list[str] = []
        for e, text in zip(index, texts, strict=True):
            if isinstance(e, Const):
                places.append(str(e.value))
                if isinstance(e.value, complex) or e.value < 0:
                    checks.append("False")
            elif isinstance(e, Var):
                places.append(text)
                checks.append(f"{text} >= 0")
            else:
                places.append(self._temporary())
                checks.append(f"({places[-1]} := {text}) >= 0")
        element = f"{self._name(storage)}[{', '.join(places) or '()'}]"
        return f"({element} if {' and '.join(checks)} else _out_of_range({storage!r}))" if checks else element

    def _element(self, storage: str, index: tuple[Expr, ...]) -> str:
        """An element to assign to, its index checked by a statement before."""
        places: list[str] = []
        for e in index:
            text = self._expr(e)
            if not isinstance(e, (Const, Var)):
                name = self._temporary()
                self._line(f"{name} = {text}")
                text = name
            places.append(text)
        if places:
            self._line(f"if {' or '.join(f'{p} < 0' for p in places)}: _out_of_range({storage!r})")
        return f"{self._name(storage)}[{', '.join(places) or '()'}]"

    def _tuple(self, es: Sequence[Expr]) -> str:
        return f"({''.join(f'{self._expr(e)}, ' for e in es)})"

    def _arguments(self, args: tuple[str | Expr, ...]) -> str:
        return "".join(f"{self._name(a) if isinstance(a, str) else self._expr(a)}, " for a in args)

    # -- statements

    def _block(self, block: Block) -> None:
        for stmt in block:
            self._statement(stmt)

    def _nest(self, head: str, block: Block) -> None:
        self._line(head)
        self._indent += 1
        self._line("pass")
        self._block(block)
        self._indent -= 1

    def _statement(self, stmt: Stmt) -> None:
        name = self._name
        match stmt:
            case Let(n, value, _):
                self._line(f"{name(n)} = {self._expr(value)}")
            case Store(storage, index, value, _):
                text = self._expr(value)
                self._line(f"{self._element(storage, index)} = {text}")
            case Accumulate(storage, index, value, op, _):
                text, element = self._expr(value), self._element(storage, index)
                self._line(
                    f"{element} = {element} + {text}" if op == "add" else f"{element} = _op_{op}({element}, {text})"
                )
            case Loop():
                self._loop(stmt)
            case If(cond, then, orelse, _):
                self._nest(f"if {self._expr(cond)}:", then)
                if orelse:
                    self._nest("else:", orelse)
            case Call(function, args, _):
                self._line(f"f_{function}({self._arguments(args)})")
            case LibCall(op, outs, ins, attrs, _):
                out = "".join(f"{name(o)}, " for o in outs)
                self._line(f"_lib({op!r}, {self._constant('attrs', dict(attrs))}, ({out}), ({self._arguments(ins)}))")
            case Fail(exception, message, args, span):
                where = self._constant("span", span)
                self._line(f"raise _failure({exception!r}, {message!r}, {self._tuple(args)}, {where})")
            case _:
                self._storage_statement(stmt)

    def _storage_statement(
        self, stmt: Alloc | Declare | View | Reshape | Rebind | Push | Pop | Resize | PushRef | PopRef
    ) -> None:
        name = self._name
        match stmt:
            case Alloc(b, zero, _):
                self._line(f"{name(b.name)} = _alloc({self._tuple(b.shape)}, _t_{b.dtype.value}, {zero})")
            case Declare(storage, _):
                unbound = f"_Unbound({storage.name!r}, {storage.rank})"
                self._line(f"{name(storage.name)} = {'[]' if isinstance(storage, Growable) else unbound}")
            case View(b, base, start, axes, _):
                steps = "".join(f"({axis}, {self._expr(step)}), " for axis, step in axes)
                parts = f"{name(base)}, {self._tuple(start)}, ({steps}), {self._tuple(b.shape)}"
                self._line(f"{name(b.name)} = _view({b.name!r}, {parts})")
            case Reshape(b, base, _):
                self._line(f"{name(b.name)} = _reshape({b.name!r}, {name(base)}, {self._tuple(b.shape)})")
            case Rebind(ref, target, _):
                self._line(f"{name(ref)} = {name(target)}")
            case Push(growable, value, _):
                self._line(f"{name(growable)}.append({self._expr(value)})")
            case Pop(n, growable, _, _):
                self._line(f"{name(n)} = {name(growable)}.pop()")
            case Resize(growable, delta, _):
                zero = f"_t_{self.storages[growable].dtype.value}(0)"
                self._line(f"_resize({growable!r}, {name(growable)}, {self._expr(delta)}, {zero})")
            case PushRef(growable, ref, _):
                self._line(f"{name(growable)}.append({name(ref)})")
            case PopRef(ref, growable, _):
                self._line(f"{name(ref)} = {name(growable)}.pop()")
            case _:
                assert_never(stmt)

    def _loop(self, loop: Loop) -> None:
        start, var = self._expr(loop.start), self._name(loop.var)
        if loop.stop is None:
            domain = f"map(_i64, _count(int({start}), {loop.step}))"
        else:
            order = "_any" if loop.order == "any" else "_range"
            domain = f"{order}({start}, {self._expr(loop.stop)}, {loop.step})"
        self._line(f"for {var} in {domain}:")
        self._indent += 1
        if loop.cond is not None:
            self._line(f"if not {self._expr(loop.cond)}: break")
        self._line("pass")
        self._block(loop.body)
        self._indent -= 1
