"""Python's builtins on runtime values."""

from __future__ import annotations

import functools
import itertools
import logging
import operator
import types
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant, iadd, imul, isub
from wengert.ir import build
from wengert.ir.nodes import FALSE, ONE, ZERO, Const, Expr
from wengert.ir.types import BOOL, C128, F64, I64, DType

from . import arrays, index, numeric
from .frame import PyRaise
from .lists import sure_keys
from .registry import HANDLERS, METHODS, handles
from .statements import RIter
from .subclasses import SubArray, check_sure
from .subclasses import call_method as call_instance_method
from .values import (
    BoundMethod,
    Choice,
    Closure,
    MaybeUnbound,
    RArray,
    RList,
    RRange,
    RScalar,
    RuntimeString,
    contains_runtime,
)

if TYPE_CHECKING:
    from .interp import Interp


@handles(len)
def len_(interp: Interp, value: Any) -> Any:
    if isinstance(value, (RArray, RList)):
        return number(interp.length(value))
    if isinstance(value, RRange):
        return number(interp.range_length(value))
    method = getattr(type(value), "__len__", None)
    if isinstance(method, types.FunctionType):
        return interp.call(method, [value], {})
    if isinstance(value, dict):
        sure_keys(interp.stage, value)
    return interp.native(lambda: len(value))


def number(expr: Expr) -> Any:
    """A Python integer: static if constant."""
    value = constant(expr)
    return RScalar(expr, True) if value is None else value


@handles(range)
def range_(interp: Interp, *args: Any) -> Any:
    if not contains_runtime(args):
        return interp.native(lambda: range(*args))
    exprs = [index.as_index(a) for a in args]
    start, stop = (ZERO, exprs[0]) if len(exprs) == 1 else (exprs[0], exprs[1])
    step: Expr = exprs[2] if len(exprs) == 3 else ONE
    wild = any(isinstance(a, RScalar) and a.wild for a in args)
    extent = interp.stage.extent
    return RRange(extent(start), extent(stop), constant(step), extent(step), wild)


@handles(abs, operator.abs)
def abs_(interp: Interp, value: Any) -> Any:
    if isinstance(value, RArray) or (isinstance(value, RScalar) and not value.python):
        return numeric.ufunc(interp.stage, np.absolute, value)
    if isinstance(value, RScalar):
        x = build.cast(value.expr, I64) if value.dtype is BOOL else value.expr
        return RScalar(interp.stage.let(build.op("abs", x)), True, value.wild)
    method = getattr(type(value), "__abs__", None)
    if isinstance(method, types.FunctionType):
        return interp.call(method, [value], {})
    return interp.native(lambda: abs(value))


def _extreme(interp: Interp, args: tuple[Any, ...], kwargs: dict[str, Any], largest: bool) -> Any:
    arrays_like = len(args) == 1 and (isinstance(args[0], RArray) or (isinstance(args[0], RList) and not args[0].parts))
    items = interp.static_iterable(args[0]) if len(args) == 1 and not arrays_like else list(args)
    if arrays_like:
        array = interp.as_array(args[0])
        return interp.call(np.max if largest else np.min, [array], {})
    if not items:
        if "default" in kwargs:
            return kwargs["default"]
        raise PyRaise(ValueError(f"{'max' if largest else 'min'}() iterable argument is empty"))
    key = kwargs.get("key")
    if not contains_runtime(items) and key is None:
        return interp.native(lambda: (max if largest else min)(items))
    best, best_key = items[0], interp.call(key, [items[0]], {}) if key is not None else items[0]
    for item in items[1:]:
        item_key = interp.call(key, [item], {}) if key is not None else item
        better = interp.truth(interp.relation(">" if largest else "<", item_key, best_key))
        best, best_key = _pick(interp, better, item, best), _pick(interp, better, item_key, best_key)
    return best


def _pick(interp: Interp, cond: bool | Expr, a: Any, b: Any) -> Any:
    if isinstance(cond, bool):
        return a if cond else b
    return interp.conditional(cond, lambda: a, lambda: b)


