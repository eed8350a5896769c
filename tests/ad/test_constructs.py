"""Each construct of the IR, differentiated once and twice in every combination of modes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from ad.checks import check, unique
from ad.programs import PROGRAMS
from wengert.ir.build import const
from wengert.ir.nodes import Const
from wengert.ir.text import parse
from wengert.ir.types import C64, C128, F32, F64, DType


@pytest.mark.parametrize("name", PROGRAMS)
def test_construct(name: str) -> None:
    text, args = PROGRAMS[name]
    check(text, {k: np.asarray(v) if isinstance(v, (float, complex)) else v for k, v in args.items()})


def in_single_precision(value: Any) -> Any:
    """An IR tree with f64 and c128 replaced by f32 and c64."""
    if isinstance(value, DType):
        return {F64: F32, C128: C64}.get(value, value)
    if isinstance(value, Const) and value.dtype.is_inexact:
        return const(value.value, in_single_precision(value.dtype))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: in_single_precision(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return type(value)(**fields)
    if isinstance(value, tuple):
        return tuple(map(in_single_precision, value))
    if isinstance(value, dict):
        return {k: in_single_precision(v) for k, v in value.items()}
    return value


@pytest.mark.parametrize("name", PROGRAMS)
def test_single_precision(name: str) -> None:
    """Derivatives keep the precision of the program: they verify, and the modes agree to its rounding."""
    text, args = PROGRAMS[name]
    types = {"f": np.float32, "c": np.complex64}
    single = {k: np.asarray(v, types[np.asarray(v).dtype.kind]) if np.asarray(v).dtype.kind in types else v
              for k, v in args.items()}  # fmt: skip
    check(in_single_precision(unique(parse(text))), single, depth=1, fd=False, tolerance=2e-3)
