"""Skipping: where a condition that is rarely true guards what a loop does, a block of turns asks first whether it holds
anywhere in the block.

`lower <= x[i] and x[i] < upper` (a bin of a histogram) holds for few elements. To ask is a comparison per lane of a
vector; what depends on it, with its loads, stores and sums, is skipped for whole blocks.

Contract: the order in which contributions to one element are added changes, as that of an `any` loop may. An
innermost `any` loop of names, sums, stores and one choice becomes a loop over blocks of 64 turns: in each, one loop
does what does not depend on the condition and counts how often it holds, and, if it does, a second one the rest. It is
done if neither part writes what the other one touches, and if the condition is one that programs rarely meet: an
equality, or a conjunction of comparisons.

Source: T. Ball, J. Larus, "Branch prediction for free", PLDI 1993 (comparisons for equality fail); J. Shin,
"Introducing control flow into vectorized code", PACT 2007 (branches on superword predicates).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wengert.analysis.access import accesses, is_plain, looks, offset
from wengert.analysis.affine import constant, iadd, isub
from wengert.analysis.alias import Aliases, analyse
from wengert.ir import build as b
from wengert.ir.nodes import (
    ZERO,
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Const,
    Expr,
    Function,
    If,
    Let,
    Load,
    Loop,
    Module,
    Op,
    Stmt,
    Store,
    Var,
)
from wengert.ir.ops import CHECKED
from wengert.ir.types import I64
from wengert.ir.walk import (
    definitions,
    expressions,
    function_names,
    loads,
    names_in,
    rebuild,
    rename_block,
    statements,
    subexpressions,
    substitute,
    unused,
)

BLOCK = 64
"""Turns that are skipped at once."""
CHEAP = frozenset({"add", "sub", "mul", "neg", "abs", "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge"})
ORDERED = frozenset({"lt", "le", "gt", "ge"})


def skip(module: Module) -> Module:
    """Every function with what rare conditions guard skipped by blocks of turns."""
    aliases = analyse(module)
    functions = {n: _Skipper(f, aliases.aliases[n]).function() for n, f in module.functions.items()}
    return Module(functions, module.entry)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a loop does in any case, what it does on a condition, and the names that the condition needs."""

    always: Block
    lets: dict[str, Let]
    choice: If


