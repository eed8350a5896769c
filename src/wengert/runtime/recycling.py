"""Large results in memory that earlier ones had: new memory of that size costs more in page faults than work on it.

malloc asks the system for every array from 32 MiB on and gives it back at once, and gives back what several smaller
ones had together. Here the memory of large results is remembered; once nobody has an array, a view or a buffer of it
any more, the next result of the same size is made there. At most `MOST` bytes in `MOST_BLOCKS` blocks are remembered,
whether in use or not; what is forgotten is freed with its last array, as usual.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from ..ir.locks import ForkedLock

LEAST = 256 << 10
"""Bytes from which on results are made here (`WG_LARGE_RESULT` of the run-time library)."""
MOST = 384 << 20
"""Bytes that are remembered at the most."""
MOST_BLOCKS = 64
"""Blocks that are, at the most: each new result looks through them."""
Block = np.ndarray[Any, np.dtype[np.uint8]]
_UNUSED = sys.getrefcount(np.empty(0)) + 2
"""What getrefcount says of a block that only the list and a variable hold."""

_blocks: list[Block] = []  # the longest known first
_lock = ForkedLock()


def array(shape: int | tuple[int, ...], dtype: np.dtype[Any], zero: bool) -> np.ndarray[Any, Any]:
    """An array, zeroed or not, in memory that is in use no more if there is some of its size."""
    size = math.prod((shape,) if isinstance(shape, int) else shape) * dtype.itemsize
    block = _unused(size)
    if block is None:
        try:
            block = _made(size, zero)
        except MemoryError:
            release()
            block = _made(size, zero)
        _remember(block)
    elif zero:
        block.fill(0)
    return block.view(dtype).reshape(shape)


def release() -> None:
    """Forget all memory: what is in use no more is freed."""
    with _lock:
        _blocks.clear()


def _made(size: int, zero: bool) -> Block:
    return np.zeros(size, np.uint8) if zero else np.empty(size, np.uint8)


def _unused(size: int) -> Block | None:
    """A block of that size that nobody has."""
    with _lock:
        for k in range(len(_blocks)):
            block = _blocks[k]
            if block.size == size and sys.getrefcount(block) <= _UNUSED:
                _blocks.append(_blocks.pop(k))
                return block
    return None


def _remember(block: Block) -> None:
    """Remember a block that may be used again, and forget those that were used least lately, unused ones first."""
    if block.size > MOST:
        return
    with _lock:
        for unused in (True, False):
            k = 0
            while k < len(_blocks) and (
                len(_blocks) >= MOST_BLOCKS or sum(one.size for one in _blocks) + block.size > MOST
            ):
                one = _blocks[k]
                if unused and sys.getrefcount(one) > _UNUSED:
                    k += 1
                else:
                    del _blocks[k], one
        _blocks.append(block)
