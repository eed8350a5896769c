"""What classes can say about attributes, with statements and exceptions, and what exceptions carry."""

from __future__ import annotations

# ruff: noqa: B904
import contextlib

import numpy as np


class Positive:
    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, obj, cls=None):
        return self if obj is None else getattr(obj, self.name) * 2

    def __set__(self, obj, value):
        setattr(obj, self.name, abs(value) + 1)


class Lazily:
    """A descriptor that gives way to what an instance holds."""

    def __init__(self, f):
        self.f = f

    def __get__(self, obj, cls=None):
        value = self.f(obj)
        obj.__dict__["area"] = value + 1
        return value


class Beam:
    modulus = Positive()
    load = Positive()

    def __init__(self, e, q):
        self.modulus = e
        self.load = q

    @Lazily
    def area(self):
        return self.modulus * 3

    @property
    def energy(self):
        return self.modulus**2


class Charged(Beam):
    @property
    def energy(self):
        return super().energy + self.load[0]


def descriptors(x, y):
    beam = Beam(y[0], y[1] * x)
    beam.modulus *= 3
    first, second = beam.area, beam.area
    return beam.modulus, beam.load, first, second


def properties_of_a_base(x, y):
    return Charged(y[0], x).energy


class Watch:
    def __init__(self):
        self.log, self.count = 0.0, 0

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.count += 1
        if kind is not None:
            self.log += error.args[0] if error.args else 10
            return issubclass(kind, ValueError)
        self.log += 1


def managers_that_stop_exceptions(x, y):
    watch, s = Watch(), 0.0
    for i in range(6):
        with watch:
            s += x[i]
            if y[i] > 0:
                raise ValueError(x[i] * 2)
            s += y[i] ** 2
    return s, watch.log, watch.count


def managers_that_see_exceptions(x, y):
    watch, s = Watch(), 0.0
    for i in range(6):
        try:
            with watch, Watch() as inner:
                s += x[i]
                if y[i] > 0:
                    raise KeyError
                if x[i] > 0.9:
                    continue
                s += y[i] ** 2
        except KeyError:
            s *= 1.5
        s += inner.log
    return s, watch.log, watch.count


def suppressed(x, y):
    s = 0.0
    for i in range(6):
        with contextlib.suppress(ValueError, ZeroDivisionError):
            s += x[i]
            if y[i] > 0:
                raise ValueError("no")
            s += 1 / (i - 2) * y[i]
    return s


@contextlib.contextmanager
def scaled(a, s):
    a *= s
    try:
        yield a
    except ValueError:
        a += 1
    finally:
        a /= s


@contextlib.contextmanager
def counted(log):
    log.append(1)
    yield len(log)
    log.append(2)


def managers_that_yield(x, y):
    a, s, log = x.copy(), 0.0, []
    for i in range(4):
        with scaled(a, 1.5 + y[i] * 0.1) as b, counted(log) as n:
            s += np.sum(b * y) * n
            if i == 1:
                continue
            if y[i] > 0.5:
                raise ValueError
            b[i] += 1
    return s, a, log


def left_by_return(x, y):
    def run(k):
        a = x * 1.0
        with scaled(a, 2.0) as b:
            if y[k] > 0:
                return b
            b += y
        return a

    return run(0), run(1), run(2)


class Diverged(Exception):
    def __init__(self, value, k):
        self.value, self.k = value, k


class Trouble(RuntimeError):
    def __init__(self, text, rest, state=None):
        super().__init__(text)
        self.rest, self.state = rest, state

    @property
    def twice(self):
        return 2 * self.rest


class Fatal(Trouble):
    def __init__(self, rest):
        Trouble.__init__(self, f"fatal {rest}", rest, "bad")
        self.more = rest * rest


def stepped(a, k):
    if a > 1.0:
        raise Diverged(a, k)
    if a < 0.05:
        raise Trouble("small", a * 2, "s")
    if a < 0.1:
        raise Fatal(a)
    return a * 1.7 + 0.01 * k - 0.05


def exceptions_that_carry(x, y):
    x = x * np.array([0.2, 0.05, 0.09, 1.5, 0.6, 0.01])
    out, count = np.zeros(len(x)), 0
    for i in range(len(x)):
        a, w = x[i], 0.0
        try:
            for k in range(10):
                try:
                    a = stepped(a, k)
                    w += a
                finally:
                    count += 1
                    w *= 0.9
        except Diverged as e:
            a = e.value * 0.3 + e.k
        except Trouble as e:
            a = e.rest + e.twice * 3 if e.state == "s" else -e.rest
            if isinstance(e, Fatal):
                a += e.more
        else:
            a = -a
        finally:
            out[i] = a + w * y[i]
    return out, count


def kinds_told_apart(x, y):
    s = 0.0
    for i in range(len(x)):
        try:
            if x[i] > 1:
                raise ValueError("v", x[i] * 2)
            if x[i] > 0.6:
                raise KeyError("k")
            s += 1 / y[i]
            if y[i] > 0:
                raise ValueError
        except (ValueError, KeyError) as e:
            if isinstance(e, KeyError):
                s += x[i]
            elif len(e.args) == 2:
                s += 2 * e.args[1]
            else:
                s -= x[i]
    return s


def raised_again(x, y):
    s = 0.0
    for i in range(len(x)):
        try:
            try:
                if x[i] > 1:
                    raise ValueError(x[i])
                if x[i] > 0.6:
                    raise KeyError("k")
                s += y[i]
            except (ValueError, KeyError):
                s += 10
                if y[i] > 0:
                    raise
                s += 1
        except KeyError:
            s *= 2
        except ValueError as e:
            s += 3 * e.args[0]
    return s


ARGUMENTS = np.random.default_rng(3).uniform(0.2, 1.4, 6), np.random.default_rng(4).uniform(-1, 1, 6)
CASES = {
    f: [ARGUMENTS]
    for f in (
        descriptors, properties_of_a_base, managers_that_stop_exceptions, managers_that_see_exceptions, suppressed,
        managers_that_yield, left_by_return, exceptions_that_carry, kinds_told_apart, raised_again,
    )
}  # fmt: skip
