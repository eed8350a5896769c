"""What changes outside between two calls of a compiled program: each call means what Python's would mean then.

A scenario gets `call(f, *args)` and returns what several calls gave. It runs plainly and compiled and, if
its calls return single floats, with gradients beside those by differences.
"""

from __future__ import annotations

import collections
import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from derivatives import gradient
from wengert import differences as fd
from wengert.verify import compare_runs

Call = Callable[..., Any]
SCENARIOS: list[Callable[[Call], list[Any]]] = []
VALUES: list[Callable[[Call], list[Any]]] = []


def scenario(run: Callable[[Call], list[Any]]) -> Callable[[Call], list[Any]]:
    SCENARIOS.append(run)
    return run


def of_values(run: Callable[[Call], list[Any]]) -> Callable[[Call], list[Any]]:
    VALUES.append(run)
    return run


def point(n: int = 4) -> np.ndarray:
    return np.array([0.3, -1.2, 2.5, 0.7]) if n == 4 else np.arange(float(n))


def keeping(transform: Callable[[Any], Any]) -> Call:
    """Calls through one transformed function per function."""
    made: dict[int, tuple[Any, Any]] = {}

    def call(f: Any, *args: Any, **kwargs: Any) -> Any:
        return made.setdefault(id(f), (f, transform(f)))[1](*args, **kwargs)

    return call


# -- attributes ------------------------------------------------------------------------------------------------


class Model:
    scale = 2.0
    weights = np.ones(4)
    mode = "linear"
    parts = (1.0,)

    def value(self, x):
        return self.scale * np.sum(x * self.weights)

    @staticmethod
    def first(x):
        return x[0]

    @classmethod
    def scaled(cls, x):
        return cls.scale * x[1]

    @property
    def doubled(self):
        return 2 * self.scale


METHODS = {name: vars(Model)[name] for name in ("value", "first", "scaled", "doubled")}


def run_afresh(run: Callable[[Call], list[Any]], call: Call) -> list[Any]:
    """What a scenario gives that finds all as it is written here."""
    for kept in (grid, table, squared):
        kept.cache_clear()
    for name, value in {"scale": 2.0, "weights": np.ones(4), "mode": "linear", "parts": (1.0,), **METHODS}.items():
        setattr(Model, name, value)
    return run(call)


@scenario
def attributes_of_classes_and_instances(call):
    model, found = Model(), []

    def f(x):
        return model.value(x) + (x[2] if model.mode == "linear" else x[3]) * Model.parts[0]

    for change in (
        lambda: None,
        lambda: setattr(Model, "scale", 3.0),
        lambda: Model.weights.__setitem__(0, 9.0),
        lambda: setattr(model, "scale", 10.0),
        lambda: delattr(model, "scale"),
        lambda: setattr(Model, "mode", "other"),
        lambda: setattr(Model, "parts", (5.0,)),
        lambda: setattr(model, "value", lambda x: x[0] * x[0]),
    ):
        change()
        found.append(call(f, point()))
    return found


@scenario
def methods_that_are_replaced(call):
    model, found = Model(), []

    def f(x):
        return model.value(x) * model.first(x) + Model.scaled(x) * model.doubled

    found.append(call(f, point()))
    Model.value = lambda self, x: np.sum(x * x)
    found.append(call(f, point()))
    Model.first = staticmethod(np.sum)
    found.append(call(f, point()))
    Model.scaled = classmethod(lambda cls, x: x[3] * cls.scale)
    found.append(call(f, point()))
    Model.doubled = property(lambda self: 7.0)
    found.append(call(f, point()))
    return found


@scenario
def methods_that_bases_had_before(call):
    class Base(Model):
        pass

    class Derived(Base):
        def value(self, x):
            return super().value(x) * getattr(self, "factor", 1.0)

    derived, found = Derived(), []

    def f(x):
        return derived.value(x)

    found.append(call(f, point()))
    Base.value = lambda self, x: x[0] * self.scale
    found.append(call(f, point()))
    Base.factor = 3.0
    found.append(call(f, point()))
    Derived.scale = 5.0
    found.append(call(f, point()))
    del Base.factor
    found.append(call(f, point()))
    return found


