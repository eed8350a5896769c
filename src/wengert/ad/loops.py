"""Loop nests over the elements of a shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wengert.ir.build import Emitter
from wengert.ir.nodes import Expr


def each(e: Emitter, shape: Sequence[Expr], body: Callable[[tuple[Expr, ...]], None]) -> None:
    """Emit loops over all elements, in any order; `body` emits what is done at an index."""

    def nest(index: tuple[Expr, ...]) -> None:
        if len(index) == len(shape):
            body(index)
        else:
            with e.loop(f"k{len(index)}", 0, shape[len(index)], order="any") as k:
                nest((*index, k))

    nest(())
