"""Which statement is at fault when derivatives are wrong.

Asked only after a disagreement, of the IR and its interpreter, in this order:

1. *Rules.* Every operation's derivative by itself, at the operands it met (`local_rules`).
2. *The whole.* If nothing is wrong with the derivative as IR, its native code is.
3. *Restored values.* The reverse sweep gets back the values that derivatives depend on; each is compared with what the
   program computed. The first that differs was overwritten, stored in the wrong place or taken in the wrong order.
4. *Cuts.* The program is cut short after ever fewer statements, loops and branches too, and what its memory then holds
   is differentiated. The fault is in the last statement of the shortest program with a wrong derivative.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert import ad, pipeline
from wengert import differences as fd
from wengert.dispatch import fetcher
from wengert.errors import WengertError
from wengert.ir.interpret import Interpreter
from wengert.ir.interpret_runtime import IllegalIR
from wengert.ir.nodes import (
    Alloc,
    Block,
    Buffer,
    Declare,
    Function,
    If,
    Let,
    Load,
    Loop,
    Module,
    Op,
    Pop,
    Span,
    Stmt,
    Var,
)
from wengert.ir.walk import statements
from wengert.local_rules import wrong_rule
from wengert.optimise.flatten import flatten
from wengert.programs import primal_binds, private, program_of
from wengert.recording import Recorder, TooLong
from wengert.selection import leaf_name, select_outputs, with_results
from wengert.transform import ir_arguments
from wengert.verify import Linearization

DOT, DERIVATIVE = 1e-8, 1e-5


@dataclass(frozen=True, slots=True)
class Fault:
    """The statement at fault (None: not one statement's) and the reason."""

    span: Span | None
    reason: str

    def __str__(self) -> str:
        if self.span is None:
            return self.reason
        where = f"{self.span}" + (f" in {self.span.function}" if self.span.function else "")
        return f"{where}: {self.span.text.strip()}\n      {self.reason}"


def find(at: Linearization) -> Fault:
    """The fault in a derivative; see the module."""
    f, args, options = at.f, at.args, dict(at.kwargs)
    staged = program_of(f).stage(args, options)
    module = pipeline.prepare(staged.module, staged.names)
    selected = select_outputs(staged, module, f, args, options, ("return", *at.of))
    module = with_results(module, selected.names)
    leaves = fetcher(staged, args, options)(f, args, options)
    assert leaves is not None
    chosen = [
        leaf_name(staged, k)
        for k, leaf in enumerate(staged.leaves)
        if leaf.access[0] == "arg" and leaf.access[1] in at.wrt and (leaf.scalar is not None or leaf.buffer is not None)
    ]
    inexact = {p.name for p in module.root.params if p.dtype.is_inexact}
    names = list(dict.fromkeys(n for n in chosen if n in inexact))

    def arguments() -> list[Any]:
        return ir_arguments(primal_binds(staged), private(staged, leaves))

    with np.errstate(all="ignore"):
        try:
            return in_module(module, names, arguments)
        except TooLong as error:
            return Fault(None, f"the statement at fault was not looked for: {error}")
        except Exception as error:  # what is wrong may show in any way; the report itself must come out
            return Fault(None, f"the statement at fault could not be found: {type(error).__name__}: {error}")


def in_module(module: Module, wrt: Sequence[str], arguments: Callable[[], list[Any]]) -> Fault:
    """The fault in the derivative of a module's root; `arguments` makes fresh ones for each run."""
    wrong = wrong_rule(module, arguments())
    if wrong is not None:
        return Fault(*wrong)
    body = module.root.body
    differences = _disagreement(module, body, wrt, arguments, False) is None
    if differences and _disagreement(module, body, wrt, arguments, True) is None:
        return Fault(None, "the derivative is right as IR, so the fault is in its native code")
    return wrong_value(module, wrt, arguments) or wrong_cut(module, wrt, arguments, differences)


# -- restored values -----------------------------------------------------------------------------------------


def _storages(f: Function) -> Iterator[Any]:
    yield from (p for p in f.params if isinstance(p, Buffer))
    for stmt in f.body:
        if isinstance(stmt, Alloc):
            yield stmt.buffer
        elif isinstance(stmt, Declare):
            yield stmt.storage


def _seeds(module: Module, outputs: Sequence[str], arguments: list[Any], rng: np.random.Generator) -> list[fd.Vector]:
    """Weights of the outputs: zero where they are undefined."""
    values = [np.asarray(v) for v in Interpreter(_with_results(module, outputs))(arguments)]
    return [
        np.where(np.isfinite(v), w, 0).astype(v.dtype) for v, w in zip(values, fd.random_like(values, rng), strict=True)
    ]


def _with_results(module: Module, results: Sequence[str]) -> Module:
    root = replace(module.root, results=tuple(results))
    return Module({**module.functions, root.name: root}, module.entry)


def _seed_arguments(reverse: Module, module: Module, seeds: Sequence[fd.Vector]) -> list[Any]:
    """The seeds as the derivative takes them: with extents before, where those are parameters."""
    found: list[Any] = []
    rest, sizes = iter(seeds), 0
    for p in reverse.root.params[len(module.root.params) :]:
        if isinstance(p, Buffer):
            seed = next(rest)
            found += [seed.shape[k] for k in range(sizes)]
            found.append(seed)
            sizes = 0
        else:
            sizes += 1
    return found


def wrong_value(module: Module, wrt: Sequence[str], arguments: Callable[[], list[Any]]) -> Fault | None:
    """The first value that the reverse sweep restores, and that is not what the program computed."""
    inexact = {s.name for s in _storages(module.root) if s.dtype.is_inexact}
    outputs = [r for r in dict.fromkeys(module.root.results) if r in inexact]
    reverse = ad.vjp(module, module.entry, wrt, outputs)
    seeds = _seed_arguments(reverse, module, _seeds(module, outputs, arguments(), np.random.default_rng(0)))
    computed = Recorder(reverse, _values)
    computed([*arguments(), *seeds])
    primal = {
        (name, stmt.name): stmt
        for name, f in flatten(module).functions.items()
        for stmt in statements(f.body)
        if isinstance(stmt, (Let, Pop))
    }
    forward: dict[tuple[str, str], int] = {}
    pairs: dict[int, tuple[str, Let | Pop]] = {}
    for k, (function, stmt, _) in enumerate(computed.watched):
        owner = _owner(function, module)
        assert isinstance(stmt, (Let, Pop))
        if owner is not None and (owner, stmt.name) in primal:
            forward.setdefault((owner, stmt.name), k)
        elif owner is not None and (original := _restored(stmt, owner, primal)) is not None:
            pairs[k] = owner, original
    restored = Recorder(reverse, _values, any_order="reverse")
    restored([*arguments(), *seeds])
    found = [(k, *pairs[k]) for k in restored.notes if k in pairs]  # in the order of first execution
    for strictly in (False, True):
        for k, owner, original in found:
            values = [v for (v,) in restored.notes[k]]
            right = [v for (v,) in computed.notes.get(forward.get((owner, original.name), -1), [])]
            n = _first_wrong(values, right, strictly and _is_taped(computed.watched[k].stmt))
            if right and n is not None:
                which = f", counted from the last: {n + 1} of {len(values)}" if len(values) > 1 else ""
                instead = f"; the program computed {right[-1 - n]!r}" if len(values) == len(right) else ""
                return Fault(
                    original.span, f"the reverse sweep restores {values[n]!r} for {original.name}{which}{instead}"
                )
    return None


def _first_wrong(values: list[Any], right: list[Any], in_order: bool) -> int | None:
    """The first of the restored values that the program never computed; with `in_order`, that it did not compute then.

    Pieces of the program may run again in the reverse sweep, forwards and more than once, so that only what comes from
    tapes is expected in the opposite order.
    """
    if not in_order:
        known = set(right)
        return next((n for n, v in enumerate(values) if v not in known and not any(_same(v, x) for x in right)), None)
    if len(values) != len(right) or all(map(_same, values, right)):
        return None
    return next((n for n, (v, x) in enumerate(zip(values, reversed(right), strict=True)) if not _same(v, x)), None)


def _is_taped(stmt: Stmt) -> bool:
    return isinstance(stmt, Pop) or (
        isinstance(stmt, Let) and isinstance(stmt.value, Load) and "saved" in stmt.value.storage
    )


def _values(_: str, stmt: Stmt) -> tuple[Any, ...] | None:
    match stmt:
        case Let(name, value):
            return (Var(name, value.dtype),)
        case Pop(name, _, dtype):
            return (Var(name, dtype),)
        case _:
            return None


def _same(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b) or (not isinstance(b, np.bool_) and abs(a - b) <= 1e-12 * abs(b)))


