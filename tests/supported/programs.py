"""Programs made of the entries of the table."""

from __future__ import annotations

import itertools
import linecache
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.integrate
import scipy.linalg
import scipy.optimize
import scipy.sparse
import scipy.special

from frontend.numpy_api.expressions import arguments, mentions
from wengert.supported import Entry

_serial = itertools.count()
_KINDS = ("csr_array", "csc_array", "coo_array", "csr_matrix", "csc_matrix", "coo_matrix")
_DENSE = np.cos(np.arange(108.0)).reshape(9, 12) * (np.arange(108).reshape(9, 12) % 7 < 3)
SPARSE = {name: getattr(scipy.sparse, name)(_DENSE) for name in _KINDS}


def program(entries: Sequence[Entry]) -> tuple[Callable[..., Any], list[str]]:
    """A function that returns what the calls of all entries give, and the names of its parameters."""
    lines, results = [], []
    for k, entry in enumerate(entries):
        if entry.area == "IN_PLACE":
            lines += ["y = w.copy()", "r = z.copy()", entry.sample, f"r_{k} = y * a, r * a"]
        else:
            lines.append(f"r_{k} = {entry.sample}")
        results.append(f"r_{k}")
    calls = [f"{e.sample}, w, z, a" if e.area == "IN_PLACE" else e.sample for e in entries]
    names = [n for n in arguments() if any(mentions(c, n) for c in calls)]
    body = "".join(f"    {line}\n" for line in [*lines, f"return {', '.join(results)},"])
    text = f"def f({', '.join(names)}):\n{body}"
    file = f"<entries {next(_serial)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space: dict[str, Any] = {"np": np, "scipy": scipy, **SPARSE}
    exec(compile(text, file, "exec"), space)
    return space["f"], names


def quietly(run: Callable[[], Any]) -> Any:
    """The result of `run`, without NumPy's warnings."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return run()