class Slots:
    __slots__ = ("k",)


class Hooked:
    def __init__(self):
        self.k = 2.0

    def __getattr__(self, name):
        if name == "hidden":
            return 7.0
        raise AttributeError(name)


@scenario
def attributes_that_appear(call):
    plain, slots, hooked, found = types.SimpleNamespace(), Slots(), Hooked(), []

    def f(x):
        a = plain.k * x[0] if hasattr(plain, "k") else x[1]
        b = getattr(slots, "k", 3.0) * x[2]
        try:
            c = plain.other * x[3]
        except AttributeError:
            c = x[3] * x[3]
        d = getattr(hooked, "k", 1.0) * hooked.hidden + (x[0] if hasattr(hooked, "k") else 0.0)
        return a + b + c + d * x[1] + getattr(hooked, "nowhere", 5.0) * x[0]

    found.append(call(f, point()))
    for owner, name, value in (
        (plain, "k", 2.0), (slots, "k", 4.0), (plain, "other", 0.5), (hooked, "hidden", 1.0), (hooked, "nowhere", 2.0)
    ):  # fmt: skip
        setattr(owner, name, value)
        found.append(call(f, point()))
    del slots.k
    found.append(call(f, point()))
    return found


@of_values
def attributes_that_go(call):
    owner = types.SimpleNamespace(a=1.0, b=2.0)

    def f(x):
        v = owner.a
        del owner.a
        return v * x[0] + getattr(owner, "a", 10.0) * x[1], hasattr(owner, "a")

    found = [call(f, point()), sorted(vars(owner))]
    owner.a = 5.0
    return [*found, call(f, point()), sorted(vars(owner))]


@of_values
def attributes_as_a_dict(call):
    class Owner:
        pass

    owner, found = Owner(), []
    owner.a, owner.b = 1.0, 2.0

    def weighted(x):
        total = 0.0
        for i, v in enumerate(owner.__dict__.values()):
            total = total + (i + 1) * v * x[i]
        return total + owner.__dict__.get("z", 4.0)

    def f(x):
        owner.__dict__.update({"a": x[0], "z": x[1]})
        return owner.a + owner.z

    found.append(call(weighted, point()))
    owner.c = 4.0
    found.append(call(weighted, point()))
    owner.a = owner.__dict__.pop("a")
    found.append(call(weighted, point()))
    return [*found, call(f, point()), call(weighted, point()), dict(vars(owner))]


@scenario
def namespaces_exceptions_and_numbers_with_attributes(call):
    class Failure(Exception):
        pass

    class Quantity(float):
        pass

    class Name(str):
        pass

    owners = [types.SimpleNamespace(), Failure(), Quantity(2.0), Name("a")]
    found = []
    for owner in owners:
        owner.k = 1.0
    a, b, c, d = owners

    def f(x):
        return a.k * x[0] + b.k * x[1] + c.k * c * x[2] + d.k * x[3] * x[3]

    found.append(call(f, point()))
    for owner in owners:
        owner.k = 3.0
        found.append(call(f, point()))
    a.k = point()[0]
    found.append(call(f, point()))
    return found


@of_values
def namespaces_that_are_written(call):
    owner = types.SimpleNamespace(k=1.0)

    def f(x):
        owner.k = owner.k + x[0]
        owner.new = x[1]
        made = types.SimpleNamespace(a=owner.k, b=2.0)
        made.c = made.a * made.b
        return made.c, made

    return [call(f, point())[0], call(f, point())[0], owner.k, owner.new, vars(call(f, point())[1])]


# -- functions -------------------------------------------------------------------------------------------------


@scenario
def functions_that_are_edited(call):
    def g(x, k=None):
        return np.sum(x * x) * g.factor if k is None else k * x[0]

    def h(x, k=None):
        return np.sum(x * x * x) * g.factor

    def f(x):
        return g(x) + shadowed(x)

    def shadowed(x):
        return sum(x)

    g.factor = 1.0
    found = [call(f, point()), call(g, point())]
    g.factor = 2.5
    found += [call(f, point()), call(g, point())]
    g.__defaults__ = (4.0,)
    found += [call(f, point()), call(g, point())]
    g.__code__ = h.__code__
    found += [call(f, point()), call(g, point())]
    globals()["sum"] = lambda x: x[0]
    try:
        found.append(call(f, point()))
    finally:
        del globals()["sum"]
    return [*found, call(f, point())]