def _owner(function: str, module: Module) -> str | None:
    """The function of the primal that a function of its derivative belongs to."""
    found = re.fullmatch(r"(.*?)_(vjp|aug|rev)(_\d+)?", function)
    return found[1] if found and found[1] in module.functions else None


def _restored(stmt: Let | Pop, owner: str, primal: Mapping[tuple[str, str], Let | Pop]) -> Let | Pop | None:
    """The let of the primal that a statement of the reverse sweep restores, if it does: by name and by what it does."""
    found = re.fullmatch(r"(.*)_\d+", stmt.name)
    original = primal.get((owner, found[1])) if found else None
    if original is None or isinstance(stmt, Pop) or isinstance(stmt.value, Load):
        return original
    match original, stmt.value:
        case Let(value=Op(name=mine)), Op(name=theirs) if mine == theirs:
            return original
        case _:
            return None


# -- cuts ----------------------------------------------------------------------------------------------------


def wrong_cut(module: Module, wrt: Sequence[str], arguments: Callable[[], list[Any]], differences: bool) -> Fault:
    """The last statement of the shortest beginning of the program whose derivative is wrong (as it is of the whole)."""
    body = module.root.body

    def wrong(shorter: Block) -> str | None:
        return _disagreement(module, shorter, wrt, arguments, differences)

    reason = wrong(body)
    put: Callable[[Block], Block] = tuple
    while True:
        low, high = 0, len(body)  # the beginning of `low` statements is right, that of `high` wrong
        while high - low > 1:
            middle = (low + high) // 2
            shorter = wrong(put(body[:middle]))
            low, high = (middle, high) if shorter is None else (low, middle)
            reason = shorter or reason
        stmt = body[high - 1]
        for part, rebuilt in _inside(stmt):
            here = _beginning(put, body[: high - 1], rebuilt)
            if part and wrong(here(part)) is not None:
                body, put = part, here
                break
        else:
            return Fault(stmt.span, f"with this statement derivatives become wrong: {reason}")


