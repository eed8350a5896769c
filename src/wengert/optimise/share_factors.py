"""Shared factors: two products with one factor in common that are added to one array become one product of a sum.

C += A X and C += B X are C += (A + B) X: half the work, for an addition. The adjoint of a product of a matrix with its
own transpose is of this kind, where one of the two goes to C^T: C += G X and C^T += X^T G.

Contract: sums are reordered: results differ by rounding, and where A + B is too large for the type. Legal if the
products follow each other with nothing in between but names, and if their factors and arrays are the same parts of the
same arrays, or each other's transposes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wengert.analysis.affine import canonical, iadd, imul
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Block, Buffer, Expr, Function, Let, LibCall, Load, Module, Reshape, Stmt, View
from wengert.ir.walk import expressions, function_names, rebuild, statements, storages, subexpressions


def share_factors(module: Module) -> Module:
    """Every function with products that share a factor as one."""
    if not any(_is_sum(s) for f in module.functions.values() for s in statements(f.body)):
        return module
    functions = {n: _Sharing(f).function() for n, f in module.functions.items()}
    return module if all(functions[n] is f for n, f in module.functions.items()) else Module(functions, module.entry)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of an array: where it starts, and for both axes along which one it runs, at which step, how far."""

    base: str
    start: tuple[Expr, ...]
    axes: tuple[tuple[int | None, Expr, Expr], ...]

    @property
    def transposed(self) -> _Part:
        return replace(self, axes=self.axes[::-1])


@dataclass(frozen=True, slots=True)
class _Product:
    """A product into a matrix: its operands, by name, and whether they are to be transposed."""

    call: LibCall
    target: str
    left: str
    right: str
    transposed: bool = False

    @property
    def negative(self) -> bool:
        return bool(dict(self.call.attrs).get("negative", 0))


class _Sharing:
    def __init__(self, f: Function) -> None:
        self.f = f
        self.names = function_names(f)
        self.storages = storages(f)
        self.views = {s.buffer.name: s for s in statements(f.body) if isinstance(s, View)}

    def function(self) -> Function:
        body = self._block(self.f.body)
        return self.f if body is self.f.body else replace(self.f, body=body)

    def _block(self, block: Block) -> Block:
        made: list[Stmt] = []
        last: int | None = None
        for s in block:
            if isinstance(s, LibCall) and s.op in ("matmul", "add_matmul"):
                shared = None
                if last is not None and _is_sum(s):
                    first = made[last]
                    assert isinstance(first, LibCall)
                    shared = self._shared(first, s)
                if shared is not None and last is not None:
                    made[last : last + 1] = []
                    made.extend(shared)
                else:
                    made.append(s)
                last = len(made) - 1
                continue
            if not _is_name(s):
                last = None
            made.append(rebuild(s, block=self._block))
        return block if tuple(made) == block else tuple(made)

    def _part(self, name: str) -> _Part | None:
        """What a name stands for."""
        whole = self.storages[name]
        if not isinstance(whole, Buffer):
            return None
        axes: list[tuple[int | None, Expr]] = [(k, b.i64(1)) for k in range(whole.rank)]
        start: list[Expr] = [b.i64(0)] * whole.rank
        while name in self.views:
            view = self.views[name]
            origin = list(view.start)
            for k, (axis, step) in enumerate(view.axes):
                if axis is not None:
                    origin[axis] = iadd(origin[axis], imul(step, start[k]))
            moved: list[tuple[int | None, Expr]] = []
            for axis, step in axes:
                below, size = (None, step) if axis is None else view.axes[axis]
                moved.append((below, imul(size, step)))
            axes, start, name = moved, origin, view.base
        shape = map(canonical, whole.shape)
        ends = tuple((axis, step, n) for (axis, step), n in zip(axes, shape, strict=True))
        return _Part(name, tuple(map(canonical, start)), ends)

    def _product(self, call: LibCall) -> _Product:
        left, right = [i for i in call.ins if isinstance(i, str)][-2:]
        return _Product(call, call.outs[0], left, right)

    def _shared(self, first: LibCall, second: LibCall) -> Block | None:
        """The two products as one, if they have a factor in common."""
        one, other = self._product(first), self._product(second)
        names = (one.target, other.target, one.left, other.left, one.right, other.right)
        parts = [part for part in map(self._part, names) if part is not None]
        if len(parts) < len(names):
            return None
        target, place, left, other_left, right, other_right = parts
        if place == target:
            other_sides = (other_left, other_right)
        elif place.transposed == target:
            other_sides = (other_right.transposed, other_left.transposed)
            other = _Product(second, other.target, other.right, other.left, transposed=True)
        else:
            return None
        if right == other_sides[1]:
            return self._added(one, other, of_left=True)
        return self._added(one, other, of_left=False) if left == other_sides[0] else None

    def _added(self, one: _Product, other: _Product, of_left: bool) -> Block:
        """One product, of the sum of what differs."""
        names = (one.left, other.left) if of_left else (one.right, other.right)
        first, second = (self.storages[n] for n in names)
        assert isinstance(first, Buffer)
        e = Emitter(span=other.call.span)
        e.taken = self.names
        total = e.alloc("sum", first.dtype, list(first.shape))
        self.storages[total.name] = total
        with e.loop("i", 0, first.shape[0], order="any") as i, e.loop("j", 0, first.shape[1], order="any") as j:
            x = b.load(first, [i, j])
            y = b.load(second, [j, i] if other.transposed else [i, j])
            e.store(total, [i, j], b.add(x, y) if one.negative == other.negative else b.sub(x, y))
        sides = (total.name, one.right) if of_left else (one.left, total.name)
        return (*e.block(), replace(one.call, ins=(*one.call.ins[:-2], *sides), span=other.call.span))


def _is_sum(s: Stmt) -> bool:
    return isinstance(s, LibCall) and s.op == "add_matmul"


def _is_name(s: Stmt) -> bool:
    """Whether a statement only names something."""
    if isinstance(s, Let):
        return not any(isinstance(x, Load) for e in expressions(s) for x in subexpressions(e))
    return isinstance(s, View | Reshape)
