"""Python's integers are exact or an OverflowError, beside sizes, floats and NumPy's integers; index arithmetic stays
free of checks."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import wengert as wg
from derivatives import assert_derivatives
from wengert.ir.nodes import Op
from wengert.ir.ops import CHECKED
from wengert.ir.walk import expressions, statements, subexpressions
from wengert.programs import program_of

LEAST, LARGEST = -(2**63), 2**63 - 1
EDGES = [
    LEAST, LEAST + 1, -(2**62), -(10**10), -3037000500, -3037000499, -(2**31), -3, -2, -1, 0, 1, 2, 3, 62, 63, 64,
    2**20, 2**31 - 1, 2**31, 3037000499, 3037000500, 10**10, 2**53 + 1, 2**62 - 1, 2**62, LARGEST - 1, LARGEST,
]  # fmt: skip


def assert_exact_or_loud(f: Callable[..., Any], *args: Any) -> None:
    """The compiled program gives Python's own result or exception, or OverflowError if that has more than 64 bits."""
    try:
        want: Any = f(*args)
    except Exception as error:
        with pytest.raises(type(error)):
            wg.compile(f)(*args)
        return
    parts = want if isinstance(want, tuple) else (want,)
    if any(isinstance(p, int) and not LEAST <= p <= LARGEST for p in parts):
        with pytest.raises(OverflowError, match="does not fit in 64 bits"):
            wg.compile(f)(*args)
        return
    got = wg.compile(f)(*args)
    assert got == want, args
    assert type(got) is type(want)


def add(a, b):
    return a + b


def subtract(a, b):
    return a - b


def multiply(a, b):
    return a * b


def floor_divide(a, b):
    return a // b


def remainder(a, b):
    return a % b


def both(a, b):
    return divmod(a, b)


def bits(a, b):
    return a & b, a | b, a ^ b, ~a


def signs(a, b):
    return -a, abs(b), +a


def polynomial(a, b):
    parts = a * a, 3 * a * b, b * b * b
    return (parts[0] - parts[1] + parts[2], parts[0] - parts[1], *parts, b * b, 3 * a)


@pytest.mark.parametrize(
    "f", [add, subtract, multiply, floor_divide, remainder, both, bits, signs, polynomial], ids=lambda f: f.__name__
)
def test_operators_at_the_edges(f: Callable[..., Any]) -> None:
    for a in EDGES:
        for b in EDGES:
            assert_exact_or_loud(f, a, b)


def power(a, n):
    return a**n


def shift(a, n):
    return a << n


def shift_back(a, n):
    return a >> n


@pytest.mark.parametrize("n", [-1, 0, 1, 2, 3, 5, 30, 31, 38, 39, 40, 61, 62, 63, 64, 65, 1000])
def test_powers_and_shifts(n: int) -> None:
    for a in (LEAST, -(2**31), -10, -3, -2, -1, 0, 1, 2, 3, 7, 10, 2**21, 2**31, LARGEST):
        if n >= 0:
            assert_exact_or_loud(power, a, n)
        assert_exact_or_loud(shift, a, n)
        assert_exact_or_loud(shift_back, a, n)


def chained(n):
    return n * n * n


def cancelled(n):
    return n * n - n * n + n


def in_a_branch(n):
    if n < 1000:
        return n * n
    return n - 1


def joined(n, x):
    k = n if x > 0 else 7
    return k * k


def unbound_loop(n):
    total = 0
    for i in range(3):
        total = n * i
    return total


def strided(n, m):
    total = 0
    for i in range(n, m, n):
        total = i * n
    return total


def nested_calls(n):
    def square(k):
        return k * k

    return square(square(n) + 1)


def recursive(n):
    return 1 if n < 2 else n * recursive(n - 1)


def listed(n):
    return sum([n, n, n])


def grown(n, m):
    values = []
    for _ in range(m):
        values.append(n)
    return sum(values)


def squares(n):
    return sum(i * i for i in range(n))


def hashed(n):
    h = 5381
    for k in range(n):
        h = (h * 33 + k) & 0xFFFFFFFF
    return h


def wrong_way(n):
    return 2 ** (n * n)


def counted(n):
    k = 0
    while k * k < n:
        k += 1
    return k


def extremes(a, b):
    return max(a, b) * min(a, b)


