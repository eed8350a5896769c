"""How the parameters of a compiled program are filled from the flat tuple of Python leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Bind:
    """One root parameter: "array" (the leaf is an ndarray), "scalar" (it is a number; the parameter may be a scalar or
    a buffer of rank 0) or "extent" (an i64: the extent of the leaf, an array, along `axis`)."""

    kind: Literal["array", "scalar", "extent"]
    leaf: int
    axis: int = 0
