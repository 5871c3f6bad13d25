"""One design of a sweep as a spec file of its own: the spec that was swept, extended by what the design changes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from archscope.design import Design
from archscope.errors import UsageError
from archscope.spec import library
from archscope.spec.values import value_text
from archscope.spec.writer import dumped


def emitted(design: Design, values: Mapping[str, Any], target: str = "-", *, fixed: Iterable[str] = ()) -> str:
    """The text of a spec that ``extends:`` the file of a design and says what the design changes.

    Loading it gives the layers of the design. What its file says of its own figures (``expect:``, ``accuracy:``) stays
    with that file.

    Args:
        design: one point of a sweep, loaded with its variables and its input.
        values: what the sweep chose, by the names of the axes; the design is called after them.
        target: where the text will be written, for the path to the file of the design starts there; ``-`` is the
            working directory.
        fixed: what else was changed, by the same names: variables, ``input``.

    Raises:
        UsageError: the design came from no file, or from the target.
    """
    chosen = [f"{name}={value_text(value)}" for name, value in values.items()]
    variables = dict(design.vars)
    changed = {name.partition("[")[0] for name in (*fixed, *values)}
    content: dict[str, Any] = {
        "name": f"{design.name} ({', '.join(chosen)})",
        "description": f"One design of a sweep over {design.name}: {', '.join(chosen)}.",
        "extends": extended(design.file, target),
    }
    own = {name: _data(value) for name, value in variables.items() if name in changed}
    if own:
        content["vars"] = own
    if any(name == "input" or name.startswith("input.") for name in changed):
        content["inputs"] = {
            node.name: {"shape": list(node.shape), "dtype": node.dtype or "float"} for node in design.inputs
        }
    return dumped(content)


def _data(value: Any) -> Any:
    """A value of a variable as YAML has it; words know more than their letters."""
    return (
        [_data(item) for item in value] if isinstance(value, tuple) else str(value) if isinstance(value, str) else value
    )


def extended(file: str, to: str) -> str:
    """What stands behind ``extends:``; a design that ships with archscope goes by its name.

    Args:
        file: of the design.
        to: as the target of :func:`emitted`.

    Raises:
        UsageError: as :func:`emitted`.
    """
    path, target = Path(file), Path.cwd() / "-" if to == "-" else Path(to)
    if not file or not path.is_file():
        raise UsageError(f"a design that was read from {file or 'a text'} cannot be extended; save it to a file first")
    if os.path.realpath(path) == os.path.realpath(target):
        raise UsageError(f"{target} is the spec that was swept; write the design to another file")
    named = target.parent / path.stem, target.parent / path.name  # they would be taken for it
    if path.resolve().parent == library.specs_folder().resolve() and not any(
        one == target or one.exists() for one in named
    ):
        return path.stem
    return Path(os.path.relpath(path, target.parent)).as_posix()
