"""The reverse of a call: the callee's reverse function, on the adjoints of its active arguments.

The forward sweep called the augmented function, which left on the stacks what the reverse function takes from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wengert.ad.reverse import dense
from wengert.ad.reverse.stacks import StackKey
from wengert.ir import build as b
from wengert.ir.nodes import Buffer, Call, Expr

if TYPE_CHECKING:
    from wengert.ad.reverse.sweep import Sweep


@dataclass
class Callee:
    """The pair of functions that differentiates one function for one set of active parameters.

    `augmented` takes the primal's parameters, the shadows of the parameters at the positions `shadowed`, the stacks.
    `reverse` takes the scalars at the positions `scalars`, the adjoints of the active parameters (of scalars: cells),
    the stacks. `stacks` is known once everything is planned.
    """

    augmented: str
    reverse: str
    scalars: tuple[int, ...]
    shadowed: tuple[int, ...]
    stacks: list[StackKey]


def reverse(sweep: Sweep, stmt: Call, active: tuple[bool, ...], callee: Callee) -> None:
    e = sweep.e
    args: list[str | Expr] = []
    for k in callee.scalars:
        scalar = stmt.args[k]
        assert not isinstance(scalar, str)
        args.append(sweep.at(scalar))
    cells: list[tuple[Expr, Buffer]] = []
    copies: list[tuple[str, Buffer]] = []
    for arg, is_active in zip(stmt.args, active, strict=True):
        if not is_active:
            continue
        if not isinstance(arg, str):
            cell = e.alloc("arg_adj", arg.dtype, (), zero=True)
            cells.append((arg, cell))
            args.append(cell.name)
        else:
            args.append(dense.adjoint(sweep, arg, copies).name)
    e.call(callee.reverse, *args, *(sweep.stacks.get(key) for key in callee.stacks))
    for arg, cell in cells:
        sweep.contribute_to(arg, e.let("arg_adj", b.load(cell, ())))
    dense.scatter(sweep, copies)
