"""How numbers and shapes are written, the same in every format for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archscope.arith.traced import number
from archscope.errors.printable import printable
from archscope.setting.sizes import duration


def shape(sizes: tuple[int, ...]) -> str:
    """``96 x 55 x 55``; a scalar for each sample is ``1``."""
    return " x ".join(str(size) for size in sizes) or "1"


def value(content: Any, style: str) -> str:
    """A cell as people read it: thousands separated, shares in percent, nothing where there is nothing."""
    return "" if content is None else _STYLES.get(style, str)(content)


def signed(cost: int) -> str:
    """``+1,234``; nothing is ``0``."""
    return f"{cost:+,}" if cost else "0"


def _shapes(content: tuple[Any, ...]) -> str:
    nested = content and isinstance(content[0], tuple)
    return ", ".join(map(shape, content)) if nested else shape(content)


def _number(content: float) -> str:
    if isinstance(content, int):  # exactly; the format of floats would round it
        return f"{content:,}"
    return f"{content:,.6g}" if isinstance(content, float) and not content.is_integer() else f"{content:,.0f}"


def short_value(content: Any, style: str, unit: str = "") -> str:
    """A cell as people read it where room is scarce: counts to four digits."""
    if content is None or style != "count":
        return value(content, style)
    return binary(content) if unit == "bytes" else short(content)


def figure(content: Any) -> str:
    """A figure by what it is: a number, or a shape; one along all axes may be published as a single number."""
    return content if isinstance(content, str) else value(content, "shape" if isinstance(content, tuple) else "count")


def plain(content: Any, style: str) -> Any:
    """A cell as machines read it: numbers as they are, a shape as ``96x55x55``."""
    if style == "shape" and content is not None:
        nested = content and isinstance(content[0], tuple)
        return ";".join("x".join(map(str, part)) for part in (content if nested else (content,)))
    if style == "axes" and isinstance(content, tuple | list):
        return "x".join(map(str, content))
    if style == "value" and (isinstance(content, bool) or not isinstance(content, int | float)):
        from archscope.spec.values import value_text

        return value_text(content)
    if style == "names":
        return ";".join(content)
    return content


def line(text: str) -> str:
    """A text on one line; what cannot be shown is a replacement character."""
    return printable(" ".join(text.split()))


def cut(text: str, width: int) -> str:
    """A text of at most so many characters; of a longer one the beginning and the end, which tells more."""
    if len(text) <= width:
        return text
    tail = (width - 1) * 2 // 3
    return text[: width - 1 - tail] + "…" + text[-tail:]


_PREFIXES = ("", "k", "M", "G", "T", "P", "E")


def short(number: float, unit: str = "") -> str:
    """A large number to four digits with its SI prefix: ``1.135 G``."""
    power = 0
    while abs(number) >= 999.95 and power < len(_PREFIXES) - 1:
        number /= 1000
        power += 1
    digits = f"{number:.4g}" if power else f"{number:g}"
    return f"{digits} {_PREFIXES[power]}{unit}".rstrip()


def binary(number: float) -> str:
    """Bytes in MiB and the like: ``237.95 MiB``."""
    for prefix in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:,.0f} B" if prefix == "B" else f"{number:,.2f} {prefix}"
        number /= 1024
    return f"{number:,.2f} TiB"


def percent(share: float) -> str:
    """A share to three digits: ``97.2%``; one that is too small to be read so as less than what could be."""
    return "<0.0001%" if 0 < share < 1e-6 else f"{100 * share:.3g}%"


def unit(number: float, style: str) -> float:
    """What round numbers are multiples of, near a number of some style: bytes count in powers of 1,024."""
    return 2.0 ** (10 * max(0, (int(number).bit_length() - 1) // 10)) if style == "bytes" else 1.0


#: how contents are written, by style; others are text
_STYLES: dict[str, Callable[[Any], str]] = {
    "shape": _shapes,
    "axes": lambda content: " x ".join(f"{part:,g}" for part in content),
    "share": lambda content: f"{100 * content:.2f}%",
    "part": lambda content: f"{content:.1%}",
    "ratio": lambda content: f"{content:,.2f}",
    "signed": signed,
    "percent": lambda content: f"{content:g}%",
    "seconds": duration,
    "bytes": binary,
    "short": short,
    "exact": number,
    "count": _number,
    "number": _number,
}
