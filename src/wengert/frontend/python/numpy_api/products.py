"""Products of vectors and matrices."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant, iadd, imul
from wengert.ir import build
from wengert.ir.nodes import ZERO, Const, Expr, LibCall
from wengert.ir.types import BOOL, C64, C128, F32, F64, I64, DType

from .. import arrays, float_errors, numeric
from ..registry import handles, method
from ..values import RArray, RScalar
from .common import (
    add_to,
    add_to_cell,
    array,
    axis_of,
    cast,
    consume,
    fix,
    flat,
    hint_of,
    insert_axis,
    last_axis_first,
    loop,
    numbers,
    permute,
    require_equal,
    several,
    static_integer,
)
from .reduce import written

if TYPE_CHECKING:
    from ..interp import Interp

_WIDE = {F32: F64, C64: C128}


# -- kernels ---------------------------------------------------------------------------------------------------


def common_dtype(*operands: Any) -> DType:
    """The dtype of a product."""
    return numeric.result_type(operands)


def times(a: Expr, b: Expr) -> Expr:
    return build.and_(a, b) if a.dtype is BOOL else build.mul(a, b)


def vector_dot(interp: Interp, a: RArray, b: RArray, dtype: DType, conjugate: bool = False) -> RScalar:
    """The sum of products of two vectors of equal length."""
    stage = interp.stage
    float_errors.unchecked(stage, "a product of arrays")
    if a is b:
        a = b = arrays.stored(stage, a)
    calc = _WIDE.get(dtype, dtype)
    cell = stage.cell(calc, hint_of(interp, "dot"), init=build.zero(calc))
    consume(stage, a, b)

    def body(i: Expr) -> None:
        x, y = (build.cast(arrays.element(v, (i,)), calc) for v in (a, b))
        if conjugate and calc.is_complex:
            x = build.op("conj", x)
        add_to_cell(stage, cell, times(x, y), "max" if calc is BOOL else "add")

    loop(stage, ZERO, a.shape[0], body, "k", parallel=True)
    total = stage.load_cell(cell, hint_of(interp, "dot"))
    return RScalar(stage.let(build.cast(total, dtype)), False)


def contract(
    interp: Interp, target: RArray, a: RArray, b: RArray, extents: Sequence[Expr], rows: int, inner: int
) -> None:
    """target[i, j] += a[i, k] b[k, j] by loops, where i, k, j are groups of `rows`, `inner` and the remaining axes."""
    stage = interp.stage
    float_errors.unchecked(stage, "a product of arrays")
    op = "max" if target.dtype is BOOL else "add"
    consume(stage, a, b)
    swapped = rows == inner == 1 and b.rank == 1 and last_axis_first(a)
    order = [1, 0] if swapped else list(range(len(extents)))

    def body(index: tuple[Expr, ...]) -> None:
        at = [index[order[k]] for k in range(len(extents))]
        i, k, j = at[:rows], at[rows : rows + inner], at[rows + inner :]
        x = build.cast(arrays.element(a, [*i, *k]), target.dtype)
        y = build.cast(arrays.element(b, [*k, *j]), target.dtype)
        add_to(stage, target, [*i, *j], times(x, y), op)

    arrays.nest(stage, [extents[k] for k in order], body)


def matrix_product(interp: Interp, a: RArray, b: RArray, dtype: DType, target: RArray | None = None) -> RArray:
    """a @ b of two matrices, into `target` if given (which must not alias them)."""
    stage = interp.stage
    float_errors.unchecked(stage, "a product of arrays")
    m, k, n = a.shape[0], a.shape[1], b.shape[1]
    if target is None and 1 in map(constant, (m, k, n)):
        return _thin_product(interp, a, b, dtype)
    if dtype.is_inexact and not _is_small(m, k, n):
        target = stage.alloc(dtype, (m, n), hint_of(interp, "product")) if target is None else target
        names = [arrays.as_storage(stage, cast(stage, x, dtype), h) for x, h in ((a, "a"), (b, "b"))]
        stage.emit(LibCall("matmul", (arrays.as_storage(stage, target),), tuple(names), (), stage.span))
        return target
    if target is None:
        target = stage.alloc(dtype, (m, n), hint_of(interp, "product"), zero=True)
    else:
        arrays.fill(stage, target, lambda i: build.zero(dtype))
    a, b = (arrays.stored(stage, x) for x in (a, b))
    contract(interp, target, a, b, (m, k, n), 1, 1)
    return target


def _is_small(*extents: Expr) -> bool:
    """Whether loops, which are optimised together with what is around them, beat a call of the library."""
    return all(n is not None and n <= 8 for n in map(constant, extents))


def _thin_product(interp: Interp, a: RArray, b: RArray, dtype: DType) -> RArray:
    """a @ b of matrices one of which is a vector: by loops, as products with vectors are."""
    stage = interp.stage
    m, k, n = a.shape[0], a.shape[1], b.shape[1]
    outer = constant(k) == 1
    if outer:
        a, b = (arrays.stored(stage, v) for v in (a, b))
    target = stage.alloc(dtype, (m, n), hint_of(interp, "product"), zero=not outer)
    if outer:

        def element(i: Sequence[Expr]) -> Expr:
            x, y = arrays.element(a, (i[0], ZERO)), arrays.element(b, (ZERO, i[1]))
            return times(build.cast(x, dtype), build.cast(y, dtype))

        arrays.fill(stage, target, element)
    elif constant(n) == 1:
        _matrix_vector(interp, a, arrays.drop_axis(b, 1), arrays.drop_axis(target, 1))
    else:
        _vector_matrix(interp, arrays.drop_axis(a, 0), b, arrays.drop_axis(target, 0))
    return target


def _matrix_vector(interp: Interp, a: RArray, x: RArray, target: RArray) -> None:
    """target += a @ x"""
    contract(interp, target, a, arrays.stored(interp.stage, x), a.shape, 1, 1)


def _vector_matrix(interp: Interp, x: RArray, a: RArray, target: RArray) -> None:
    """target += x @ a"""
    if last_axis_first(a):
        _matrix_vector(interp, permute(interp.stage, a, (1, 0)), x, target)
    else:
        contract(interp, target, arrays.stored(interp.stage, x), a, a.shape, 0, 1)


def _stacked(interp: Interp, a: RArray, b: RArray, dtype: DType) -> RArray:
    """Products of stacks of matrices (rank two or more, one of them more)."""
    stage = interp.stage
    if b.rank == 2:
        rows = arrays.size(a.shape[:-1])
        merged = arrays.reshape(stage, a, (rows, a.shape[-1]))
        product = matrix_product(interp, merged, b, dtype)
        return arrays.reshape(stage, product, (*a.shape[:-1], b.shape[-1]), hint_of(interp, "product"))
    a, b = (arrays.stored(stage, cast(stage, x, dtype)) for x in (a, b))
    batch = arrays.broadcast_shapes(stage, [a.shape[:-2], b.shape[:-2]])
    wide_a = arrays.broadcast(stage, a, (*batch, *a.shape[-2:]))
    wide_b = arrays.broadcast(stage, b, (*batch, *b.shape[-2:]))
    m, k, n = a.shape[-2], a.shape[-1], b.shape[-1]
    library = dtype.is_inexact and not _is_small(m, k, n)
    target = stage.alloc(dtype, (*batch, m, n), hint_of(interp, "product"), zero=not library)

    def one(at: tuple[Expr, ...]) -> None:
        x, y, out = (_at(interp, v, at) for v in (wide_a, wide_b, target))
        if library:
            matrix_product(interp, x, y, dtype, out)
        else:
            contract(interp, out, x, y, (m, k, n), 1, 1)

    arrays.nest(stage, batch, one)
    return target


def _at(interp: Interp, a: RArray, index: Sequence[Expr]) -> RArray:
    for i in index:
        a = fix(interp.stage, a, 0, i)
    return a


# -- matmul ----------------------------------------------------------------------------------------------------


def matmul(interp: Interp, a: Any, b: Any) -> Any:
    """a @ b: vectors by loops, matrices by the library, stacks one product at a time."""
    stage = interp.stage
    x, y = array(interp, a), array(interp, b)
    for k, v in enumerate((x, y)):
        if v.rank == 0:
            raise ValueError(
                f"matmul: Input operand {k} does not have enough dimensions (has 0, gufunc core with signature "
                "(n?,k),(k,m?)->(n?,m?) requires 1)"
            )
    dtype = common_dtype(x, y)
    inner = y.shape[0] if y.rank == 1 else y.shape[-2]
    require_equal(
        stage, inner, x.shape[-1],
        "matmul: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature (n?,k),(k,m?)->(n?,m?) "
        "(size {} is different from {})",
    )  # fmt: skip
    if x is y:
        x = y = arrays.stored(stage, x)
    match x.rank, y.rank:
        case 1, 1:
            return vector_dot(interp, x, y, dtype)
        case 2, 1:
            target = stage.alloc(dtype, (x.shape[0],), hint_of(interp, "product"), zero=True)
            _matrix_vector(interp, x, y, target)
            return target
        case 1, 2:
            target = stage.alloc(dtype, (y.shape[1],), hint_of(interp, "product"), zero=True)
            _vector_matrix(interp, x, y, target)
            return target
        case 2, 2:
            return matrix_product(interp, x, y, dtype)
        case _:
            pass
    if y.rank == 1:
        product = _stacked(interp, x, insert_axis(stage, y, 1), dtype)
        return arrays.drop_axis(product, product.rank - 1)
    if x.rank == 1:
        product = _stacked(interp, insert_axis(stage, x, 0), y, dtype)
        return arrays.drop_axis(product, product.rank - 2)
    return _stacked(interp, x, y, dtype)


def _number(value: Any) -> bool:
    return not isinstance(value, RArray)


@handles(np.dot)
@method("dot")
def dot(interp: Interp, a: Any, b: Any, out: Any = None) -> Any:
    x, y = numbers(interp, a), numbers(interp, b)
    if _number(x) or _number(y):
        return written(interp, numeric.ufunc(interp.stage, np.multiply, x, y), out, "dot")
    assert isinstance(x, RArray) and isinstance(y, RArray)
    inner = y.shape[0] if y.rank == 1 else y.shape[-2]
    place = 0 if y.rank == 1 else y.rank - 2
    require_equal(
        interp.stage, x.shape[-1], inner, f"shapes not aligned: {{}} (dim {x.rank - 1}) != {{}} (dim {place})"
    )
    if x.rank <= 2 and y.rank <= 2:
        return written(interp, matmul(interp, x, y), out, "dot")
    return written(interp, tensordot(interp, x, y, axes=((x.rank - 1,), (place,))), out, "dot")


@handles(np.vdot)
def vdot(interp: Interp, a: Any, b: Any, /) -> RScalar:
    x, y = (flat(interp.stage, array(interp, v)) for v in (a, b))
    require_equal(interp.stage, x.shape[0], y.shape[0], "cannot reshape: vdot of {} and {} elements")
    return vector_dot(interp, x, y, common_dtype(x, y), conjugate=True)


@handles(np.inner)
def inner(interp: Interp, a: Any, b: Any, /) -> Any:
    x, y = numbers(interp, a), numbers(interp, b)
    if _number(x) or _number(y):
        return numeric.ufunc(interp.stage, np.multiply, x, y)
    assert isinstance(x, RArray) and isinstance(y, RArray)
    require_equal(
        interp.stage,
        x.shape[-1],
        y.shape[-1],
        f"shapes not aligned: {{}} (dim {x.rank - 1}) != {{}} (dim {y.rank - 1})",
    )
    if x.rank == y.rank == 1:
        return vector_dot(interp, x, y, common_dtype(x, y))
    return tensordot(interp, x, y, axes=((x.rank - 1,), (y.rank - 1,)))


def vecdot(interp: Interp, a: Any, b: Any, axis: Any = -1) -> Any:
    """np.vecdot over the last axis: the first operand is conjugated."""
    from .reduce import sum_

    stage = interp.stage
    x, y = array(interp, a), array(interp, b)
    require_equal(stage, y.shape[-1], x.shape[-1], "vecdot: mismatch in core dimension (size {} is different from {})")
    conjugated = numeric.ufunc(stage, np.conjugate, x) if x.dtype.is_complex else x
    return sum_(interp, numeric.ufunc(stage, np.multiply, conjugated, y), axis=-1, dtype=common_dtype(x, y).numpy)


handles(np.linalg.vecdot)(vecdot)
handles(np.linalg.matmul)(matmul)


def _matrix_by_vector(interp: Interp, a: Any, x: Any) -> Any:
    column = insert_axis(interp.stage, (v := array(interp, x)), v.rank)
    product = matmul(interp, a, column)
    return arrays.drop_axis(product, product.rank - 1)


def _vector_by_matrix(interp: Interp, x: Any, a: Any) -> Any:
    """The vector is conjugated, as NumPy has it."""
    v = array(interp, x)
    if v.dtype.is_complex:
        v = array(interp, numeric.ufunc(interp.stage, np.conjugate, v))
    product = matmul(interp, insert_axis(interp.stage, v, v.rank - 1), a)
    return arrays.drop_axis(product, product.rank - 2)


GENERALISED = {"matmul": matmul, "vecdot": vecdot, "matvec": _matrix_by_vector, "vecmat": _vector_by_matrix}


@handles(np.outer, np.linalg.outer)
def outer(interp: Interp, a: Any, b: Any, out: Any = None) -> Any:
    x, y = (flat(interp.stage, array(interp, v)) for v in (a, b))
    column = insert_axis(interp.stage, x, 1)
    return written(interp, numeric.ufunc(interp.stage, np.multiply, column, y), out, "multiply")


@handles(np.tensordot, np.linalg.tensordot)
def tensordot(interp: Interp, a: Any, b: Any, axes: Any = 2) -> Any:
    """Sums over pairs of axes: one matrix product of the arrays with those axes brought together."""
    stage = interp.stage
    x, y = array(interp, a), array(interp, b)
    left, right = _axis_pairs(interp, axes, x, y)
    for p, q in zip(left, right, strict=True):
        require_equal(stage, x.shape[p], y.shape[q], "shape-mismatch for sum")
    rows = [k for k in range(x.rank) if k not in left]
    columns = [k for k in range(y.rank) if k not in right]
    dtype = common_dtype(x, y)
    summed = [x.shape[k] for k in left]
    shape = (*(x.shape[k] for k in rows), *(y.shape[k] for k in columns))
    x, y = permute(stage, x, [*rows, *left]), permute(stage, y, [*right, *columns])
    if not shape and len(left) == 1:
        return array(interp, vector_dot(interp, x, y, dtype))
    if dtype.is_inexact and left:
        m, k, n = (arrays.size(e) for e in (x.shape[: len(rows)], summed, y.shape[len(left) :]))
        product = matrix_product(interp, arrays.reshape(stage, x, (m, k)), arrays.reshape(stage, y, (k, n)), dtype)
        result = arrays.reshape(stage, product, shape, hint_of(interp, "product"))
    else:
        x, y = (arrays.stored(stage, v) for v in (x, y))
        result = stage.alloc(dtype, shape, hint_of(interp, "product"), zero=True)
        contract(interp, result, x, y, (*x.shape, *y.shape[len(left) :]), len(rows), len(left))
    return result


def _axis_pairs(interp: Interp, axes: Any, x: RArray, y: RArray) -> tuple[list[int], list[int]]:
    if isinstance(axes, (tuple, list)):
        axes = several(axes)
        if len(axes) != 2:
            raise ValueError("axes must be an integer or a pair of axes")
        pair = [several(p) for p in axes]
    else:
        count = static_integer(interp, axes, "the number of axes")
        pair = [list(range(-count, 0)), list(range(count))]
    if len(pair[0]) != len(pair[1]):
        raise ValueError("shape-mismatch for sum")
    return [axis_of(interp, k, x.rank) for k in pair[0]], [axis_of(interp, k, y.rank) for k in pair[1]]


@handles(np.kron)
def kron(interp: Interp, a: Any, b: Any) -> Any:
    stage = interp.stage
    x, y = numbers(interp, a), numbers(interp, b)
    if _number(x) or _number(y):
        return numeric.ufunc(stage, np.multiply, x, y)
    assert isinstance(x, RArray) and isinstance(y, RArray)
    x, y = (arrays.stored(stage, v) for v in (x, y))
    while x.rank < y.rank:
        x = insert_axis(stage, x, 0)
    while y.rank < x.rank:
        y = insert_axis(stage, y, 0)
    dtype = common_dtype(x, y)
    shape = tuple(imul(p, q) for p, q in zip(x.shape, y.shape, strict=True))
    target = stage.alloc(dtype, shape, hint_of(interp, "kron"))

    def body(i: tuple[Expr, ...]) -> None:
        p, q = i[: x.rank], i[x.rank :]
        at = [iadd(imul(r, e), s) for r, e, s in zip(p, y.shape, q, strict=True)]
        value = times(*(build.cast(arrays.element(v, k), dtype) for v, k in ((x, p), (y, q))))
        from .common import store

        store(stage, target, at, value)

    arrays.nest(stage, [*x.shape, *y.shape], body)
    return target


@handles(np.cross, np.linalg.cross)
def cross(interp: Interp, a: Any, b: Any, axisa: Any = -1, axisb: Any = -1, axisc: Any = -1, axis: Any = None) -> Any:
    """np.cross of vectors of three components (or both of two: the scalar z component)."""
    stage = interp.stage
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = (arrays.stored(stage, array(interp, v)) for v in (a, b))
    x, y = (_last(interp, v, k) for v, k in ((x, axisa), (y, axisb)))
    sizes = [stage.static_int(v.shape[-1], "the number of components of a cross product") for v in (x, y)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.cross(
            np.zeros(sizes[0]), np.zeros(sizes[1])
        )  # raises where this NumPy does: vectors of two components were taken once
    dtype = common_dtype(x, y)
    shape = arrays.broadcast_shapes(stage, [x.shape[:-1], y.shape[:-1]])
    x, y = (arrays.broadcast(stage, v, (*shape, v.shape[-1])) for v in (x, y))

    def at(v: RArray, k: int, i: Sequence[Expr]) -> Expr:
        if k >= sizes[0 if v is x else 1]:
            return build.zero(dtype)
        return build.cast(arrays.element(v, [*i, Const(k, I64)]), dtype)

    def component(k: int, i: Sequence[Expr]) -> Expr:
        p, q = (k + 1) % 3, (k + 2) % 3
        return build.sub(build.mul(at(x, p, i), at(y, q, i)), build.mul(at(x, q, i), at(y, p, i)))

    if sizes == [2, 2]:
        target = stage.alloc(dtype, shape, hint_of(interp, "cross"))
        arrays.fill(stage, target, lambda i: component(2, i))
        return target
    if sizes != [3, 3]:
        raise stage.refuse("a cross product of vectors of two and three components", "append a zero component")
    target = stage.alloc(dtype, (*shape, Const(3, I64)), hint_of(interp, "cross"))
    for k in range(3):
        arrays.fill(stage, fix(stage, target, target.rank - 1, Const(k, I64)), lambda i, k=k: component(k, i))
    place = axis_of(interp, axisc, target.rank)
    order = list(range(target.rank - 1))
    order.insert(place, target.rank - 1)
    return permute(stage, target, order)


def _last(interp: Interp, a: RArray, axis: Any) -> RArray:
    place = axis_of(interp, axis, a.rank)
    return permute(interp.stage, a, [*(k for k in range(a.rank) if k != place), place])


@handles(np.trace)
@method("trace")
def trace(
    interp: Interp, a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1, dtype: Any = None, out: Any = None
) -> Any:
    from .reduce import sum_
    from .shape import diagonal

    value = array(interp, a)
    if value.rank < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    return sum_(interp, diagonal(interp, value, offset, axis1, axis2), axis=-1, dtype=dtype, out=out)


def matrices_of(interp: Interp, a: Any) -> RArray:
    """A square matrix, or a stack of them, as an argument of numpy.linalg."""
    value = array(interp, a)
    if value.rank < 2:
        raise np.linalg.LinAlgError(f"{value.rank}-dimensional array given. Array must be at least two-dimensional")
    message = "Last 2 dimensions of the array must be square"
    p, q = value.shape[-2:]
    if not interp.stage.same(p, q):
        if constant(p) is not None and constant(q) is not None:
            raise np.linalg.LinAlgError(message)
        interp.stage.fail_if(interp.stage.let(build.ne(p, q)), "LinAlgError", message)
    return value


@handles(np.linalg.matrix_power)
def matrix_power(interp: Interp, a: Any, n: Any) -> Any:
    from .linalg import inv

    value = arrays.stored(interp.stage, matrices_of(interp, a))
    power = static_integer(interp, n, "the exponent of matrix_power")
    if power == 0:
        from .matrices import eye

        one = eye(interp, RScalar(value.shape[-1], True), dtype=value.dtype.numpy)
        shape = tuple(RScalar(n, True) for n in value.shape)
        return one if value.rank == 2 else arrays.copy(interp.stage, interp.call(np.broadcast_to, [one, shape], {}))
    if power < 0:
        value, power = inv(interp, value), -power
    result: Any = None
    square = value
    while power:
        if power & 1:
            result = square if result is None else matmul(interp, result, square)
        power >>= 1
        if power:
            square = matmul(interp, square, square)
    return arrays.copy(interp.stage, result) if result is value else result


@handles(np.linalg.multi_dot)
def multi_dot(interp: Interp, arrays: Any, *, out: Any = None) -> Any:
    """The product of several matrices, from left to right."""
    operands = interp.static_iterable(arrays)
    if len(operands) < 2:
        raise ValueError("Expecting at least two arrays.")
    result = operands[0]
    for o in operands[1:]:
        result = dot(interp, result, o)
    return written(interp, result, out, "dot")
