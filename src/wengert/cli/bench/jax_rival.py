"""JAX as a competitor: in double precision, with one jit around value and gradient."""

from __future__ import annotations

import importlib
from typing import Any, cast

import numpy as np

from wengert.cli.bench.case import difference, match
from wengert.cli.bench.rivals import Prepared, Spec, Wrong, clock


def prepare(spec: Spec) -> Prepared:
    """Compile value and gradient; compare the value with NumPy's.

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

    run = jax.jit(jax.value_and_grad(objective))
    active = tuple(dynamic[place[k]] for k in case.wrt)

    def call(given: tuple[Any, ...]) -> Any:
        return jax.block_until_ready(run(*given))

    inputs = (active, dynamic, weights)
    (_, gradients), first = clock(lambda: call(inputs))
    made = [np.conj(np.asarray(g)) for g in gradients]  # JAX's gradient of a real function is the conjugate
    missing_text = f"does not return output {', '.join(map(str, missing))}" if missing else ""
    return Prepared(
        {"gradient": (lambda: inputs, call)}, {"gradient": first}, [np.array(g) for g in made], [*pairs], missing_text
    )
