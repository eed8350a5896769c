"""wengert: exact derivatives of ordinary Python programs, at native speed.

For a function `f` of numbers and arrays:

    import wengert as wg
    wg.grad(f)(x)                   # the gradient of a scalar function
    wg.vjp(f, x), wg.jvp(f, (x,), (dx,)), wg.jacobian(f), wg.hessian(f), wg.hvp(f)
    wg.compile(f)                   # the program itself, native
    wg.grad(f, memory_limit="1 GB") # within that, by running parts again
    wg.check(f, x)                  # derivatives against differences, said in full
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wengert.disk import DiskError
    from wengert.errors import CompilerNotFound, NotDifferentiable, OutputDropped, PinError, Unsupported, WengertError
    from wengert.explanation import explain
    from wengert.jacobians import hessian, hvp, jacobian
    from wengert.memory import MemoryLimitError
    from wengert.transform import compile, grad, jvp, value_and_grad, vjp
    from wengert.verify import check

__version__ = "0.1.0"

_HOME = {
    "compile": "transform",
    "grad": "transform",
    "value_and_grad": "transform",
    "vjp": "transform",
    "jvp": "transform",
    "jacobian": "jacobians",
    "hessian": "jacobians",
    "hvp": "jacobians",
    "check": "verify",
    "explain": "explanation",
    "MemoryLimitError": "memory",
    "DiskError": "disk",
    "WengertError": "errors",
    "Unsupported": "errors",
    "NotDifferentiable": "errors",
    "CompilerNotFound": "errors",
    "OutputDropped": "errors",
    "PinError": "errors",
}
__all__ = [
    "CompilerNotFound",
    "DiskError",
    "MemoryLimitError",
    "NotDifferentiable",
    "OutputDropped",
    "PinError",
    "Unsupported",
    "WengertError",
    "check",
    "compile",
    "explain",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "value_and_grad",
    "vjp",
]


def __getattr__(name: str) -> Any:
    """Load the public names on first use: importing wengert costs nothing until then."""
    if name in _HOME:
        return getattr(importlib.import_module(f"wengert.{_HOME[name]}"), name)
    raise AttributeError(f"module 'wengert' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
