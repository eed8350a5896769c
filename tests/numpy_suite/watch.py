"""What the rewritten tests call: whatever wengert takes runs through wengert, the rest as it is; all of it counted.

A call is turned into the source of a program whose arguments are the arrays in it,

    def program(x0, x1): return np.einsum("ij,jk", x0, x1)

which is staged and run by the interpreter of the IR (or natively). What wengert refuses runs through NumPy and counts
as refused; what it computes goes on into the test, whose assertions judge it.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import BuiltinFunctionType, ModuleType
from typing import Any

import numpy as np

import wengert as wg
from wengert.supported import table
from wengert.transform import interpret

LARGEST = 100
"""Elements of an argument: the interpreter of the IR takes microseconds for each scalar operation."""
MOST = 150
"""Calls of one test: einsum's tests make thousands that differ in a type only."""
WRITERS = ("sort", "fill", "put", "partition", "at", "copyto", "place", "putmask", "put_along_axis", "fill_diagonal")
"""Functions and methods that change an argument: the interpreter is not given views for that."""
MADE_FROM_NOTHING = {"CREATE"}


class Outside(Exception):
    """Not a call for wengert: other types of arguments, or nothing to compute on."""


@dataclass
class Tally:
    """What became of the calls of a test."""

    through: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])


def _functions() -> dict[int, str]:
    """The functions of the table by identity."""
    found: dict[int, str] = {}
    for entry in table():
        owner, _, _ = entry.name.partition(".")
        if entry.area in MADE_FROM_NOTHING or owner in ("ndarray", "ufunc"):
            continue
        value: Any = np
        for part in entry.name.split("."):
            value = getattr(value, part, None)
        if callable(value):
            found[id(value)] = f"np.{entry.name}"
    return found


class Watch:
    """One for a run of tests; `tally` is the present test's."""

    def __init__(self, folder: Path, active: bool, native: bool) -> None:
        self.folder, self.active, self.native = folder, active, native
        self.run: Callable[[Callable[..., Any]], Callable[..., Any]] = wg.compile if native else interpret
        self.tally: Tally | None = None  # none while tests are collected
        self.functions = _functions()
        self.methods = {e.name.partition(".")[2] for e in table() if e.name.startswith("ndarray.")}
        self.ufunc_methods = {e.name.partition(".")[2] for e in table() if e.name.startswith("ufunc.")}
        self.programs: dict[str, Callable[..., Any]] = {}
        self.numbers = itertools.count()

    def call(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        def text(program: _Program) -> str:
            program.writes = not self.native and ("out" in kwargs or getattr(function, "__name__", "") in WRITERS)
            name = self._callee(function, program)
            parts = [program.text(a) for a in args] + [f"{k}={program.text(v)}" for k, v in kwargs.items()]
            return f"return {name}({', '.join(parts)})"

        return self._through(text, lambda: function(*args, **kwargs))

    def get(self, array: Any, index: Any) -> Any:
        def text(program: _Program) -> str:
            return f"return {program.array(array)}[{program.text(index)}]"

        return self._through(text, lambda: array[index])

    def set(self, array: Any, index: Any, value: Any) -> None:
        def text(program: _Program) -> str:
            program.writes = not self.native
            return f"{program.array(array)}[{program.text(index)}] = {program.text(value)}"

        def plain() -> None:
            array[index] = value

        self._through(text, plain)

    def _callee(self, function: Any, program: _Program) -> str:
        if (name := self.functions.get(id(function))) is not None:
            return name
        if isinstance(function, BuiltinFunctionType):
            owner, method = function.__self__, function.__name__
            if isinstance(owner, np.ufunc) and method in self.ufunc_methods and id(owner) in self.functions:
                return f"{self.functions[id(owner)]}.{method}"
            if method in self.methods:
                return f"{program.array(owner)}.{method}"
        raise Outside

    def _through(self, text: Callable[[_Program], str], plain: Callable[[], Any]) -> Any:
        tally = self.tally
        if not self.active or tally is None or tally.through >= MOST:
            return plain()
        program = _Program()
        with contextlib.suppress(Outside):
            program.body = text(program)
        if not program.body or not program.arguments:
            return plain()
        compiled = self._compiled(program)
        refused = ""
        try:
            result = compiled(*program.arguments)
        except (wg.Unsupported, NotImplementedError) as refusal:
            refused = refusal.problems[0].reason if isinstance(refusal, wg.Unsupported) else str(refusal)
        if refused:
            tally.refused[f"{program.body}: {refused}"] += 1
            return plain()
        tally.through += 1
        return result

    def _compiled(self, program: _Program) -> Callable[..., Any]:
        source = f"def program({', '.join(program.parameters)}):\n    {program.body}\n"
        if program.constants or source not in self.programs:
            file = self.folder / f"program_{next(self.numbers)}.py"
            file.write_text(source)
            module = ModuleType(file.stem)
            module.__dict__.update(np=np, __file__=str(file), **program.constants)
            exec(compile(source, str(file), "exec"), module.__dict__)
            self.programs[source] = self.run(module.__dict__["program"])
        return self.programs[source]


class _Program:
    """A call as source: its arrays become parameters, what has no literal becomes a constant outside."""

    def __init__(self) -> None:
        self.parameters: list[str] = []
        self.arguments: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.body = ""
        self.writes = False

    def array(self, value: Any) -> str:
        if type(value) is not np.ndarray:
            raise Outside
        return self.text(value)

    def text(self, value: Any) -> str:
        kind: Any = type(value)
        if kind is np.ndarray or isinstance(value, (np.number, np.bool_)):
            return self._argument(value)
        if value is None or value is Ellipsis or kind in (bool, int, str):
            return repr(value)
        if kind is float or kind is complex:
            return repr(value) if math.isfinite(abs(value)) else self._constant(value)
        if kind is slice:
            return f"slice({', '.join(self.text(v) for v in (value.start, value.stop, value.step))})"
        if kind is tuple:
            return "(" + "".join(self.text(v) + ", " for v in value) + ")"
        if kind is list:
            return "[" + ", ".join(self.text(v) for v in value) + "]"
        if isinstance(value, (type, np.dtype)):
            return self._constant(value)
        raise Outside

    def _argument(self, value: Any) -> str:
        if value.dtype.kind not in "biufc" or not value.dtype.isnative or value.dtype.char in "gGe":
            raise Outside
        if value.size > LARGEST or (isinstance(value, np.ndarray) and not value.flags.aligned):
            raise Outside
        if self.writes and not value.flags.c_contiguous:
            raise Outside
        self.parameters.append(f"x{len(self.parameters)}")
        self.arguments.append(value)
        return self.parameters[-1]

    def _constant(self, value: Any) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name
