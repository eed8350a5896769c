"""What cannot be done is refused: all at once, in the user's terms, with place, reason and way out."""

from __future__ import annotations

import linecache
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg


def module(folder: Path, name: str, text: str) -> dict[str, Any]:
    """The names of a program file."""
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(text))
    linecache.checkcache(str(path))
    names: dict[str, Any] = {"__name__": name, "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec"), names)
    return names


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(wg.WengertError) as caught:
        action()
    return str(caught.value)


PROGRAM = """
    import numpy as np

    def helper(x):
        file = open("data.txt")
        return x * float(file.read())

    def other(x):
        return np.sum(x) * eval("2.0")

    def objective(x):
        y = helper(x)
        z = other(x)
        return np.sum(y) + z
"""


def test_one_report_for_the_whole_call_tree(tmp_path: Path) -> None:
    program = module(tmp_path, "refused", PROGRAM)
    with pytest.raises(wg.Unsupported) as caught:
        wg.grad(program["objective"])(np.ones(3))
    text = str(caught.value)
    lines = [problem.span.line for problem in caught.value.problems]
    assert 5 in lines, text
    assert 9 in lines, text
    assert lines == sorted(lines)
    for problem in caught.value.problems:
        assert problem.reason
        assert problem.way_out


def test_every_problem_has_place_caret_reason_and_way_out(tmp_path: Path) -> None:
    program = module(tmp_path, "refused", PROGRAM)
    text = refusal(lambda: wg.grad(program["objective"])(np.ones(3)))
    assert re.search(r"refused\.py:5:\d+", text), text
    assert re.search(r"refused\.py:9:\d+", text), text
    assert "way out:" in text
    source, caret = _caret(text, 'file = open("data.txt")')
    assert source[caret.index("^") : caret.rindex("^") + 1].startswith("open("), text
    source, caret = _caret(text, "eval(")
    assert "eval" in source[caret.index("^") : caret.rindex("^") + 1], text


def _caret(text: str, fragment: str) -> tuple[str, str]:
    lines = text.splitlines()
    at = next(k for k, line in enumerate(lines) if fragment in line)
    assert set(lines[at + 1].strip()) == {"^"}, text
    return lines[at], lines[at + 1]


def test_refused_code_that_is_not_reached_does_not_matter(tmp_path: Path) -> None:
    program = module(
        tmp_path,
        "unreached",
        """
        import numpy as np

        def objective(x, verbose=False):
            if verbose:
                open("log.txt", "w").write(str(x))
            return np.sum(x**2)
        """,
    )
    np.testing.assert_array_equal(wg.grad(program["objective"])(np.ones(2)), [2.0, 2.0])


# -- questions without an answer -------------------------------------------------------------------------------


def cost(x, n):
    return np.sum(x) * n


@pytest.mark.parametrize(("wrt", "argument"), [(1, 3), ("n", 3), (1, np.arange(3)), (1, True), (1, "name")])
def test_wrt_must_be_float(wrt: Any, argument: Any) -> None:
    def f(x, n):
        return np.sum(x) * (2.0 if isinstance(n, str) else np.sum(n))

    text = refusal(lambda: wg.grad(f, wrt=wrt)(np.ones(2), argument))
    assert "float" in text


def test_wrt_must_name_an_argument() -> None:
    assert "z" in refusal(lambda: wg.grad(cost, wrt="z")(np.ones(2), 3))
    assert "2" in refusal(lambda: wg.grad(cost, wrt=2)(np.ones(2), 3))


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: x * 2, "array"),
        (lambda x: (x[0], x[1]), "tuple"),
        (lambda x: None, "nothing"),
        (lambda x: x[0] + 1j * x[1], "complex"),
        (lambda x: {"a": x[0]}, "dict"),
        (lambda x: len(x), "float"),
    ],
)
def test_the_objective_must_be_one_real_number(f: Any, words: str) -> None:
    text = refusal(lambda: wg.grad(f)(np.ones(2)))
    assert words in text
    assert "real" in text


def test_integer_inputs_are_not_differentiated() -> None:
    text = refusal(lambda: wg.grad(lambda x: np.sum(x) * 1.0)(np.arange(3)))
    assert "int64" in text
    assert "float" in text


def test_cotangents_must_fit() -> None:
    _, pullback = wg.vjp(lambda x: x * 2, np.ones(3))
    assert "shape" in refusal(lambda: pullback(np.ones(4)))


def test_tangents_must_fit() -> None:
    assert "shape" in refusal(lambda: wg.jvp(lambda x: x * 2, (np.ones(3),), (np.ones(4),)))
    assert "tangent" in refusal(lambda: wg.jvp(cost, (np.ones(3), 2), (np.ones(3),)))


def test_not_a_function() -> None:
    assert "function" in refusal(lambda: wg.grad(3.0)(1.0))  # type: ignore[arg-type]


def test_no_source(tmp_path: Path) -> None:
    scope: dict[str, Any] = {}
    exec("def f(x):\n    return x * x\n", scope)
    assert "source" in refusal(lambda: wg.grad(scope["f"])(1.0))


