"""Transforms inside differentiated or compiled programs: `x * wg.grad(f)(y)` within a function that is itself staged.

The inner function becomes an IR function, is differentiated as IR, and is called; what it captures from outside is
passed along as parameters, so outer and inner perturbations cannot be confused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from wengert import ad
from wengert.codes import Code
from wengert.frontend.python import arrays, implicit
from wengert.frontend.python.functions import NotAFunction, Staging
from wengert.frontend.python.numeric import as_scalar, is_number
from wengert.frontend.python.registry import CALLABLES, HANDLERS, handles
from wengert.frontend.python.slots import ScalarSpec
from wengert.frontend.python.values import RArray, Root, RScalar
from wengert.ir import build
from wengert.ir.nodes import Buffer, Call, Expr, Function, Load, Loop, Module, Scalar, Stmt, Store, Var
from wengert.ir.types import I64
from wengert.ir.walk import storages
from wengert.jacobians import Hessian, Hvp, Jacobian, hessian, jacobian
from wengert.jacobians import hvp as make_hvp
from wengert.selection import wrt_list
from wengert.transform import Compiled, Grad, grad, jvp, value_and_grad, vjp
from wengert.transform import compile as make_compiled

if TYPE_CHECKING:
    from wengert.frontend.python.interp import Interp


def _function_of(interp: Interp, fn: Any, args: Sequence[Any]) -> tuple[Staging, list[Any]]:
    """The inner function staged as IR, and its arguments made run-time values."""
    values = [interp.resolve(interp.settle(as_scalar(a) if is_number(a) else a)) for a in args]
    name = getattr(fn, "name", None) or getattr(fn, "__name__", "f")
    try:
        built = interp.build_function(object(), name, values, lambda formals: interp.call(fn, list(formals), {}))
    except NotAFunction as reason:
        raise interp.stage.refuse(
            f"the inner function of this derivative cannot be compiled: {reason}",
            "pass and return numbers and arrays",
            Code.NESTED,
        ) from None
    return built, values


def _as_root(interp: Interp, built: Staging) -> Module:
    f = interp.stage.functions[built.name]
    root = Function(f.name, f.params, f.body, tuple(b.name for b in built.outs), f.span)
    return Module({**interp.stage.functions, f.name: root}, f.name)


def _wrt_names(interp: Interp, built: Staging, wrt: Sequence[int | str]) -> tuple[list[int], list[str]]:
    places: list[int] = []
    names: list[str] = []
    for w in wrt:
        if not isinstance(w, int):
            raise interp.stage.refuse("an inner derivative names its argument", "give its position: wrt=0", Code.NESTED)
        formal = built.formals[w]
        if not isinstance(formal, (RScalar, RArray)) or not formal.dtype.is_inexact:
            raise interp.stage.refuse(
                f"argument {w} of the inner function holds no floats", "pass a float or an array of floats", Code.NESTED
            )
        places.append(w)
        parameter = formal.expr if isinstance(formal, RScalar) else formal.root
        assert isinstance(parameter, (Var, Root))
        names.append(parameter.name)
    return places, names


def _adopt(interp: Interp, module: Module, keep: int) -> str:
    """Take a derivative's functions into the program; its root's results from `keep` on become parameters to write."""
    root = module.root
    name = interp.stage.fresh(root.name)
    known = storages(root)
    params = list(root.params)
    body: list[Stmt] = list(root.body)
    for r in root.results[keep:]:
        source = known[r]
        assert isinstance(source, Buffer)
        out = Buffer(interp.stage.fresh(f"{r}_out"), source.dtype, source.shape, False, "inout")
        params.append(out)
        body.append(_copy(interp, source, out))
    interp.stage.functions.update({n: f for n, f in module.functions.items() if n != module.entry})
    interp.stage.functions[name] = Function(name, tuple(params), tuple(body), (), root.span)
    return name


def _copy(interp: Interp, source: Buffer, target: Buffer) -> Stmt:
    names = [interp.stage.fresh("i") for _ in source.shape]
    index = tuple(Var(n, I64) for n in names)
    stmt: Stmt = Store(target.name, index, Load(source.name, index, source.dtype))
    for n, e in reversed(list(zip(names, source.shape, strict=True))):
        stmt = Loop(n, build.i64(0), e, (stmt,), order="any")
    return stmt


def _pass(interp: Interp, value: Any) -> str | Expr:
    if isinstance(value, RScalar):
        return interp.stage.let(value.expr, "a")
    return arrays.as_storage(interp.stage, value)


def _passed(interp: Interp, values: Sequence[Any]) -> list[str | Expr]:
    for array in list(interp.stage.pending.values()):
        arrays.stored(interp.stage, array)
    interp.stage.pending.clear()
    return [_pass(interp, v) for v in values if isinstance(v, (RScalar, RArray))]


def _spared(interp: Interp, built: Staging, values: list[Any]) -> list[Any]:
    """The arguments of an inner derivative: what the function changes is copied, so the program's arrays stay as they
    are."""
    if built.written_captured:
        raise interp.stage.refuse(
            "the function that is differentiated changes an array it captures",
            "pass the array as an argument",
            Code.NESTED,
        )
    return [arrays.copy(interp.stage, v) if k in built.written else v for k, v in enumerate(values)]


def call_grad(interp: Interp, transform: Grad, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """A gradient inside a program."""
    if kwargs:
        raise interp.stage.refuse(
            "an inner derivative is called with keyword arguments", "pass them by position", Code.NESTED
        )
    if getattr(transform, "limit", None) is not None or getattr(transform, "pins", ad.NO_PINS) != ad.NO_PINS:
        raise _limited(interp)
    stage = interp.stage
    built, values = _function_of(interp, transform.fn, args)
    if not isinstance(built.result, ScalarSpec) or not built.result.dtype.is_float:
        raise interp.stage.refuse(
            "the inner function of a gradient must return one real float", "return the objective", Code.NESTED
        )
    wrt = transform.wrt
    many = not isinstance(wrt, (int, str))
    places, names = _wrt_names(interp, built, wrt_list(wrt))
    reverse = ad.vjp(_as_root(interp, built), built.name, names, [built.outs[0].name])
    name = _adopt(interp, reverse, len(built.outs))
    passed = _passed(interp, _spared(interp, built, values))
    value = stage.cell(built.outs[0].dtype, "value")
    seed: str | Expr = stage.cell(built.outs[0].dtype, "seed", build.const(1, built.outs[0].dtype)).name
    extra = reverse.root.params[len(built.params) :]
    if isinstance(extra[0], Scalar):
        seed = build.const(1, built.outs[0].dtype)
    gradients = [_like(interp, values[k]) for k in places]
    stage.emit(
        Call(name, (*interp.all_args(built, passed, [value.name]), seed, *[g.storage for g in gradients]), stage.span)
    )
    found = [_read(interp, g) for g in gradients]
    result = tuple(found) if many else found[0]
    return (RScalar(stage.load_cell(value, "value"), built.result.python), result) if transform.value else result


def _check_options(interp: Interp, transform: Any, options: dict[str, Any]) -> None:
    """Refuse memory limits, pins and undone updates, all options that a transform has."""
    for name, value in options.items():
        if name not in inspect.signature(transform).parameters:
            reason = f"this call is not supported with these arguments (got an unexpected keyword argument '{name}')"
            raise interp.stage.refuse(reason, "use the arguments listed in the documentation")
        if value is not None and value is not False and value != ():
            raise _limited(interp)


def _limited(interp: Interp) -> Exception:
    return interp.stage.refuse(
        "an inner derivative has a memory limit, pins or invert=True",
        "put them on the outermost derivative",
        Code.NESTED,
    )


def _like(interp: Interp, value: RScalar | RArray) -> RArray:
    shape = value.shape if isinstance(value, RArray) else ()
    return interp.stage.alloc(value.dtype, shape, "gradient")


def _read(interp: Interp, array: RArray) -> Any:
    if array.rank:
        return array
    assert array.root is not None
    return RScalar(interp.stage.load_cell(array.root, "gradient"), False)


@handles(grad)
def grad_(interp: Interp, fn: Any, wrt: Any = 0, **options: Any) -> Any:
    _check_options(interp, grad, options)
    return _made(Grad, fn, wrt, False)


@handles(value_and_grad)
def value_and_grad_(interp: Interp, fn: Any, wrt: Any = 0, **options: Any) -> Any:
    _check_options(interp, value_and_grad, options)
    return _made(Grad, fn, wrt, True)


def _made(kind: type[Grad], fn: Any, wrt: Any, value: bool) -> Grad:
    made = object.__new__(kind)
    made.fn, made.wrt, made.value = fn, wrt, value
    return made


@handles(jvp)
def jvp_(interp: Interp, fn: Any, args: Any, tangents: Any) -> Any:
    """A directional derivative inside a program."""
    stage = interp.stage
    built, values = _function_of(interp, fn, interp.static_iterable(args))
    dots = interp.static_iterable(tangents)
    active = [
        k
        for k, v in enumerate(values)
        if isinstance(v, (RScalar, RArray)) and v.dtype.is_inexact and dots[k] is not None
    ]
    _, names = _wrt_names(interp, built, active)
    forward = ad.jvp(_as_root(interp, built), built.name, names)
    name = _adopt(interp, forward, len(built.outs))
    passed = _passed(interp, _spared(interp, built, values))
    outs = [stage.alloc(b.dtype, b.shape, "r") for b in built.outs]
    moved: list[str | Expr] = []
    for k in active:
        dot, value = interp.resolve(dots[k]), values[k]
        if isinstance(value, RScalar):
            moved.append(stage.let(build.cast(as_scalar(dot).expr, value.dtype), "dot"))
        else:
            moved.append(arrays.as_storage(stage, arrays.copy(stage, interp.as_array(dot), dtype=value.dtype)))
    out_dots = [stage.alloc(b.dtype, b.shape, "r_dot") for b in built.outs]
    stage.emit(
        Call(
            name,
            (*interp.all_args(built, passed, [o.storage for o in outs]), *moved, *[o.storage for o in out_dots]),
            stage.span,
        )
    )
    return interp.load_results(built.result, iter(outs)), interp.load_results(built.result, iter(out_dots))


@handles(make_hvp)
def hvp_(interp: Interp, fn: Any, wrt: Any = 0, **options: Any) -> Any:
    _check_options(interp, make_hvp, options)
    made = object.__new__(Hvp)
    made.fn, made.wrt = fn, wrt
    return made


def call_hvp(interp: Interp, transform: Hvp, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """A Hessian-vector product inside a program: the tangent of the gradient."""
    if getattr(transform, "limit", None) is not None or getattr(transform, "pins", ad.NO_PINS) != ad.NO_PINS:
        raise _limited(interp)
    if not isinstance(transform.wrt, int):
        raise interp.stage.refuse("an inner hvp with several arguments", "use wrt=0", Code.NESTED)
    values, vector = args[:-1], args[-1]
    tangents: list[Any] = [None] * len(values)
    tangents[transform.wrt] = vector
    return jvp_(interp, _made(Grad, transform.fn, transform.wrt, False), tuple(values), tuple(tangents))[1]


@handles(implicit.along)
def along_(interp: Interp, f: Any, x: Any, dx: Any) -> Any:
    """A word of programs that derivatives are attached by."""
    return _beside_handlers(interp, lambda: jvp_(interp, f, (x,), (dx,))[1])


@handles(implicit.gradient_of)
def gradient_of_(interp: Interp, f: Any, x: Any) -> Any:
    return _beside_handlers(interp, lambda: call_grad(interp, _made(Grad, f, 0, False), [x], {}))


def _beside_handlers(interp: Interp, run: Callable[[], Any]) -> Any:
    """Solvers ask for derivatives where they have had the value: what handlers around them catch was raised there."""
    handlers, interp.handlers = interp.handlers, []
    try:
        return run()
    finally:
        interp.handlers = handlers


def _refused_inside(name: str, transform: Any, made: type | None = None) -> None:
    """A transform that has no meaning inside programs: how to do without it."""

    def refuse(interp: Interp, *args: Any, **kwargs: Any) -> Any:
        raise interp.stage.refuse(
            f"wg.{name} is called inside a program that is compiled",
            "inside, use wg.grad of a weighted sum, wg.jvp or wg.hvp, a row or column at a time; or call it outside",
            Code.NESTED,
        )

    HANDLERS[transform] = refuse
    if made is not None:
        CALLABLES[made] = refuse


_refused_inside("vjp", vjp)
_refused_inside("jacobian", jacobian, Jacobian)
_refused_inside("hessian", hessian, Hessian)


@handles(make_compiled)
def compile_(interp: Interp, fn: Any) -> Any:
    """Inside a program all is native."""
    return fn


def call_compiled(interp: Interp, transform: Compiled, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return interp.call(transform.fn, args, kwargs)


CALLABLES[Compiled] = call_compiled
CALLABLES[Grad] = call_grad
CALLABLES[Hvp] = call_hvp
__all__ = ["call_grad", "call_hvp"]