@handles(max)
def max_(interp: Interp, *args: Any, **kwargs: Any) -> Any:
    return _extreme(interp, args, kwargs, True)


@handles(min)
def min_(interp: Interp, *args: Any, **kwargs: Any) -> Any:
    return _extreme(interp, args, kwargs, False)


@handles(sum)
def sum_(interp: Interp, values: Any, start: Any = 0) -> Any:
    if (isinstance(values, RList) and not values.parts) or (isinstance(values, RArray) and values.rank == 1):
        total = interp.call(np.sum, [interp.as_array(values)], {})
        return total if isinstance(start, int) and start == 0 else interp.binary("+", start, total)
    result = start
    for v in interp.static_iterable(values):
        result = interp.binary("+", result, v)
    return result


@handles(any)
def any_(interp: Interp, values: Any) -> Any:
    return _quantify(interp, values, True)


@handles(all)
def all_(interp: Interp, values: Any) -> Any:
    return _quantify(interp, values, False)


def _quantify(interp: Interp, values: Any, some: bool) -> Any:
    if isinstance(values, RList) and not values.parts:
        values = interp.as_array(values)
    if isinstance(values, RArray):
        return interp.call(np.any if some else np.all, [values], {})
    result: Expr | bool = not some
    for v in interp.static_iterable(values):
        t = interp.truth(v)
        if isinstance(t, bool):
            if t == some:
                return some
            continue
        result = t if isinstance(result, bool) else (build.or_ if some else build.and_)(result, t)
    return result if isinstance(result, bool) else RScalar(interp.stage.let(result), True)


@handles(float)
def float_(interp: Interp, value: Any = 0.0) -> Any:
    value = _single(interp, value)
    if isinstance(value, RScalar):
        if value.dtype.is_complex:
            raise PyRaise(TypeError("float() argument must be a string or a real number, not 'complex'"))
        return RScalar(interp.stage.let(build.cast(value.expr, F64)), True)
    method = getattr(type(value), "__float__", None)
    if isinstance(method, types.FunctionType):
        return interp.call(method, [value], {})
    return interp.native(lambda: float(value))


def _single(interp: Interp, value: Any) -> Any:
    """The element of a one-element array."""
    if isinstance(value, RArray):
        for e in value.shape:
            if constant(e) != 1:
                raise PyRaise(TypeError("only length-1 arrays can be converted to Python scalars"))
        return RScalar(interp.stage.let(arrays.element(value, [ZERO] * value.rank)), False)
    return value


@handles(int, operator.index)
def int_(interp: Interp, value: Any = 0, *base: Any) -> Any:
    value = _single(interp, value)
    if isinstance(value, RScalar):
        if value.dtype.is_inexact:
            wrong = interp.stage.let(build.not_(build.op("isfinite", value.expr)))
            interp.stage.fail_if(wrong, "ValueError", "cannot convert float NaN or infinity to integer")
        return RScalar(interp.stage.let(build.cast(value.expr, I64)), True, value.dtype.is_inexact or value.wild)
    method = getattr(type(value), "__int__", None)
    if isinstance(method, types.FunctionType):
        return interp.call(method, [value], {})
    return interp.native(lambda: int(value, *base))


@handles(bool, operator.truth)
def bool_(interp: Interp, value: Any = False) -> Any:
    cond = interp.truth(value)
    return cond if isinstance(cond, bool) else RScalar(cond, True)


@handles(complex)
def complex_(interp: Interp, real: Any = 0, imag: Any = 0) -> Any:
    if not contains_runtime((real, imag)):
        return interp.native(lambda: complex(real, imag) if imag != 0 or not isinstance(real, str) else complex(real))
    a, b = numeric.as_scalar(_single(interp, real)), numeric.as_scalar(_single(interp, imag))
    if a.dtype.is_complex or b.dtype.is_complex:
        if isinstance(imag, int) and imag == 0:
            return RScalar(build.cast(a.expr, C128), True)
        return interp.binary("+", a, interp.binary("*", b, RScalar(Const(1j, C128), True)))
    return RScalar(interp.stage.let(build.op("complex", build.cast(a.expr, F64), build.cast(b.expr, F64))), True)


