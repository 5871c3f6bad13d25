"""Who evaluates the parts of a sweep: this process, several on this machine, or a Dask cluster.

Each yields the parts in the order of the spans that it is given, with a bounded number of them under way; whoever
takes them may stop at any time and closes the generator. The plan is sent to each worker once.

What only workers need is imported with them: most sweeps have none, and it takes longer than a small one.
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import archscope
from archscope.errors import MissingLibrary, UsageError
from archscope.sweeps.interrupts import deaf_children, uncut

if TYPE_CHECKING:
    from concurrent.futures import Future
    from multiprocessing.connection import Connection

    import distributed

    from archscope.sweeps.model import Part

#: the numbers of the first design of a part and of the one behind its last
Span = tuple[int, int]
#: makes a part of a plan and a span; one that can be imported, for workers receive its name
Evaluate = Callable[[Any, int, int], "Part"]
#: yields a part for each span, in their order
Executor = Callable[[Evaluate, Any, Iterable[Span]], Generator["Part", None, None]]

#: parts under way for each worker: one that it evaluates, and one that it finds when that is done
AHEAD = 2
#: pools that may break in succession without a part finished between them
POOLS = 3
#: seconds to wait for a scheduler, and for its first worker
PATIENCE = 5


class _Future(Protocol):
    def result(self) -> Part: ...


def spans(count: int, size: int, start: int = 0) -> Iterator[Span]:
    """Parts of at most ``size`` designs each, of those numbered ``start`` to ``count - 1``."""
    for first in range(start, count, size):
        yield first, min(first + size, count)


def executor(workers: int = 1, scheduler: str | None = None) -> Executor:
    """The one that was asked for.

    Args:
        workers: processes on this machine; with one, nothing but this process.
        scheduler: address of a Dask scheduler (``tcp://host:8786``).

    Raises:
        UsageError: no worker at all, or workers on this machine and a scheduler.
    """
    if workers < 1:
        raise UsageError(f"a sweep needs a worker at least, not {workers}")
    if scheduler is None:
        return in_process if workers == 1 else partial(in_processes, workers=workers)
    if workers != 1:
        raise UsageError("a scheduler has workers of its own: give it, or a number of workers on this machine")
    return partial(on_cluster, scheduler=scheduler)


def in_process(evaluate: Evaluate, plan: Any, spans: Iterable[Span]) -> Generator[Part, None, None]:
    """Part after part in this process."""
    for start, stop in spans:
        yield evaluate(plan, start, stop)


def in_processes(evaluate: Evaluate, plan: Any, spans: Iterable[Span], *, workers: int) -> Generator[Part, None, None]:
    """Parts from processes on this machine.

    Where one of them dies, all are begun anew and evaluate what is missing. An error in a worker is raised here.

    Raises:
        UsageError: they died :data:`POOLS` times without a part finished in between.
    """
    from concurrent.futures.process import BrokenProcessPool

    left = iter(spans)
    failures = 0
    while failures < POOLS:
        submitted: deque[Span] = deque()
        with _pool(evaluate, plan, workers) as submit:
            try:
                for part in _in_order(submit, left, submitted, lambda: AHEAD * workers):
                    failures = 0
                    yield part
                return
            except BrokenProcessPool:
                failures += 1
                left = chain(list(submitted), left)
    start, stop = next(left)
    raise UsageError(
        f"the worker processes died {POOLS} times at the designs {start} to {stop - 1}: was one killed, or was there"
        ' too little memory for them? A script that sweeps with workers does so below `if __name__ == "__main__":`.'
    )


def _in_order(
    submit: Callable[[int, int], _Future], left: Iterator[Span], submitted: deque[Span], most: Callable[[], int]
) -> Generator[Part, None, None]:
    """Submit up to ``most()`` spans ahead and yield their parts; ``submitted`` are those not yet yielded."""
    futures: deque[_Future] = deque()
    while True:
        for span in islice(left, max(0, most() - len(futures))):
            submitted.append(span)  # before it is submitted, for that may fail
            futures.append(submit(*span))
        if not futures:
            return
        part = futures.popleft().result()
        submitted.popleft()
        yield part


@contextmanager
def _pool(evaluate: Evaluate, plan: Any, workers: int) -> Iterator[Callable[[int, int], _Future]]:
    """A function that hands a span to a pool of processes; they end with the context, whatever they do then."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    context = get_context("spawn")
    held, leash = context.Pipe(duplex=False)
    with TemporaryDirectory(prefix="archscope-", ignore_cleanup_errors=True) as folder:
        pool = ProcessPoolExecutor(workers, context, _begin, (held, folder, evaluate, plan))

        def submit(start: int, stop: int) -> _Future:
            with uncut(), deaf_children():  # a pool starts its processes while spans are submitted
                return _Handed(pool.submit(_work, start, stop))

        try:
            yield submit
        finally:
            leash.close()
            pool.shutdown(cancel_futures=True)
            held.close()


class _Handed(NamedTuple):
    """A part that a worker leaves in a file.

    Its pipe would be quick as well; but whoever waits for the rest of an answer whose worker was killed in the midst of
    it waits forever, as long as others can write to the same pipe. The name of a file goes in one piece.
    """

    file: Future[str]

    def result(self) -> Part:
        path = Path(self.file.result())
        with path.open("rb") as content:
            part: Part = pickle.load(content)
        path.unlink()
        return part


_job: tuple[str, Evaluate, Any]


def _begin(held: Connection, folder: str, evaluate: Evaluate, plan: Any) -> None:
    """Make this process a worker, which ends at once when its parent lets go of the leash, or dies."""
    global _job  # noqa: PLW0603 what an initializer of a pool leaves for the calls
    _job = folder, evaluate, plan
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(held, folder), daemon=True).start()


