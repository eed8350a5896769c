"""NumPy functions that are staged from programs, made of other handlers, or refused in words of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.ir import build
from wengert.ir.nodes import Expr, Var

from .. import arrays, numeric
from ..registry import CALLABLES, handles, method
from ..stage import Stage
from ..values import RArray, RIter, RScalar
from . import programs
from .common import (
    array,
    axis_of,
    numbers,
    only_default,
    python_int,
    scalar,
    shape_of,
    stored,
)
from .linalg import SlogdetResult, square
from .select import where
from .sorting import argsort, check_kth
from .ufuncs import write_out

if TYPE_CHECKING:
    from ..interp import Interp


def programmed(interp: Interp, program: Any, *args: Any, **kwargs: Any) -> Any:
    """Stage a program of `programs` as if the user had written it."""
    return interp.call(program, list(args), kwargs)


# -- functions of functions ------------------------------------------------------------------------------------


@handles(np.apply_along_axis)
def apply_along_axis(interp: Interp, func1d: Any, axis: Any, arr: Any, *args: Any, **kwargs: Any) -> Any:
    value = stored(interp, arr)
    return programmed(
        interp, programs.apply_along_axis, func1d, axis_of(interp, axis, value.rank), value, *args, **kwargs
    )


class Vectorized:
    """np.vectorize(f) made inside a program."""

    def __init__(self, function: Any) -> None:
        self.function = function


@handles(np.vectorize)
def vectorize(
    interp: Interp, pyfunc: Any, otypes: Any = None, doc: Any = None, excluded: Any = None, cache: Any = False,
    signature: Any = None,
) -> Vectorized:  # fmt: skip
    only_default(interp, "vectorize", otypes=(otypes, None), excluded=(excluded, None), signature=(signature, None))
    return Vectorized(pyfunc)


def _call_vectorized(interp: Interp, made: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    function = made.function if isinstance(made, Vectorized) else made.pyfunc
    if isinstance(made, np.vectorize) and (made.otypes or made.excluded or made.signature):
        raise interp.stage.refuse("np.vectorize with otypes, excluded or signature", "leave them out, or write a loop")
    if kwargs:
        raise interp.stage.refuse("a vectorized function is called with keywords", "pass the arguments by position")
    values = tuple(stored(interp, a) for a in args)
    return programmed(interp, programs.vectorized, function, values, {})


CALLABLES[Vectorized] = _call_vectorized
CALLABLES[np.vectorize] = _call_vectorized


# -- sets ------------------------------------------------------------------------------------------------------


@handles(np.unique)
def unique(
    interp: Interp, ar: Any, return_index: Any = False, return_inverse: Any = False, return_counts: Any = False,
    axis: Any = None, *, equal_nan: Any = True, sorted: Any = True,
) -> Any:  # fmt: skip
    only_default(interp, "unique", axis=(axis, None))
    flags = [bool(f) for f in (return_index, return_inverse, return_counts, equal_nan)]
    return programmed(interp, programs.unique, stored(interp, ar), *flags)


@handles(np.isin)
def isin(
    interp: Interp,
    element: Any,
    test_elements: Any,
    assume_unique: Any = False,
    invert: Any = False,
    *,
    kind: Any = None,
) -> Any:
    return programmed(interp, programs.isin, array(interp, element), array(interp, test_elements), bool(invert))


@handles(np.setdiff1d)
def setdiff1d(interp: Interp, ar1: Any, ar2: Any, assume_unique: Any = False) -> Any:
    return programmed(interp, programs.setdiff1d, array(interp, ar1), array(interp, ar2), bool(assume_unique))


@handles(np.union1d)
def union1d(interp: Interp, ar1: Any, ar2: Any) -> Any:
    return programmed(interp, programs.union1d, array(interp, ar1), array(interp, ar2))


@handles(np.intersect1d)
def intersect1d(interp: Interp, ar1: Any, ar2: Any, assume_unique: Any = False, return_indices: Any = False) -> Any:
    only_default(interp, "intersect1d", return_indices=(return_indices, False))
    return programmed(interp, programs.intersect1d, array(interp, ar1), array(interp, ar2))


@handles(np.lexsort)
def lexsort(interp: Interp, keys: Any, axis: Any = -1) -> Any:
    parts = [stored(interp, k) for k in interp.static_iterable(keys)]
    if any(p.rank != 1 for p in parts):
        raise interp.stage.refuse("lexsort of keys that are not vectors", "sort row by row")
    return programmed(interp, programs.lexsort, tuple(parts))


@handles(np.argpartition)
@method("argpartition")
def argpartition(interp: Interp, a: Any, kth: Any, axis: Any = -1, kind: Any = "introselect", order: Any = None) -> Any:
    """A full argsort: NumPy leaves the order of the two sides open."""
    check_kth(interp, a, kth, axis)
    return argsort(interp, a, axis)


# -- choice ----------------------------------------------------------------------------------------------------


@handles(np.choose)
@method("choose")
def choose(interp: Interp, a: Any, choices: Any, out: Any = None, mode: Any = "raise") -> Any:
    """A chain of selections; the choice must be in range."""
    stage = interp.stage
    which = numbers(interp, a)
    options = interp.static_iterable(choices)
    if mode != "raise" or not options:
        raise stage.refuse(f"np.choose with mode={mode!r}", "clip the choices first")
    which = arrays.stored(stage, which) if isinstance(which, RArray) else which
    bad = array(interp, numeric.ufunc(stage, np.greater_equal, which, len(options)))
    low = array(interp, numeric.ufunc(stage, np.less, which, 0))
    from .reduce import any_

    outside = any_(interp, numeric.ufunc(stage, np.logical_or, bad, low))
    stage.fail_if(outside.expr, "ValueError", "invalid entry in choice array")
    result: Any = options[-1]
    for k in range(len(options) - 2, -1, -1):
        result = where(interp, numeric.ufunc(stage, np.equal, which, k), options[k], result)
    return write_out(interp, "choose", result, out)


# -- iteration -------------------------------------------------------------------------------------------------


def _unravelled(stage: Stage, shape: tuple[Expr, ...], i: Expr) -> tuple[Expr, ...]:
    """The index of element i in C order."""
    at: list[Expr] = []
    for k in range(len(shape) - 1, -1, -1):
        if k == 0:
            at.insert(0, i)
            break
        rest = stage.let(build.op("mod", i, shape[k]), "i")
        if isinstance(rest, Var):
            stage.facts.assume(rest, 0, build.sub(shape[k], build.i64(1)))
        at.insert(0, rest)
        i = stage.let(build.op("floordiv", i, shape[k]), "i")
        if isinstance(i, Var):
            stage.facts.assume(i, 0, build.sub(arrays.size(shape[:k]), build.i64(1)))
    return tuple(at)


@handles(np.ndindex)
def ndindex(interp: Interp, *shape: Any) -> RIter:
    extents = shape_of(interp, shape[0] if len(shape) == 1 else shape)
    return RIter(arrays.size(extents), lambda i: tuple(RScalar(e, True) for e in _unravelled(interp.stage, extents, i)))


@handles(np.ndenumerate)
def ndenumerate(interp: Interp, arr: Any) -> RIter:
    value = stored(interp, arr)

    def get(i: Expr) -> Any:
        at = _unravelled(interp.stage, value.shape, i)
        return tuple(RScalar(e, True) for e in at), scalar(interp.stage, arrays.element(value, at))

    return RIter(arrays.size(value.shape), get)


class Broadcast:
    """What np.broadcast says about its operands."""

    def __init__(self, shape: tuple[Any, ...], size: Any) -> None:
        self.shape, self.ndim, self.nd, self.size = shape, len(shape), len(shape), size


@handles(np.broadcast)
def broadcast(interp: Interp, *args: Any) -> Broadcast:
    values = [array(interp, a) for a in args]
    shape = arrays.broadcast_shapes(interp.stage, [v.shape for v in values])
    result = Broadcast(tuple(python_int(e) for e in shape), python_int(arrays.size(shape)))
    return interp.stage.note_created(result)


@handles(np.asfortranarray)
def asfortranarray(interp: Interp, a: Any, dtype: Any = None, *, like: Any = None) -> RArray:
    """A copy: values are the same in any memory order."""
    return arrays.copy(interp.stage, interp.as_array(a, dtype))


# -- determinants and tensors ----------------------------------------------------------------------------------


@handles(np.linalg.slogdet)
def slogdet(interp: Interp, a: Any) -> SlogdetResult:
    value = square(interp, a)
    if value.rank != 2:
        raise interp.stage.refuse("slogdet of a stack of matrices", "loop over the matrices")
    sign, logarithm = programmed(interp, programs.slogdet, value)
    return SlogdetResult(sign, logarithm)


@handles(np.linalg.tensorsolve)
def tensorsolve(interp: Interp, a: Any, b: Any, axes: Any = None) -> Any:
    only_default(interp, "tensorsolve", axes=(axes, None))
    return programmed(interp, programs.tensorsolve, stored(interp, a), stored(interp, b))


# -- refused ---------------------------------------------------------------------------------------------------


def _refused(name: str, way_out: str) -> Callable[..., Any]:
    def handler(interp: Interp, *args: Any, **kwargs: Any) -> Any:
        raise interp.stage.refuse(f"numpy.{name} is not supported", way_out)

    return handler


for _function, _name, _way_out in (
    (np.histogram2d, "histogram2d", "count with np.add.at"),
    (np.histogramdd, "histogramdd", "count with np.add.at"),
    (np.nditer, "nditer", "use np.ndindex, np.ndenumerate or loops"),
):
    handles(_function)(_refused(_name, _way_out))

numeric.UFUNCS[np.logaddexp2] = lambda stage, a: _logaddexp2(stage, a)


def _logaddexp2(stage: Stage, a: list[Expr]) -> Expr:
    log2 = build.const(math.log(2), a[0].dtype)
    return numeric.smooth_maximum(stage, a, lambda gap: build.div(build.op("log1p", build.op("exp2", gap)), log2))
