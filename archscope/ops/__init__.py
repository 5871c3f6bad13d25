"""The op registry: importing this package imports every module in it, and so registers every op."""

from importlib import import_module
from pkgutil import iter_modules

from archscope.ops.base import REGISTRY, Check, Contraction, Op, Tensor, failed

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["REGISTRY", "Check", "Contraction", "Op", "Tensor", "failed"]
