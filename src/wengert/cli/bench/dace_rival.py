"""DaCe AD as a competitor: NPBench's own DaCe programs, made to return the objective, and `add_backward_pass`.

The sizes are constants, as in DaCe AD's own examples, so that its compiler knows all loops. A small program is written
around NPBench's: it calls that and adds up the outputs with the weights; DaCe inlines the call. The gradient's call
overwrites arguments and adds to arrays given for the gradients; both are made outside the clock.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wengert import differences as fd
from wengert.cli.bench.case import Arrays, Case
from wengert.cli.bench.memory import peak
from wengert.cli.bench.programs import Program, load_module
from wengert.cli.bench.results import Memory
from wengert.cli.bench.rivals import Prepared, Spec, Wrong, clock

NAMES = "weights_{}"


def prepare(spec: Spec) -> Prepared:
    """Compile value and gradient; compare the objective with NumPy's."""
    dace: Any = importlib.import_module("dace")
    autodiff: Any = importlib.import_module("dace.autodiff")
    case, program = spec.case, spec.program
    folder = Path(spec.folder) / f"dace-{spec.source}"
    folder.mkdir(exist_ok=True)
    dace.Config.set("default_build_folder", value=str(folder))
    dace.Config.set("library", "blas", "default_implementation", value=_blas())
    given = dict(zip(program.inputs, case.args, strict=True))
    try:
        kernel = _specialised(dace, program, spec.source, given)
        forward = kernel.to_sdfg(simplify=True)
    except Exception:  # a symbol may be an argument of another function
        kernel = _specialised(dace, program, spec.source, {k: v for k, v in given.items() if not _is_integer(v)})
        forward = kernel.to_sdfg(simplify=True)
    annotations: dict[str, Any] = kernel.f.__annotations__
    outputs = _outputs(forward, program, case, annotations)
    returned = sum(name.startswith("__return") for name in forward.arrays)
    objective = _objective(dace, folder, kernel, returned, outputs, case)
    active = [program.inputs[k] for k in case.wrt]
    missing = [name for name in active if name not in annotations]
    if missing:
        raise RuntimeError(f"the program has no argument {', '.join(missing)}")

    def build() -> Any:
        sdfg = objective.to_sdfg(simplify=True)
        autodiff.add_backward_pass(sdfg=sdfg, inputs=active, outputs=["objective_value"])
        if spec.source == "auto-optimised":
            optimise: Any = importlib.import_module("dace.transformation.auto.auto_optimize").auto_optimize
            sdfg = optimise(sdfg, dace.DeviceType.CPU)
        return sdfg, sdfg.compile()

    (sdfg, compiled), compiling = clock(build)
    accepted = set(sdfg.arglist())
    weights = {NAMES.format(k): _array(case.weights[k]) for k in outputs}

    def setup() -> dict[str, Any]:
        fresh = dict(zip(program.inputs, fd.with_floats(case.args, fd.floats(case.args)), strict=True))
        call = {name: value for name, value in fresh.items() if name in accepted} | weights
        call["objective_value"] = np.zeros(1, _dtype(case))
        return call | _gradients(call)

    def _gradients(call: Mapping[str, Any]) -> dict[str, Any]:
        found = {f"gradient_{name}": np.zeros_like(given[name]) for name in active}
        return found | {"gradient_objective_value": np.ones_like(call["objective_value"])}

    arguments = setup()
    _, calling = clock(lambda: compiled(**arguments))
    value, expected = float(arguments["objective_value"][0]), case.restricted([*outputs]).objective(case.outputs)
    scale = sum(float(np.sum(np.abs(case.weights[k] * case.outputs[k]))) for k in outputs)
    if not abs(value - expected) <= case.tolerance * scale:
        raise Wrong(f"the objective is {value!r} instead of {expected!r}")
    gradients: Arrays = [arguments[f"gradient_{name}"] for name in active]
    again = setup()
    _, taken = peak(lambda: compiled(**again))
    taken = None if taken is None else taken + sum(g.nbytes for g in gradients)  # made outside, but a result
    lost = [k for k in range(len(case.outputs)) if k not in outputs and np.any(case.weights[k])]
    note = f"does not return output {', '.join(map(str, lost))}" if lost else ""
    runs: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
        "gradient": (setup, lambda arguments: compiled(**arguments))
    }
    first = {"gradient": compiling + calling}
    return Prepared(runs, first, gradients, [*outputs], note, memory=Memory(taken))


