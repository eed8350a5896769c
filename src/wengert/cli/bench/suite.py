"""A suite of programs that other processes can open, too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wengert.cli.bench.fields import field_programs
from wengert.cli.bench.npbench import benchmarks
from wengert.cli.bench.programs import Program, SuiteError, chosen

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"
KINDS = {"npbench": benchmarks, "fields": field_programs}


@dataclass(frozen=True, slots=True)
class Suite:
    """Which programs: how to read them, where they are, and a file of JAX programs of ours for them.

    `sizes`: a JSON file with one more preset, "hand", of some of them; the others are left out then.
    """

    kind: str
    folder: str
    jax: str = ""
    sizes: str = ""

    def programs(self, only: Sequence[str] = ()) -> Sequence[Program]:
        """All of them by name, or those named."""
        jax = Path(self.jax) if self.jax else None
        if not self.sizes:
            return KINDS[self.kind](Path(self.folder), only, jax)
        rows: dict[str, Any] = json.loads(Path(self.sizes).read_text())
        found = KINDS[self.kind](Path(self.folder), chosen({name: name for name in rows}, only), jax)
        return [replace(one, presets={**one.presets, "hand": rows[one.name]["sizes"]}) for one in found]

    def program(self, name: str) -> Program:
        """The one of that name."""
        return self.programs((name,))[0]


def npbench(checkout: Path, jax: Path | None = None) -> Suite:
    """NPBench; `jax` defaults to ours, where this is a source tree."""
    return Suite("npbench", str(checkout), _existing(jax or BENCHMARKS / "jax_npbench.py"))


def fields(folder: Path | None = None, jax: Path | None = None) -> Suite:
    """Programs of many fields; both default to ours, where this is a source tree."""
    where = folder or BENCHMARKS / "fields"
    if not where.is_dir():
        raise SuiteError(f"there is no folder {where}; name one with programs (benchmarks/fields of the sources)")
    return Suite("fields", str(where), _existing(jax or BENCHMARKS / "jax_fields.py"))


def _existing(path: Path) -> str:
    return str(path) if path.exists() else ""
