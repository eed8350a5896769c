"""A cache of their own for tests that count compilations or break the cache."""

from __future__ import annotations

from pathlib import Path

import pytest


class Cache:
    """An empty compilation cache, and how many programs have been compiled into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def programs(self) -> int:
        return len(list(self.folder.rglob("*.so")))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(folder))
    return Cache(folder)