class _Skipper:
    def __init__(self, f: Function, aliases: Aliases) -> None:
        self.f, self.aliases, self.names = f, aliases, function_names(f)

    def function(self) -> Function:
        body = self.block(self.f.body)
        return self.f if body is self.f.body else replace(self.f, body=body)

    def block(self, block: Block) -> Block:
        made: list[Stmt] = []
        for s in block:
            parts = self._parts(s) if isinstance(s, Loop) and is_plain(s) and s.step == 1 else None
            if parts is not None and isinstance(s, Loop):
                made.append(self._blocked(s, parts))
            else:
                made.append(rebuild(s, block=self.block))
        return block if tuple(made) == block else tuple(made)

    def _parts(self, loop: Loop) -> _Parts | None:
        """The parts of a loop that is worth skipping turns of, and in which that is legal."""
        choices = [s for s in loop.body if isinstance(s, If)]
        if len(choices) != 1 or choices[0].orelse or self._is_unfit(loop):
            return None
        choice = choices[0]
        if any(not isinstance(s, (Let, Store, Accumulate, If)) for s in statements(loop.body)):
            return None
        if any(isinstance(x, Op) and x.name in CHECKED for s in loop.body for e in _all(s) for x in subexpressions(e)):
            return None
        if not self._written((choice,)):
            return None
        lets = {s.name: s for s in loop.body if isinstance(s, Let)}
        if not self._is_rare(choice.cond, lets, loop):
            return None
        always = tuple(s for s in loop.body if isinstance(s, (Store, Accumulate)))
        touches = {True: self._touched(always, lets), False: self._touched((choice,), lets)}
        writes = {True: self._written(always), False: self._written((choice,))}
        if writes[True] & touches[False] or writes[False] & touches[True]:
            return None
        place = loop.body.index(choice)
        late = {n for s in loop.body[place:] if isinstance(s, Let) for n in (s.name,)}
        if late & _needed((choice,), lets) or self._written((choice,)) & self._touched(_stores_before(lets, late), {}):
            return None
        return _Parts(always, lets, choice)

    def _is_unfit(self, loop: Loop) -> bool:
        """Whether a loop surely has few turns, or its end may change while it runs."""
        assert loop.stop is not None
        turns = constant(isub(loop.stop, loop.start))
        return (turns is not None and turns < 4 * BLOCK) or looks(loop.stop)  # it is asked for again in every block

    def _is_rare(self, cond: Expr, lets: dict[str, Let], loop: Loop) -> bool:
        """Whether a condition is cheap to ask in lanes, and rarely true."""
        whole = cond
        local = definitions(loop.body) | {loop.var}
        while names_in(whole) & lets.keys():
            whole = substitute(whole, {n: s.value for n, s in lets.items()})
        for x in subexpressions(whole):
            if (isinstance(x, Op) and x.name not in CHEAP) or not isinstance(x, (Op, Const, Var, Load)):
                return False
            if isinstance(x, Load):
                moving = [e for e in x.index if names_in(e) & local]
                if any(any(loads(e)) for e in x.index) or moving not in ([], [*x.index[-1:]]):
                    return False
                if moving and offset(moving[0], loop.var, local) is None:
                    return False
        return any(loads(whole)) and _holds_rarely(whole)

    def _touched(self, block: Block, lets: dict[str, Let]) -> set[str]:
        needed = tuple(lets[n] for n in _needed(block, lets))
        return {self.aliases.of(x.storage) for x in accesses((*needed, *block))}

    def _written(self, block: Block) -> set[str]:
        return {self.aliases.of(x.storage) for x in accesses(block) if x.writes}

    def _blocked(self, loop: Loop, parts: _Parts) -> Loop:
        """The loop over blocks."""
        assert loop.stop is not None
        low, high, hits = (self._fresh(f"{loop.var}_{n}") for n in ("low", "high", "hits"))
        end = Let(high, b.min_(iadd(Var(low, I64), b.i64(BLOCK)), loop.stop), loop.span)
        count = Accumulate(hits, (), b.cast(parts.choice.cond, I64), "add", loop.span)
        first = self._part(loop, (*parts.always, count), parts.lets, low, end.var)
        second = self._part(loop, (parts.choice,), parts.lets, low, end.var)
        fresh = {n: self._fresh(n) for n in sorted({*definitions(second.body), loop.var})}
        (renamed,) = rename_block((second,), fresh)
        found = b.gt(Load(hits, (), I64), ZERO)
        body = (end, Alloc(Buffer(hits, I64, ()), True, loop.span), first, If(found, (renamed,), (), loop.span))
        return replace(loop, var=low, step=BLOCK, body=body)

    def _part(self, loop: Loop, block: Block, lets: dict[str, Let], low: str, high: Var) -> Loop:
        needed = _needed(block, lets)
        chosen = {id(s) for s in block}
        names = tuple(s for s in loop.body if (isinstance(s, Let) and s.name in needed) or id(s) in chosen)
        rest = tuple(s for s in block if not any(s is t for t in loop.body))
        return replace(loop, start=Var(low, I64), stop=high, body=(*names, *rest))

    def _fresh(self, name: str) -> str:
        made = unused(name, self.names)
        self.names.add(made)
        return made


def _all(s: Stmt) -> list[Expr]:
    return [e for t in statements((s,)) for e in expressions(t)]


def _stores_before(lets: dict[str, Let], late: set[str]) -> Block:
    """The names that are defined behind the choice: what they read must not be what it writes."""
    return tuple(lets[n] for n in sorted(late))


def _needed(block: Block, lets: dict[str, Let]) -> set[str]:
    """The names of the loop that a part of it depends on."""
    todo = [n for s in block for e in _all(s) for n in names_in(e)]
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name in lets and name not in found:
            found.add(name)
            todo += names_in(lets[name].value)
    return found


def _holds_rarely(e: Expr) -> bool:
    """Whether programs rarely meet a condition: an equality, or one of several comparisons that must all hold."""
    if not isinstance(e, Op):
        return False
    if e.name == "and":
        parts = _conjuncts(e)
        return any(map(_holds_rarely, parts)) or sum(isinstance(p, Op) and p.name in ORDERED for p in parts) > 1
    return e.name == "eq"


def _conjuncts(e: Expr) -> list[Expr]:
    if isinstance(e, Op) and e.name == "and":
        return [p for a in e.args for p in _conjuncts(a)]
    return [e]
