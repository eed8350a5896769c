"""The table of what is supported of NumPy: its lines are in `entries`, how each is done comes from the registry."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.frontend.python import numeric, numpy_api
from wengert.frontend.python.registry import ATTRIBUTES, HANDLERS, METHODS

from . import entries, entries_scipy

assert numpy_api.__path__, "imported for the handlers that it registers"

AREAS = (
    "CREATE", "UFUNCS", "REDUCE", "PRODUCTS", "LINALG", "SHAPE", "SELECT", "POLYNOMIALS", "FOURIER", "METHODS",
    "IN_PLACE", "SPECIAL", "SCIPY",
)  # fmt: skip
TITLES = {
    "CREATE": "Creation", "UFUNCS": "Elementwise functions", "REDUCE": "Reductions, scans, statistics",
    "PRODUCTS": "Products", "LINALG": "Linear algebra", "SHAPE": "Shape", "SELECT": "Choice, order, sets, types",
    "POLYNOMIALS": "Polynomials", "FOURIER": "Fourier transforms", "METHODS": "Methods and attributes of arrays",
    "IN_PLACE": "Changes in place", "SPECIAL": "scipy.special",
    "SCIPY": "scipy.linalg, scipy.integrate, scipy.optimize, scipy.sparse",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A public function or method: `sample` is a call of it, `reason` why it has no derivative (empty: it has one)."""

    area: str
    name: str
    sample: str
    reason: str

    @property
    def differentiable(self) -> bool:
        return not self.reason

    @property
    def by(self) -> str:
        """How it is done: "native" (a handler or a scalar operation) or "source" (NumPy's own source is staged)."""
        owner, _, last = self.name.rpartition(".")
        if owner == "ndarray":
            return "native" if last in METHODS or last in ATTRIBUTES else "source"
        if owner == "ufunc":
            return "native"
        found: Any = np
        if owner.startswith("scipy."):
            found = importlib.import_module(owner)
            for module in ("scipy_api", "scipy_optimize", "scipy_special"):
                importlib.import_module(f"wengert.frontend.python.{module}")
        for part in (last if owner.startswith("scipy.") else self.name).split("."):
            found = getattr(found, part, None)
        if isinstance(found, np.ufunc):
            return "native" if found in numeric.UFUNCS or found in HANDLERS else "source"
        try:
            return "native" if found in HANDLERS or not callable(found) else "source"
        except TypeError:  # objects that have no hash: grids and the like
            return "native"


def table() -> Iterator[Entry]:
    """All entries, by area."""
    for area in AREAS:
        lines: str = getattr(entries, area, "") or getattr(entries_scipy, area)
        for line in lines.strip().splitlines():
            name, sample, *reason = (part.strip() for part in line.split(" | "))
            yield Entry(area, name, sample, reason[0] if reason else "")


def unsupported() -> Iterator[tuple[str, str]]:
    """Names that are refused, with the reason or the way out."""
    for line in entries.UNSUPPORTED.strip().splitlines():
        names, reason = line.split(" | ")
        for name in names.split():
            yield name, reason


def markdown() -> str:
    """The page docs/numpy.md."""
    every = list(table())
    smooth = sum(e.differentiable for e in every)
    lines = [
        "# Supported NumPy",
        "",
        "Written by `wengert supported --markdown`; a test compares. Every line is a call that tests run natively:",
        "its value, dtype and shape agree with NumPy's, and where it is marked so its JVP and VJP with differences and",
        "with each other, and its second derivatives with differences of gradients. *By* says how a function is done:",
        "`native` by loops or libraries of its own, `source` by staging NumPy's own Python source like the program's.",
        "There are no calls back into Python.",
        "",
        f"{len(every)} functions, methods and attributes: {smooth} are differentiable, the others are not, on purpose.",
    ]
    for area in AREAS:
        lines += ["", f"## {TITLES[area]}", "", "| name | value | JVP | VJP | second order | by | tested call |"]
        lines.append("|---|---|---|---|---|---|---|")
        for e in every:
            if e.area == area:
                marks = "yes | yes | yes" if e.differentiable else f"{e.reason} | | "
                sample = e.sample.replace("|", "\\|")
                lines.append(f"| {e.name} | yes | {marks} | {e.by} | `{sample}` |")
    lines += ["", "## Refused", "", "| name | reason or way out |", "|---|---|"]
    lines += [f"| {name} | {reason} |" for name, reason in unsupported()]
    return "\n".join(lines) + "\n"
