"""The parts of an unfinished sweep on disk, so that it goes on where it stopped.

Beside the output ``best.parquet`` lies a folder ``best.parquet.parts`` with

- ``sweep.json``: of which sweep the parts are;
- ``START-STOP.DIGEST.npz``: a part each, plain NumPy arrays and one of JSON text, with a digest of the whole file in
  its name. It is written under another name, brought to the disk and renamed: what has its name is whole, and if the
  disk has lost some of it afterwards, the digest tells;
- ``lock``: held by the process that writes there.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from archscope.errors import UsageError
from archscope.files import replaced
from archscope.sweeps.model import Decision, Moments, Part, Reason, Rows, Tally

#: of the files; another one is another sweep
FORMAT = 1
_NAME = re.compile(r"(\d+)-(\d+)\.([0-9a-f]{32})\.npz")
_MANIFEST, _LOCK = "sweep.json", "lock"
#: what a killed process leaves half-written; all that a journal removes, for somebody may have put other things there
_LEFT = re.compile(r"\..*")
_OURS = re.compile(rf"{_NAME.pattern}|{re.escape(_MANIFEST)}|{_LEFT.pattern}")


class Journal:
    """The stored parts of one sweep, held by one process.

    Attributes:
        folder: where they lie. The output may lie there too until it is whole, under a name that begins with a dot;
            what a killed process has left of it is removed.
    """

    def __init__(
        self,
        target: str,
        fingerprint: Mapping[str, Any],
        *,
        resume: bool = False,
        restart: bool = False,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Open the journal of an output, or begin one.

        Args:
            target: the file that the sweep writes.
            fingerprint: what makes the sweep what it is, by name: all that its parts depend on, in values of JSON.
            resume: go on with what is there; without a journal begin.
            restart: throw away what is there.
            say: is told of parts that are not whole.

        Raises:
            UsageError: a journal is there and neither was said, it is that of another sweep, another process holds it,
                or nothing can be written there.
        """
        self.folder = Path(f"{target}.parts")
        self._say = say
        wanted = json.loads(json.dumps({"format": FORMAT, **fingerprint}))
        try:
            self.folder.mkdir(exist_ok=True)
            self._lock = _lock(self.folder / _LOCK)
        except OSError as error:
            raise UsageError(f"{self.folder} cannot be written: {error.strerror}") from None
        try:
            self._clear(_LEFT)
            self._begin(wanted, resume=resume, restart=restart)
        except BaseException:
            self.close()
            raise

    def _begin(self, wanted: dict[str, Any], *, resume: bool, restart: bool) -> None:
        if self._names() and not restart:
            if not resume:
                raise UsageError(
                    f"an interrupted sweep lies in {self.folder}: --resume goes on with it, --restart begins anew"
                )
            different = _differences(_read(self.folder / _MANIFEST), wanted)
            if different:
                raise UsageError(
                    f"the interrupted sweep in {self.folder} is another one: {different}; --restart begins anew"
                )
        else:
            self._clear(_OURS)
            self._write(_MANIFEST, json.dumps(wanted, indent=2).encode())

    def _names(self) -> dict[int, re.Match[str]]:
        """The names of stored parts by their start."""
        matches = (_NAME.fullmatch(path.name) for path in self.folder.iterdir() if path.is_file())
        return {int(match[1]): match for match in matches if match}

    def _clear(self, names: re.Pattern[str]) -> None:
        for path in self.folder.iterdir():
            if names.fullmatch(path.name) and not path.is_dir():  # a folder is none of ours
                path.unlink()

    def parts(self) -> Iterator[Part]:
        """The stored parts in order, from the first design on, up to the first that is missing or not whole."""
        names = self._names()
        start = 0
        while start in names:
            name = names[start][0]
            part = self._stored(names[start])
            if part is None:
                self._say(f"{self.folder / name} is not whole: it and what comes after it is evaluated again")
                return
            yield part
            start = part.stop

    def _stored(self, name: re.Match[str]) -> Part | None:
        """The part of a name; nothing where its file is not what the name says."""
        try:
            content = (self.folder / name[0]).read_bytes()
            part = _unpacked(content) if _digest(content) == name[3] else None
        except Exception:  # whatever a foreign file, read as a part, may raise
            return None
        return (
            part
            if part and (part.start, part.stop) == (int(name[1]), int(name[2])) and part.stop > part.start
            else None
        )

    def add(self, part: Part) -> None:
        """Store a part; when this returns, it is on the disk.

        Raises:
            UsageError: it cannot be written.
        """
        content = _packed(part)
        name = f"{part.start:015}-{part.stop:015}.{_digest(content)}.npz"
        for other in self.folder.glob(f"{part.start:015}-*.npz"):
            other.unlink()
        self._write(name, content)

    def done(self) -> None:
        """Remove the journal, for the sweep is finished."""
        self._clear(_OURS)
        self.close()

    def close(self) -> None:
        """Let go of it; what is stored stays, and without any of it nothing does."""
        if self._lock.closed:
            return
        if not self._names():
            self._clear(_OURS)
        self._lock.close()
        if not (self.folder / _MANIFEST).exists():
            (self.folder / _LOCK).unlink()
            with suppress(OSError):  # something of somebody else's lies there
                self.folder.rmdir()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, name: str, content: bytes) -> None:
        with replaced(self.folder / name, durable=True) as out:
            out.write(content)
        try:
            _sync_folder(self.folder)
        except OSError as error:
            raise UsageError(f"{self.folder / name} cannot be written: {error.strerror}") from None


