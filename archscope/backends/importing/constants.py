"""Values of constants, as they were found in a model: in words, in a list, or in a file beside the spec."""

from __future__ import annotations

import hashlib
import io
import re
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from archscope.ops.contents import Contents, Stored, at_hand, number
from archscope.ops.fields import FieldError

Array = npt.NDArray[Any]

#: as many numbers are spelled out in a spec; a person may write more
MOST_SPELLED = 32


class ValueFile:
    """Values that go into a file beside the spec; what is the same is kept once.

    The name of the file follows from the name of the design; that of a value from the value, so that a file that was
    left from another import of that name is noticed. As long as this is held, designs find the values without the file.

    Args:
        name: of the design.

    Attributes:
        file: its name.
        arrays: by their names in it.
    """

    def __init__(self, name: str) -> None:
        self.file = f"{re.sub(r'[^A-Za-z0-9.+-]+', '_', name).strip('_.') or 'design'}.npz"
        self.arrays: dict[str, Array] = {}

    def keep(self, values: Array) -> Stored:
        """A place for an array."""
        digest = hashlib.sha256(f"{values.dtype.str} {values.shape} ".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
        stored = Stored(self.file, digest.hexdigest()[:12])
        at_hand(stored, self.arrays.setdefault(stored.key, values))
        return stored

    def packed(self) -> bytes:
        """The content of the file; empty where there is nothing to keep."""
        if not self.arrays:
            return b""
        out = io.BytesIO()
        np.savez_compressed(out, **self.arrays)  # type: ignore[arg-type]
        return out.getvalue()


def contents(values: Array, value_file: ValueFile | None = None) -> Any:
    """What an array holds, as a field takes it: in words, as a list where it is short, else as it is kept in a file.

    Returns:
        ``None`` where it would need a file, and there is none.
    """
    if values.size == 0:
        return None
    try:
        value = _words(values)
        if value is None and values.size <= MOST_SPELLED:
            value = tuple(number(_short(one), "numbers") for one in values.reshape(-1))
    except FieldError:  # nan, or a whole number that no double holds
        value = None
    return str(value_file.keep(values)) if value is None and value_file is not None else value


def value_of(values: Array | None, value_file: ValueFile) -> dict[str, Any]:
    """The argument of a layer that gives what is known; none where nobody knows it, or it is no number."""
    if values is None or values.dtype.kind not in "fiub":
        return {}
    value = contents(values.astype(np.float32) if values.dtype == np.float16 else values, value_file)
    return {} if value is None else {"value": value}


def _words(values: Array) -> Any:
    """What an array holds, in words that say it exactly; ``None`` where there are none."""
    first = values.flat[0]
    if bool((values == first).all()):
        return number(_short(first), "a number")
    return _ramp(values) or _triangle(values)


def _short(value: Any) -> Any:
    """A number of NumPy as a number of Python that reads as shortly as it can."""
    if value.dtype.kind != "f":
        return value.item()
    short = float(str(value))
    rounded_up = abs(short) > float(np.finfo(value.dtype).max) and not np.isinf(
        value
    )  # the largest one in a few digits
    return value.item() if rounded_up else short


def _ramp(values: Array) -> str | None:
    if values.dtype.kind == "b":
        return None
    for dim in range(-1, -values.ndim - 1, -1):
        line = np.moveaxis(values, dim, -1).reshape(-1, values.shape[dim])[0]
        if line.size < 2 or isnan(line[0]) or isnan(line[1]):
            continue
        start, step = float(line[0]), float(line[1]) - float(line[0])
        if not step or not all(one.is_integer() and abs(one) < 2**31 for one in (start, step)):
            continue
        ramp = (start + step * np.arange(line.size)).astype(values.dtype)
        if np.array_equal(np.broadcast_to(ramp.reshape(-1, *[1] * (-dim - 1)), values.shape), values):
            return _read(f"arange(start={int(start)}, step={int(step)}, dim={dim})")
    return None


def _triangle(values: Array) -> str | None:
    if values.ndim < 2:
        return None
    rows, columns = values.shape[-2:]
    plane = values.reshape(-1, rows, columns)[0]
    places = np.argwhere(plane != 0)
    if not len(places):
        return None
    offsets = places[:, 1] - places[:, 0]
    value = plane[tuple(places[0])]
    for word, diagonal in (("tril", int(offsets.max())), ("triu", int(offsets.min()))):
        triangle = getattr(np, word)(np.full((rows, columns), value, values.dtype), diagonal)
        if np.array_equal(np.broadcast_to(triangle, values.shape), values):
            return _read(f"{word}(diagonal={diagonal}, value={float(_short(value))!r})")
    return None


def _read(text: str) -> str:
    return str(Contents().read(text, None))
