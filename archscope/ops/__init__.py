"""The op registry: importing this package imports every module in it, and so registers every op."""

import os
from importlib import import_module

from archscope.ops.base import REGISTRY, Check, Contraction, Op, Tensor, failed

for _file in sorted(os.listdir(__path__[0])):  # pkgutil would do, and costs a tenth of the start-up
    if _file.endswith(".py") and _file != "__init__.py":
        import_module(f"{__name__}.{_file[:-3]}")

__all__ = ["REGISTRY", "Check", "Contraction", "Op", "Tensor", "failed"]
