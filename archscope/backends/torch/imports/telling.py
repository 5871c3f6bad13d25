"""What the code of a model's author raises, in a line."""

from __future__ import annotations

import site
import sysconfig
import traceback
from pathlib import Path


def told(error: BaseException) -> str:
    """An exception in one line: its type, the first line of its message, and the author's line that it came from."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return (
        f"{type(error).__name__}: {text[:300]} ({place(error)})" if text else f"{type(error).__name__} ({place(error)})"
    )


def place(error: BaseException) -> str:
    """``file:line`` of the last call in code that is neither a library's nor ours."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((*_LIBRARIES, "<"))]
    last = (own or frames)[-1]
    return f"{last.filename}:{last.lineno}"


_OURS = str(Path(__file__).parents[3]) + "/"
_LIBRARIES = (
    _OURS,
    *(
        f"{folder}/"
        for folder in {*site.getsitepackages(), sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")}
    ),
)
