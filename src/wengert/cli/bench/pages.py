"""`wengert bench table FILE...`: the tables of pages, from files of results.

A page has its tables between `<!-- table: NAME -->` and `<!-- end -->`; NAME says which results: "npbench S, 1 thread",
"npbench largest, 1 thread" (every program at its largest preset at which JAX finished), "npbench S, 2 threads over 1",
"hand" (of `wengert bench speed`), "memory" (of `wengert bench memory`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from wengert.cli.bench import memory_report, speed
from wengert.cli.bench.report import markdown, speedups
from wengert.cli.bench.runs import Run, largest, merged

_BLOCK = re.compile(r"(?P<head><!-- table: (?P<name>[^>]+?) -->\n)(?P<text>.*?)(?P<foot><!-- end -->)", re.DOTALL)


def tables(paths: Sequence[Path]) -> dict[str, str]:
    """Every table that can be made from these files, by name."""
    found: dict[str, str] = {}
    runs: list[Run] = []
    for path in paths:
        raw = json.loads(path.read_text())
        if "memory" in raw:
            found["memory"] = "\n".join(memory_report.table(memory_report.read(path), page=True))
        elif "standings" in raw:
            found["hand"] = "\n".join(speed.table(speed.read(path), page=True))
        else:
            runs.append(Run.read(path))
    runs = merged(runs)
    for run in [*runs, *largest(runs)]:
        found[run.title] = "\n".join(markdown(run))
    for one in runs:
        for more in runs:
            same = all(one.setting[key] == more.setting[key] for key in ("suite", "preset"))
            if same and one.setting["threads"] == 1 < more.setting["threads"]:
                found[f"{more.title} over 1"] = "\n".join(speedups(one, more))
    return found


def written(page: str, found: dict[str, str]) -> tuple[str, list[str]]:
    """The page with these tables in their places, and the names of those that it has."""
    names = [block["name"] for block in _BLOCK.finditer(page) if block["name"] in found]

    def fill(block: re.Match[str]) -> str:
        text = found.get(block["name"])
        return block[0] if text is None else f"{block['head']}{text.rstrip()}\n{block['foot']}"

    return _BLOCK.sub(fill, page), names
