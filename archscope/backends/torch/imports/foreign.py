"""What the code of others raises, authors or torch, in a line: the one place where it becomes an error of ours."""

from __future__ import annotations

import re
import site
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from archscope.errors import ArchscopeError, UsageError

_LONGEST = 300
#: what to do about what torch says, by words of its messages or names of functions around them
REMEDIES: tuple[tuple[str, str], ...] = (
    (r"in output, which is not a known type", "return a tensor, a tuple or a dictionary of tensors"),
    (r"NestedTensor", "pad to one length: torch.nested.to_padded_tensor"),
    (r"Sparse(CPU|CUDA|Meta|Csr)|sparse", "make it dense: tensor.to_dense()"),
    (
        r"PackedSequence|pack_padded|failed to unpack .* rnn.py:forward",
        "run the layer on padded sequences of one length",
    ),
    (r"FlexAttention|flex_attention", "import it with torch.nn.functional.scaled_dot_product_attention in its place"),
    (r"Quantized|quantized", "import the model before it is quantized"),
    (r"meta tensor|Cannot copy out of meta|is_meta", "name no values of tensors in forward, or build them on a device"),
    (r"\.numpy\(\)|numpy\(\) is not supported", "compute in torch what is computed in NumPy"),
    (r"ScriptModule|torch\.jit|ScriptFunction", "import the module that was scripted"),
    (r"DataParallel", "import the module inside: model.module"),
)


def line_of(error: BaseException) -> str:
    """An exception in one line: its type, its first line, the author's line that it came from, a remedy."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    said = f"{type(error).__name__}: {text[:_LONGEST]}" if text else type(error).__name__
    around = (f"{Path(frame.filename).name}:{frame.name}" for frame in traceback.extract_tb(error.__traceback__))
    words = " ".join([str(error), *around])
    remedy = next((what for about, what in REMEDIES if re.search(about, words, re.DOTALL)), "")
    return f"{said} ({place(error)}){f'; {remedy}' if remedy else ''}"


@contextmanager
def authored(doing: str) -> Iterator[None]:
    """Around code of others: what it prints goes to standard error, what it raises becomes one line.

    Args:
        doing: what is done: ``building M``.

    Raises:
        UsageError: the code raised something.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except ArchscopeError:
        raise
    except SystemExit as error:
        raise UsageError(f"{doing}: the code ends the program (exit {error.code}); {place(error)}") from None
    except Exception as error:
        raise UsageError(f"{doing}: {line_of(error)}") from None


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