def _blas() -> str:
    """OpenBLAS where DaCe finds one."""
    environment: Any = importlib.import_module("dace.libraries.blas.environments").OpenBLAS
    return "OpenBLAS" if environment.is_installed() else "pure"


def _dtype(case: Case) -> Any:
    return np.float32 if fd.is_single(case.args) else np.float64


def _specialised(dace: Any, program: Program, source: str, given: Mapping[str, Any]) -> Any:
    """The program with numbers for its symbols: those of its arguments, and those that extents of arguments tell."""
    load = program.dace()[source]
    kernel: Any = load()
    known = {name: int(value) for name, value in given.items() if _is_integer(value)}
    for name, annotation in kernel.f.__annotations__.items():
        if name in given and hasattr(annotation, "shape") and np.ndim(given[name]) == len(annotation.shape):
            for extent, actual in zip(annotation.shape, np.shape(given[name]), strict=True):
                if isinstance(extent, dace.symbolic.symbol):
                    known.setdefault(extent.name, int(actual))
    symbol = dace.symbol

    def number(name: str, *rest: Any, **more: Any) -> Any:
        return known[name] if name in known else symbol(name, *rest, **more)

    dace.symbol = number
    try:
        return load()
    finally:
        dace.symbol = symbol


def _array(value: Any) -> Any:
    """An own copy with at least one axis: DaCe takes no views, and no arrays without axes."""
    return np.array(np.reshape(value, np.shape(value) or (1,)), order="C")


def _is_integer(value: Any) -> bool:
    return np.ndim(value) == 0 and np.asarray(value).dtype.kind in "iu"


def _outputs(forward: Any, program: Program, case: Case, annotations: Mapping[str, Any]) -> dict[int, str]:
    """What the program computes, by the number of NumPy's output: an expression of the program around it."""
    returned = [name for name in forward.arrays if name.startswith("__return")]
    shapes = [tuple(int(extent) for extent in forward.arrays[name].shape) for name in returned]
    found: dict[int, str] = {}
    for k in range(case.returned):
        for n, shape in enumerate(shapes):
            if f"result_{n}" not in found.values() and shape in (case.outputs[k].shape, case.outputs[k].shape or (1,)):
                found[k] = f"result_{n}"
                break
    at = case.returned
    for position in case.of:
        if program.inputs[position] in annotations:
            found[at] = program.inputs[position]
        at += len(fd.floats(case.args[position]))
    if not found:
        raise Wrong("it computes no output of NumPy's shape")
    return {k: text for k, text in found.items() if np.any(case.weights[k])}


def _objective(
    dace: Any,
    folder: Path,
    kernel: Any,
    returned: int,
    outputs: Mapping[int, str],
    case: Case,
) -> Any:
    """A DaCe program that calls another and adds its outputs up with weights; in a file, where DaCe reads it."""
    scalar = dace.float32 if fd.is_single(case.args) else dace.float64
    annotations: dict[str, Any] = kernel.f.__annotations__
    types = dict(annotations)
    for k in outputs:
        types[NAMES.format(k)] = scalar[tuple(case.weights[k].shape) or (1,)]
    types["objective_value"] = scalar[1]
    parameters = ", ".join(f"{name}: TYPES[{name!r}]" for name in types)
    results = ", ".join(f"result_{n}" for n in range(returned))
    call = f"kernel({', '.join(annotations)})"
    terms = " + ".join(f"np.sum({NAMES.format(k)} * {text})" for k, text in outputs.items())
    lines = ["import numpy as np", "", f"def objective({parameters}):"]
    lines += [f"    {results} = {call}" if results else f"    {call}", f"    objective_value[0] = {terms}", ""]
    path = folder / "objective.py"
    path.write_text("\n".join(lines))
    return dace.program(load_module(path, {"TYPES": types, "kernel": kernel}).objective)
