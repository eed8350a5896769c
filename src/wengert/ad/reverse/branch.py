"""The reverse of a branch: the same branch, by the recorded condition, each side reversed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wengert.ir import build as b
from wengert.ir.nodes import If

if TYPE_CHECKING:
    from wengert.ad.reverse.regions import Region
    from wengert.ad.reverse.sweep import Sweep


def reverse(sweep: Sweep, stmt: If, then: Region, orelse: Region) -> None:
    first, second = sweep.region(then), sweep.region(orelse)
    if first:
        sweep.e.emit(If(sweep.at(stmt.cond), first, second, stmt.span))
    elif second:
        sweep.e.emit(If(b.not_(sweep.at(stmt.cond)), second, (), stmt.span))