def _end_with(held: Connection, folder: str) -> None:
    from multiprocessing import connection, parent_process

    parent = parent_process()
    connection.wait([held, parent.sentinel] if parent else [held])
    shutil.rmtree(folder, ignore_errors=True)  # for a parent that was killed
    os._exit(0)


def _work(start: int, stop: int) -> str:
    folder, evaluate, plan = _job
    part = evaluate(plan, start, stop)
    path = f"{folder}/{start}"
    try:
        with open(path, "wb") as out:
            pickle.dump(part, out, pickle.HIGHEST_PROTOCOL)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    return path


def on_cluster(evaluate: Evaluate, plan: Any, spans: Iterable[Span], *, scheduler: str) -> Generator[Part, None, None]:
    """Parts from the workers of a Dask cluster; those of a worker that is lost are evaluated again.

    Raises:
        MissingLibrary: dask.distributed is not installed.
        UsageError: the scheduler is not reached or has no workers, they have another archscope, or they are lost again
            and again.
    """
    with _connected(scheduler) as client:
        _check_workers(client, scheduler, evaluate)
        version = archscope.__version__
        # A task, not scattered data: Dask makes it again where the worker that holds it is lost.
        sent = client.submit(_unpack, version, pickle.dumps(plan), pure=False)

        def submit(start: int, stop: int) -> _Future:
            future: _Future = client.submit(_evaluate_there, version, evaluate, sent, start, stop, pure=False)
            return future

        def most() -> int:
            threads: int = sum(client.nthreads().values())  # workers come and go
            return AHEAD * max(1, threads)

        with _cluster_errors(scheduler):
            yield from _in_order(submit, iter(spans), deque(), most)


@contextmanager
def _connected(scheduler: str) -> Iterator[distributed.Client]:
    try:
        import distributed
    except ImportError:
        raise MissingLibrary(
            "a sweep on a cluster needs dask.distributed: `pip install 'archscope[cluster]'`"
        ) from None
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    try:
        with ThreadPoolExecutor(1) as aside:  # a notebook has a loop already in its own thread
            aside.submit(asyncio.run, _reach(scheduler)).result()
        client = distributed.Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"no Dask scheduler answers at {scheduler}: {error}") from None
    with client:
        yield client


async def _reach(scheduler: str) -> None:
    """Connect to a scheduler and hang up: a client that cannot connect would not end well."""
    from distributed import Security
    from distributed.comm import connect

    line = await connect(scheduler, timeout=PATIENCE, **Security().get_connection_args("client"))
    await line.close()


def _check_workers(client: distributed.Client, scheduler: str, evaluate: Evaluate) -> None:
    """Hold that there are workers and that they know what they will be asked to do; else they would never answer."""
    import asyncio
    from pydoc import locate

    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except (TimeoutError, asyncio.TimeoutError):  # they became one in Python 3.11
        raise UsageError(f"the Dask scheduler at {scheduler} has no workers: start some") from None
    version = archscope.__version__
    for worker, theirs in client.run(locate, "archscope.__version__").items():
        if theirs != version:
            have = f"archscope {theirs}" if theirs else "no archscope"
            raise UsageError(f"the worker {worker} has {have}: install {version} there")
    for worker, there in client.run(_knows, f"{evaluate.__module__}.{evaluate.__qualname__}").items():
        if not there:
            raise UsageError(f"the worker {worker} does not know {evaluate.__module__}.{evaluate.__qualname__}")


def _knows(name: str) -> bool:
    from pydoc import locate

    return locate(name) is not None


@contextmanager
def _cluster_errors(scheduler: str) -> Iterator[None]:
    from concurrent.futures import CancelledError

    from distributed.comm import CommClosedError
    from distributed.scheduler import KilledWorker

    try:
        yield
    except KilledWorker:
        raise UsageError(
            f"the workers at {scheduler} died again and again: were they killed, or was there too little memory?"
        ) from None
    except (CancelledError, CommClosedError):
        raise UsageError(f"the Dask scheduler at {scheduler} is gone") from None


def _unpack(version: str, plan: bytes) -> Any:
    _same(version)
    return pickle.loads(plan)


def _evaluate_there(version: str, evaluate: Evaluate, plan: Any, start: int, stop: int) -> Part:
    _same(version)
    return evaluate(plan, start, stop)


def _same(version: str) -> None:
    if archscope.__version__ != version:
        raise UsageError(f"a worker has archscope {archscope.__version__}: install {version} there")
