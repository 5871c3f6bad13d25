"""Writing results: to standard output, or to a file that is either whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from archscope.errors import UsageError


def write(text: str, target: str) -> None:
    """Write a result to ``-`` (standard output) or to a file.

    Raises:
        UsageError: the file cannot be written; what was there before is still there.
    """
    if target == "-":
        click.echo(text, nl=False)
        return
    path = Path(target)
    try:
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            out.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(scratch, 0o666 & ~umask)  # as open() would have made it
        os.replace(scratch, path)
    except OSError as error:
        os.unlink(scratch)
        raise UsageError(f"{target} cannot be written: {error.strerror}") from None