@scenario
def functions_with_arguments(call):
    def g(weights, x, power=2, owner=None):
        return np.sum(weights * x**power) * owner.k

    weights, owner, found = np.ones(4), types.SimpleNamespace(k=1.0), []
    held = functools.partial(g, weights, owner=owner)

    def f(x):
        return held(x)

    for change in (
        lambda: None,
        lambda: weights.__setitem__(0, 5.0),
        lambda: setattr(owner, "k", 2.0),
        lambda: held.keywords.__setitem__("power", 3),
    ):
        change()
        found += [call(f, point()), call(held, point())]
    return found


@of_values
def orders_of_keywords(call):
    def f(x, **named):
        total = 0.0
        for i, (name, v) in enumerate(named.items()):
            total = total + (i + 1) * v * x[len(name)]
        return total

    return [call(f, point(), a=1.0, bb=2.0), call(f, point(), bb=2.0, a=1.0), call(f, point(), a=1, bb=2.0)]


# -- what is one, and what is two ------------------------------------------------------------------------------


@of_values
def objects_that_are_one_at_another_call(call):
    def lists(both):
        both[0][0] = 9.0
        return both[1][0] * 1.0

    def owners(p, q, x):
        p.k = x[0]
        return q.k

    def arrays(x, y):
        return np.sum(x * y) if x is y else np.sum(x + y)

    a, b = [1.0, 2.0], [1.0, 2.0]
    p, q = types.SimpleNamespace(k=1.0), types.SimpleNamespace(k=2.0)
    x, y = point(), point() * 2
    return [
        call(lists, [a, b]), call(lists, [a, a]), call(lists, [b, b]), a, b,
        call(owners, p, q, x), call(owners, p, p, 2 * x), call(owners, q, q, 3 * x), p.k, q.k,
        call(arrays, x, y), call(arrays, x, x), call(arrays, y, y), call(arrays, y, x),
    ]  # fmt: skip


# -- results that are kept -------------------------------------------------------------------------------------


@functools.lru_cache
def grid(n: int, low: float = 0.0) -> np.ndarray:
    return np.linspace(low, 1.0, n)


@functools.cache
def table(n: int) -> tuple[np.ndarray, dict[str, float], list[float]]:
    return np.ones(n), {"k": 2.0}, [1.0, 2.0]


@functools.cache
def squared(a: float) -> float:
    return a * a


@scenario
def kept_arrays_that_are_changed_outside(call):
    def f(x):
        return np.sum(x * grid(len(x))) + np.sum(x * x * grid(x.shape[0], low=0.5)) + grid(3)[1]

    def g(x):
        a, b, c = table(4)
        return np.sum(a * x[:4]) * b["k"] + c[1]

    grid.cache_clear()
    table.cache_clear()
    found = [call(f, point()), call(f, point(12)), call(g, point())]
    grid(4)[1] = 9.0
    grid(12)[2] = 5.0
    grid(3)[1] = 4.0
    table(4)[0][1] = 5.0
    table(4)[1]["k"] = 3.0
    table(4)[2][1] = 8.0
    found += [call(f, point()), call(f, point(12)), call(f, point(15)), call(g, point())]
    grid.cache_clear()
    return [*found, call(f, point())]


@of_values
def kept_arrays_that_are_changed_inside(call):
    class Basis:
        def __init__(self, k):
            self.k = k

        @functools.cached_property
        def w(self):
            return np.arange(4.0) * self.k

        @functools.lru_cache  # noqa: B019
        def u(self):
            return np.ones(4) * self.k

    @functools.cache
    def zeros(n):
        return np.zeros(n)

    def f(x, n):
        buffer = zeros(n)
        buffer += x
        again = zeros(n)
        return np.sum(again), again is buffer

    def g(x):
        held = basis.u()
        held[0] += 1.0
        basis.w[0] = 3.0
        return np.sum(x * basis.w) + np.sum(x * basis.u())

    basis = Basis(2.0)
    found = [call(f, point(), 4), call(f, point(), 4), zeros(4), call(g, point()), call(g, point())]
    basis.k = 5.0
    return [*found, call(g, point()), basis.w]


