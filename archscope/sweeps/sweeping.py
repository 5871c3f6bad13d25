"""A sweep from the question to the result."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import archscope
from archscope import shown
from archscope.design import Design
from archscope.errors import SpecError, UsageError
from archscope.setting import Setting
from archscope.spec.axes import Sample
from archscope.spec.document import Document
from archscope.spec.reader import ListNode, MapNode, Node
from archscope.sweeps.engine import Engine, in_one_line
from archscope.sweeps.executors import executor
from archscope.sweeps.journal import Journal
from archscope.sweeps.merging import Merger, relevant
from archscope.sweeps.model import Part, Reason, Sweep
from archscope.sweeps.plan import Plan
from archscope.sweeps.planning import Texts, Vary, planned
from archscope.sweeps.running import run

#: designs of a part: of a large sweep, and the least
LARGE, SMALL = 2**17, 2**10
#: a sweep has so many parts at least, unless they would be small
_PARTS = 64

_local = threading.local()


@dataclass(frozen=True)
class Task:
    """What a worker is given.

    Attributes:
        everything: whether all rows that pass are wanted, or only what the result needs.
    """

    plan: Plan
    everything: bool


def evaluate(task: Task, start: int, stop: int) -> Part:
    """A part of a sweep; what a thread has learnt of the plan serves it again."""
    if getattr(_local, "task", None) is not task:
        _local.task, _local.engine = task, Engine(task.plan)
    engine: Engine = _local.engine
    return relevant(engine.part(start, stop), task.plan.question, everything=task.everything)


def part_size(count: int) -> int:
    """Designs of a part; it follows from the space alone, so that nothing depends on who evaluates it."""
    return min(LARGE, max(SMALL, -(-count // _PARTS)))


def sweep(
    spec: str | os.PathLike[str] | Document | Design,
    vary: Vary | None = None,
    setting: Setting | Mapping[str, Any] | None = None,
    *,
    where: Texts | None = None,
    derive: Mapping[str, str] | None = None,
    columns: Texts | None = None,
    pareto: Texts | None = None,
    sort: str | None = None,
    top: int | None = None,
    sample: int | Sample | None = None,
    set: Mapping[str, Any] | None = None,  # noqa: A002  # the option is called so everywhere
    input: Sequence[int] | Mapping[str, Sequence[int]] | None = None,  # noqa: A002
    workers: int = 1,
    scheduler: str | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    restart: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, stored: None,
    **changes: Any,
) -> Sweep:
    """Compute the figures of every design of a space.

    ``sweep("resnet50", {"depths[2]": range(2, 9), "input": [160, 192, 224]}, where="params < 25e6", sort="macs").top``

    Args:
        spec: a path, a name, a text, a document, or a design, of which variants are made.
        vary: values by variable: lists, ranges, or texts such as ``16:128:8``; unasked, what its ``sweep:`` says,
            as with all that follows.
        where: conditions on figures: ``params < 5e6 and macs < 600e6``.
        derive: further columns: expressions by name.
        columns: figures that are columns of the result.
        pareto: figures that the frontier trades off; small, or, behind a ``-``, large.
        sort: the figure that orders the best designs.
        top: how many of the best there are in the result.
        sample: look at so many designs instead of all.
        set: as :func:`archscope.load` takes it.
        input: as :func:`archscope.load` takes it.
        setting: how the designs are run, or what of it differs from what the spec says.
        changes: fields of a setting that differ from it: ``batch=32``.
        workers: processes on this machine.
        scheduler: address of a Dask scheduler, whose workers do the work instead.
        out: a ``.parquet`` or ``.csv`` file for all designs that satisfy the conditions.
        resume: go on with an interrupted sweep into ``out``.
        restart: begin it anew.
        on_progress: is told how many designs are done, and how many of them were stored before.

    Raises:
        SpecError: the spec is wrong.
        UsageError: what is asked cannot be answered, or ``out`` not be written.
        MissingLibrary: pyarrow, SciPy or dask.distributed is asked for and missing.
    """
    plan = planned(
        spec, vary=vary, where=where, derive=derive, columns=columns, pareto=pareto, sort=sort, top=top,
        sample=sample, set=set, input=input, setting=setting, **changes,
    )  # fmt: skip
    target = None if out is None else os.fspath(out)
    return carried_out(
        plan, workers=workers, scheduler=scheduler, rows=target, journal=target, resume=resume, restart=restart,
        on_progress=on_progress,
    )  # fmt: skip


def carried_out(
    plan: Plan,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    rows: str | None = None,
    journal: str | None = None,
    resume: bool = False,
    restart: bool = False,
    say: Callable[[str], None] = lambda text: None,
    on_progress: Callable[[int, int], None] = lambda done, stored: None,
) -> Sweep:
    """The result of a plan.

    Args:
        rows: a file for all rows that pass.
        journal: the file beside which finished parts are stored, if any.
        say: is told of stored parts that are not whole.

    Raises:
        as :func:`sweep`.
    """
    if journal is None and (resume or restart):
        raise UsageError("there is nothing to resume or restart: only a sweep that writes a file (-o, `out`) is stored")
    if resume and restart:
        raise UsageError("a sweep is resumed or restarted, not both")
    count, question = plan.space.count, plan.question
    size, merger = part_size(count), Merger(plan.space, question, plan.columns)
    evaluated_by = executor(workers, scheduler)
    before = 0

    def moved(done: int, stored: int) -> None:
        nonlocal before
        before = stored
        on_progress(done, stored)

    begin = time.perf_counter()
    store = None
    if journal is not None:
        store = Journal(journal, fingerprint(plan, size, rows is not None), resume=resume, restart=restart, say=say)
    try:
        writer = None if rows is None else shown.REPORTS["rows"](rows, plan, store and store.folder)
        task = Task(plan, everything=rows is not None)
        complete = run(
            evaluate, task, count, size, merger,
            executor=evaluated_by, journal=store, writer=writer, on_progress=moved,
        )  # fmt: skip
    finally:
        if store is not None:
            store.close()
    sweep = merger.sweep(plan.document.name or "design", plan.document.source.name, time.perf_counter() - begin)
    assert sweep.complete == complete
    tally = replace(sweep.tally, invalid=_explained(plan, sweep))
    return replace(sweep, tally=tally, stored=before, incomplete=plan.incomplete, warnings=plan.warnings)


def _explained(plan: Plan, sweep: Sweep) -> dict[str, Reason]:
    """What is wrong with the first design of each kind, as reading it alone says; whoever evaluated it."""
    reasons = {}
    for kind, reason in sweep.tally.invalid.items():
        values, message = plan.space.values(reason.first), reason.message
        try:
            plan.names(plan.design(values), values)
        except SpecError as error:
            message = in_one_line(error)
        except UsageError as error:
            message = str(error)
        reasons[kind] = reason._replace(message=message)
    return reasons


def fingerprint(plan: Plan, size: int, everything: bool) -> dict[str, Any]:
    """All that the parts of a sweep depend on, in words."""
    question = plan.question
    return {
        "archscope": archscope.__version__,
        "spec": blake2b(repr(_content(plan.document)).encode(), digest_size=16).hexdigest(),
        "set": repr(dict(plan.sets)),
        "input": repr(dict(plan.shapes)),
        "vary": [str(axis) for axis in plan.space.axes],
        "sample": repr(plan.space.sample),
        "columns": [*question.figures, *(f"{name} = {text}" for name, text in question.derived)],
        "where": list(question.where),
        "pareto": list(map(str, question.pareto)),
        "sort": str(question.sort),
        "top": question.top,
        "setting": repr(question.setting),
        "rows": "all" if everything else "those of the result",
        "part size": size,
    }


def _content(document: Document) -> tuple[Any, ...]:
    """What a design is made of, with all that the spec includes and extends; places left out."""
    return (
        document.name,
        [(name, one.dtype, _plain(one.shape)) for name, one in document.inputs.items()],
        [(name, _plain(node)) for name, node in document.vars.items()],
        [(block.signature, *map(_plain, block.parts)) for block in document.blocks.values()],
        [node and _plain(node) for node in (document.layers, document.freeze, document.outputs)],
    )


def _plain(node: Node) -> Any:
    if isinstance(node, ListNode):
        return [_plain(item) for item in node.items]
    if isinstance(node, MapNode):
        return {key: _plain(value) for key, value in node.entries.items()}
    return node.value
