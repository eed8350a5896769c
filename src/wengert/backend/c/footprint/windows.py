"""What of a tape on disk is in memory, as `native/disk.c` has it."""

from __future__ import annotations

CHUNK_LEAST = 64 << 10
CHUNK_MOST = 4 << 20


def window(size: int, row: int, rows: int) -> int:
    """Bytes in memory of a tape of `size` bytes whose rows have `row` bytes, `rows` of them used at once."""
    chunk = min((size // 256 // CHUNK_LEAST + 1) * CHUNK_LEAST, CHUNK_MOST)
    spread = -(-max(row, 1) // chunk) + 1
    return (rows * spread + 2 * max(spread, 2)) * chunk
