"""An explanation as a picture and as a page: see `wengert.explanation`."""

from __future__ import annotations

import html
import importlib
import linecache
import os
from typing import TYPE_CHECKING, Any

from wengert.memory import size_text

if TYPE_CHECKING:
    from wengert.explanation import Explanation

STYLE = (
    "body{font:14px sans-serif;margin:2em}pre,td{font-family:monospace}"
    "td{padding:0 1em;white-space:pre;vertical-align:top}"
    ".stored{background:#fdd}.inverted{background:#fde}.recomputed{background:#ddf}.kept{background:#dfd}.again{background:#ffd}"
)


def plot_timeline(explanation: Explanation, path: str | os.PathLike[str]) -> None:
    """Draw the most that is allocated along the derivative's steps; raises ImportError without matplotlib."""
    library: Any = importlib.import_module("matplotlib")
    library.use("Agg")
    plots: Any = importlib.import_module("matplotlib.pyplot")
    figure, axes = plots.subplots(figsize=(9, 4))
    most = [m.most for m in explanation.timeline]
    axes.fill_between(range(len(most)), most, step="post", alpha=0.5)
    if explanation.limit is not None:
        axes.axhline(explanation.limit, color="red", label=f"limit {size_text(explanation.limit)}")
        axes.legend()
    axes.set_xlabel("steps of the derivative's top level")
    axes.set_ylabel("bytes")
    axes.set_title(f"pullback of {explanation.name}: peak {size_text(explanation.peak_bytes)}")
    figure.tight_layout()
    figure.savefig(path)
    plots.close(figure)


def html_report(explanation: Explanation) -> str:
    """The source lines of the program, each with what is stored, recomputed, kept or run again there."""
    notes: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for v in explanation.values:
        if v.line:
            much = f" {size_text(v.bytes)}" if v.bytes else ""
            notes.setdefault((v.file, v.line), []).append((v.how, f"{v.name} {v.how}{much}"))
    for a in explanation.again:
        text = f"runs again: {a.slots} states, {a.length} at a time"
        notes.setdefault((a.file, a.line), []).append(("again", text))
    parts = [f"<!doctype html><meta charset=utf-8><title>{html.escape(explanation.name)}</title><style>{STYLE}</style>"]
    parts.append(f"<pre>{html.escape(str(explanation))}</pre>")
    for file in dict.fromkeys(f for f, _ in notes):
        lines = [line for f, line in notes if f == file]
        parts.append(f"<h3>{html.escape(os.path.basename(file))}</h3><table>")
        for number in range(max(min(lines) - 3, 1), max(lines) + 4):
            found = notes.get((file, number), [])
            kinds = [how for how, _ in found]
            kind = next((k for k in ("again", "stored", "inverted", "recomputed", "kept") if k in kinds), "")
            text = html.escape("; ".join(dict.fromkeys(t for _, t in found)))
            source = html.escape(linecache.getline(file, number).rstrip())
            parts.append(f"<tr class='{kind}'><td>{number}</td><td>{source}</td><td>{text}</td></tr>")
        parts.append("</table>")
    if explanation.timeline:
        parts.append(f"<pre>{html.escape(chr(10).join(explanation.memory_lines()))}</pre>")
    return "\n".join(parts)
