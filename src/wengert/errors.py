"""The errors users see. Every refusal names the place, the reason, the way out and its code (`wengert.codes`)."""

from __future__ import annotations

import builtins
import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.codes import Code
from wengert.ir.nodes import Span


class WengertError(Exception):
    """The base of all errors raised by wengert itself (errors of the user's program keep their own types).

    `code`: the class of refusals it belongs to, that of the exception's class unless it is given.
    """

    code: Code = Code.FAULT

    def __init__(self, message: str, code: Code | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        first, newline, rest = super().__str__().partition("\n")
        return f"{first} [{self.code}]{newline}{rest}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that cannot be done: where, why, and what to do about it."""

    span: Span | None
    reason: str
    way_out: str
    code: Code = Code.OPERATION

    def __str__(self) -> str:
        lines: list[str] = []
        if self.span is not None:
            where = f"{self.span.file}:{self.span.line}:{self.span.col}"
            lines.append(f"{where}: in {self.span.function}" if self.span.function else where)
            if self.span.text:
                width = max(1, self.span.end_col - self.span.col)
                offset = max(0, self.span.col - 1)
                lines.append(f"    {self.span.text}")
                lines.append("    " + " " * offset + "^" * width)
        lines.append(f"  {self.reason} [{self.code}]")
        lines.append(f"  way out: {self.way_out}")
        return "\n".join(lines)


class Unsupported(WengertError, TypeError):
    """The program cannot be staged; `problems` holds everything found, in source order; the code is the first's."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        count = len(problems)
        heading = "this program cannot be compiled" + (f" ({count} problems)" if count > 1 else "")
        super().__init__(
            heading + ":\n\n" + "\n\n".join(str(p) for p in problems), problems[0].code if problems else None
        )

    def __str__(self) -> str:
        return str(self.args[0])


class NotDifferentiable(WengertError, TypeError):
    """A derivative was asked of something that has none."""

    def __init__(self, what: str, span: Span | None, reason: str, way_out: str) -> None:
        self.problem = Problem(span, f"{what}: {reason}", way_out, Code.NO_DERIVATIVE)
        super().__init__(str(self.problem), self.problem.code)

    def __str__(self) -> str:
        return str(self.args[0])


def exception_class(name: str) -> type[Exception] | None:
    """The exception that a `Fail` names: a builtin or NumPy's by its name, any other as "module:qualified.name"."""
    module, colon, path = name.partition(":")
    if not colon:
        homes: tuple[Any, ...] = (builtins, np.linalg, np.exceptions)
        found: Any = next((getattr(home, name) for home in homes if hasattr(home, name)), None)
    else:
        try:
            found = importlib.import_module(module)
            for part in path.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError):
            return None
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def exception_name(kind: type[BaseException]) -> str:
    """The name by which `exception_class` finds an exception."""
    if exception_class(kind.__name__) is kind:
        return kind.__name__
    return f"{kind.__module__}:{kind.__qualname__}"


class CompilerNotFound(WengertError, RuntimeError):
    """No working C compiler."""

    code = Code.COMPILER


class PinError(WengertError, ValueError):
    """A value was to be stored, or recomputed, that a derivative does not need or cannot have that way."""

    code = Code.PIN


class OutputDropped(UserWarning):
    """A program prints, logs or warns, which compiled programs leave out; given once for each place."""
