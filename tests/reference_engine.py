"""An engine that differentiates by evaluation: it stands in for the compiler when the checks themselves are tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from wengert import differences as fd
from wengert.verify import Linearization, Pullback, output_floats


class Differences:
    """Values by running plain Python, derivatives by differences, one element at a time: for small programs."""

    def value(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> fd.Run:
        return fd.run(f, args, kwargs)

    def jvp(self, at: Linearization, tangents: list[fd.Vector]) -> tuple[list[fd.Vector], list[fd.Vector]]:
        outputs = output_floats(fd.run(at.f, at.args, at.kwargs), at.of)
        change = fd.along(at.f, at.args, tangents, at.of, at.kwargs).value
        parts = np.split(change, np.cumsum([y.size for y in outputs])[:-1]) if outputs else []
        return outputs, [part.reshape(y.shape) for part, y in zip(parts, outputs, strict=True)]

    def vjp(self, at: Linearization) -> tuple[list[fd.Vector], Pullback]:
        outputs = output_floats(fd.run(at.f, at.args, at.kwargs), at.of)
        base = fd.floats(at.args)
        owners = [i for i, arg in enumerate(at.args) for _ in fd.floats(arg)]

        def pullback(weights: list[fd.Vector]) -> list[fd.Vector]:
            flat = fd.flat(weights)

            def slope(n: int, element: int, unit: complex) -> float:
                tangents = [np.zeros_like(x) for x in base]
                tangents[n].reshape(-1)[element] = unit
                change = fd.along(at.f, at.args, tangents, at.of, at.kwargs).value
                return fd.inner([flat], [np.where(flat != 0, change, 0)])

            gradients: list[fd.Vector] = []
            for n, x in enumerate(base):
                if owners[n] not in at.wrt:
                    continue
                gradient = np.zeros_like(x)
                for element in range(x.size):
                    gradient.reshape(-1)[element] = slope(n, element, 1.0)
                    if np.iscomplexobj(x):
                        gradient.reshape(-1)[element] += 1j * slope(n, element, 1j)
                gradients.append(gradient)
            return gradients

        return outputs, pullback

    def blame(self, *_: Any) -> str:
        return ""

    def hvp(self, at: Linearization, weights: list[fd.Vector]) -> Pullback:
        base = fd.floats(at.args)

        def product(tangents: list[fd.Vector]) -> list[fd.Vector]:
            def gradient(t: complex) -> fd.Vector:
                moved = [np.asarray((x + t * d).astype(x.dtype)) for x, d in zip(base, tangents, strict=True)]
                return fd.flat(self.vjp(replace(at, args=fd.with_floats(at.args, moved)))[1](weights))

            step = 3e-2 if fd.is_single(at.args) else 1e-4
            change = (8 * (gradient(step) - gradient(-step)) - gradient(2 * step) + gradient(-2 * step)) / (12 * step)
            parts = np.split(change, np.cumsum([x.size for x in base])[:-1])
            return [part.reshape(x.shape) for part, x in zip(parts, base, strict=True)]

        return product
