"""One design of a sweep as a spec file of its own: the spec that was swept, extended by what the design changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archscope.errors import UsageError
from archscope.spec import library
from archscope.spec.values import plain, value_text
from archscope.spec.writer import dumped
from archscope.sweeps.plan import Plan


def emitted(plan: Plan, values: Mapping[str, Any], target: str = "-") -> str:
    """The text of a spec that ``extends:`` the one that is swept and says what a design of the sweep changes.

    Loading it gives the layers of the design. What the file that is extended says of its own figures (``expect:``,
    ``accuracy:``) stays with that file.

    Args:
        values: what the sweep chose, by the names of the axes; the design is called after them.
        target: where the text will be written, for the path to the extended file starts there; ``-`` is the working
            directory.

    Raises:
        UsageError: the spec came from no file, or from the target.
    """
    document = plan.document
    name, chosen = document.name or "design", ", ".join(f"{name}={value_text(value)}" for name, value in values.items())
    content: dict[str, Any] = {
        "name": f"{name} ({chosen})",
        "description": f"One design of a sweep over {name}: {chosen}.",
        "extends": extended(document.source.name, target),
    }
    sets, shapes = plan.variant(values)
    if sets:
        content["vars"] = {variable: _data(sets[variable]) for variable in document.vars if variable in sets}
    if shapes:
        content["inputs"] = {
            one: {
                "shape": list(shapes[one]) if one in shapes else plain(stated.shape),
                "dtype": stated.dtype or "float",
            }
            for one, stated in document.inputs.items()
        }
    return dumped(content)


def _data(value: Any) -> Any:
    """A value of a variable as YAML has it; words know more than their letters."""
    if isinstance(value, (tuple, list)):
        return [_data(item) for item in value]
    return str(value) if isinstance(value, str) else value


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
