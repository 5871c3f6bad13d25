"""A design as PyTorch source that a person could have written."""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path

from archscope.backends.torch.source.write import unformatted
from archscope.design import Design, hold_designs
from archscope.errors import MissingLibrary
from archscope.ops.contents import files_of

__all__ = ["torch_source"]


def torch_source(design: Design) -> str:
    """Stand-alone PyTorch source of a design: a class a block, loops where it repeats, formatted by ruff.

    The last class is the design's. Its ``state_dict()`` has the keys of the module that :func:`archscope.build` makes,
    loads that module's, and the outputs are the same bit for bit.

    Values of constants that stand in a file (``FILE.npz[NAME]``) are read from beside the source when its module is
    made. Those of an imported model lie in no file until they are written: :attr:`Imported.files
    <archscope.backends.importing.imported.Imported.files>` has them by name, as in ``Path(name).write_bytes(content)``.
    As long as a file is not there, a warning says so.

    Raises:
        UsageError: layers are recomputed together that have no name together.
        MissingLibrary: ruff is not installed.
    """
    hold_designs(design)
    try:
        from ruff import find_ruff_bin
    except ImportError:
        raise MissingLibrary("source is formatted by ruff: `pip install 'archscope[export]'`") from None
    _warn(design)
    command = [find_ruff_bin(), "format", "--quiet", "--isolated", "--stdin-filename", "model.py", "-"]
    done = subprocess.run(
        command, input=unformatted(design), capture_output=True, text=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def _warn(design: Design) -> None:
    """Say which files the source reads that are not there."""
    lacking = [file for file in files_of(layer.op for layer in design.layers) if not Path(file).is_file()]
    if lacking:
        what = f"the source reads {', '.join(lacking)} from beside it, and that is not there"
        remedy = "of an imported model, write Imported.files: `Path(name).write_bytes(content)` for each"
        warnings.warn(f"{what}; {remedy}", UserWarning, stacklevel=3)
