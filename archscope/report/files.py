"""Writing results: to standard output, or to a file that is either whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from archscope.errors import UsageError

#: of pictures
SUFFIXES = (".svg", ".png", ".pdf")


def write(content: str | bytes, target: str) -> None:
    """Write a result to ``-`` (standard output) or to a file.

    Raises:
        UsageError: the file cannot be written; what was there before is still there.
    """
    if target == "-":
        click.echo(content, nl=False)
        return
    path = Path(target)
    try:
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content.encode() if isinstance(content, str) else content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(scratch, 0o666 & ~umask)  # as open() would have made it
        os.replace(scratch, path)
    except OSError as error:
        os.unlink(scratch)
        raise UsageError(f"{target} cannot be written: {error.strerror}") from None


def check_target(target: str) -> str:
    """Hold that a picture can be written under a name.

    Raises:
        UsageError: its suffix is none of those known, or its folder does not exist.
    """
    path = Path(target)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"a picture ends with {', '.join(SUFFIXES)}, not `{target}`")
    if not path.parent.is_dir():
        raise UsageError(f"{target} cannot be written: there is no folder {path.parent}")
    return target
