"""Comparison of compiled programs with the interpreter."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from wengert.backend.c import outline
from wengert.ir import interpret
from wengert.ir.build import Emitter
from wengert.ir.nodes import Block, Buffer, Function, Module, Param, Scalar, Var
from wengert.ir.types import F64, I64, DType
from wengert.runtime.call import Kernel

N = Var("n", I64)
SIZE = Scalar("n", I64)


def vector(name: str, intent: Any = "in", dtype: DType = F64) -> Buffer:
    return Buffer(name, dtype, (N,), intent=intent)


def module(
    params: tuple[Param, ...], body: Block | Emitter, results: tuple[str, ...] = (), *others: Function
) -> Module:
    block = body.block() if isinstance(body, Emitter) else body
    root = Function("main", params, block, results)
    return Module({f.name: f for f in (*others, root)}, "main")


def agree(m: Module, args: Sequence[Any], rtol: float = 1e-13) -> tuple[Any, ...]:
    """Run a module both ways on copies of `args` (one per parameter); results, mutated arrays and errors must be equal.

    It is compiled as usual, and also in pieces of a single statement. Returns the compiled program's results, then
    its array arguments.
    """
    with patch.object(outline, "PIECE_LIMIT", 1):
        agree_uncut(m, args, rtol)
    return agree_uncut(m, args, rtol)


def agree_uncut(m: Module, args: Sequence[Any], rtol: float = 1e-13) -> tuple[Any, ...]:
    """As `agree`, but compiled only as usual: for what does not depend on statements."""
    kernel = Kernel(m)
    expected_args, got_args = copy.deepcopy(list(args)), copy.deepcopy(list(args))
    try:
        expected = interpret.run(m, expected_args)
    except (ArithmeticError, LookupError, ValueError, TypeError, RecursionError, np.linalg.LinAlgError) as error:
        with pytest.raises(type(error), match=f"^{re.escape(str(error))}"):
            kernel(tuple(got_args))
        return ()
    got = kernel(tuple(got_args))
    for k, (x, y) in enumerate(zip([*got, *got_args], [*expected, *expected_args], strict=True)):
        if isinstance(y, np.ndarray):
            assert np.asarray(x).dtype == y.dtype and np.shape(x) == y.shape, f"output {k}: {x!r} instead of {y!r}"
            np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol, err_msg=f"output {k}")
    again = kernel(tuple(copy.deepcopy(list(args))))
    for x, y in zip(again, got, strict=True):
        np.testing.assert_array_equal(x, y)
    return (*got, *(a for a in got_args if isinstance(a, np.ndarray)))
