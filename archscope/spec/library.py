"""Where designs are found: a path, or the name of a design that ships with archscope."""

from __future__ import annotations

import os
from pathlib import Path

from archscope import revisions
from archscope.errors import SpecError, suggestion
from archscope.errors.diagnostics import Diagnostic

SUFFIXES = (".yaml", ".yml")


def specs_folder() -> Path:
    """The folder of the designs that ship with archscope: in the wheel inside the package, in a checkout beside it."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "specs"
    return shipped if shipped.is_dir() else package.parent / "specs"


def names() -> list[str]:
    """Names of the designs that ship with archscope, sorted."""
    return sorted(path.stem for path in specs_folder().glob("*.yaml"))


def files_in(folder: str | os.PathLike[str]) -> list[str]:
    """The spec files in a folder and in those within it, sorted: libraries of blocks, too, but no hidden files."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.suffix in SUFFIXES and path.is_file())
    return [str(path) for path in paths if not hidden(path.relative_to(folder))]


def hidden(path: Path) -> bool:
    """Whether a file, or a folder that it is in, is a hidden one."""
    return any(part.startswith(".") for part in path.parts)


def find(text: str, beside: Path | None = None) -> Path:
    """The spec file that a path or a name means; a path wins over a name.

    Args:
        text: a path (relative to ``beside``, else to the working directory), ``REVISION:PATH``, or a name as
            :func:`names` lists.

    Raises:
        SpecError: there is no such file, no such revision and no such name.
    """
    path = revisions.beside((beside / text) if beside else Path(text), beside)
    if os.path.exists(path):  # which is false, and no error, of what cannot be a file's name
        return path
    place = revisions.place_of(path) if beside else revisions.asked(text)
    path = path if place is None else Path(place)
    if revisions.is_file(path):
        return path
    if path.suffix not in SUFFIXES and path.name and revisions.is_file(path.with_name(path.name + ".yaml")):
        return path.with_name(path.name + ".yaml")
    shipped = specs_folder() / (text if Path(text).suffix in SUFFIXES else f"{text}.yaml")
    looks_like_path = Path(text).suffix in SUFFIXES or "/" in text or "\\" in text
    if os.path.isfile(shipped) and (beside is not None or not looks_like_path):
        return shipped
    if place is not None:
        raise revisions.missing(place)
    hint = suggestion(Path(text).stem, names()) or "`archscope list` shows the designs that ship with archscope"
    what = "file" if looks_like_path else "file or design called"
    raise SpecError([Diagnostic(f"there is no {what} {text}", hint=hint)])
