"""The interpreter, noting values as it goes: what every watched statement saw, execution by execution."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.frontend.python.python_values import is_ndarray
from wengert.ir.interpret import AnyOrder, FunctionSource, Interpreter
from wengert.ir.nodes import Accumulate, Expr, Function, Module, Stmt

LIMIT = 300_000
"""Notes after which recording is given up."""

Watch = Callable[[str, Stmt], "tuple[Expr | str, ...] | None"]
"""(function, statement) -> the expressions and storages whose values are noted when it runs, or None."""


class TooLong(Exception):
    """The program runs too long to be recorded."""


class Watched(NamedTuple):
    """A statement of a function and what is noted when it runs."""

    function: str
    stmt: Stmt
    what: tuple[Expr | str, ...]


class Recorder(Interpreter):
    """An interpreter that notes what `watch` says.

    Values are noted after the statement has run, before it for an `Accumulate`. `order` holds the watched statements by
    first execution, `notes[k]` the values of statement `watched[k]`, in order: all of them, or with `keep` the first
    half of so many and, evenly thinned out, later ones.
    """

    def __init__(self, module: Module, watch: Watch, any_order: AnyOrder = "forward", keep: int | None = None) -> None:
        self.watch, self.keep = watch, keep
        self.watched: list[Watched] = []
        self.notes: dict[int, list[tuple[Any, ...]]] = {}
        self.counts: dict[int, int] = {}
        self.total = 0
        super().__init__(module, any_order)

    def __call__(self, args: Sequence[Any]) -> tuple[Any, ...]:
        self.notes.clear()
        self.counts.clear()
        self.total = 0
        return super().__call__(args)

    def _compile(self, function: Function) -> None:
        self._globals["_note"] = self._note
        self._globals["_recorder"] = self
        lines = _Source(function, self._globals).lines
        file = f"<recorded ir {function.name}>"
        text = "\n".join(lines) + "\n"
        linecache.cache[file] = (len(text), None, [f"{line}\n" for line in lines], file)
        exec(compile(text, file, "exec"), self._globals)

    def _note(self, k: int, values: tuple[Any, ...]) -> None:
        self.total += 1
        if self.total > LIMIT:
            raise TooLong(f"more than {LIMIT} statements run")
        count = self.counts[k] = self.counts.get(k, 0) + 1
        if self.keep is not None and count > self.keep // 2 and count & (count - 1):
            return  # later ones at powers of two
        self.notes.setdefault(k, []).append(tuple(map(_private, values)))


def _private(value: Any) -> Any:
    return np.copy(value) if is_ndarray(value) else value


class _Source(FunctionSource):
    def _statement(self, stmt: Stmt) -> None:
        recorder: Recorder = self.environment["_recorder"]
        what = recorder.watch(self.function.name, stmt)
        if what is None:
            super()._statement(stmt)
            return
        recorder.watched.append(Watched(self.function.name, stmt, what))
        k = len(recorder.watched) - 1
        if not isinstance(stmt, Accumulate):
            super()._statement(stmt)
        parts = [self._name(w) if isinstance(w, str) else self._expr(w) for w in what]
        self._line(f"_note({k}, ({''.join(f'{p}, ' for p in parts)}))")
        if isinstance(stmt, Accumulate):
            super()._statement(stmt)
