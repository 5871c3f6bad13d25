"""A design as PyTorch source that a person could have written."""

from __future__ import annotations

import subprocess

from archscope.backends.torch.source.write import unformatted
from archscope.design import Design
from archscope.errors import MissingLibrary

__all__ = ["torch_source"]


def torch_source(design: Design) -> str:
    """Stand-alone PyTorch source of a design: a class a block, loops where it repeats, formatted by ruff.

    The last class is the design's. Its ``state_dict()`` has the keys of the module that :func:`archscope.build` makes,
    loads that module's, and the outputs are the same bit for bit.

    Raises:
        UsageError: layers are recomputed together that have no name together.
        MissingLibrary: ruff is not installed.
    """
    try:
        from ruff import find_ruff_bin
    except ImportError:
        raise MissingLibrary("source is formatted by ruff: `pip install 'archscope[export]'`") from None
    command = [find_ruff_bin(), "format", "--quiet", "--isolated", "--stdin-filename", "model.py", "-"]
    done = subprocess.run(
        command, input=unformatted(design), capture_output=True, text=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout
