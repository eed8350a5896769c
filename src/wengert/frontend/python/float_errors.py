"""np.errstate(divide="raise", invalid="raise"): floating-point errors that the program wants to see as exceptions.

Other settings only switch warnings, which native programs do not give. While an error kind is raised, every ufunc is
followed by a test of its operands and results; what computes without ufuncs (sums, matrix products) is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.codes import Code
from wengert.ir import build
from wengert.ir.nodes import FALSE, Accumulate, Const, Expr
from wengert.ir.types import BOOL

from . import arrays
from .registry import handles
from .stage import Stage
from .values import MISSING, RArray

if TYPE_CHECKING:
    from .interp import Interp

KINDS = ("divide", "invalid")


class ErrorState:
    """The context manager that np.errstate(...) becomes in a staged program."""

    def __init__(self, kinds: dict[str, str]) -> None:
        self.kinds = kinds
        self.before: dict[str, Any] = {}  # whether each kind was raised, or MISSING

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


@handles(np.errstate)
def errstate(interp: Interp, *, call: Any = None, **kinds: Any) -> ErrorState:
    """The state to switch to: "all" stands for every kind."""
    if "all" in kinds:
        kinds = {
            **dict.fromkeys((*KINDS, "over", "under"), kinds["all"]),
            **{k: v for k, v in kinds.items() if k != "all"},
        }
    for kind, action in kinds.items():
        if action in ("call", "log") or (action == "raise" and kind not in KINDS):
            raise interp.stage.refuse(
                f"np.errstate({kind}={action!r})", "test the values, or np.isfinite of the results", Code.FLOAT_ERRORS
            )
    return ErrorState({k: v for k, v in kinds.items() if k in KINDS and v is not None})


@handles(ErrorState.__enter__)
def enter(interp: Interp, state: ErrorState) -> None:
    stage = interp.stage
    state.before = {k: stage.raised.get(k, MISSING) for k in state.kinds}
    for kind, action in state.kinds.items():
        stage.write(stage.raised, kind, action == "raise")


@handles(ErrorState.__exit__)
def leave(interp: Interp, state: ErrorState, *error: Any) -> None:
    for kind, raised in state.before.items():
        interp.stage.put(interp.stage.raised, kind, raised)


@handles(np.seterr)
def seterr(interp: Interp, **kinds: Any) -> None:
    raise interp.stage.refuse(
        "the floating-point error state is set for good", "use `with np.errstate(...)`", Code.FLOAT_ERRORS
    )


def unchecked(stage: Stage, what: str) -> None:
    """Refuse `what`, which is not followed by tests, while floating-point errors are raised."""
    if any(stage.raised.values()):
        raise stage.refuse(
            f"{what} under np.errstate(...='raise')", "move it out of the `with` block", Code.FLOAT_ERRORS
        )


def check(stage: Stage, function: np.ufunc, inputs: Sequence[Expr], result: Expr) -> list[tuple[str, Expr]]:
    """The errors of one application: a message and whether it happened, for the kinds that are raised."""
    found: list[tuple[str, Expr]] = []
    name = function.__name__
    if stage.raised.get("divide"):
        pole = _pole(name, inputs)
        if pole is not None:
            found.append((f"divide by zero encountered in {name}", pole))
    if stage.raised.get("invalid") and result.dtype.is_inexact and any(x.dtype.is_inexact for x in inputs):
        clean = build.and_(*(build.not_(build.op("isnan", x)) for x in inputs if x.dtype.is_inexact))
        found.append((f"invalid value encountered in {name}", build.and_(build.op("isnan", result), clean)))
    return [(m, c) for m, c in found if not isinstance(c, Const) or c.value]


def _pole(name: str, x: Sequence[Expr]) -> Expr | None:
    """Whether finite operands give an infinity exactly, as at a division by zero."""
    zero, one = build.zero(x[-1].dtype), build.one(x[-1].dtype)
    match name:
        case "divide" | "floor_divide" if x[0].dtype.is_inexact:
            return build.and_(build.eq(x[1], zero), build.ne(x[0], zero), build.op("isfinite", x[0]))
        case "floor_divide" | "remainder" if not x[0].dtype.is_inexact:
            return build.eq(x[1], zero)
        case "reciprocal" | "log" | "log2" | "log10":
            return build.eq(x[0], zero)
        case "log1p":
            return build.eq(x[0], build.neg(one))
        case "arctanh":
            return build.eq(build.op("abs", x[0]), one)
        case "power" | "float_power" if x[0].dtype.is_float:
            return build.and_(build.eq(x[0], zero), build.lt(x[1], zero))
        case _:
            return FALSE


def check_scalar(stage: Stage, function: np.ufunc, inputs: Sequence[Expr], result: Expr) -> None:
    """Fail here if an error happened."""
    for message, cond in check(stage, function, inputs, result):
        stage.fail_if(stage.let(cond), "FloatingPointError", message)


def check_array(stage: Stage, function: np.ufunc, inputs: Sequence[RArray | Expr], result: RArray) -> None:
    """Fail here if an error happened at any element; all arrays are stored and have the result's shape."""
    cells: dict[str, Any] = {}
    with stage.block() as probe:
        samples = [build.Var("_", e.dtype) for e in (*inputs, result)]
        messages = [m for m, _ in check(stage, function, samples[:-1], samples[-1])]
    assert not probe
    for message in messages:
        cells[message] = stage.cell(BOOL, "error", init=FALSE)

    def body(index: tuple[Expr, ...]) -> None:
        def read(a: RArray | Expr) -> Expr:
            return stage.let(arrays.element(a, index)) if isinstance(a, RArray) else a

        for message, cond in check(stage, function, [read(a) for a in inputs], read(result)):
            stage.emit(Accumulate(cells[message].name, (), cond, "max", stage.span))

    if cells:
        arrays.nest(stage, result.shape, body)
    for message, cell in cells.items():
        stage.fail_if(stage.load_cell(cell, "error"), "FloatingPointError", message)
