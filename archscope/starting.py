"""Ctrl-C while the program is still importing itself: a line and the shell's usual code, no traceback.

The package imports this first. Later on commands answer it themselves; in other people's programs nothing changes.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType

#: what a shell gives a program that Ctrl-C has ended: 128 and the number of the signal
INTERRUPTED = 130


def _is_program() -> bool:
    """Whether this process is ``archscope`` or ``python -m archscope``."""
    name = sys.argv[0] if sys.argv else ""
    return name == "-m" or os.path.splitext(os.path.basename(name))[0] == "archscope"


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    if sys.stderr is not None:
        print("interrupted", file=sys.stderr, flush=True)
    os._exit(INTERRUPTED)


if _is_program():
    sys.excepthook = _end
