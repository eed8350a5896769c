"""Which sums in loops become matrix products, what they become, and that they stay the same sums."""

from __future__ import annotations

import numpy as np
import pytest

from optimise import nests
from optimise.checks import Outcome, derivatives, outcome, transformed
from wengert.ir.nodes import LibCall, Module
from wengert.ir.verify import verify
from wengert.ir.walk import statements
from wengert.optimise import raise_contractions as raising
from wengert.optimise.raise_contractions import raise_contractions


def products(module: Module) -> int:
    return sum(
        isinstance(s, LibCall) and s.op == "matmul" for f in module.functions.values() for s in statements(f.body)
    )


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few turns in a block, so that small matrices have many."""
    monkeypatch.setattr(raising, "TURNS", (3, 2))


def agree(found: Outcome, wanted: Outcome, eps: float) -> None:
    assert not isinstance(found[0], type), found
    assert not isinstance(wanted[0], type), wanted
    pairs = [(found[1][k], v) for k, v in wanted[1].items()] + list(zip(found[0], wanted[0], strict=True))  # type: ignore[index, union-attr, arg-type]
    for a, b in pairs:
        a, b = np.asarray(a), np.asarray(b)
        finite = np.abs(b[np.isfinite(b)])
        scale = float(np.max(finite, initial=1.0))
        np.testing.assert_allclose(a, b, rtol=1e4 * eps, atol=1e3 * eps * scale)


def same_sums(module: Module, args: dict[str, object], made: Module, eps: float = 2.2e-16) -> None:
    wanted = outcome(module, args)
    for order in ("forward", "reverse"):
        agree(outcome(made, args, order), wanted, eps)


SIZES = (0, 1, 2, 3, 4, 7, 8)
RAISED = 150


@pytest.mark.parametrize("seed", range(RAISED))
def test_random_nests(seed: int) -> None:
    module = nests.program(seed)
    verify(module)
    made = transformed(module, [raise_contractions])
    if made is module:
        return
    for n in SIZES:
        same_sums(module, nests.arguments(seed, n), made)


def test_most_random_nests_are_raised() -> None:
    assert sum(products(raise_contractions(nests.program(seed))) > 0 for seed in range(RAISED)) > RAISED // 3


@pytest.mark.parametrize("seed", range(60))
def test_what_is_not_finite_stays_where_it_is(seed: int) -> None:
    """A triangle's product reads nothing of the other triangle."""
    module = nests.program(seed)
    made = transformed(module, [raise_contractions])
    for n in (3, 7):
        same_sums(module, nests.arguments(seed, n, special=True), made)


@pytest.mark.parametrize("dtype", ["f32", "c128"])
@pytest.mark.parametrize("seed", range(30))
def test_dtypes(dtype: str, seed: int) -> None:
    module = nests.program(seed, dtype)
    made = transformed(module, [raise_contractions])
    for n in (1, 7):
        same_sums(module, nests.arguments(seed, n, dtype), made, 1.2e-7 if dtype == "f32" else 2.2e-16)


@pytest.mark.parametrize("seed", range(30))
def test_integers_stay_loops(seed: int) -> None:
    module = nests.program(seed, "i64")
    assert products(raise_contractions(module)) == 0


@pytest.mark.parametrize("seed", range(40))
def test_derivatives(seed: int) -> None:
    module = nests.program(seed)
    for n in (4, 5):
        args = nests.arguments(seed, n)
        if not isinstance(outcome(module, args)[0], list):
            continue
        for m, a in derivatives(module, args):
            made = transformed(m, [raise_contractions])
            if made is not m:
                same_sums(m, a, made)
