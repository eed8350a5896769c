"""Python's builtins on numbers and objects; methods of numbers, arrays and containers."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import logging
import operator
import types
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant
from wengert.codes import Code
from wengert.errors import OutputDropped
from wengert.ir import build
from wengert.ir.nodes import ZERO, Const
from wengert.ir.types import BOOL, C128, F64, I64, DType

from . import arrays, exceptions, generator_programs, integers, number_programs, numeric, outside, texts
from .frame import PyRaise
from .python_values import class_of, is_function, is_tuple, python_method, real_class
from .registry import HANDLERS, METHODS, Handler, handles
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


@handles(abs, operator.abs)
def abs_(interp: Interp, value: Any) -> Any:
    if isinstance(value, RArray) or (isinstance(value, RScalar) and not value.python):
        return numeric.ufunc(interp.stage, np.absolute, value)
    if isinstance(value, RScalar):
        x = build.cast(value.expr, I64) if value.dtype is BOOL else value.expr
        if x.dtype is I64:
            return integers.absolute(interp.stage, x)
        return RScalar(interp.stage.let(build.op("abs", x)), True)
    if (method := python_method(value, "__abs__")) is not None:
        return interp.call(method, [value], {})
    return interp.native(lambda: abs(value))


@handles(float)
def float_(interp: Interp, value: Any = 0.0) -> Any:
    value = single(interp, value)
    if isinstance(value, RScalar):
        if value.dtype.is_complex and value.python:
            raise PyRaise(TypeError("float() argument must be a string or a real number, not 'complex'"))
        if value.dtype.is_complex:
            raise interp.stage.refuse("float() discards the imaginary part", "take .real first", Code.KIND)
        return RScalar(interp.stage.let(build.cast(value.expr, F64)), True)
    if (method := python_method(value, "__float__")) is not None:
        return interp.call(method, [value], {})
    return interp.native(lambda: float(value))


def single(interp: Interp, value: Any) -> Any:
    """The element of a one-element array."""
    if isinstance(value, RArray):
        for e in value.shape:
            if constant(e) != 1:
                raise PyRaise(TypeError("only length-1 arrays can be converted to Python scalars"))
        return RScalar(interp.stage.let(arrays.element(value, [ZERO] * value.rank)), False)
    return value


@handles(int, operator.index)
def int_(interp: Interp, value: Any = 0, *base: Any) -> Any:
    value = single(interp, value)
    if isinstance(value, RScalar):
        if value.dtype.is_complex:
            raise PyRaise(TypeError("int() argument must be a string, a bytes-like object or a real number"))
        if value.dtype.is_float:
            return integers.of_float(interp.stage, value.expr)
        return RScalar(interp.stage.let(integers.of_unsigned(interp.stage, value.expr)), True)
    if (method := python_method(value, "__int__")) is not None:
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
    a, b = numeric.as_scalar(single(interp, real)), numeric.as_scalar(single(interp, imag))
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
    digits = None if ndigits is None else interp.known_int(ndigits, "the digits of round()")
    if value.dtype.is_integer and digits is not None and digits < 0:
        return interp.call(number_programs.rounded_integer, [value, 10**-digits], {})
    if value.dtype.is_integer:
        return value
    if digits is None:
        return integers.of_float(interp.stage, build.op("rint", value.expr))
    if abs(digits) > 22:
        raise interp.stage.refuse("round() to more than 22 digits", "scale the number first")
    scale = 10.0 ** abs(digits)
    high = number_programs.SPLIT * scale - (number_programs.SPLIT * scale - scale)
    program = number_programs.rounded if digits >= 0 else number_programs.rounded_down
    return interp.call(program, [value, scale, high, scale - high], {})


@handles(pow, numeric.OPERATORS["**"][0])
def pow_(interp: Interp, a: Any, b: Any, modulus: Any = None) -> Any:
    if modulus is not None:
        reason = "an argument of pow() with three of them"
        x, y, z = (operator.index(interp.known_int(v, reason)) for v in (a, b, modulus))
        return interp.native(lambda: pow(x, y, z))
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
        return interp.tag_test(value, matches)
    if isinstance(value, SubArray):
        found = [any(_subclass(kind, k) for k in _flatten(kinds)) for kind in (np.ndarray, value.real_class)]
        if found[0] != found[1]:
            check_sure(interp, value, "isinstance")
        return found[1]
    if isinstance(value, (RScalar, RArray, RList, Closure, RRange, RuntimeString)):
        kind = type_of(value)
        return any(_subclass(kind, k) for k in _flatten(kinds))
    return interp.native(lambda: isinstance(value, kinds))


def _flatten(kinds: Any) -> list[Any]:
    if isinstance(kinds, types.UnionType):
        return list(kinds.__args__)
    return [k for part in kinds for k in _flatten(part)] if is_tuple(kinds) else [kinds]


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
        case RuntimeString():
            return str
        case _:
            return real_class(class_of(value))


@handles(type)
def type_(interp: Interp, value: Any, *rest: Any) -> Any:
    if rest:
        raise interp.stage.refuse("a class is made inside the program", "define it at module level", Code.SYNTAX)
    if isinstance(value, SubArray):
        check_sure(interp, value, "type()")
    return type_of(value)


@handles(callable)
def callable_(interp: Interp, value: Any) -> bool:
    return isinstance(value, (Closure, BoundMethod)) or (not isinstance(value, (RScalar, RArray)) and callable(value))


@handles(hasattr)
def hasattr_(interp: Interp, owner: Any, name: Any) -> Any:
    name = texts.known(interp, interp.resolve(name))
    if isinstance(name, Choice):
        return interp.over_choice(lambda n: hasattr_(interp, owner, n), name)
    if isinstance(owner, RArray):
        return hasattr(np.ndarray, name)
    if isinstance(owner, RScalar):
        return hasattr(type_of(owner), name)
    present = None if isinstance(owner, type) else outside.attribute(interp, owner, name)
    if isinstance(present, MaybeUnbound):
        return RScalar(present.flag, True)
    if (method := _last_resort(owner, name)) is not None:
        return interp.call(generator_programs.has_attribute, [method, owner, name], {})
    try:
        interp.get_attribute(owner, name)
    except PyRaise as error:
        if issubclass(error.kind, AttributeError):
            return False
        raise
    return True


def _last_resort(owner: Any, name: str) -> Any:
    """The __getattr__ of a class that is asked for an attribute, if it is."""
    if name in getattr(owner, "__dict__", {}) or inspect.getattr_static(class_of(owner), name, None) is not None:
        return None
    return python_method(owner, "__getattr__")


@handles(getattr)
def getattr_(interp: Interp, owner: Any, name: Any, *default: Any) -> Any:
    name = texts.known(interp, interp.resolve(name))
    if isinstance(name, Choice):
        return interp.over_choice(lambda n: getattr_(interp, owner, n, *default), name)
    if default and not isinstance(owner, type):
        outside.attribute(interp, owner, name)
    if default and (method := _last_resort(owner, name)) is not None:
        return interp.call(generator_programs.attribute_or, [method, owner, name, *default], {})
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


@handles(warnings.simplefilter, warnings.filterwarnings)
def ignored(interp: Interp, *args: Any, **kwargs: Any) -> None:
    """Settings of what is shown are not part of the compiled program."""


_LEVELS = ("debug", "info", "warning", "error", "exception", "critical", "log")


@handles(
    print, warnings.warn, *(getattr(o, name) for o in (logging, logging.Logger) for name in _LEVELS),
)  # fmt: skip
def dropped(interp: Interp, *args: Any, **kwargs: Any) -> None:
    """Output is not part of the compiled program; Python says so once for each place."""
    span = interp.stage.span
    if span is not None:
        text = f"the compiled program leaves this out: {span.text.strip()} (call the function itself to see it)"
        warnings.warn_explicit(text, OutputDropped, span.file, span.line, registry=_told)


@handles(logging.getLogger)
def get_logger(interp: Interp, name: str | None = None) -> Any:
    return logging.getLogger(name)


_told: dict[Any, Any] = {}  # places of output that Python has warned of


@handles(str, repr)
def str_(interp: Interp, value: Any = "", *rest: Any) -> Any:
    if isinstance(value, RScalar):
        return RuntimeString("{}", (value.expr,), ("",))
    if isinstance(value, RuntimeString):
        return value
    if contains_runtime(value):
        return texts.VAGUE
    if isinstance(value, BaseException):
        return exceptions.text_of(interp, value)
    if (method := python_method(value, "__str__")) is not None:
        return interp.call(method, [value], {})
    return interp.native(lambda: str(value, *rest))


@handles(functools.partial)
def partial_(interp: Interp, fn: Any, *args: Any, **kwargs: Any) -> Any:
    if isinstance(fn, (Closure, BoundMethod)):
        return BoundMethod((fn, args, kwargs), "partial")
    return functools.partial(fn, *args, **kwargs)


@handles(functools.cache)
def cache_(interp: Interp, fn: Any) -> Any:
    """A function that keeps its results: it is called again, which gives the same if nobody changes them."""
    return (
        dataclasses.replace(fn, cached=True) if isinstance(fn, Closure) else BoundMethod((_once, [fn], {}), "partial")
    )


def _once(fn: Any, *args: Any, **kwargs: Any) -> Any:
    """Stands for a call of a function outside that keeps its results from now on."""
    return fn(*args, **kwargs)


@handles(_once)
def once(interp: Interp, fn: Any, *args: Any, **kwargs: Any) -> Any:
    from . import cached

    return cached.kept(interp, getattr(fn, "__name__", "the function"), interp.call(fn, list(args), kwargs))


@handles(functools.lru_cache)
def lru_cache_(interp: Interp, maxsize: Any = 128, typed: bool = False) -> Any:
    if is_function(maxsize):
        return cache_(interp, maxsize)
    return BoundMethod((functools.cache, [], {}), "partial")


@handles(functools.wraps)
def wraps_(interp: Interp, fn: Any, *rest: Any) -> Any:
    def wrapper(wrapped: Any) -> Any:
        return wrapped

    return wrapper


def _operator(symbol: str) -> Handler:
    def handler(interp: Interp, a: Any, b: Any) -> Any:
        return interp.binary(symbol, a, b)

    return handler


def _relation(symbol: str) -> Handler:
    def handler(interp: Interp, a: Any, b: Any) -> Any:
        return interp.relation(symbol, a, b)

    return handler


_OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "matmul": "@",
    "and_": "&", "or_": "|", "xor": "^", "lshift": "<<", "rshift": ">>",
}  # fmt: skip


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
