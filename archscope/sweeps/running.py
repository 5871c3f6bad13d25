"""The loop of a sweep: what is stored first, then the rest, each part kept, written and merged before the next."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Protocol

from archscope.errors import ArchscopeError, UsageError
from archscope.sweeps.executors import Evaluate, Executor, in_process, spans
from archscope.sweeps.interrupts import uncut

if TYPE_CHECKING:
    from archscope.sweeps.journal import Journal
    from archscope.sweeps.model import Part, Rows


class Writer(Protocol):
    """Where rows go: see :class:`archscope.report.writers.RowsWriter`."""

    def write(self, rows: Rows) -> None: ...

    def close(self) -> None: ...


class Merger(Protocol):
    """What makes one result of the parts."""

    def add(self, part: Part) -> None: ...


def run(
    evaluate: Evaluate,
    plan: Any,
    count: int,
    size: int,
    merger: Merger,
    *,
    executor: Executor = in_process,
    journal: Journal | None = None,
    writer: Writer | None = None,
    on_progress: Callable[[int, int], None] = lambda done, stored: None,
) -> bool:
    """Evaluate all designs of a sweep, each once.

    The writer is closed in any case, and its file then has the rows of all parts that were merged. The journal is
    removed when all is done and the file is there; else it stays.

    Args:
        evaluate: makes a part of the plan and a span of designs.
        plan: what it needs for that; it can be pickled.
        count: designs of the sweep.
        size: designs of a part, but of the last.
        merger: is given each part, in order.
        executor: who evaluates.
        journal: where parts are stored, and those come from that need not be evaluated again.
        writer: of the rows.
        on_progress: is told, after each part, how many designs there are by now, and how many of them were stored
            before.

    Returns:
        Whether all designs were looked at; not, if Ctrl-C has stopped it.

    Raises:
        ArchscopeError: a part cannot be evaluated, stored or written.
    """
    done = stored = 0
    try:
        with ExitStack() as last, closing(_parts(evaluate, plan, count, size, executor, journal)) as parts:
            if writer is not None:
                last.callback(uncut()(writer.close))
            for part, is_stored in parts:
                with uncut():
                    _take(part, merger, writer, None if is_stored else journal)
                done = part.stop
                stored = done if is_stored else stored
                on_progress(done, stored)
    except KeyboardInterrupt:
        return False
    except ArchscopeError as error:
        if journal is None or not done:
            raise
        raise UsageError(f"{error}\nthe first {done:,} designs are kept: --resume goes on with them") from error
    if journal is not None:
        journal.done()
    return True


def _parts(
    evaluate: Evaluate, plan: Any, count: int, size: int, executor: Executor, journal: Journal | None
) -> Generator[tuple[Part, bool], None, None]:
    """Every part in order, and whether it is one that was stored."""
    start = 0
    if journal is not None:
        for part in journal.parts():
            yield part, True
            start = part.stop
    with closing(executor(evaluate, plan, spans(count, size, start))) as evaluated:
        for part in evaluated:
            yield part, False


def _take(part: Part, merger: Merger, writer: Writer | None, journal: Journal | None) -> None:
    if journal is not None:
        journal.add(part)
    if writer is not None:
        writer.write(part.rows)
    merger.add(part)