@handles(round)
def round_(interp: Interp, value: Any, ndigits: Any = None) -> Any:
    if isinstance(value, RArray):
        return interp.call(np.round, [value, 0 if ndigits is None else ndigits], {})
    if not isinstance(value, RScalar):
        return interp.native(lambda: round(value, ndigits) if ndigits is not None else round(value))
    if not value.python and ndigits is not None:
        return interp.call(np.round, [value, ndigits], {})
    if value.dtype.is_integer:
        return value
    if ndigits is None:
        rounded = interp.stage.let(build.cast(build.op("rint", value.expr), I64))
        return RScalar(rounded, True, True)
    scale = 10.0**ndigits
    x = build.mul(value.expr, build.const(scale, value.dtype))
    return RScalar(interp.stage.let(build.div(build.op("rint", x), build.const(scale, value.dtype))), value.python)


@handles(pow, operator.pow)
def pow_(interp: Interp, a: Any, b: Any) -> Any:
    return interp.binary("**", a, b)


@handles(divmod)
def divmod_(interp: Interp, a: Any, b: Any) -> Any:
    return interp.binary("//", a, b), interp.binary("%", a, b)


@handles(isinstance)
def isinstance_(interp: Interp, value: Any, kinds: Any) -> Any:
    if isinstance(value, Choice):
        possible = interp.possible(value)
        matches = [k for k in possible if isinstance_(interp, value.alternatives[k], kinds)]
        if len(matches) in (0, len(possible)):
            return bool(matches)
        cond: Expr = FALSE
        for k in matches:
            cond = build.or_(cond, build.eq(value.tag, build.i64(k)))
        result = RScalar(interp.stage.let(cond), True)
        interp.stage.tag_tests[result.expr.name] = (value, tuple(matches))  # type: ignore[union-attr]
        return result
    if isinstance(value, SubArray):
        found = [any(_subclass(kind, k) for k in _flatten(kinds)) for kind in (np.ndarray, value.real_class)]
        if found[0] != found[1]:
            check_sure(interp, value, "isinstance")
        return found[1]
    if isinstance(value, (RScalar, RArray, RList, Closure, RRange)):
        kind = type_of(value)
        return any(_subclass(kind, k) for k in _flatten(kinds))
    return interp.native(lambda: isinstance(value, kinds))


def _flatten(kinds: Any) -> list[Any]:
    if isinstance(kinds, types.UnionType):
        return list(kinds.__args__)
    return [k for part in kinds for k in _flatten(part)] if isinstance(kinds, tuple) else [kinds]


def _subclass(kind: type, other: Any) -> bool:
    try:
        return issubclass(kind, other)
    except TypeError:
        return False


def type_of(value: Any) -> type:
    """The Python type a runtime value would have."""
    match value:
        case RArray():
            return np.ndarray
        case SubArray():
            return value.real_class
        case RScalar():
            if value.python:
                return {BOOL: bool, I64: int, F64: float, C128: complex}[value.dtype]
            return value.dtype.numpy.type
        case RList():
            return list
        case Closure():
            return types.FunctionType
        case RRange():
            return range
        case _:
            return type(value)


@handles(type)
def type_(interp: Interp, value: Any, *rest: Any) -> Any:
    if rest:
        raise interp.stage.refuse("a class is made inside the program", "define it at module level")
    if isinstance(value, SubArray):
        check_sure(interp, value, "type()")
    return type_of(value)


@handles(callable)
def callable_(interp: Interp, value: Any) -> bool:
    return isinstance(value, (Closure, BoundMethod)) or (not isinstance(value, (RScalar, RArray)) and callable(value))


