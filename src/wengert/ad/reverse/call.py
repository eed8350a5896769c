"""The reverse of a call, on the adjoints of its active arguments.

*Split*: the forward sweep called the augmented function, which left on the stacks what the callee's reverse function
takes from them. *Joint*: the callee runs again, with its arguments as they were, and is reversed at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wengert.ad.loops import each
from wengert.ad.reverse import dense
from wengert.ad.reverse.stacks import StackKey
from wengert.ir import build as b
from wengert.ir.nodes import Buffer, Call, Expr, Param

if TYPE_CHECKING:
    from wengert.ad.reverse.regions import CallSite
    from wengert.ad.reverse.sweep import Sweep


@dataclass
class Callee:
    """The functions that differentiate one function for one set of active parameters.

    `augmented` takes the primal's parameters, the shadows of the parameters at the positions `shadowed`, the stacks.
    `reverse` takes the scalars at the positions `scalars`, the adjoints of the active parameters (of scalars: cells),
    the stacks. `stacks` is known once everything is planned. `joint` takes the primal's parameters, which it may
    write, and the adjoints of the active parameters.
    """

    augmented: str
    reverse: str
    joint: str
    scalars: tuple[int, ...]
    shadowed: tuple[int, ...]
    stacks: list[StackKey]


def reverse(sweep: Sweep, site: CallSite, callee: Callee) -> None:
    e, stmt = sweep.e, site.stmt
    contents = sweep.tapes.rerun(sweep, site)
    args = _split_arguments(sweep, stmt, callee) if contents is None else _joint_arguments(sweep, site, contents)
    cells: list[tuple[Expr, Buffer]] = []
    copies: list[tuple[str, Buffer]] = []
    for arg, is_active in zip(stmt.args, site.active, strict=True):
        if not is_active:
            continue
        if not isinstance(arg, str):
            cell = e.alloc("arg_adj", arg.dtype, (), zero=True)
            cells.append((arg, cell))
            args.append(cell.name)
        else:
            args.append(dense.adjoint(sweep, arg, copies).name)
    if contents is None:
        e.call(callee.reverse, *args, *(sweep.stacks.get(key) for key in callee.stacks))
    else:
        e.call(callee.joint, *args)
    for arg, cell in cells:
        sweep.contribute_to(arg, e.let("arg_adj", b.load(cell, ())))
    dense.scatter(sweep, copies)


def _split_arguments(sweep: Sweep, stmt: Call, callee: Callee) -> list[str | Expr]:
    args: list[str | Expr] = []
    for k in callee.scalars:
        scalar = stmt.args[k]
        assert not isinstance(scalar, str)
        args.append(sweep.at(scalar))
    return args


def _joint_arguments(sweep: Sweep, site: CallSite, contents: Sequence[Buffer | None]) -> list[str | Expr]:
    """The primal's arguments as they were; what the callee writes is a copy."""
    flow, stmt = sweep.p.flow, site.stmt
    params, written = flow.module.functions[stmt.function].params, flow.aliases.written[stmt.function]
    args: list[str | Expr] = []
    for k, (arg, param, held) in enumerate(zip(stmt.args, params, contents, strict=True)):
        if not isinstance(arg, str):
            args.append(sweep.at(arg))
        elif held is not None and k not in written and _fits(held, param):
            args.append(held.name)
        else:
            args.append(_copy(sweep, arg, held).name)
    return args


def _fits(held: Buffer, param: Param) -> bool:
    return isinstance(param, Buffer) and (param.strided or not held.strided)


def _copy(sweep: Sweep, storage: str, held: Buffer | None) -> Buffer:
    """A buffer like a storage of the primal, with these contents."""
    primal = sweep.p.storages[storage]
    assert isinstance(primal, Buffer)
    made = sweep.e.alloc(storage, primal.dtype, sweep.shape(primal.shape))
    if held is not None:
        each(sweep.e, made.shape, lambda i: sweep.e.store(made, i, b.load(held, i)))
    return made
