"""The passes, in order."""

from __future__ import annotations

from wengert.ir.nodes import Module
from wengert.optimise.dce import eliminate_dead_code


def prepare(module: Module) -> Module:
    """What happens to a staged program before it is differentiated or compiled."""
    return eliminate_dead_code(module)


def finish(module: Module) -> Module:
    """What happens to a derivative before it is compiled."""
    return eliminate_dead_code(module)
