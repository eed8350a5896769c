"""The language around the numbers: exits, handlers, defaults, closures, comprehensions, matching, memoising."""

import functools
import math

import numpy as np

RNG = np.random.default_rng(14)
GAINS = {"low": 0.3, "high": 1.7}
DEPTH = 3


def modes(x, mode="cubic", *, scale=None):
    """A string chooses; None stands for a default that is computed."""
    if scale is None:
        scale = np.sqrt(np.mean(x**2))
    if mode == "linear":
        return x / scale
    if mode == "cubic":
        return (x / scale) ** 3 * GAINS["high"]
    raise ValueError(f"unknown mode {mode!r}")


def keywords(x, *weights, power=2, **options):
    """Star arguments and keyword options, handed on to another function."""

    def combine(x, first, second=1.0, offset=0.0):
        return first * x**power + second * x + offset

    return combine(x, *weights, **options)


def call_keywords(x, w):
    return keywords(x, w, offset=0.5, second=w * 0.1) + keywords(x, w[::-1], power=3)


def early(x, limit):
    """Returns from inside a loop, at a position that depends on the data."""
    total = 0.0
    for i in range(len(x)):
        total += x[i] ** 2
        if total > limit:
            return total * x[i]
        if x[i] < -10:
            return 0.0
    return -total


def search(x, target):
    """for-else: the else runs when nothing was found."""
    for i, value in enumerate(x):
        if value > target:
            found = value * (i + 1)
            break
    else:
        found = np.sum(x)
    return found * target


def countdown(x, floor):
    """while-else, with continue and a nested break."""
    n = 0
    total = 0.0
    while x > floor:
        n += 1
        x = 0.8 * x
        if n % 3 == 0:
            continue
        total += x * n
        if n > 40:
            break
    else:
        total += x**2
    return total


def guarded(values, b):
    """try/except around divisions and domains, with a handler that goes on."""
    total = 0.0
    for v in values:
        try:
            total += math.log(v) / b
        except ValueError:
            total += math.log1p(-v)
        finally:
            total += 0.1 * v
    try:
        total += b / (len(values) - 4.0)
    except ZeroDivisionError:
        total *= b
    return total


def closures(a, x):
    """Functions made in a loop, state shared through nonlocal."""
    calls = 0.0

    def make(k):
        def term(x):
            nonlocal calls
            calls += a * x
            return a**k * x

        return term

    terms = [make(k) for k in range(1, 4)]
    return sum(term(x) for term in terms) + calls**2


def folds(x):
    """reduce, map, zip, sorted with a key, lambdas and a conditional expression."""
    pairs = list(zip(x[:-1], x[1:]))
    steps = list(map(lambda p: p[1] - p[0] if p[1] > p[0] else 0.5 * (p[0] - p[1]), pairs))
    product = functools.reduce(lambda p, s: p * (1 + s), steps, 1.0)
    names = sorted(["b", "a", "c"], key=lambda name: -ord(name))
    return product * len(names) + max(steps) - min(x[0], x[-1])


def memoised(x, n):
    """Chebyshev polynomials by recursion with a memo dict."""
    memo = {0: 1.0, 1: x}

    def chebyshev(k):
        if k not in memo:
            memo[k] = 2 * x * chebyshev(k - 1) - chebyshev(k - 2)
        return memo[k]

    return chebyshev(n) + memo[2]


def matched(shape, x):
    """Structural matching on a static tuple, walrus, chained comparisons."""
    match shape:
        case ("circle", r):
            area = math.pi * r**2
        case ("box", a, b):
            area = a * b
        case _:
            area = 0.0
    if (half := area / 2) > 1 and 0 < x < 10:
        return half * x
    return half + x


def both_shapes(r, a, x):
    return matched(("circle", r), x) + matched(("box", a, r), x) * matched(("none",), x)


def horner(coefficients, x):
    """Unpacking with a star, reversed, tuple assignment and a swap."""
    first, *rest = coefficients
    value, slope = 0.0, 0.0
    for c in reversed(rest):
        value, slope = value * x + c, slope * x + value
    value, slope = slope, value
    return first + value * x + slope


def either(x, y):
    """A name that is an array on one path and a number on the other; `or` and `and` as values."""
    if y > 1:
        z = x * y
    else:
        z = 2.0
    w = np.sum(z * x)
    flag = y > 1 and w > 0 or x[0] > 5
    return w * (1 if flag else -1)


def rebinding(x, n):
    """The same name is a number, then an array, then a scalar again; the loop rebinds it."""
    s = 1.0
    for k in range(n):
        s = s * x if k % 2 == 0 else s + x[::-1]
    s = s.sum()
    return s * s


def fibonacci_tree(x, depth=DEPTH):
    """Two recursive calls each; a default that is a global constant."""
    if depth == 0:
        return np.sin(x)
    left = fibonacci_tree(x * 0.9, depth - 1)
    right = fibonacci_tree(x + 0.1, depth - 1)
    return left * right + 0.1 * depth


def collatz(x, n):
    """An integer trajectory decides what happens to the float."""
    steps = 0
    while n != 1:
        if n % 2 == 0:
            n //= 2
            x = x * 0.9
        else:
            n = 3 * n + 1
            x = x + np.sin(x)
        steps += 1
    return x * steps


def growing(x, threshold):
    """A stack that is pushed and popped until it is empty."""
    stack = [(x, 1.0)]
    total = 0.0
    while stack:
        value, weight = stack.pop()
        if value > threshold:
            stack.append((0.45 * value, 0.5 * weight))
            stack.append((0.55 * value, 0.5 * weight))
        else:
            total += weight * value**2
    return total


def checked(x):
    """assert, raise under a condition that does not hold, a formatted message."""
    assert len(x) > 2, "too short"
    if np.any(x < 0):
        raise ValueError(f"negative: {x}")
    partial = functools.partial(np.power, x)
    return partial(1.5).sum() + divmod(7, 3)[0] * math.prod([x[0], x[1]])


CASES = {
    modes: (RNG.random(5), "cubic"),
    call_keywords: (RNG.random(4), 1 + RNG.random(4)),
    early: (RNG.random(6), 0.7),
    search: (RNG.random(6), 0.5),
    countdown: (7.3, 0.9),
    guarded: (np.array([0.5, -0.3, 2.0, 0.9]), 1.3),
    closures: (0.7, 1.4),
    folds: (np.array([0.3, 0.9, 0.5, 1.3]),),
    memoised: (0.4, 6),
    both_shapes: (0.8, 1.9, 1.5),
    horner: ([1.0, -0.5, 0.3, 0.7], 0.9),
    either: (RNG.random(3), 1.6),
    rebinding: (RNG.random(4), 5),
    fibonacci_tree: (0.7,),
    collatz: (0.6, 7),
    growing: (3.0, 0.7),
    checked: (1 + RNG.random(4),),
}
