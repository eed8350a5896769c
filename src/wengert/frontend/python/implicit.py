"""Results that are defined by what they satisfy: how they are found is staged, and apart from that how they change.

The functions `held`, `change`, `along` and `gradient_of` are words of the programs that say the latter; they mean
nothing outside of staging.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wengert.codes import Code
from wengert.ir import build
from wengert.ir.nodes import Buffer, Expr, Function, Let, Load, Param, Scalar, Var

from . import arrays
from .decisions import NotAFunction
from .functions import NEVER_RETURNS, Staging
from .numeric import as_scalar
from .registry import handles
from .slots import ArraySpec, ScalarSpec, TupleSpec
from .values import RArray, Root, RScalar

if TYPE_CHECKING:
    from .interp import Interp


def held(x: Any) -> Any:
    """x, a constant for the next derivative."""
    raise NotImplementedError


def change(x: Any) -> Any:
    """Zero, with the derivative of x for the next derivative."""
    raise NotImplementedError


def along(f: Any, x: Any, dx: Any) -> Any:
    """The derivative of f at x along dx."""
    raise NotImplementedError


def gradient_of(f: Any, x: Any) -> Any:
    """The gradient of f at x."""
    raise NotImplementedError


@handles(held)
def held_(interp: Interp, x: Any) -> Any:
    return _marked(interp, "held", x)


@handles(change)
def change_(interp: Interp, x: Any) -> Any:
    return _marked(interp, "change", x)


def _marked(interp: Interp, name: str, x: Any) -> Any:
    stage, x = interp.stage, interp.resolve(x)
    if not isinstance(x, RArray):
        number = as_scalar(x)
        return RScalar(stage.let(build.op(name, number.expr), name), number.python)
    whole = arrays.stored(stage, x)

    def element(i: Any) -> Expr:
        return build.op(name, arrays.element(whole, i))

    return arrays.stored(stage, arrays.lazy(stage, x.dtype, x.shape, element, [whole]))


def implicit(
    interp: Interp, name: str, find: Callable[[], Any], attached: Callable[[list[Any]], Any]
) -> tuple[Any, ...]:
    """The tuple of numbers and arrays that `find` stages. Its derivatives are those of its last part as `attached`
    stages it again, given the tuple (see `ad/attach.py`)."""
    stage = interp.stage
    finding = attaching = None
    try:
        finding = interp.build_function(object(), name, [], lambda _: _numbers(find()))
        assert isinstance(finding.result, TupleSpec)
        formals = [_like(interp, b, s) for b, s in zip(finding.outs, finding.result.parts, strict=True)]
        if not finding.written_captured:
            attaching = interp.build_function(object(), f"{name}_attached", formals, attached)
    except NotAFunction as reason:
        if finding is None and str(reason) == NEVER_RETURNS:
            find()  # it raises, as it does in Python
        raise stage.refuse(
            f"{name} of this function cannot be compiled: {reason}",
            "let the function take and return numbers and arrays, change nothing outside, and use copies of arrays "
            f"that are rebound (v = u.copy()); call {name} outside of try",
            Code.KIND,
        ) from None
    if attaching is None or attaching.written_captured:
        raise stage.refuse(
            f"{name} of a function that changes an array from outside", "let the function work on a copy", Code.KIND
        )
    _join(interp, finding, attaching)
    return interp.emit_call(finding, [])


def _numbers(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(p if isinstance(p, RArray) else as_scalar(p) for p in parts)


def _like(interp: Interp, out: Buffer, spec: Any) -> Any:
    """A value of the kind of a result."""
    if isinstance(spec, ScalarSpec):
        return RScalar(build.zero(out.dtype), spec.python)
    assert isinstance(spec, ArraySpec)
    return interp.stage.whole(Root(out.name, out.dtype, out.shape))


def _join(interp: Interp, finding: Staging, attaching: Staging) -> None:
    """Make the parameters of both those that `ad/attach.py` wants."""
    functions = interp.stage.functions
    known = set(finding.captured)
    more = [p for p in attaching.params if p.name in attaching.captured and p.name not in known]
    inner = finding.params[: len(finding.params) - len(finding.outs)]
    scalars = [p for p in (*inner, *more) if isinstance(p, Scalar)]
    storages = [p for p in (*inner, *more) if not isinstance(p, Scalar)]
    finding.captured = [p.name for p in (*scalars, *storages)]
    finding.params = (*scalars, *storages, *finding.outs)
    given: list[Param] = []
    lets: list[Let] = []
    for out, formal in zip(finding.outs, attaching.formals, strict=True):
        if isinstance(formal, RScalar):
            assert isinstance(formal.expr, Var)
            lets.append(Let(formal.expr.name, Load(out.name, (), out.dtype)))
            given.append(replace(out, intent="in"))
        else:
            given.append(replace(out, name=formal.root.name, intent="in"))
    body = (*lets, *functions[attaching.name].body)
    params = (*scalars, *storages, *given, *attaching.outs)
    functions[attaching.name] = Function(attaching.name, params, body, (), interp.stage.span)
    functions[finding.name] = replace(functions[finding.name], params=finding.params, attached=attaching.name)