@handles(hasattr)
def hasattr_(interp: Interp, owner: Any, name: str) -> Any:
    if isinstance(owner, RArray):
        return hasattr(np.ndarray, name)
    if isinstance(owner, RScalar):
        return hasattr(type_of(owner), name)
    present = getattr(owner, "__dict__", {}).get(name)
    if isinstance(present, MaybeUnbound):
        return RScalar(present.flag, True)
    try:
        interp.get_attribute(owner, name)
    except PyRaise as error:
        if issubclass(error.kind, AttributeError):
            return False
        raise
    return True


@handles(getattr)
def getattr_(interp: Interp, owner: Any, name: str, *default: Any) -> Any:
    if default:
        present = hasattr_(interp, owner, name)
        if isinstance(present, RScalar):
            return interp.conditional(present.expr, lambda: owner.__dict__[name].value, lambda: default[0])
        if not present:
            return default[0]
    return interp.get_attribute(owner, name)


@handles(setattr)
def setattr_(interp: Interp, owner: Any, name: str, value: Any) -> None:
    interp.set_attribute(owner, name, value)


@handles(object.__setattr__)
def object_setattr(interp: Interp, owner: Any, name: str, value: Any) -> None:
    interp.set_attribute(owner, name, value, plain=True)


@handles(object.__getattribute__)
def object_getattribute(interp: Interp, owner: Any, name: str) -> Any:
    return interp.get_attribute(owner, name)


@handles(list)
def list_(interp: Interp, values: Any = ()) -> Any:
    if isinstance(values, RList):
        return interp.list_copy(values)
    return interp.new_list(interp.call_node, [interp.settle(v) for v in interp.static_iterable(values)])


@handles(tuple)
def tuple_(interp: Interp, values: Any = ()) -> Any:
    return tuple(interp.settle(v) for v in interp.static_iterable(values))


@handles(dict)
def dict_(interp: Interp, *args: Any, **kwargs: Any) -> Any:
    made: dict[Any, Any] = {}
    for source in args:
        pairs = list(source.items()) if isinstance(source, dict) else interp.static_iterable(source)
        for k, v in map(interp.static_iterable, pairs):
            made[interp.static_key(k)] = interp.settle(v)
    made.update({k: interp.settle(v) for k, v in kwargs.items()})
    return interp.stage.note_created(made)


@handles(slice)
def slice_(interp: Interp, *args: Any) -> slice:
    return interp.native(lambda: slice(*args))  # type: ignore[no-any-return]


@handles(enumerate)
def enumerate_(interp: Interp, values: Any, start: Any = 0) -> Any:
    it = interp.iterable(values)
    if isinstance(it, list):
        if not contains_runtime(start):
            return list(enumerate(it, start))
        return [(interp.binary("+", start, k), v) for k, v in enumerate(it)]
    length, get = _indexed(interp, it)
    first = index.as_index(start)
    return RIter(length, lambda i: (RScalar(iadd(first, i), True), get(i)))


@handles(zip)
def zip_(interp: Interp, *iterables: Any, strict: bool = False) -> Any:
    its = [interp.iterable(v) for v in iterables]
    if all(isinstance(it, list) for it in its):
        return interp.native(lambda: list(zip(*its, strict=strict)))
    if any(isinstance(it, list) for it in its):
        n = min(len(it) for it in its if isinstance(it, list))
        rest = [_indexed(interp, it) for it in its if not isinstance(it, list)]
        for length, _ in rest:
            value = interp.stage.static_int(length, "the length of an array zipped with a Python list")
            n = min(n, value)

        def column(it: Any) -> list[Any]:
            if isinstance(it, list):
                return it[:n]
            _, get = _indexed(interp, it)
            return [get(Const(k, I64)) for k in range(n)]

        return list(zip(*[column(it) for it in its], strict=True))
    pairs = [_indexed(interp, it) for it in its]
    shortest = pairs[0][0]
    for length, _ in pairs[1:]:
        if not interp.stage.same(shortest, length):
            shortest = interp._counted(build.min_(shortest, length))
    return RIter(shortest, lambda i: tuple(get(i) for _, get in pairs))


