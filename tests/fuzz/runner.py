"""Runs inputs in a child process that is watched: for what it takes, and for whether it comes back at all."""

from __future__ import annotations

import gc
import logging
import multiprocessing as mp
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from archscope.cli import main
from tests.fuzz.inputs import CANARY, Input, generate
from tests.fuzz.judge import (
    FINE,
    LONGEST_EXPORT,
    PATIENCE,
    ROOM,
    ROOM_OF_EXPORT,
    Outcome,
    allowed,
    exports_onnx,
    judge,
    traceback_kind,
)

#: seconds after which a child that does not come back is ended, of CPU and of the clock
LONGEST, LONGEST_WAIT = 15.0, 240.0
#: no child takes more memory than that
MOST_MEMORY = 6 * 2**30
#: caches grow: a child is renewed after so many inputs
RENEWED_AFTER = 1500


class Runner:
    """Runs inputs one by one; the child is started when needed, and again after it had to be ended."""

    def __init__(self) -> None:
        warm_up()
        self._context = mp.get_context("fork")
        self._child: Any = None
        self._pipe: Connection | None = None
        self._runs = 0

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, given: Input) -> Outcome:
        """What an input comes to."""
        if self._child is None or self._runs >= RENEWED_AFTER:
            self._end()
            self._start()
        assert self._pipe is not None
        self._runs += 1
        self._pipe.send(given)
        start, before = time.monotonic(), _cpu_of(self._child.pid)
        longest = LONGEST_EXPORT if exports_onnx(given) else LONGEST
        while not self._pipe.poll(0.5):
            cpu = _cpu_of(self._child.pid) - before
            if not self._child.is_alive():
                self._end()
                return Outcome(f"the process ended: {given.arguments[0]}")
            if cpu > longest or time.monotonic() - start > LONGEST_WAIT:
                memory = _status(self._child.pid, "VmHWM")
                self._end()
                return Outcome(f"hang: {' '.join(_form(given))}", f"{memory / 1e6:,.0f} MB", cpu, memory)
        try:
            outcome: Outcome = self._pipe.recv()
        except EOFError:
            self._end()
            return Outcome(f"the process ended: {given.arguments[0]}")
        return outcome

    def _start(self) -> None:
        self._pipe, theirs = self._context.Pipe()
        self._child = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        self._child.start()
        theirs.close()
        self._runs = 0

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.join()
            self._child = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None


def _form(given: Input) -> list[str]:
    words = [arg for arg in given.arguments[:5] if len(arg) < 20]
    return [word for word in words if not word.endswith(".yaml")]


_WARMING = """\
analyze lenet5 --html -
analyze lenet5 --markdown -
analyze lenet5 --json -
memory lenet5 --device t4
receptive-field lenet5
explain lenet5
expand lenet5
verify lenet5
compare lenet5 alexnet --diff
compare lenet5 alexnet --html -
reconcile lenet5 --no-run
export lenet5 --to dot
export lenet5 --to torch
export text_cnn --to torch
export lenet5 --to json
predict lenet5 --device t4
sweep lenet5 --vary batch=1:3
sweep lenet5 --vary batch=1:9 --sample 3 --method sobol
"""


def warm_up() -> None:
    """Import what commands import when first needed, so that no input pays for it."""
    for line in _WARMING.splitlines():
        CliRunner().invoke(main, line.split())
    generate(0, 0)


def _serve(pipe: Connection) -> None:
    from archscope.backends.torch import source

    source.torch_source = source.unformatted  # type: ignore[assignment]  # a formatter is another process
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, 2**30))
    logging.disable(logging.CRITICAL)
    os.environ["ARCHSCOPE_TRACEBACK"] = "1"
    folder = Path(tempfile.mkdtemp(prefix="archscope-fuzz-"))
    os.chdir(folder)
    sys.addaudithook(_Watch())
    try:
        while True:
            given = pipe.recv()
            pipe.send(_measured(given, folder))
    except (EOFError, KeyboardInterrupt):
        pass
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Escape(BaseException):
    """An expression reached Python."""


class _Watch:
    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "socket.connect", "ctypes.dlopen"):
            raise _Escape(event)
        if event == "open" and isinstance(arguments[0], str) and (CANARY in arguments[0] or "passwd" in arguments[0]):
            raise _Escape(f"open {arguments[0]}")


def _measured(given: Input, folder: Path) -> Outcome:
    for name, text in given.files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8", errors="surrogatepass", newline="")
    gc.collect() if given.size > 100_000 else None
    _forget_peak()
    before, start = _status("self", "VmRSS"), time.process_time()
    kind, detail = _tried(given)
    cpu, memory = time.process_time() - start, max(0.0, _status("self", "VmHWM") - before)
    if kind in FINE.values():
        if memory > (ROOM_OF_EXPORT if exports_onnx(given) else ROOM):
            kind = f"over {ROOM / 1e6:.0f} MB: {' '.join(_form(given))}"
        elif cpu > PATIENCE and (kind == FINE[2] or cpu > allowed(given)):
            kind = f"over {PATIENCE:g} s: {' '.join(_form(given))}"
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return Outcome(kind, detail, cpu, memory)


def _tried(given: Input) -> tuple[str, str]:
    try:
        result = CliRunner().invoke(main, given.arguments)
    except BaseException as error:
        return traceback_kind(error), "".join(traceback.format_exception(error)[-3:])
    error = result.exception
    if error is not None and not isinstance(error, SystemExit):
        return traceback_kind(error), "".join(traceback.format_exception(error)[-3:])[-2000:]
    return judge(given, result.exit_code, result.stdout, result.stderr)


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _forget_peak() -> None:
    """Begin to measure the peak of memory anew; on systems that cannot, it is that since the start."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _status(pid: int | str, field: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((1024.0 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), 0.0)