@pytest.mark.parametrize(
    ("f", "calls"),
    [
        (chained, [(2**20,), (2097151,), (2**21,), (-(2**21),), (-(2**21) - 1,), (10**7,)]),
        (cancelled, [(3,), (2**31,)]),
        (in_a_branch, [(5,), (-5,), (-(10**10),), (10**10,)]),
        (joined, [(5, 1.0), (5, -1.0), (2**32, 1.0), (2**32, -1.0)]),
        (unbound_loop, [(5,), (2**62,)]),
        (strided, [(3, 100), (2**40, 2**43)]),
        (nested_calls, [(5,), (50000,), (60000,), (10**10,)]),
        (recursive, [(20,), (21,)]),
        (listed, [(5,), (2**62,), (-(2**62),)]),
        (grown, [(5, 3), (2**62, 3), (2**62, 1)]),
        (squares, [(10,), (1000,)]),
        (hashed, [(10,), (100,)]),
        (wrong_way, [(7,), (8,)]),
        (counted, [(10,), (10**6,)]),
        (extremes, [(2, 3), (2**32, 2**32), (LEAST, 1), (LEAST, -1)]),
    ],
    ids=lambda v: v.__name__ if callable(v) else "",
)
def test_programs(f: Callable[..., Any], calls: list[tuple[Any, ...]]) -> None:
    for args in calls:
        assert_exact_or_loud(f, *args)


def test_a_handler_does_not_catch_what_python_would_not_raise() -> None:
    def handled(n):
        try:
            return n * n
        except OverflowError:
            return -1

    with pytest.raises(OverflowError) as caught:
        wg.compile(handled)(10**10)
    assert "test_integers.py" in "".join(caught.value.__notes__)


# -- beside floats -------------------------------------------------------------------------------------------


def relations(a, b):
    return a < b, a <= b, a > b, a >= b, a == b, a != b


def with_constant(n):
    return n < 9007199254740992.5, n <= 2.0**53, n == 2.0**53, n != 2.0**53, n > -1e30, n >= 0.5, n == 0.5, n < math.inf


def test_integers_and_floats_are_compared_exactly() -> None:
    floats = [
        0.0,
        -0.0,
        0.5,
        5.0,
        2.0**53,
        2.0**53 + 2,
        2.0**60,
        2.0**63,
        -(2.0**63),
        1e30,
        math.inf,
        -math.inf,
        math.nan,
    ]
    for a in [0, 5, -5, 2**53, 2**53 + 1, -(2**53) - 1, 2**60, 2**60 + 1, LARGEST, LEAST]:
        for b in floats:
            assert_exact_or_loud(relations, a, b)
            assert_exact_or_loud(relations, b, a)
        assert_exact_or_loud(with_constant, a)


def whole(x):
    return int(x), math.floor(x), math.ceil(x), math.trunc(x), round(x)


def test_floats_to_integers() -> None:
    for x in [0.5, -0.5, 2.5, 1e18, 2.0**63, -(2.0**63), -(2.0**63) * 1.0001, 1e30, math.inf, -math.inf, math.nan]:
        assert_exact_or_loud(whole, x)


def test_integers_beyond_64_bits_beside_floats() -> None:
    def scaled(x):
        return x * 10**30, 10**30 < x, x - 2**64

    def given(x, n):
        return x * n

    def outside(n):
        return n < 2**64, n > 2**64, n == 2**70, n != 2**70, -(2**70) <= n

    assert_exact_or_loud(scaled, 1.5)
    assert_exact_or_loud(given, 1.5, 10**30)
    assert_exact_or_loud(given, 2, 10**30)
    assert_exact_or_loud(given, 1.5, 10**400)
    assert_exact_or_loud(outside, 5)
    x = np.array([1.0, 2.0])
    assert np.array_equal(wg.compile(given)(x, 10**30), x * 10**30)
    assert np.array_equal(wg.compile(given)(x.astype(np.float32), 10**30), x.astype(np.float32) * 10**30)
    assert np.array_equal(wg.grad(lambda x, n: np.sum(x * n))(x, 10**30), [1e30, 1e30])


# -- beside NumPy's integers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.uint64])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_python_integers_must_fit_numpy_dtypes(dtype: Any, shape: tuple[int, ...]) -> None:
    a = np.full(shape, 3, dtype)[()]
    info = np.iinfo(dtype)
    for n in (5, int(info.max), int(info.max) + 1, int(info.min), int(info.min) - 1, 300, -1):
        for op in (operator.add, operator.mul, operator.and_, operator.lt, operator.eq, operator.ge):

            def f(a, n, op=op):
                return op(a, n)

            if dtype is np.uint64 and n < 0 and op in (operator.lt, operator.eq, operator.ge):
                with pytest.raises(RuntimeError, match="negative integer is compared"):
                    wg.compile(f)(a, n)
                continue
            if n > np.iinfo(np.uint64).max:
                with pytest.raises(OverflowError):
                    wg.compile(f)(a, n)
                continue
            with np.errstate(over="ignore"):
                try:
                    want = f(a, n)
                except OverflowError as error:
                    with pytest.raises(OverflowError) as caught:
                        wg.compile(f)(a, n)
                    assert abs(n) > LARGEST or str(caught.value) == str(error)
                    continue
            got = wg.compile(f)(a, n)
            assert np.array_equal(got, want)
            assert got.dtype == want.dtype


