"""Standard output and standard error, guarded: printable, in any encoding, and closed or full ones told in words."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from archscope.errors.printable import printable

#: what shells give a program whose pipe was closed: 128 and the number of the signal
CLOSED_PIPE = 141
_UNWRITABLE = 2

#: what click writes to a terminal: colours, and the steps of a progress bar
_STYLE = re.compile(r"(\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[K|\r)")


class Unwritten(Exception):
    """Standard output or standard error takes nothing more; ``error`` is what the system said."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class _Guarded:
    """A stream whose text is printable, and whose errors are :class:`Unwritten`; all else is that of the stream."""

    def __init__(self, stream: IO[Any]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def buffer(self) -> _Guarded:
        """The bytes below a stream of text."""
        return _Guarded(self._stream.buffer)  # type: ignore[attr-defined]

    def write(self, content: Any) -> Any:
        """Write text or bytes."""
        if isinstance(content, str):
            parts = _STYLE.split(content)  # style stands at the odd places
            content = "".join(part if at % 2 else printable(part) for at, part in enumerate(parts))
        with _guard():
            return self._stream.write(content)

    def flush(self) -> None:
        """Bring what waits to where it goes."""
        with _guard():
            self._stream.flush()


class _Closed:
    """Stands for a stream that the shell has closed: whatever is written to it is lost, and so an error."""

    encoding, errors = "utf-8", "replace"

    def isatty(self) -> bool:
        """It is none."""
        return False

    def fileno(self) -> int:
        """It has none."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def write(self, content: str) -> int:
        """Text cannot be written."""
        if content:
            raise Unwritten(OSError(errno.EBADF, "it is closed"))
        return 0

    def flush(self) -> None:
        """Nothing waits."""


@contextmanager
def _guard() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unwritten(error) from None


@contextmanager
def guarded() -> Iterator[None]:
    """Commands run in this: their output is guarded, and where it can go nowhere the program ends with a line.

    A pipe whose reader has gone ends it silently, as shells expect it.
    """
    before = sys.stdout, sys.stderr
    for stream in before:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace" if stream is sys.stdout else "backslashreplace")
    sys.stdout = _Closed() if sys.stdout is None else _Guarded(sys.stdout)
    sys.stderr = None if sys.stderr is None else _Guarded(sys.stderr)
    try:
        yield
        sys.stdout.flush()
    except Unwritten as lost:
        _let_go()
        if lost.error.errno == errno.EPIPE:
            sys.exit(CLOSED_PIPE)
        with suppress(Exception):
            print(f"error: standard output cannot be written: {lost.error.strerror or lost.error}", file=sys.stderr)
        sys.exit(_UNWRITABLE)
    finally:
        sys.stdout, sys.stderr = before


def _let_go() -> None:
    """Send what Python would write at its end nowhere, for it would fail again."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
