"""Hashes of Python code."""

from __future__ import annotations

import hashlib
import marshal
import types
from functools import cache


@cache
def code_hash(code: types.CodeType) -> str:
    """A hash of a function's code: instructions, constants, names, positions, inner functions included."""
    return hashlib.sha256(marshal.dumps(code)).hexdigest()