def _lock(path: Path) -> IO[bytes]:
    """Hold a file; the system lets go of it when it is closed, and when the process dies."""
    file = open(path, "ab")  # noqa: SIM115 it stays open
    try:
        _hold(file)
    except OSError:
        file.close()
        raise UsageError(f"another process is at work on the sweep in {path.parent}") from None
    return file


if sys.platform == "win32":

    def _hold(file: IO[bytes]) -> None:
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def _sync_folder(folder: Path) -> None:
        """Windows brings a name to the disk with its file."""

else:

    def _hold(file: IO[bytes]) -> None:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _sync_folder(folder: Path) -> None:
        """Bring the names in a folder to the disk."""
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _read(manifest: Path) -> dict[str, Any]:
    """What a manifest says; nothing where it is none, so that everything differs from it."""
    try:
        content = json.loads(manifest.read_bytes())
    except (OSError, ValueError, RecursionError):  # of a hundred thousand brackets
        return {}
    return content if isinstance(content, dict) else {}


def _differences(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """``part size (there 1024, here 2048)`` and the like for all that two sweeps differ in."""
    names = [
        name for name in {**wanted, **there} if (name in there, there.get(name)) != (name in wanted, wanted.get(name))
    ]
    return "; ".join(f"{name} (there {_short(there, name)}, here {_short(wanted, name)})" for name in names)


def _short(values: Mapping[str, Any], name: str, width: int = 60) -> str:
    text = json.dumps(values[name], ensure_ascii=False) if name in values else "nothing"
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


_MOMENTS = tuple(field.name for field in fields(Moments) if field.name not in ("columns", "axis_count", "axis_mean"))


def _packed(part: Part) -> bytes:
    """A part as a file of NumPy arrays; places are stored in as few bytes as they need."""
    rows, tally, moments = part.rows, part.tally, part.moments
    text = {
        "start": part.start,
        "stop": part.stop,
        "columns": list(rows.columns),
        "tally": {
            "designs": tally.designs,
            "invalid": [[kind, *reason] for kind, reason in tally.invalid.items()],
            "missed": list(tally.missed.items()),
            "undefined": list(tally.undefined.items()),
            "passed": tally.passed,
        },
        "moments": list(moments.columns),
        "axes": len(moments.axis_count),
        "decisions": [[*decision, sorted(graphs)] for decision, graphs in part.decisions.items()],
    }
    arrays: dict[str, npt.NDArray[Any]] = {
        "text": np.frombuffer(json.dumps(text).encode(), np.uint8),
        "numbers": _narrow(rows.numbers - part.start),
        "choices": _narrow(rows.choices),
        **{f"column_{place}": column for place, column in enumerate(rows.columns.values())},
        **{f"moments_{name}": getattr(moments, name) for name in _MOMENTS},
        **{f"axis_count_{place}": counts for place, counts in enumerate(moments.axis_count)},
        **{f"axis_mean_{place}": means for place, means in enumerate(moments.axis_mean)},
    }
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]  # none of them is called allow_pickle
    return out.getvalue()


def _narrow(places: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return places.astype(np.min_scalar_type(places.max(initial=0)))


def _unpacked(content: bytes) -> Part:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        text = json.loads(arrays["text"].tobytes())
        start, tally, axes = text["start"], text["tally"], range(text["axes"])
        return Part(
            start=start,
            stop=text["stop"],
            rows=Rows(
                arrays["numbers"].astype(np.int64) + start,
                arrays["choices"].astype(np.int32),
                {name: arrays[f"column_{place}"] for place, name in enumerate(text["columns"])},
            ),
            tally=Tally(
                designs=tally["designs"],
                invalid={kind: Reason(*reason) for kind, *reason in tally["invalid"]},
                missed=dict(tally["missed"]),
                undefined=dict(tally["undefined"]),
                passed=tally["passed"],
            ),
            moments=Moments(
                columns=tuple(text["moments"]),
                **{name: arrays[f"moments_{name}"] for name in _MOMENTS},
                axis_count=tuple(arrays[f"axis_count_{place}"] for place in axes),
                axis_mean=tuple(arrays[f"axis_mean_{place}"] for place in axes),
            ),
            decisions={
                Decision(what, value, tuple(axes)): frozenset(graphs) for what, value, axes, graphs in text["decisions"]
            },
        )