def _indexed(interp: Interp, it: Any) -> tuple[Expr, Any]:
    if isinstance(it, RRange):
        length = interp.range_length(it)
        return length, lambda i: RScalar(iadd(it.start, imul(it.step_expr, i)), True, it.wild)
    return it.length, it.get


@handles(reversed)
def reversed_(interp: Interp, values: Any) -> Any:
    it = interp.iterable(values)
    if isinstance(it, list):
        return it[::-1]
    if isinstance(it, RRange) and it.step is not None and abs(it.step) == 1:
        forth, back = Const(it.step, I64), Const(-it.step, I64)
        return RRange(isub(it.stop, forth), isub(it.start, forth), -it.step, back, it.wild)
    length, get = _indexed(interp, it)
    return RIter(length, lambda i: get(isub(isub(length, ONE), i)))


@handles(map)
def map_(interp: Interp, fn: Any, *iterables: Any) -> Any:
    columns = [interp.iterable(v) for v in iterables]
    if all(isinstance(c, list) for c in columns):
        return [interp.settle(interp.call(fn, list(row), {})) for row in zip(*columns, strict=False)]
    pairs = [_indexed(interp, c) if not isinstance(c, list) else None for c in columns]
    if any(p is None for p in pairs) or len(pairs) != 1:
        raise interp.stage.refuse("map over several run-time sequences", "write a loop")
    length, get = pairs[0]  # type: ignore[misc]
    return RIter(length, lambda i: interp.call(fn, [get(i)], {}))


@handles(filter)
def filter_(interp: Interp, fn: Any, values: Any) -> Any:
    out: list[Any] = []
    for v in interp.static_iterable(values):
        keep = interp.truth(interp.call(fn, [v], {}) if fn is not None else v)
        if not isinstance(keep, bool):
            raise interp.stage.refuse("filter with a run-time condition", "use a NumPy mask")
        if keep:
            out.append(v)
    return out


@handles(sorted)
def sorted_(interp: Interp, values: Any, *, key: Any = None, reverse: bool = False) -> Any:
    items = interp.static_iterable(values)
    keys = items if key is None else [interp.call(key, [v], {}) for v in items]
    if contains_runtime(keys):
        raise interp.stage.refuse("sorted() compares run-time numbers", "use np.sort")
    order = interp.native(lambda: sorted(range(len(items)), key=keys.__getitem__, reverse=bool(reverse)))
    return interp.stage.note_created([items[k] for k in order])


@handles(iter)
def iter_(interp: Interp, values: Any) -> Any:
    return values if isinstance(values, (RArray, RList, RRange)) else iter(interp.static_iterable(values))


@handles(print, warnings.warn, warnings.simplefilter, warnings.filterwarnings, logging.getLogger)
def ignored(interp: Interp, *args: Any, **kwargs: Any) -> None:
    """Output and warnings are not part of the compiled program."""


@handles(str, repr)
def str_(interp: Interp, value: Any = "", *rest: Any) -> Any:
    if isinstance(value, RScalar):
        return RuntimeString("{}", (value.expr,))
    if isinstance(value, RuntimeString):
        return value
    if contains_runtime(value):
        return RuntimeString("...", ())
    if isinstance(value, PyRaise):
        template, args = interp.error_text(value)
        return RuntimeString(template, args)
    method = getattr(type(value), "__str__", None)
    if isinstance(method, types.FunctionType):
        return interp.call(method, [value], {})
    return interp.native(lambda: str(value, *rest))


@handles(functools.reduce)
def reduce_(interp: Interp, fn: Any, values: Any, *initial: Any) -> Any:
    items = [*initial, *interp.static_iterable(values)]
    if not items:
        raise PyRaise(TypeError("reduce() of empty iterable with no initial value"))
    result = items[0]
    for item in items[1:]:
        result = interp.call(fn, [result, item], {})
    return result


@handles(functools.partial)
def partial_(interp: Interp, fn: Any, *args: Any, **kwargs: Any) -> Any:
    if isinstance(fn, (Closure, BoundMethod)):
        return BoundMethod((fn, args, kwargs), "partial")
    return functools.partial(fn, *args, **kwargs)


