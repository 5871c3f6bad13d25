"""The version of the spec language: ``archscope: 1`` at the top of a spec, which may be left out.

It grows when a spec that was right would be refused or mean something else. What is only added leaves it as it is.
"""

from __future__ import annotations

from typing import Final

KEY: Final = "archscope"
LANGUAGE: Final = 1