def test_random_numbers_are_refused_or_right() -> None:
    """A draw inside the program: either refused with a way out, or the same draw for value and derivative."""

    def f(x):
        return np.sum(x * np.random.random(3))

    text = refusal(lambda: wg.grad(f)(np.ones(3)))
    assert "way out" in text


def test_object_arrays_and_strings_are_refused() -> None:
    assert "dtype" in refusal(lambda: wg.grad(lambda x: np.sum(x))(np.array([1.0, None]))).replace("object", "dtype")


def test_half_and_extended_precision_are_refused() -> None:
    def scaled(x):
        return x * np.float16(2.0)

    for program in (scaled, lambda x: np.longdouble(2) * x, lambda x: np.sqrt(np.int8(4) * (x > 0).astype(np.int8))):
        with pytest.raises(wg.Unsupported, match="has no native counterpart") as found:
            wg.compile(program)(np.ones(2))
        assert program is not scaled or "return x * np.float16(2.0)" in str(found.value)


def test_masked_arrays_are_refused() -> None:
    masked = np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False])
    assert "masked" in refusal(lambda: wg.grad(lambda x: np.sum(x * x))(masked))


# -- errors of the program are the program's -------------------------------------------------------------------


def outside(x, i):
    y = x * 2
    return y[i] + x[0]


def test_index_error_names_the_line() -> None:
    for call in (wg.compile(outside), wg.grad(outside)):
        with pytest.raises(IndexError) as caught:
            call(np.ones(4), 4)
        notes = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
        line = outside.__code__.co_firstlineno + 2
        assert f"{Path(__file__).name}:{line}" in notes, notes
        with pytest.raises(IndexError):
            call(np.ones(4), -5)
        call(np.ones(4), -4)


@pytest.mark.parametrize(
    ("f", "args", "error"),
    [
        (lambda x: 1.0 / x, (0.0,), ZeroDivisionError),
        (lambda x, n: x * (7 // n), (1.0, 0), ZeroDivisionError),
        (lambda x: np.linalg.solve(x, np.ones(2))[0], (np.ones((2, 2)),), np.linalg.LinAlgError),
        (lambda x: np.linalg.cholesky(x)[0, 0], (-np.eye(2),), np.linalg.LinAlgError),
        (lambda x, y: np.sum(x * y), (np.ones(3), np.ones(4)), ValueError),
        (lambda x, y: x @ y, (np.ones(9), np.ones(10)), ValueError),
    ],
)
def test_exceptions_of_the_program(f: Any, args: tuple[Any, ...], error: type[Exception]) -> None:
    with pytest.raises(error), np.errstate(all="ignore"):
        f(*args)
    with pytest.raises(error):
        wg.compile(f)(*args)


def test_math_domain_errors() -> None:
    import math

    def f(x):
        return math.sqrt(x) + math.log(x)

    with pytest.raises(ValueError, match="math domain error|expected a"):
        wg.compile(f)(-1.0)


def test_raise_under_a_runtime_condition() -> None:
    def f(x):
        if np.sum(x) < 0:
            raise ValueError("the sum is negative")
        return np.sum(np.sqrt(x))

    np.testing.assert_allclose(wg.grad(f)(np.array([4.0])), [0.25])
    with pytest.raises(ValueError, match="the sum is negative"):
        wg.grad(f)(np.array([-4.0]))


def test_names_that_are_unbound_on_one_path() -> None:
    def f(x):
        if x > 0:
            y = x * x
        return y

    assert wg.grad(f)(3.0) == 6.0
    with pytest.raises((UnboundLocalError, wg.WengertError)):
        wg.compile(f)(-1.0)


def has_no_such_method(x):
    return x.foo()


def refuses_all(x):
    if x[0] > 0:
        raise ValueError("positive")
    raise ValueError("not positive")


@pytest.mark.parametrize("transform", [wg.grad, wg.value_and_grad, wg.jacobian, wg.hessian, wg.compile])
def test_what_a_program_raises_on_every_path_is_raised(transform: Any) -> None:
    """Not a report that it returns nothing."""
    with pytest.raises(AttributeError, match="foo"):
        transform(has_no_such_method)(np.ones(2))
    with pytest.raises(ValueError, match="^positive"):
        transform(refuses_all)(np.ones(2))
    with pytest.raises(ValueError, match="^not positive"):
        transform(refuses_all)(-np.ones(2))


def test_shapes_of_outside_arrays() -> None:
    def flattened(x):
        y = x[:]
        y.shape = (6,)  # of an array of its own
        return np.sum(y[:2]) + x[1, 0]

    def argument(x):
        x.shape = (6,)
        return np.sum(x[:2])

    x = np.arange(6.0).reshape(2, 3)
    assert wg.compile(flattened)(x) == 4.0
    assert "the shape of an array that comes from outside is assigned" in refusal(lambda: wg.compile(argument)(x))
