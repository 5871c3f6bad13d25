"""Writing results, the one way for all: to standard output, or to a file that is either whole or not there.

A regular file is replaced when the new one is whole, and keeps its mode; a link stays, and what it leads to is
replaced. Devices, pipes and what the shell has opened (``/dev/stdout``, ``>(gzip)``) are written through. Text is
printable.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import copyfileobj
from typing import IO

import click

from archscope.errors import UsageError
from archscope.errors.printable import printable

#: of pictures
SUFFIXES = (".svg", ".png", ".pdf")
#: where the system keeps what only looks like files
_SYSTEM = ("/dev/", "/proc/")
_OPENED = re.compile(r"/dev/(?:fd/(\d+)|std(in|out|err))|/proc/(?:self|thread-self)/fd/(\d+)")
_MOST_LINKS = 40
#: so much of what is written through waits in memory
_IN_MEMORY = 2**24
_BOM = "\ufeff"


def write(content: str | bytes, target: str) -> None:
    """Write a result to ``-`` (standard output) or to a file.

    Raises:
        UsageError: the file cannot be written; what was there before is still there.
    """
    if isinstance(content, str):
        mark = _BOM if content.startswith(_BOM) else ""
        content = mark + printable(content.removeprefix(mark))
    if target == "-":
        click.echo(content, nl=False)
        return
    with replaced(target) as out:
        out.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def replaced(
    target: str | os.PathLike[str], folder: Path | None = None, *, durable: bool = False
) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of ``target`` when the context ends without an error.

    Args:
        target: what is meant: a file, a link to one, or what is written through.
        folder: where the new one lies until then, on the same disk; beside the target, if not given.
        durable: bring it to the disk before it gets its name, so that a crash loses nothing.

    Raises:
        UsageError: it cannot be written; what was there before is still there.
    """
    with _errors_in_words(target):
        path, through = _followed(os.fspath(target))
        if through:
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as waiting:  # until it is whole
                yield waiting
                waiting.seek(0)
                with _opened(path) as out:
                    copyfileobj(waiting, out)
            return
        mode = _mode(path)
        handle, scratch = tempfile.mkstemp(dir=folder or os.path.dirname(path) or ".", prefix=".archscope-")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.chmod(scratch, mode)
            os.replace(scratch, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(scratch)
            raise


@contextmanager
def files_replaced(target: str | os.PathLike[str]) -> Iterator[Path]:
    """A name for what can only write files by their names, perhaps several that begin with it; they replace ``target``.

    Raises:
        UsageError: they cannot be written; what was there before is still there.
    """
    with _errors_in_words(target):
        path, through = _followed(os.fspath(target))
        place = Path(path)
        with tempfile.TemporaryDirectory(dir=None if through else place.parent, prefix=".archscope-") as folder:
            scratch = Path(folder) / place.name
            yield scratch
            made = sorted(Path(folder).iterdir(), key=lambda one: one == scratch)  # the file itself at last
            if through:
                if made != [scratch]:
                    raise UsageError(
                        f"{_named(target)} cannot be written: it takes one file, and there are {len(made)}"
                    )
                with scratch.open("rb") as file, _opened(path) as out:
                    copyfileobj(file, out)
                return
            for one in made:
                mode = _mode(os.fspath(place.parent / one.name))
                os.chmod(one, mode)
                os.replace(one, place.parent / one.name)


@contextmanager
def _errors_in_words(target: str | os.PathLike[str]) -> Iterator[None]:
    """What the system says, as an error in words."""
    try:
        yield
    except (OSError, ValueError) as error:  # a name with a NUL in it is a wrong value to Python
        if not isinstance(error, OSError) and "null" not in str(error):
            raise
        said = (
            error.strerror if isinstance(error, OSError) else "embedded null character"
        )  # each Python says it otherwise
        reason = said or str(error)
        raise UsageError(f"{_named(target)} cannot be written: {reason}") from None


def _named(target: str | os.PathLike[str]) -> str:
    text = os.fspath(target)
    return text if len(text) <= 300 else text[:300] + "..."


def _followed(target: str) -> tuple[str, bool]:
    """What a name leads to, and whether it is written through: a device, a pipe, what the shell has opened."""
    path = target
    for _ in range(_MOST_LINKS):
        if os.path.abspath(path).startswith(_SYSTEM):
            return path, True
        if not os.path.islink(path):
            break
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    try:
        kind = os.stat(path).st_mode
    except FileNotFoundError:
        return path, False
    return path, not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def _opened(path: str) -> IO[bytes]:
    """A device or a pipe to write to; what is open already, under its number, goes on where it is."""
    match = _OPENED.fullmatch(os.path.abspath(path))
    if match is None:
        return open(path, "wb")
    number = int(match[1] or match[3] or ("in", "out", "err").index(match[2]))
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    return os.fdopen(os.dup(number), "wb")


def _mode(path: str) -> int:
    """The mode of the file that is there, or the one that ``open()`` would give to a new one.

    Raises:
        PermissionError: the file is there and may not be written.
    """
    with suppress(FileNotFoundError):
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(21, "Is a directory")
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied")
        return stat.S_IMODE(mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def irregular(source: str | os.PathLike[str]) -> str:
    """What a name leads to that is no file, in words, for who wants to read one: a pipe may keep a reader for ever.

    Empty for a file, for nothing at all, and for what the shell has opened (``/dev/stdin``, ``<(gunzip ...)``).
    """
    path = os.fspath(source)
    if _OPENED.fullmatch(os.path.abspath(path)):
        return ""
    try:
        kind = os.stat(path).st_mode
    except (OSError, ValueError):
        return ""
    return next((words for holds, words in _IRREGULAR if holds(kind)), "")


_IRREGULAR = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip


def check_target(target: str) -> str:
    """Hold that a picture can be written under a name.

    Raises:
        UsageError: its suffix is none of those known, or its folder does not exist.
    """
    path = Path(target)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"a picture ends with {', '.join(SUFFIXES)}, not `{_named(target)}`")
    check_place(target)
    return target


def check_place(target: str) -> None:
    """Hold that a file can be written under a name, as far as can be told before; ``-`` is standard output.

    Raises:
        UsageError: its folder does not exist, or it is a folder itself.
    """
    path = Path(target)
    with _errors_in_words(target):
        is_folder, has_folder = _is_folder(path), _is_folder(path.parent)
    if not has_folder:
        raise UsageError(f"{_named(target)} cannot be written: there is no folder {path.parent}")
    if is_folder:
        raise UsageError(f"`{target}` cannot be written: it is a folder" if target else "a file needs a name")


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
