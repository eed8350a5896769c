"""Expressions over a fixed set of arrays: what they evaluate to under NumPy and under wengert."""

from __future__ import annotations

import itertools
import linecache
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wengert as wg
from wengert.transform import interpret

_serial = itertools.count()


def arguments() -> dict[str, Any]:
    """One value per name: vectors have 12 elements, matrices are (9, 10); extents beyond 8 are symbolic."""
    r = np.random.default_rng(7)
    s = r.normal(size=(10, 10))
    q = r.normal(size=12)
    q[[3, 7]] = np.nan
    nans = r.normal(size=(9, 10))
    nans[2, 3] = nans[5, 1] = np.nan
    return {
        "v": r.normal(size=12),
        "w": r.normal(size=12),
        "u": r.uniform(0.5, 2.0, size=12),
        "m": r.normal(size=(9, 10)),
        "n": r.normal(size=(10, 11)),
        "s": s @ s.T + np.eye(10),
        "z": r.normal(size=(3, 3)) + 3 * np.eye(3),
        "t": r.normal(size=(3, 4, 5)),
        "o": r.normal(size=(9, 2, 11)),
        "i": r.integers(-5, 9, size=12),
        "l": r.integers(0, 9, size=12),
        "j": r.integers(-4, 5, size=(9, 10)).astype(np.int32),
        "f": r.normal(size=12).astype(np.float32),
        "g": r.normal(size=(9, 10)).astype(np.float32),
        "c": r.normal(size=12) + 1j * r.normal(size=12),
        "d": r.normal(size=(9, 10)) + 1j * r.normal(size=(9, 10)),
        "b": r.random(12) < 0.5,
        "p": r.random((9, 10)) < 0.5,
        "e": np.zeros(0),
        "q": q,
        "h": nans,
        "a": 0.7,
        "k": 3,
        "x": np.float64(1.25),
    }


def function(expressions: Sequence[str], names: Sequence[str]) -> Callable[..., Any]:
    """def f(names): return (expression, ...), with source that can be found."""
    body = "".join(f"        {e},\n" for e in expressions)
    text = f"def f({', '.join(names)}):\n    return (\n{body}    )\n"
    file = f"<expressions {next(_serial)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space: dict[str, Any] = {"np": np}
    exec(compile(text, file, "exec"), space)
    return space["f"]


def values(expressions: Sequence[str], run: Callable[[Callable[..., Any]], Callable[..., Any]]) -> list[Any]:
    """What the expressions evaluate to when the function they make is run by `run`."""
    every = arguments()
    names = [n for n in every if any(mentions(e, n) for e in expressions)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return list(run(function(expressions, names))(*(every[n] for n in names)))


def mentions(expression: str, name: str) -> bool:
    """Whether an expression uses a name."""
    code = compile(expression, "<expression>", "eval")
    return name in code.co_names or any(name in c.co_names for c in code.co_consts if hasattr(c, "co_names"))


def same(got: Any, want: Any, rtol: float = 1e-12) -> str | None:
    """How the two values differ in kind, dtype, shape or value; None if they agree."""
    if isinstance(want, (tuple, list)):
        if type(got) is not type(want) and not hasattr(want, "_fields") or len(got) != len(want):
            return f"{type(got)} of {len(got)} instead of {type(want)} of {len(want)}"
        return next((d for g, w in zip(got, want, strict=True) if (d := same(g, w, rtol))), None)
    if isinstance(want, (np.ndarray, np.generic)):
        if isinstance(got, np.ndarray) and not got.ndim and isinstance(want, np.generic):
            got = got[()]
        if isinstance(want, np.ndarray) != isinstance(got, np.ndarray):
            return f"a {type(got).__name__} instead of a {type(want).__name__}"
        if got.dtype != want.dtype:
            return f"dtype {got.dtype} instead of {want.dtype}"
        if got.shape != want.shape:
            return f"shape {got.shape} instead of {want.shape}"
        rtol = 2e-5 if want.dtype in (np.float32, np.complex64) else rtol
        if not np.allclose(got, want, rtol=rtol, atol=rtol, equal_nan=True):
            return f"value\n{got}\ninstead of\n{want}"
        return None
    if type(got) is not type(want):
        return f"a {type(got).__name__} instead of a {type(want).__name__}"
    if isinstance(want, float):
        return None if np.isclose(got, want, rtol, rtol, equal_nan=True) else f"{got} instead of {want}"
    return None if got == want else f"{got} instead of {want}"


def assert_expressions(expressions: Sequence[str], native: bool = True) -> None:
    """Value, dtype, shape and kind of every expression agree with NumPy's."""
    want = values(expressions, lambda f: f)
    got = values(expressions, wg.compile if native else interpret)
    problems = [f"{e}: {d}" for e, g, w in zip(expressions, got, want, strict=True) if (d := same(g, w))]
    assert not problems, "\n".join(problems)


def groups(expressions: Sequence[str], size: int = 12) -> list[list[str]]:
    """The expressions in groups that are compiled together."""
    return [list(expressions[k : k + size]) for k in range(0, len(expressions), size)]
