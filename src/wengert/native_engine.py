"""The compiler as an engine of `wengert.verify`: trees of outputs and tangents to flat float leaves and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import wengert as wg
from wengert import differences as fd
from wengert.differences import Vector


class Native:
    """Native values by `wg.compile`, derivatives by `wg.jvp` and `wg.vjp`."""

    def value(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> fd.Run:
        return fd.run(wg.compile(f), args, kwargs)

    def jvp(
        self,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        tangents: list[Vector],
        of: tuple[int, ...],
    ) -> tuple[list[Vector], list[Vector]]:
        rest = iter(tangents)
        trees = [fd.with_floats(arg, [next(rest) for _ in fd.floats(arg)]) if fd.floats(arg) else None for arg in args]
        outputs, changes = wg.jvp(f, args, trees, of=("return", *of), kwargs=kwargs)
        return fd.floats(outputs), fd.floats(changes)

    def vjp(
        self,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        wrt: tuple[int, ...],
        of: tuple[int, ...],
    ) -> tuple[list[Vector], Callable[[list[Vector]], list[Vector]]]:
        outputs, pullback = wg.vjp(f, *args, wrt=wrt, of=("return", *of), **kwargs)

        def gradients(weights: list[Vector]) -> list[Vector]:
            return fd.floats(pullback(fd.with_floats(outputs, weights)))

        return fd.floats(outputs), gradients
