"""From a template to one self-contained file: styles, scripts and data are put into it, and nothing else is let in.

Every text goes through Jinja's autoescape; data for the scripts is JSON in which no ``<`` stands; the page's own policy
forbids every script but those whose hashes it names, and every request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from archscope import __version__
from archscope.report import text
from archscope.setting.sizes import duration

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = files("archscope.report.page")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(lambda name: (_HERE / "templates" / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "value": text.value,
        "figure": text.figure,
        "short": text.short,
        "binary": text.binary,
        "duration": duration,
        "shape": text.shape,
        "percent": text.percent,
        "json": _json,
    }
    return environment


def _json(content: Any) -> Any:
    """Data as JSON for a script element: it cannot end the element, nor open a comment in it."""
    from markupsafe import Markup

    written = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    return Markup(written.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def render(template: str, *, styles: Sequence[str], scripts: Sequence[str], **content: Any) -> str:
    """A page.

    Args:
        template: a file in ``templates/``.
        styles: CSS files of this package, in order.
        scripts: JavaScript files of this package, in order.
        content: what the template shows.
    """
    from markupsafe import Markup

    bodies = [_script(name) for name in scripts]
    hashes = " ".join(f"'sha256-{_hash(body)}'" for body in bodies)
    return (
        _environment()
        .get_template(template)
        .render(
            **content,
            styles=Markup("\n".join(_read(name) for name in styles)),
            scripts=[Markup(body) for body in bodies],
            policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}",
            version=__version__,
        )
    )


@cache
def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


@cache
def _script(name: str) -> str:
    """A script as it reaches the reader, whose browser holds its hash against that.

    A control character in its words is written as an escape: what writes files lets none through.
    """
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", _read(name))


@cache
def _hash(body: str) -> str:
    return base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
