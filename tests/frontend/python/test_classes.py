"""Classes with __slots__ and classes defined inside a program; Python's collections; output."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import wengert as wg
from derivatives import assert_derivatives


class Pair:
    __slots__ = ("a", "b")

    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b

    def times(self, s: Any) -> Pair:
        return Pair(self.a * s, self.b + s)


@dataclass(slots=True)
class Record:
    a: Any
    b: Any = 2.0
    history: list[Any] = field(default_factory=list)


OUTSIDE = Pair(2.0, np.array([1.0, 2.0, 3.0]))


def outside(x: Any) -> Any:
    return x * OUTSIDE.a + (OUTSIDE.b * x).sum()


def slots(x: Any) -> Any:
    p = Pair(x, x * x).times(x)
    r = Record(x)
    r.b += x
    r.history.append(p.a)
    for _ in range(3):
        p.a = p.a * x + r.b
    return p.a + p.b + r.a * r.b + r.history[0] + (type(p) is Pair) + (p.__class__ is Pair)


def local_classes(x: Any) -> Any:
    n = 2.0

    class Base:
        c = 2.5
        scale = x * 2

        def __init__(self, v: Any) -> None:
            self.v = v

        def f(self) -> Any:
            return self.v * self.c + n

        @property
        def double(self) -> Any:
            return self.v * 2

        @double.setter
        def double(self, d: Any) -> None:
            self.v = d / 2

        @staticmethod
        def fixed(a: Any) -> Any:
            return a * n

        @classmethod
        def make(cls, a: Any) -> Any:
            return cls(a + 1)

        def __add__(self, other: Any) -> Any:
            return type(self)(self.v + other.v)

        def __call__(self, y: Any) -> Any:
            return self.v * y

    class Derived(Base):
        def f(self) -> Any:
            return super().f() * x

    d = Derived.make(x) + Base(x * x)
    d.double = d.double + 1
    return d.f() + d(3.0) + Base.fixed(x) + d.scale + isinstance(d, Base)


def local_dataclass(x: Any) -> Any:
    @dataclass
    class Point:
        u: Any
        v: Any = 1.0

        def square(self) -> Any:
            return self.u**2 + self.v**2

    return Point(x).square() + Point(x, v=x).square()


C = 100.0


def names_of_a_class_body(x: Any) -> Any:
    class Scope:
        C = 3.0

        def f(self) -> Any:
            return C * x + self.C  # the global, then the attribute

    return Scope().f()


def windows(x: Any) -> Any:
    window: deque[Any] = deque(maxlen=3)
    total = 0.0
    for k in range(6):
        window.append(x**k)
        if len(window) == 3:
            total += sum(window) / len(window)
    window.appendleft(x)
    window.rotate(1)
    return total + window[0] + window.pop()


def default_values(x: Any) -> Any:
    lists: defaultdict[str, list[Any]] = defaultdict(list)
    for k in range(5):
        lists["ab"[k % 2]].append(x * k)
    sums: defaultdict[int, Any] = defaultdict(float)
    for k in range(4):
        sums[k % 2] += x**k
    return sum(lists["a"]) + np.prod(lists["b"][1:]) + sums[0] * sums[1] + len(lists)


@pytest.mark.parametrize(
    "program",
    [outside, slots, local_classes, local_dataclass, names_of_a_class_body, windows, default_values],
    ids=lambda f: f.__name__,
)
def test_programs(program: Callable[..., Any]) -> None:
    assert_derivatives(program, 1.3)


def test_attributes_in_slots_are_read_at_every_call() -> None:
    f, kept = wg.compile(outside), OUTSIDE.a
    try:
        assert f(1.0) == outside(1.0)
        OUTSIDE.a = 5.0
        assert f(1.0) == outside(1.0) == 11.0
    finally:
        OUTSIDE.a = kept


def test_slots_of_results_arguments_and_gradients() -> None:
    made = wg.compile(lambda x: Pair(x, x * 2))(2.0)
    assert type(made) is Pair and (made.a, made.b) == (2.0, 4.0)
    gradient = wg.grad(lambda p: p.a**2 + (p.b**2).sum())(Pair(3.0, np.array([1.0, 2.0])))
    assert gradient.a == 6.0 and gradient.b.tolist() == [2.0, 4.0]

    def change(p: Any) -> None:
        p.a = p.a * 2

    p = Pair(3.0, 1.0)
    wg.compile(change)(p)
    assert p.a == 6.0


def talkative(x: Any) -> Any:
    print("x is", x)
    logging.getLogger(__name__).info("squared %s", x * x)
    return x * x


def test_output_is_left_out_and_that_is_said() -> None:
    with pytest.warns(wg.OutputDropped) as told:
        assert wg.grad(talkative)(2.0) == 4.0
    assert [w.lineno for w in told] == [talkative.__code__.co_firstlineno + 1, talkative.__code__.co_firstlineno + 2]


# An object that Python itself changes under a branch or in a loop, which staging runs through several times.


def deque_in_a_branch(x: Any) -> Any:
    q: deque[float] = deque()
    if x > 0:
        q.append(1.0)
    return len(q) * x


def ordered_in_a_branch(x: Any) -> Any:
    d: OrderedDict[str, Any] = OrderedDict()
    if x > 0:
        d.update({"a": 1.0})
    return len(d) * x


def default_in_a_branch(x: Any) -> Any:
    d: defaultdict[str, float] = defaultdict(float)
    if x > 0:
        d.setdefault("a", 2.0)
    return d.get("a", 3.0) * x


def missing_key_in_a_branch(x: Any) -> Any:
    d: defaultdict[str, float] = defaultdict(float)
    if x > 0 and d["a"] > 1:
        x = 2 * x
    return len(d) + x


def rotated_in_a_loop(x: Any) -> Any:
    q = deque([1.0, 2.0])
    total = 0.0
    for _ in range(int(x * x * x * x) + 3):
        q.rotate(1)
        total += q[0] * x
    return total


def bytes_in_a_branch(x: Any) -> Any:
    data = bytearray(b"ab")
    if x > 0:
        data.append(3)
    return len(data) * x


def counter_in_a_branch(x: Any) -> Any:
    counted = Counter("ab")
    if x > 0:
        counted.update("aab")
    return counted["a"] * x


def iterator_in_a_branch(x: Any) -> Any:
    values = iter([1.0, 2.0, 3.0])
    a = next(values)
    if x > 0:
        a += next(values)
    return a * x + next(values)


def iterator_in_a_loop(x: Any) -> Any:
    values = iter([1.0, 2.0, 3.0])
    total = 0.0
    for _ in range(int(x * x) + 2):
        for v in values:
            total += v * x
    return total


@pytest.mark.parametrize("x", [-1.5, 1.5])
@pytest.mark.parametrize("program", [
    deque_in_a_branch, ordered_in_a_branch, default_in_a_branch, missing_key_in_a_branch, rotated_in_a_loop,
    bytes_in_a_branch, counter_in_a_branch, iterator_in_a_branch, iterator_in_a_loop,
], ids=lambda f: f.__name__)  # fmt: skip
def test_right_or_refused(program: Callable[..., Any], x: float) -> None:
    try:
        found = wg.compile(program)(x)
    except wg.Unsupported:
        return
    assert found == program(x)
