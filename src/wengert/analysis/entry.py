"""Which parameters a function reads what they hold at entry: the others are only results."""

from __future__ import annotations

from wengert.analysis.alias import AliasAnalysis
from wengert.ir.nodes import Call, Module, Stmt
from wengert.ir.walk import reads, statements


class EntryReads:
    """Answers for the functions of a module. What is read anywhere counts as read at entry."""

    def __init__(self, module: Module, aliases: AliasAnalysis) -> None:
        self.module, self.aliases = module, aliases
        self._found: dict[str, frozenset[int]] = {}

    def of(self, function: str) -> frozenset[int]:
        """The positions of the storage parameters that are read (all, in a recursion)."""
        if function not in self._found:
            f, aliases = self.module.functions[function], self.aliases.aliases[function]
            self._found[function] = frozenset(range(len(f.params)))
            read = {aliases.of(name) for s in statements(f.body) for name in self._reads(s) if name in aliases.parent}
            self._found[function] = frozenset(
                k for k, p in enumerate(f.params) if p.name in aliases.parent and aliases.of(p.name) in read
            )
        return self._found[function]

    def _reads(self, stmt: Stmt) -> set[str]:
        if not isinstance(stmt, Call):
            return reads(stmt)
        found = self.of(stmt.function)
        passed = {a for a in stmt.args if isinstance(a, str)}
        return (reads(stmt) - passed) | {a for k, a in enumerate(stmt.args) if isinstance(a, str) and k in found}
