"""The figures of the designs that ship with archscope, kept beside them: to list them takes no counting.

They hold for the specs as they were when they were counted; where one has been changed since, all are counted anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator

from archscope.analysis import analyze
from archscope.load import load
from archscope.report.results.catalogue import Entry, entry
from archscope.spec import library

#: stands in the folder of the specs
FILE = "zoo.json"


def table() -> list[Entry] | None:
    """The kept entries; ``None`` where there are none, or others by now."""
    try:
        content = json.loads((library.specs_folder() / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if content["specs"] != _digest():
        return None
    return [one | {"input": tuple(map(tuple, one["input"]))} for one in content["designs"]]


def counted(names: Iterable[str]) -> Iterator[Entry]:
    """The entries of designs by name, counted."""
    for name in names:
        yield entry(name, analyze(load(library.specs_folder() / f"{name}.yaml")))


def keep() -> None:
    """Count all, and write down what they come to."""
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in counted(library.names()))
    text = f'{{"specs": "{_digest()}", "designs": [\n{lines}\n]}}\n'
    (library.specs_folder() / FILE).write_text(text, encoding="utf-8")


def _digest() -> str:
    """What tells of any change in a spec, or in what specs include."""
    digest, folder = hashlib.sha256(), library.specs_folder()
    for path in sorted(folder.rglob("*.yaml")):
        digest.update(f"{path.relative_to(folder).as_posix()}\n{path.read_text(encoding='utf-8')}\n".encode())
    return digest.hexdigest()
