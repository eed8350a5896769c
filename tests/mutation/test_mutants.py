"""The places where faults are planted exist; a few are planted. All of them: `make mutation-test`."""

from __future__ import annotations

import pytest

from mutation.mutants import MUTANTS, Mutant
from mutation.run import run

QUICK = ("sign of cos", "sort without its permutation", "adjoint not zeroed after a store")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_place_exists(mutant: Mutant) -> None:
    compile(mutant.applied(), mutant.file, "exec")


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.name in QUICK], ids=lambda mutant: mutant.name)
def test_fault_is_noticed(mutant: Mutant) -> None:
    outcome = run(mutant, mutant.tests)
    assert outcome.noticed, str(outcome)
