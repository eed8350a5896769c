"""JAX as a competitor: in double precision, with one jit around the gradient."""

from __future__ import annotations

import importlib
from typing import Any, cast

import numpy as np

from wengert.cli.bench.case import difference, match
from wengert.cli.bench.memory import peak
from wengert.cli.bench.results import Memory
from wengert.cli.bench.rivals import Prepared, Spec, Wrong, clock

PATIENCE = 20.0  # seconds of compilation up to which it is done once more to ask the compiler about memory


def prepare(spec: Spec) -> Prepared:
    """Compile program and gradient; compare the values with NumPy's.

    The program's outputs are told apart by their values; those that it does not return do not count (`kept`).
    """
    jax: Any = importlib.import_module("jax")
    jnp: Any = importlib.import_module("jax.numpy")
    jax.config.update("jax_enable_x64", True)
    case, f = spec.case, spec.program.jax()[spec.source]()
    static: dict[int, Any] = {}
    for k, arg in enumerate(case.args):
        if isinstance(arg, (int, np.integer)):
            static[k] = int(cast("int", arg))
    given = [k for k in range(len(case.args)) if k not in static]
    place = {k: n for n, k in enumerate(given)}

    def outputs(dynamic: tuple[Any, ...]) -> list[Any]:
        args = [static[k] if k in static else dynamic[place[k]] for k in range(len(case.args))]
        return jax.tree_util.tree_leaves(f(*args))

    dynamic = tuple(jnp.asarray(case.args[k]) if not isinstance(case.args[k], float) else case.args[k] for k in given)
    found = [np.asarray(x) for x in jax.jit(outputs)(dynamic)]
    pairs = match(found, case.outputs, case.tolerance)
    if not pairs:
        shapes = "; ".join(difference([x], [case.outputs[0]], case.tolerance) for x in found)
        raise Wrong(f"no output is NumPy's: {shapes}")
    used = [found[j] for j in range(len(found)) if j in pairs.values()]
    unmatched = [x for x in found if not any(x is y for y in used)]
    missing = [k for k in range(len(case.outputs)) if k not in pairs]
    for k in missing:  # an output of that shape which nothing matches is a wrong one, not one that is left out
        if any(x.shape == case.outputs[k].shape and x.dtype.kind in "fc" for x in unmatched):
            raise Wrong(f"output {k} is not NumPy's")
    weights = tuple(jnp.asarray(case.weights[k]) for k in pairs)

    def objective(active: tuple[Any, ...], dynamic: tuple[Any, ...], weights: tuple[Any, ...]) -> Any:
        full = list(dynamic)
        for k, x in zip(case.wrt, active, strict=True):
            full[place[k]] = x
        results = outputs(tuple(full))
        terms = [jnp.sum(jnp.real(jnp.conj(w) * results[j])) for w, j in zip(weights, pairs.values(), strict=True)]
        return sum(terms[1:], terms[0])

    active = tuple(dynamic[place[k]] for k in case.wrt)
    inputs = (active, dynamic, weights)
    run = jax.jit(jax.grad(objective))

    def call(given: tuple[Any, ...]) -> Any:
        return jax.block_until_ready(run(*given))

    gradients, first = clock(lambda: call(inputs))
    _, taken = peak(lambda: call(inputs))  # of a second call, when everything else is loaded
    memory = Memory(taken, _planned(run.lower(*inputs).compile()) if first < PATIENCE else None)
    made = [np.conj(np.asarray(g)) for g in gradients]  # JAX's gradient of a real function is the conjugate
    missing_text = f"does not return output {', '.join(map(str, missing))}" if missing else ""
    runs, times = {"gradient": (lambda: inputs, call)}, {"gradient": first}
    return Prepared(runs, times, [np.array(g) for g in made], [*pairs], missing_text, memory=memory)


def _planned(run: Any) -> int | None:
    """The bytes of temporaries and results that the compiler says a call takes."""
    analysis = run.memory_analysis()
    if analysis is None:
        return None
    return int(analysis.temp_size_in_bytes + analysis.output_size_in_bytes)