def _beginning(
    put: Callable[[Block], Block], before: Block, rebuilt: Callable[[Block], Stmt]
) -> Callable[[Block], Block]:
    return lambda part: put((*before, rebuilt(part)))


def _inside(stmt: Stmt) -> list[tuple[Block, Callable[[Block], Stmt]]]:
    """The blocks of a statement that can be cut short, and how it is put together again."""
    match stmt:
        case Loop(cond=None, stop=stop) if stop is not None:
            return [(stmt.body, lambda part: replace(stmt, body=part))]
        case If():
            return [
                (stmt.then, lambda part: replace(stmt, then=part, orelse=())),
                (stmt.orelse, lambda part: replace(stmt, then=(), orelse=part)),
            ]
        case _:
            return []


def _disagreement(
    module: Module, body: Block, wrt: Sequence[str], arguments: Callable[[], list[Any]], differences: bool
) -> str | None:
    """How the derivatives of all that the memory of a beginning of the program holds disagree: JVP with VJP, with
    `differences` also JVP with differences."""
    root = module.root
    cut = Function(root.name, root.params, body, (), root.span)
    memory = [s.name for s in _storages(cut) if isinstance(s, Buffer) and s.intent != "in" and s.dtype.is_inexact]
    if not memory:
        return None
    every = _with_results(Module({**module.functions, root.name: cut}, module.entry), memory)
    rng = np.random.default_rng(0)
    moving = [k for k, p in enumerate(root.params) if p.name in wrt]
    values = [np.asarray(arguments()[k]) for k in moving]
    names = [root.params[k].name for k in moving]
    direction = [d[()] if d.ndim == 0 else d for d in fd.direction(values, rng)]
    weights = _seeds(every, memory, arguments(), rng)
    try:
        forward = Interpreter(pipeline.finish(ad.jvp(every, every.entry, names)))
        tangents = forward([*arguments(), *_copies(direction)])[len(memory) :]
        reverse = pipeline.finish(ad.vjp(every, every.entry, names, memory))
        gradients = Interpreter(reverse)([*arguments(), *_seed_arguments(reverse, every, weights)])[len(memory) :]
    except IllegalIR as error:
        return f"what differentiation emits cannot run: {error}"
    except WengertError:
        return None
    tangents = [np.where(w != 0, t, 0) for t, w in zip(tangents, weights, strict=True)]
    left, right = fd.inner(weights, tangents), fd.inner(gradients, [np.asarray(d) for d in direction])
    size = sum(float(np.sum(np.abs(w * t))) for w, t in zip(weights, tangents, strict=True))
    if not abs(left - right) <= DOT * max(size, abs(right)):
        return f"{left:.10g} by JVP and {right:.10g} by VJP"
    if not differences:
        return None
    plain = Interpreter(every)

    def change(step: float) -> float:
        """The central difference of the weighted outputs."""
        sides: list[float] = []
        for t in (step, -step):
            moved = arguments()
            for k, d in zip(moving, direction, strict=True):
                moved[k] = moved[k] + t * d
            after = [np.where(w != 0, r, 0) for w, r in zip(weights, plain(moved), strict=True)]
            sides.append(fd.inner(weights, after))
        return (sides[0] - sides[1]) / (2 * step)

    coarse, fine = change(1e-4), change(1e-5)
    if abs(fine - left) > DERIVATIVE * size + abs(coarse - fine):
        return f"{left:.6g} by JVP and {fine:.6g} by differences"
    return None


def _copies(direction: Sequence[Any]) -> list[Any]:
    return [d.copy() if isinstance(d, np.ndarray) else d for d in direction]
