"""Every class of refusals is shown by a program, is used in the source, and is on the page docs/errors.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import wengert as wg
from wengert.cli.bench.programs import load_module
from wengert.cli.main import app
from wengert.cli.passes import check
from wengert.cli.target import UnknownName, load
from wengert.codes import Code, describe, markdown
from wengert.runtime.compile import Compiler, wanted_threads

SOURCE = Path(wg.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
X = np.array([1.0, 2.0, 3.0])
CLASS = r"^class (\w+)\(WengertError\b.*:\n((?:    .*\n|\n)*)"
SCOPE: dict[str, Any] = {}
exec("def unseen(x):\n    return x * x\n", SCOPE)
unseen = SCOPE["unseen"]


def no_counterpart(x):
    return np.sum(np.busday_count(x, x))


def matches_attributes(x):
    match x[0]:
        case np.float64(real=1.0):
            return np.sum(x)
    return np.sum(x * x)


def axis_from_data(x):
    return np.sum(x.reshape(1, 3), axis=int(x[0]))


def two_kinds(x):
    y = x if x[0] > 0 else "nothing"
    return np.sum(np.stack([y, y]))


def set_of_data(x):
    return x[0] * len({x[0], x[1]})


def reads_a_file(x):
    return np.sum(x) * len(open("data.txt").read())


def changed_after_append(x):
    kept = []
    while x[0] < 5:
        kept.append(x)
        x += 1
    return np.sum(np.array(kept))


def objects(x):
    return np.sum(x)


def loops_over_objects(x):
    for _ in range(3):
        for name in list(range(100_000)):
            x = x * name
    return np.sum(x)


def errors_for_good(x):
    np.seterr(all="ignore")
    return np.sum(x)


def inner_keyword(x):
    return np.sum(wg.grad(lambda y: np.sum(y * y))(y=x))


def returns_a_function(x):
    return lambda y: x * y


def reinterprets(x):
    return np.sum(x.view(np.int64) * x)


def total(x):
    return np.sum(x)


def twice(x):
    return 2 * x


def order_of_bessel(order):
    import scipy.special

    return scipy.special.jv(order, 2.0)


def until_small(x):
    kept = []
    while np.sum(x * x) > 1e-3:
        x = np.sin(x) * 0.9
        kept.append(x[0])
    return np.sum(np.array(kept))


def squares(x):
    for _ in range(40):
        x = np.sin(x * x)
    return np.sum(x)


def grad(f: Callable[..., Any], x: Any = X, **options: Any) -> Callable[[], Any]:
    return lambda: wg.grad(f, **options)(x)


def compile(f: Callable[..., Any], x: Any = X) -> Callable[[], Any]:
    return lambda: wg.compile(f)(x)


def threads(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("WENGERT_NUM_THREADS", "many")
    return wanted_threads()


def no_compiler(monkeypatch: pytest.MonkeyPatch) -> Any:
    from wengert.runtime.compile import find_compiler

    monkeypatch.setenv("CC", "no-such-compiler")
    return find_compiler()


EXAMPLES: dict[Code, Callable[..., Any]] = {
    Code.OPERATION: grad(no_counterpart),
    Code.SYNTAX: grad(matches_attributes),
    Code.STATIC: grad(axis_from_data),
    Code.KIND: grad(two_kinds),
    Code.CONTAINER: grad(set_of_data),
    Code.WORLD: grad(reads_a_file),
    Code.MEMORY: grad(changed_after_append),
    Code.DTYPE: grad(objects, np.array([1.0, None])),
    Code.SOURCE: grad(unseen, 1.0),
    Code.ENDLESS: grad(loops_over_objects),
    Code.FLOAT_ERRORS: grad(errors_for_good),
    Code.NESTED: grad(inner_keyword),
    Code.RESULT: compile(returns_a_function),
    Code.OBJECT: grad(reinterprets),
    Code.ARGUMENT: lambda: wg.jacobian(twice, mode="sideways"),
    Code.WRT: grad(total, wrt="y"),
    Code.OBJECTIVE: grad(twice),
    Code.SEED: lambda: wg.jvp(twice, (X,), (X[:2],)),
    Code.NO_DERIVATIVE: grad(order_of_bessel, 1.5),
    Code.LIMIT: grad(squares, memory_limit=100),
    Code.PIN: grad(squares, store="nothing"),
    Code.DISK: grad(squares, memory_limit="1 MB", disk="/nowhere"),
    Code.UNBOUNDED: grad(until_small, memory_limit="1 MB"),
    Code.COMPILER: no_compiler,
    Code.COMPILATION: lambda: Compiler(("false",), "none").run([]),
    Code.SETTING: threads,
    Code.TARGET: lambda: load("nowhere.py:f"),
    Code.NAME: lambda: check(["nothing"], ["fuse"]),
    Code.SUITE: lambda: load_module(Path("nowhere.py")),
}


@pytest.mark.parametrize("code", EXAMPLES, ids=str)
def test_a_program_shows_it(code: Code, monkeypatch: pytest.MonkeyPatch) -> None:
    how = EXAMPLES[code]
    with pytest.raises(wg.WengertError) as caught:
        how(monkeypatch) if how.__code__.co_argcount else how()
    assert caught.value.code is code
    assert f" [{code}]" in str(caught.value)


def test_every_code_has_a_program() -> None:
    assert set(Code) - set(EXAMPLES) == {Code.FAULT}  # which nobody knows how to bring about


def test_codes_differ_and_stand_in_order() -> None:
    codes = [str(code) for code in Code]
    assert codes == sorted(set(codes))
    assert all(re.fullmatch(r"WG[1-6]\d\d", code) for code in codes)


def test_every_code_is_used_and_written_by_name() -> None:
    texts = {path: path.read_text() for path in SOURCE.rglob("*.py") if path.name != "codes.py"}
    used = {name for text in texts.values() for name in re.findall(r"\bCode\.([A-Z_]+)", text)}
    written = [path for path, text in texts.items() if re.search(r"(?<!errors )WG\d\d\d", text.replace("as WG103", ""))]
    assert not written, "codes are spelt in codes.py alone"
    assert used == {code.name for code in Code}


def test_every_entry_says_why_and_what_to_do() -> None:
    for code in Code:
        entry = code.value
        assert entry.title and entry.reason.endswith(".") and entry.way_out.endswith("."), code


def test_the_page_is_what_the_command_writes() -> None:
    assert PAGE.read_text() == markdown(), "write it again: wengert errors --markdown > docs/errors.md"
    for code in Code:
        assert f"({str(code).lower()})=\n### {code}: " in markdown()


def test_the_command() -> None:
    run = CliRunner().invoke
    assert run(app, ["errors", "wg103"]).output == describe(Code.STATIC) + "\n"
    assert run(app, ["errors", "[WG103]"]).output == describe(Code.STATIC) + "\n"
    assert run(app, ["errors"]).output.count("way out") == len(Code)
    assert '"code": "WG301"' in run(app, ["errors", "--json"]).output
    assert run(app, ["errors", "--markdown"]).output == markdown()
    with pytest.raises(UnknownName, match="WG101"):
        run(app, ["errors", "WG999"], catch_exceptions=False)


def test_a_report_of_several_has_the_code_of_each() -> None:
    def several(x):
        file = open("data.txt")
        value = eval("2.0")
        return np.sum(x) * value * len(file.read())

    with pytest.raises(wg.Unsupported) as caught:
        wg.grad(several)(X)
    assert caught.value.code is caught.value.problems[0].code
    assert all(f"[{problem.code}]" in str(caught.value) for problem in caught.value.problems)


def test_every_class_of_errors_has_a_code() -> None:
    by_problem = {"Unsupported", "NotDifferentiable"}
    for path in SOURCE.rglob("*.py"):
        for name, body in re.findall(CLASS, path.read_text(), re.MULTILINE):
            assert "code = Code." in body or name in by_problem, f"{path.name}: {name}"
