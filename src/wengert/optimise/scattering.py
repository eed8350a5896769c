"""What `split`, `gather` and `expand` share, which do sums of a loop apart: the walk over a function, new names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar

from wengert.analysis.access import folded, is_plain
from wengert.analysis.affine import constant, isub
from wengert.analysis.alias import Aliases, analyse
from wengert.ir.nodes import Block, Function, Loop, Module, Stmt
from wengert.ir.walk import definitions, function_names, rebuild, rename_block, unused


class Scattering(ABC):
    """Rewrites the plain loops of one function; `parts` says what a loop becomes."""

    SHORT: ClassVar[int] = 0
    """Loops that are surely of fewer turns stay."""

    def __init__(self, f: Function, aliases: Aliases) -> None:
        self.f, self.aliases, self.names = f, aliases, function_names(f)
        self.folded = folded(f.body, aliases)

    @classmethod
    def module(cls, module: Module) -> Module:
        """Every function rewritten."""
        aliases = analyse(module)
        functions = {n: cls(f, aliases.aliases[n]).function() for n, f in module.functions.items()}
        return Module(functions, module.entry)

    def function(self) -> Function:
        body = self.block(self.f.body)
        return self.f if body == self.f.body else replace(self.f, body=body)

    def block(self, block: Block) -> Block:
        made: list[Stmt] = []
        for s in block:
            parts = self.parts(s) if isinstance(s, Loop) and is_plain(s) else None
            made.extend(parts if parts is not None else [rebuild(s, block=self.block)])
        return block if tuple(made) == block else tuple(made)

    @abstractmethod
    def parts(self, loop: Loop) -> list[Stmt] | None:
        """What a loop becomes, None if it is to stay."""

    def is_long(self, loop: Loop) -> bool:
        """Whether a loop goes up by one and is not surely of few turns."""
        assert loop.stop is not None
        turns = constant(isub(loop.stop, loop.start))
        return loop.step == 1 and (turns is None or turns >= self.SHORT)

    def fresh(self, name: str) -> str:
        made = unused(name, self.names)
        self.names.add(made)
        return made

    def renamed(self, loop: Loop) -> Loop:
        """The loop with new names for its variable and all that it defines."""
        fresh = {n: self.fresh(n) for n in sorted({*definitions(loop.body), loop.var})}
        (made,) = rename_block((loop,), fresh)
        assert isinstance(made, Loop)
        return made
