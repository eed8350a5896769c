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
from wengert.ir.types import I64

from . import arrays
from .control import ExitNow
from .decisions import NotAFunction
from .frame import PyRaise
from .functions import NEVER_RETURNS, Staging
from .numeric import as_scalar
from .registry import handles
from .slots import ArraySpec, ScalarSpec, TupleSpec
from .values import Choice, RArray, Root, RScalar

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
    stages it again, given the tuple (see `ad/attach.py`). Inside try, what is raised there is raised here."""
    handlers, interp.handlers = interp.handlers, []
    kinds = tuple({kind: None for h in handlers for several in h.kinds for kind in several})
    errors: list[BaseException] = []
    try:
        found = _implicit(interp, name, find, attached, kinds, errors)
    finally:
        interp.handlers = handlers
    if not kinds:
        return found
    for k, error in enumerate(errors):
        raised = interp.stage.let(build.eq(found[0].expr, build.i64(k)), "raised")
        if not interp.branch(raised, lambda e=error: interp.raise_(PyRaise(e)), lambda: True):
            raise ExitNow
    return found[1:]


def _implicit(
    interp: Interp, name: str, find: Callable[[], Any], attached: Callable[[list[Any]], Any],
    kinds: tuple[type[BaseException], ...], errors: list[BaseException],
) -> tuple[Any, ...]:  # fmt: skip
    """The same in a function of its own; with `kinds` what of them is raised, -1 for nothing, is in front."""
    stage = interp.stage
    finding = attaching = None
    try:
        finding = interp.build_function(object(), name, [], lambda _: _numbers(find()))
        if kinds:
            plain = finding
            finding = interp.build_function(object(), name, [], lambda _: _caught(interp, find, plain, kinds, errors))
            attached = _unless_raised(interp, attached)
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
            "that are rebound (v = u.copy())",
            Code.KIND,
        ) from None
    if attaching is None or attaching.written_captured:
        raise stage.refuse(
            f"{name} of a function that changes an array from outside", "let the function work on a copy", Code.KIND
        )
    _join(interp, finding, attaching)
    return interp.emit_call(finding, [])


def _caught(
    interp: Interp, find: Callable[[], Any], like: Staging, kinds: tuple[type[BaseException], ...],
    errors: list[BaseException],
) -> tuple[Any, ...]:  # fmt: skip
    """The number of the exception that finding raises, of `errors`, and what is found: parts as `like` has."""
    stage = interp.stage
    raised = stage.cell(I64, "raised", init=build.i64(-1))
    assert isinstance(like.result, TupleSpec)
    parts = [stage.alloc(b.dtype, b.shape, "found") for b in like.outs]
    for part in parts:
        arrays.fill(stage, part, lambda _, kind=part.dtype: build.zero(kind))
    errors.clear()

    def run() -> bool:
        for part, value in zip(parts, _numbers(find()), strict=True):
            arrays.assign(stage, part, interp.as_array(value))
        return True

    def note(error: Any) -> Expr:
        errors.append(error)
        return build.i64(len(errors) - 1)

    def catch(_: int, error: Any) -> bool:
        if isinstance(error, Choice):
            place = note(error.alternatives[0])
            for k, one in enumerate(error.alternatives[1:], 1):
                place = build.select(build.eq(error.tag, build.i64(k)), note(one), place)
        else:
            place = note(error)
        stage.store_cell(raised, stage.let(place))
        return True

    interp.attempt([kinds], [True], None, lambda: interp.contained(run), catch)
    found = [
        RScalar(stage.let(arrays.element(p, ()), "found"), s.python) if isinstance(s, ScalarSpec) else p
        for p, s in zip(parts, like.result.parts, strict=True)
    ]
    return RScalar(stage.load_cell(raised, "raised"), True), *found


def _unless_raised(interp: Interp, attached: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    """What has no value has no derivative either: its attached program is not run."""

    def guarded(found: list[Any]) -> Any:
        stage, x = interp.stage, found[-1]
        whole = arrays.copy(stage, interp.as_array(x))

        def change() -> bool:
            arrays.assign(stage, whole, interp.as_array(attached(found[1:])))
            return True

        interp.branch(stage.let(build.lt(found[0].expr, build.i64(0)), "fine"), change, lambda: True)
        return RScalar(stage.let(arrays.element(whole, ()), "x"), x.python) if isinstance(x, RScalar) else whole

    return guarded


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