@handles(functools.wraps)
def wraps_(interp: Interp, fn: Any, *rest: Any) -> Any:
    return lambda f: f


@handles(itertools.product)
def product_(interp: Interp, *iterables: Any, repeat: int = 1) -> Any:
    return list(itertools.product(*[interp.static_iterable(v) for v in iterables], repeat=repeat))


@handles(itertools.chain)
def chain_(interp: Interp, *iterables: Any) -> Any:
    return [v for it in iterables for v in interp.static_iterable(it)]


@handles(itertools.combinations, itertools.permutations)
def combinations_(interp: Interp, values: Any, r: int) -> Any:
    return list(itertools.combinations(interp.static_iterable(values), r))


def _operator(symbol: str) -> Any:
    return lambda interp, a, b: interp.binary(symbol, a, b)


def _relation(symbol: str) -> Any:
    return lambda interp, a, b: interp.relation(symbol, a, b)


_OPERATORS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "matmul": "@"}
_RELATIONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
for _name, _symbol in _OPERATORS.items():
    HANDLERS[getattr(operator, _name)] = _operator(_symbol)
for _name, _symbol in _RELATIONS.items():
    HANDLERS[getattr(operator, _name)] = _relation(_symbol)


def call_method(interp: Interp, owner: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """A method of a runtime value or a builtin container."""
    match owner:
        case SubArray():
            return call_instance_method(interp, owner, name, args, kwargs)
        case RArray():
            return interp.handled(METHODS[name], [owner, *args], kwargs)
        case RScalar() if owner.python:
            return _number_method(interp, owner, name)
        case RScalar():
            if name not in METHODS:
                if hasattr(type_of(owner), name):
                    reason = f"the method .{name} of a NumPy number is not supported"
                    raise interp.stage.refuse(reason, "use NumPy's functions")
                raise PyRaise(AttributeError(f"'numpy.{owner.dtype.numpy.name}' object has no attribute '{name}'"))
            return interp.handled(METHODS[name], [owner, *args], kwargs)
        case RList():
            return interp.list_method(owner, name, args, kwargs)
        case np.ufunc():
            from .numpy_api import ufuncs

            return ufuncs.ufunc_method(interp, owner, name, *args, **kwargs)
        case (fn, first, named) if name == "partial":
            return interp.call(fn, [*first, *args], {**named, **kwargs})
        case _:
            return interp.static_list_method(owner, name, args, kwargs)


def _number_method(interp: Interp, owner: RScalar, name: str) -> Any:
    match name:
        case "real" | "imag":
            if owner.dtype.is_complex:
                return RScalar(interp.stage.let(build.op(name, owner.expr)), True)
            return owner if name == "real" else 0.0
        case "conjugate":
            return RScalar(interp.stage.let(build.op("conj", owner.expr)), True) if owner.dtype.is_complex else owner
        case "is_integer":
            return RScalar(interp.stage.let(build.eq(build.op("floor", owner.expr), owner.expr)), True)
        case _ if hasattr(type_of(owner), name):
            raise interp.stage.refuse(f"the method .{name} of a number is not supported", "write it with operators")
        case _:
            raise PyRaise(AttributeError(f"'{type_of(owner).__name__}' object has no attribute '{name}'"))


def _numpy_scalar_type(dtype: DType) -> Any:
    def handler(interp: Interp, value: Any = 0) -> Any:
        if isinstance(value, (RArray, list, tuple, np.ndarray, RList)):
            return interp.as_array(value, dtype.numpy)
        if isinstance(value, RScalar) or numeric.is_number(value):
            return RScalar(interp.stage.let(build.cast(numeric.as_scalar(value).expr, dtype)), False)
        return interp.native(lambda: dtype.numpy.type(value))

    return handler


for _dtype in DType:
    HANDLERS[_dtype.numpy.type] = _numpy_scalar_type(_dtype)
