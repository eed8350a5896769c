"""All rules of library operations."""

from __future__ import annotations

from wengert.ad.rules import decomposition, factors, linear, singular
from wengert.ad.rules.library import LibraryRule
from wengert.errors import NotDifferentiable
from wengert.ir.nodes import LibCall

RULES: dict[str, LibraryRule] = {
    **linear.RULES,
    **decomposition.RULES,
    **singular.RULES,
    **factors.RULES,
}


def rule(stmt: LibCall) -> LibraryRule:
    """The rule of an active library operation; raises NotDifferentiable, with the place, if there is none."""
    found = RULES.get(stmt.op)
    if found is None:
        reason = "there is no derivative rule for this library operation"
        way_out = "keep it out of the differentiated part, or write it out in loops"
        raise NotDifferentiable(stmt.op, stmt.span, reason, way_out)
    return found
