"""archscope: the accountant of neural architectures.

design = archscope.load("vgg16", set={"classes": 10})
account = archscope.analyze(design, batch=32)
account.total.macs, account["conv1_1"].params, account.by_block(depth=1), account.frame
print(*archscope.explain(design, "conv1_1"))
"""

from archscope.analysis import Account, Explanation, Row, analyze, explain
from archscope.design import Design
from archscope.errors import ArchscopeError, SpecError, UsageError
from archscope.load import load

__version__ = "0.1.0"

__all__ = [
    "Account",
    "ArchscopeError",
    "Design",
    "Explanation",
    "Row",
    "SpecError",
    "UsageError",
    "analyze",
    "explain",
    "load",
]
