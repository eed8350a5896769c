"""The errors users see. Every refusal names the place, the reason and the way out."""

from __future__ import annotations

import builtins
import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.ir.nodes import Span


class WengertError(Exception):
    """The base of all errors raised by wengert itself (errors of the user's program keep their own types)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that cannot be done: where, why, and what to do about it."""

    span: Span | None
    reason: str
    way_out: str
    code: str = "unsupported"

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
        lines.append(f"  {self.reason}")
        lines.append(f"  way out: {self.way_out}")
        return "\n".join(lines)


class Unsupported(WengertError, TypeError):
    """The program cannot be staged; `problems` holds everything found, in source order."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        count = len(problems)
        heading = "this program cannot be compiled" + (f" ({count} problems)" if count > 1 else "")
        super().__init__(heading + ":\n\n" + "\n\n".join(str(p) for p in problems))


class NotDifferentiable(WengertError, TypeError):
    """A derivative was asked of something that has none."""

    def __init__(self, what: str, span: Span | None, reason: str, way_out: str) -> None:
        self.problem = Problem(span, f"{what}: {reason}", way_out, "not-differentiable")
        super().__init__(str(self.problem))


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
