"""The passes, in order."""

from __future__ import annotations

from collections.abc import Mapping

from wengert.ir.nodes import Module
from wengert.optimise.dce import eliminate_dead_code
from wengert.optimise.names import tidy_names


def prepare(module: Module, names: Mapping[str, str] | None = None) -> Module:
    """What happens to a staged program before it is differentiated or compiled; `names`: the user's for staged ones."""
    module = eliminate_dead_code(module)
    return tidy_names(module, names or {})


def finish(module: Module) -> Module:
    """What happens to a derivative before it is compiled."""
    return eliminate_dead_code(module)
