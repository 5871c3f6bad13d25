"""How many random examples a test draws."""

import os

#: `ARCHSCOPE_THOROUGH=1 pytest` draws all examples; a default run, which is to be quick, a third of them
THOROUGH = bool(os.environ.get("ARCHSCOPE_THOROUGH"))


def examples(many: int) -> int:
    """That many in a thorough run."""
    return many if THOROUGH else max(many // 3, 1)
