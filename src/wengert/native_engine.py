"""The compiler as an engine of `wengert.verify`: trees of outputs and tangents to flat float leaves and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

import wengert as wg
from wengert import differences as fd
from wengert.differences import Vector
from wengert.verify import Linearization, Pullback

Weights: TypeAlias = "dict[Any, Weights] | tuple[Weights, ...] | list[Weights] | Vector | None"
"""A tree of weights, as of the outputs that they belong to."""


class Native:
    """Native values by `wg.compile`, derivatives by `wg.jvp` and `wg.vjp`."""

    def value(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> fd.Run:
        return fd.run(wg.compile(f), args, kwargs)

    def jvp(self, at: Linearization, tangents: list[Vector]) -> tuple[list[Vector], list[Vector]]:
        rest = iter(tangents)
        floats = [fd.floats(arg) for arg in at.args]
        trees = [
            fd.with_floats(arg, [next(rest) for _ in leaves]) if leaves else None
            for arg, leaves in zip(at.args, floats, strict=True)
        ]
        outputs, changes = wg.jvp(at.f, at.args, trees, of=("return", *at.of), kwargs=at.kwargs)
        return fd.floats(outputs), fd.floats(changes)

    def vjp(self, at: Linearization) -> tuple[list[Vector], Pullback]:
        outputs, pullback = wg.vjp(at.f, *at.args, wrt=at.wrt, of=("return", *at.of), **at.kwargs)

        def gradients(weights: list[Vector]) -> list[Vector]:
            return fd.floats(pullback(fd.with_floats(outputs, weights)))

        return fd.floats(outputs), gradients

    def hvp(self, at: Linearization, weights: list[Vector]) -> Pullback:
        outputs, _ = wg.vjp(at.f, *at.args, wrt=at.wrt, of=("return", *at.of), **at.kwargs)
        products = wg.hvp(weighted(at.f, at.of, len(at.args), dict(at.kwargs)), wrt=at.wrt)
        tree = weight_tree(outputs, weights)

        def product(tangents: list[Vector]) -> list[Vector]:
            return fd.floats(products(*at.args, tree, *(fd.with_floats(v, [v]) for v in tangents)))

        return product

    def blame(self, at: Linearization) -> str:
        from wengert import blame

        return str(blame.find(at))


def weight_tree(outputs: Any, weights: list[Vector]) -> Any:
    """The tree of outputs with the weights in the place of its floats and None in the place of anything else."""
    rest = iter(weights)
    return fd.map_leaves(outputs, lambda leaf: next(rest) if fd.is_float(leaf) else None)


def weighted(f: Callable[..., Any], of: tuple[int, ...], count: int, kwargs: dict[str, Any]) -> Callable[..., float]:
    """The program that runs `f` on its first `count` arguments and sums the outputs with the weights in the next."""

    def objective(*args: Any) -> Any:
        values = args[:count]
        returned = f(*values, **kwargs)
        return total(args[count], (returned, *[values[k] for k in of]))

    return objective


def total(weights: Weights, value: Any) -> Any:
    """The sum over a tree of the real parts of conj(weight) * output."""
    if weights is None:
        return 0.0
    if isinstance(weights, dict):
        return sum([total(weights[key], value[key]) for key in weights])
    if isinstance(weights, (tuple, list)):
        return sum([total(weights[k], value[k]) for k in range(len(weights))])
    return np.sum((np.conj(weights) * value).real)
