"""Parts that a test, a process that it starts, and a worker of a cluster can make alike, without any design."""

import os
import signal
import time
from multiprocessing import connection

import numpy as np

from archscope.sweeps.model import Decision, Moments, Part, Reason, Rows, Tally

AXES = (7, 5)


def evaluate(plan, start, stop):
    """Figures of numbers alone; ``plan`` says what else happens: pauses, deaths, errors."""
    time.sleep(plan.get("seconds", 0))
    if start == plan.get("die_at") and _first_time(plan["mark"]):
        os.kill(os.getpid(), signal.SIGKILL)
    if start == plan.get("always_die_at"):
        os.kill(os.getpid(), signal.SIGKILL)
    if plan.get("die_in_long_answers"):
        connection.Connection._send = _die_in_long_answers
    if start == plan.get("fail_at"):
        raise ZeroDivisionError(f"at {start}")
    numbers = np.arange(start, stop)
    kept = numbers[numbers % 3 != 0]
    seconds = np.where(kept % 5 == 0, np.nan, np.sqrt(kept) / 7)
    return Part(
        start,
        stop,
        Rows(kept, np.array([kept // 5 % 7, kept % 5], np.int32), {"params": kept**2 + 2**60, "seconds": seconds}),
        Tally(
            stop - start,
            {"kernel does not fit: größer": Reason(len(numbers) - len(kept), start, 'a kernel\n"of" 7 ≥ 5')},
            {"params < 5": 3},
            len(kept),
            {"params < 5": 1},
        ),
        Moments(
            ("params", "seconds"),
            np.array([len(kept), 2**62]),
            np.array([kept.mean(), np.nan]),
            np.array([kept.var(), 0.1 + 0.2]),
            np.array([-np.inf, np.nan]),
            np.array([np.inf, -0.0]),
            tuple(np.full((count, 2), start) for count in AXES),
            tuple(np.full((count, 2), 1 / (start + 3)) for count in AXES),
        ),
        {Decision(2**63 - 1, 3, (0, 1)): frozenset([5, 2**62 + start]), Decision(7, 0.5, ()): frozenset([1])},
    )


def _die_in_long_answers(self, content, atomic=512):
    """As if killed in the midst of a write that the system does not make at once (POSIX: PIPE_BUF)."""
    os.write(self.fileno(), content[:atomic])
    if len(content) > atomic:
        os.kill(os.getpid(), signal.SIGKILL)


def _first_time(mark):
    """Whether nobody has asked before; a file remembers it across processes."""
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def content(part):
    """All that a part holds as plain values, arrays with their types and to the bit."""
    moments = part.moments
    arrays = [
        part.rows.numbers, part.rows.choices, *part.rows.columns.values(),
        moments.count, moments.mean, moments.spread, moments.least, moments.most,
        *moments.axis_count, *moments.axis_mean,
    ]  # fmt: skip
    return (
        (part.start, part.stop, list(part.rows.columns), part.decisions, part.tally, moments.columns),
        [(array.dtype, array.shape, array.tobytes()) for array in arrays],
    )
