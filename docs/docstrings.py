"""What mkdocstrings reads of docstrings: Sphinx's roles become code, as Markdown knows none."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|data|meth|mod|attr|exc):`~?(?:[\w.]*\.)?([\w]+)`")


class Plain(griffe.Extension):
    """Docstrings without roles."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for everything that is read."""
        if obj.docstring is not None:
            obj.docstring.value = _ROLE.sub(r"`\1`", obj.docstring.value)
