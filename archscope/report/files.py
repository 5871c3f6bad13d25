"""Writing results: to standard output, or to a file that is either whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

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
    with replaced(target) as out:
        out.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def replaced(target: str, folder: Path | None = None) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of ``target`` when the context ends without an error.

    Args:
        target: the file that is meant.
        folder: where the new one lies until then, on the same disk; beside the target, if not given.

    Raises:
        UsageError: a file cannot be written; what was there before is still there.
    """
    path = Path(target)
    try:
        handle, scratch = tempfile.mkstemp(dir=folder or path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as out:
                yield out
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(scratch, 0o666 & ~umask)  # as open() would have made it
            os.replace(scratch, path)
        except BaseException:
            os.unlink(scratch)
            raise
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}") from None


def check_target(target: str) -> str:
    """Hold that a picture can be written under a name.

    Raises:
        UsageError: its suffix is none of those known, or its folder does not exist.
    """
    path = Path(target)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"a picture ends with {', '.join(SUFFIXES)}, not `{target}`")
    check_place(target)
    return target


def check_place(target: str) -> None:
    """Hold that a file can be written under a name, as far as can be told before; ``-`` is standard output.

    Raises:
        UsageError: its folder does not exist, or it is a folder itself.
    """
    path = Path(target)
    if not path.parent.is_dir():
        raise UsageError(f"{target} cannot be written: there is no folder {path.parent}")
    if path.is_dir():
        raise UsageError(f"`{target}` cannot be written: it is a folder" if target else "a file needs a name")