def test_numpy_integers_wrap_and_give_python_integers_that_do_not() -> None:
    def wraps(n):
        return np.arange(n, n + 3) * n

    def leaves(a):
        return a.item() * 2

    assert np.array_equal(wg.compile(wraps)(10**10), wraps(10**10))
    assert_exact_or_loud(leaves, np.int64(2**62))
    assert_exact_or_loud(leaves, np.int32(2**30))
    assert_exact_or_loud(leaves, np.uint64(2**63))
    assert_exact_or_loud(leaves, np.uint64(2**61))


# -- derivatives, and what stays free of checks --------------------------------------------------------------


def weighted(x, n):
    return np.sum(np.sin(x)) * (n * n) + x[0] ** 3 / (n**3 % 7)


def test_derivatives() -> None:
    x = np.array([0.3, 0.7])
    for n in (3, 10**5, 2**31, 3 * 10**9):
        if n**3 <= LARGEST:
            assert_derivatives(weighted, x, n)
        else:
            with pytest.raises(OverflowError):
                wg.grad(weighted)(x, n)
            with pytest.raises(OverflowError):
                wg.jvp(weighted, (x, n), (x, 0))


def checks(f: Callable[..., Any], *args: Any) -> int:
    module = program_of(f).stage(args, {}).module
    found = [s for g in module.functions.values() for s in statements(g.body)]
    return sum(
        isinstance(x, Op) and x.name in CHECKED for s in found for e in expressions(s) for x in subexpressions(e)
    )


def flattened(A, n):
    total = 0.0
    for i in range(n):
        for j in range(n):
            for k in range(n):
                total += A[((i * n + j) * n + k)] * (i * i + 2 * j - k)
    return total


def packed(x):
    n = len(x)
    total = 0.0
    for i in range(n):
        for j in range(i + 1):
            total += x[i] * x[j] * (i * (i + 1) // 2 + j)
    return total


def sizes(a, b):
    t = np.arange(0.0, 1.0, 0.1)
    total = 0.0
    for k in range(len(t) - 1):
        total += t[k + 1] * a[0]
    return total * (len(a) * len(b) + a.shape[0] ** 2)


def neighbours(x, n):
    total = 0.0
    for i in range(n):
        left = i - 1 if i > 0 else n - 1
        total += x[left] * x[(i + 1) % n]
    return total


def blocks(x, n):
    total = 0.0
    for start in range(0, n, n // 4):
        for k in range(n // 4):
            total += x[start + k] * x[start + n // 4 - 1 - k]
    return total


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (flattened, (np.arange(27.0), 3)),
        (packed, (np.arange(12.0),)),
        (sizes, (np.arange(20.0), np.arange(30.0))),
        (neighbours, (np.arange(12.0), 12)),
        (blocks, (np.arange(12.0), 12)),
    ],
    ids=["flattened", "packed", "sizes", "neighbours", "blocks"],
)
def test_index_arithmetic_is_not_checked(f: Callable[..., Any], args: tuple[Any, ...]) -> None:
    assert checks(f, *args) == 0
    assert_derivatives(f, *args)


def test_limits_are_guarded() -> None:
    def square(x, n):
        return x * (n * n)

    gradient = wg.grad(square)
    assert gradient(1.0, 3) == 9.0
    assert gradient(1.0, 2**31 - 1) == float((2**31 - 1) ** 2)
    assert len(program_of(square).variants[("grad", 0)]) == 1
    assert gradient(1.0, 2**31 + 1) == float(Fraction((2**31 + 1) ** 2))
    with pytest.raises(OverflowError):
        gradient(1.0, 2**32)
    assert gradient(1.0, 4) == 16.0
    assert all(v.staged.limits == {"n": 2**31} for v in program_of(square).variants[("grad", 0)][1:])
    assert len(program_of(square).variants[("grad", 0)]) == 2


def to_a_power(x, n, k):
    return np.power(n, k + 1) * x[:2], n**2, n[0] ** k[0], n.astype(np.uint8) ** n.astype(np.uint8)


def to_a_power_or_not(x, n, k):
    for i in range(2):
        try:
            x[i] += np.sum(n ** (k + i))
        except ValueError:
            x[i] = 7.0 * x[2]
    return x


@pytest.mark.parametrize("f", [to_a_power, to_a_power_or_not])
def test_powers_of_arrays_of_integers(f: Callable[..., Any]) -> None:
    assert_derivatives(f, np.array([0.3, -1.2, 2.5]), np.array([2, 3]), np.array([1, -1]))


@pytest.mark.parametrize("exponent", [-1, np.int64(-2), np.array([1, -1]), np.array([[0], [-3]], np.int8)])
def test_negative_powers_of_arrays_of_integers(exponent: Any) -> None:
    for f in (lambda n, k: n**k, np.power, lambda n, k: n[0] ** np.int64(np.min(k))):
        with pytest.raises(ValueError, match="negative integer powers"):
            wg.compile(lambda n, k, f=f: f(n, k) * 1.0)(np.array([2, 3]), exponent)
