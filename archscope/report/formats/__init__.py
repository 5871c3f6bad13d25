"""The formats of results, a file each; importing this package imports every module in it, and so registers them.

The terminal, notebooks and frames are here too; they are no files that a command offers to write.
"""

import os
from importlib import import_module

from archscope.report.formats.base import FORMATS, Format

for _file in sorted(os.listdir(__path__[0])):
    if _file.endswith(".py") and _file not in ("__init__.py", "base.py"):
        import_module(f"{__name__}.{_file[:-3]}")

__all__ = ["FORMATS", "Format"]
