"""Views and iterators over static lists and dicts: they read what they go through when it is asked for, as Python's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from wengert.analysis.affine import iadd, isub
from wengert.ir import build
from wengert.ir.nodes import ZERO, Const
from wengert.ir.types import I64

from .frame import PyRaise
from .python_values import is_sequence
from .values import RIter

if TYPE_CHECKING:
    from .interp import Interp

USED, BEGUN, ENDED = "used", "begun", "ended"


class Live(list[Any]):
    """The items that there were when it was made, as a list, and in `item` how each is had when its turn comes: by its
    position, with an IndexError behind the last. `state`: of an iterator, whether it has been read; a view has none."""

    def __init__(self, items: Sequence[Any], item: Callable[[int], Any], state: dict[str, Any] | None = None) -> None:
        super().__init__(items)
        self.item = item
        self.state = state


def reader(value: Any) -> Callable[[int], Any]:
    """How the items of something static are had one by one."""
    if isinstance(value, Live):
        return value.item
    return value.__getitem__ if is_sequence(value) else list(value).__getitem__


def items_of(item: Callable[[int], Any], k: int = 0) -> Iterator[Any]:
    """The items by position from `k` on, each read when its turn comes."""
    while True:
        try:
            found = item(k)
        except IndexError:
            return
        yield found
        k += 1


def current(value: Any) -> Any:
    """A view as a list of what it shows now; anything else as it is."""
    return list(items_of(value.item)) if isinstance(value, Live) and value.state is None else value


def view(items: dict[Any, Any], pick: Callable[[Any], Any]) -> Live:
    """A view of a dict: what `pick` gives for each of its keys."""

    def item(k: int) -> Any:
        if k == 0:
            keys[:] = items
        elif k <= len(keys) != len(items):
            raise PyRaise(RuntimeError("dictionary changed size during iteration"))
        return pick(keys[k])

    keys = list(items)
    return Live([pick(key) for key in keys], item)


def iterator(interp: Interp, items: Sequence[Any], item: Callable[[int], Any]) -> Live:
    """An iterator: it is read once."""
    return Live(items, item, interp.stage.note_created({}))


def begins(interp: Interp, state: dict[str, Any] | None, whole: bool) -> int | None:
    """The position from which an iterator with this state is read now, None if it has been read to its end; `whole`: it
    is now."""
    used = 0 if state is None else state.get(USED, 0)
    if used is ENDED:
        return None
    if not isinstance(used, int):
        reason = "an iterator is used again after run-time data decided how much of it was taken"
        raise interp.stage.refuse(reason, "take all of it by one loop, or make a list of it")
    if state is not None:
        interp.stage.write(state, USED, ENDED if whole else BEGUN)
    return used


def advance(interp: Interp, iterator: Live | RIter, *default: Any) -> Any:
    """The next item of an iterator; at its end the default, or StopIteration."""
    state = iterator.state
    if state is None:
        raise PyRaise(TypeError("this object is not an iterator"))
    at = begins(interp, state, True)
    if at is not None and isinstance(iterator, Live):
        try:
            found = iterator.item(at)
        except IndexError:
            at = None
        else:
            interp.stage.write(state, USED, at + 1)
            return found
    if at is not None and isinstance(iterator, RIter):
        interp.stage.write(state, USED, at + 1)
        if default:
            raise interp.stage.refuse("next of an iterator over run-time data, with a default", "test the length")
        over = interp.stage.let(build.le(iterator.length, Const(at, I64)))
        interp.stage.fail_if(over, "StopIteration", "")
        return iterator.get(Const(at, I64))
    if default:
        return default[0]
    raise PyRaise(StopIteration())


def take(interp: Interp, source: Live | RIter, most: int | None) -> list[Any] | RIter:
    """The next items of an iterator, all or as many as `most`."""
    at = begins(interp, source.state, True)
    if at is None:
        return []
    if source.state is not None and most is not None:
        interp.stage.write(source.state, USED, at + most)
    return rest(source, at) if isinstance(source, RIter) else list(items_of(source.item, at))


def rest(source: RIter, at: int) -> RIter:
    """What is left of an iterator from a position on."""
    if at == 0:
        return source
    gone = Const(at, I64)
    length = build.max_(isub(source.length, gone), ZERO)
    return RIter(length, lambda i: source.get(iadd(i, gone)), source.source)