@of_values
def kept_results_after_changes(call):
    state = [1.0]

    @functools.cache
    def scaled(n):
        return state[0] * n

    def f(x):
        state[0] = x[0]
        return scaled(3) * x[1]

    def unhashable(x):
        try:
            return squared(x)
        except TypeError:
            return x * 5

    return [call(f, point()), call(unhashable, point())]


@scenario
def kept_numbers_of_floats(call):
    def f(x):
        return squared(x[0]) * 3.0 + squared(x[1]) * x[2] + squared(2.0) * x[3]

    return [call(f, point()), call(f, 2 * point())]


def test_what_a_kept_function_of_the_program_gave_is_not_changed() -> None:
    def f(x):
        @functools.lru_cache(maxsize=4)
        def buffer(k):
            return np.zeros(4) + k

        a = buffer(x[0])
        a[:] = x
        return np.sum(buffer(x[0]) * x)

    with pytest.raises(wg.Unsupported, match="keeps for its next call"):
        wg.grad(f)(point())


@pytest.mark.parametrize("kind", [list, collections.deque, set], ids=lambda kind: kind.__name__)
def test_items_and_attributes_in_one(kind: type) -> None:
    class Both(kind):  # type: ignore[misc]
        pass

    held = Both([1.0, 2.0])
    with pytest.raises(wg.Unsupported, match="both items and attributes"):
        wg.compile(lambda x: sum(held) * x)(2.0)


def test_tuples_with_attributes() -> None:
    class Pair(tuple):
        pass

    held = Pair((1.0, 2.0))
    held.k = 3.0
    with pytest.raises(wg.Unsupported, match="a tuple with attributes"):
        wg.compile(lambda x: held[0] * held.k * x)(2.0)


# -- memory of arguments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [wg.compile, wg.grad, lambda f: lambda *a: wg.vjp(f, *a), wg.hessian])
def test_arguments_that_share_memory_in_odd_layouts(transform: Any) -> None:
    def f(x, y):
        x[0] = 5.0 * y[1]
        return np.sum(x * y * y)

    a = point()
    with pytest.raises(wg.WengertError, match="shares memory"):
        transform(f)(a[::-1], a)
    with pytest.raises(wg.WengertError, match="shares memory"):
        wg.jvp(f, (a[::-1], a), (a, a))


def test_arguments_whose_elements_overlap() -> None:
    def f(x):
        x[0, 1] = 100.0
        return np.sum(x * x)

    windows = np.lib.stride_tricks.as_strided(point(6), (4, 3), (8, 8))
    for transform in (wg.compile, wg.grad):
        with pytest.raises(wg.WengertError, match="several of its elements are one"):
            transform(f)(windows)
    assert wg.compile(lambda x: np.sum(x * x))(windows) == np.sum(windows * windows)
    turned = point(12).reshape(3, 4)[::-1, ::2].T
    assert wg.compile(f)(turned) == np.sum(turned * turned)


@pytest.mark.parametrize("run", [*SCENARIOS, *VALUES], ids=lambda run: run.__name__)
def test_values(run: Callable[[Call], list[Any]]) -> None:
    plain = run_afresh(run, lambda f, *args, **kwargs: f(*args, **kwargs))
    finding = compare_runs("value", fd.Run(run_afresh(run, keeping(wg.compile)), ()), fd.Run(plain, ()), 1e-12)
    assert finding.ok, str(finding)


@pytest.mark.parametrize("run", SCENARIOS, ids=lambda run: run.__name__)
def test_gradients(run: Callable[[Call], list[Any]]) -> None:
    expected = run_afresh(run, lambda f, *args: gradient(f, *args)[0])
    for found, wanted in zip(run_afresh(run, keeping(wg.grad)), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9)
