"""A competitor's process, as the contest sees it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wengert.cli.bench.results import Entry
from wengert.cli.bench.rivals import Spec


class Worker:
    """A competitor's process: replies to requests within the time limit, or is ended.

    `python`: another interpreter, which finds wengert here and everything else where it looks itself.
    """

    def __init__(self, spec: Spec, seconds: float, python: str = "") -> None:
        self.spec, self.seconds = spec, seconds
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with the process)
        cache = Path(spec.folder) / "cache"
        self.process = subprocess.Popen(
            [*command(python), json.dumps(asdict(spec))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment(spec.threads, cache),
            start_new_session=True,  # so that compilers that it started end with it
        )
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.state = self.reply()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def reply(self) -> dict[str, Any]:
        """The next reply; of one that is late or dead, why."""
        try:
            line = self.lines.get(timeout=self.seconds)
        except queue.Empty:
            self.close()
            return {"failed": f"not done after {self.seconds:g} s"}
        if line is not None:
            return json.loads(line)
        if self.errors.closed:
            return {"failed": "the process has ended"}
        self.errors.seek(0)
        last = self.errors.read().strip().splitlines()[-1:]
        return {"failed": f"exit {self.process.wait()}{''.join(f': {text}' for text in last)}"}

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and wait for the reply."""
        try:
            assert self.process.stdin is not None
            print(json.dumps(request), file=self.process.stdin, flush=True)
        except (BrokenPipeError, ValueError):
            return {"failed": "the process has ended"}
        return self.reply()

    def close(self) -> None:
        """End the process, and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.errors.close()

    @property
    def ready(self) -> bool:
        return "ready" in self.state

    @property
    def kept(self) -> list[int]:
        return self.state.get("kept") or []

    @property
    def lost(self) -> str:
        """Why another was chosen."""
        status = next(iter(self.state))
        return "slower, or fewer outputs" if self.ready else f"{status}: {self.state[status]}"

    def entry(self) -> Entry:
        """What is known before anything is timed."""
        for status in ("wrong", "failed", "absent"):
            if status in self.state:
                return Entry(status, self.state[status], self.spec.source)
        return Entry("ok", "", self.spec.source, self.state.get("note", ""))


def command(python: str) -> list[str]:
    """How a competitor's process is started."""
    if not python:
        return [sys.executable, "-m", "wengert.cli.bench.rivals"]
    here = str(Path(__file__).parents[3])
    start = f"import sys; sys.path.append({here!r}); from wengert.cli.bench.rivals import main; main()"
    return [python, "-c", start]


def environment(threads: int, cache: Path) -> dict[str, str]:
    """The variables by which libraries are told how many threads they may use, and an empty cache."""
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA", "NUMEXPR", "VECLIB")
    counts = {f"{name}_{'MAXIMUM' if name == 'VECLIB' else 'NUM'}_THREADS": str(threads) for name in names}
    eigen = str(threads > 1).lower()
    flags = f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}"
    platform = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "PJRT_NPROC": str(threads), "NPROC": str(threads)}
    ours = {"WENGERT_NUM_THREADS": str(threads), "WENGERT_CACHE_DIR": str(cache)}
    return {**os.environ, **counts, **platform, **ours}
