"""`wg.explain`: what the reverse sweep of a program keeps, stores and recomputes, with source lines and bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import ad, pipeline
from wengert import differences as fd
from wengert.dispatch import fetcher
from wengert.frontend.python.python_values import is_ndarray
from wengert.ir.nodes import Span
from wengert.ir.types import DType
from wengert.memory import size_text
from wengert.programs import Wrt, primal_binds, private, program_of
from wengert.runtime.call import Kernel
from wengert.selection import wrt_list
from wengert.transform import Pulled, all_floats


@dataclass(frozen=True, slots=True)
class Value:
    """One value that the reverse sweep needs, and how it gets it.

    `how`: "kept" (the program's own memory still holds it), "stored" (on a tape) or "recomputed". `bytes` is what its
    tape holds in this call; None if several values share a stack (see `Explanation.shared_bytes`), if nothing is
    stored, or if it is `transient`: stored in the reverse sweep only, by a part of the program that runs again, until
    that is reversed.
    """

    name: str
    how: str
    kind: str
    dtype: str
    bytes: int | None
    file: str
    line: int
    function: str
    source: str
    transient: bool = False


@dataclass(frozen=True)
class Explanation:
    """What one call of a derivative keeps, stores and recomputes. `str()` of it is a table.

    `tape_bytes`: what all tapes hold at the end of the forward sweep. `shared_bytes`: the part of it that is on
    stacks of functions that are called. `peak_bytes`: the most that was allocated at any time, results and adjoints
    included, arguments not, counted by the allocator. `argument_bytes`: the float arguments.
    """

    name: str
    wrt: tuple[int | str, ...]
    values: tuple[Value, ...]
    tape_bytes: int
    shared_bytes: int
    peak_bytes: int
    argument_bytes: int

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self, everything: bool = False) -> Iterator[str]:
        """The table, a line at a time: what is stored, by size; with `everything` also what is kept and recomputed."""
        names = ", ".join(map(str, self.wrt))
        counts = {how: sum(v.how == how for v in self.values) for how in ("stored", "recomputed", "kept")}
        yield f"pullback of {self.name} with respect to {names}"
        yield f"  {', '.join(f'{n} {how}' for how, n in counts.items())}"
        yield (
            f"  tapes {size_text(self.tape_bytes)}, peak {size_text(self.peak_bytes)} (results and adjoints included), "
            f"float arguments {size_text(self.argument_bytes)}"
        )
        order = {"stored": 0, "recomputed": 1, "kept": 2}
        shown = [v for v in self.values if everything or v.how == "stored"]
        shown.sort(key=lambda v: (order[v.how], -(v.bytes or 0)))
        if not shown:
            return
        yield ""
        width = max(len(v.name) for v in shown)
        place = max(len(_place(v)) for v in shown)
        for v in shown:
            much = "" if v.how != "stored" else _size(v)
            yield f"  {v.how:<10}  {v.name:<{width}}  {v.kind:<6}  {much:>9}  {_place(v):<{place}}  {v.source}".rstrip()
        if self.shared_bytes:
            yield f"  on stacks that values of called functions share: {size_text(self.shared_bytes)}"


def _size(v: Value) -> str:
    return size_text(v.bytes) if v.bytes is not None else "transient" if v.transient else "shared"


def _place(v: Value) -> str:
    return f"{os.path.basename(v.file)}:{v.line}" if v.line else ""


def explain(fn: Callable[..., Any], *args: Any, wrt: Wrt | None = None, of: Any = None, **kwargs: Any) -> Explanation:
    """What the pullback of `fn` at `args` keeps, stores and recomputes. Runs it once, to count.

    `wrt` and `of` as for `vjp`. Raises what `vjp` raises.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def f(x, n):
        ...     for _ in range(n):
        ...         x = x * np.sin(x)
        ...     return np.sum(x)
        >>> wg.explain(f, np.ones(1000), 50).tape_bytes
        400000
    """
    chosen = all_floats(args, kwargs) if wrt is None else wrt
    program = program_of(fn)
    staged = program.stage(args, kwargs)
    record = ad.Record()
    module = pipeline.prepare(staged.module, staged.names)
    pulled = Pulled.of(fn, args, kwargs, staged, module, wrt_list(chosen), of, record)
    kernel = Kernel(*pulled.make(()))
    primal = Kernel(pulled.primal, primal_binds(staged))
    leaves = fetcher(staged, args, kwargs)(fn, args, kwargs)
    assert leaves is not None
    outputs = primal(private(staged, leaves))
    seeds = [np.ones_like(outputs[i]) for i in pulled.seeded]
    *_, counts = kernel((*private(staged, leaves), *seeds))
    values = tuple(_value(d, counts) for d in record.decisions)
    known = sum(v.bytes or 0 for v in values if v.how == "stored")
    stacks = sum(int(counts[k]) * _itemsize(dtype) for k, dtype in record.stacks.items())
    boxed = known - sum(v.bytes or 0 for v, d in zip(values, record.decisions, strict=True) if d.on_stack)
    tape = boxed + stacks
    floats = [leaf for leaf in leaves if is_ndarray(leaf) and leaf.dtype.kind in "fc"]
    return Explanation(
        getattr(fn, "__name__", type(fn).__name__),
        tuple(wrt_list(chosen)),
        values,
        tape,
        tape - known,
        kernel.stats().last_peak,
        sum(leaf.nbytes for leaf in floats),
    )


def explain_all(fn: Callable[..., Any], args: tuple[Any, ...], wrt: Wrt | None = None) -> Explanation:
    """`explain` of everything a function computes: what it returns and the arguments it mutates."""
    plain = fd.run(fn, args)
    of = fd.mutated(fn, args)
    return explain(fn, *args, wrt=wrt, of=("return", *of) if fd.floats(plain.value) or not of else of)


def _value(d: ad.Decision, counts: Any) -> Value:
    span = d.span or Span("", 0)
    size = int(counts[d.place]) * _itemsize(d.dtype) if d.place is not None else None
    kind = "array" if d.array else "number"
    return Value(d.name, d.how, kind, d.dtype.value, size, span.file, span.line, d.function, span.text, d.transient)


def _itemsize(dtype: DType) -> int:
    return dtype.numpy.itemsize
