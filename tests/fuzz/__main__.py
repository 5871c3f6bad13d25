"""``python -m tests.fuzz --count 100000 --jobs 1``."""

from __future__ import annotations

import multiprocessing as mp
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click

from tests.fuzz.inputs import Input, generate
from tests.fuzz.judge import Outcome
from tests.fuzz.runner import Runner
from tests.fuzz.shrink import shrunk


class Found(NamedTuple):
    """A kind of failure: its smallest input, and what came of it."""

    number: int
    given: Input
    outcome: Outcome


class Report:
    """Counts of outcomes, the smallest input of each kind of failure, and the most that was taken."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.commands: Counter[str] = Counter()
        self.failures: dict[str, Found] = {}
        self.slowest, self.largest = Outcome(""), Outcome("")
        self.cpu = 0.0

    def add(self, number: int, given: Input, outcome: Outcome) -> None:
        self.counts[outcome.kind] += 1
        self.kinds[given.kind] += 1
        self.commands[given.arguments[0]] += 1
        self.cpu += outcome.cpu
        self.slowest = max(self.slowest, outcome, key=lambda one: one.cpu)
        self.largest = max(self.largest, outcome, key=lambda one: one.memory)
        if not outcome.fine:
            known = self.failures.get(outcome.kind)
            if known is None or given.size < known.given.size:
                self.failures[outcome.kind] = Found(number, given, outcome)

    def __str__(self) -> str:
        total = sum(self.counts.values())
        lines = [f"{total:,} inputs ({_listed(self.kinds)})", f"commands: {_listed(self.commands)}"]
        lines += [f"{count:9,}  {kind}" for kind, count in self.counts.most_common()]
        lines.append(
            f"{self.cpu:,.0f} s of CPU, at most {self.slowest.cpu:.2f} s and {self.largest.memory / 1e6:.0f} MB for one"
        )
        return "\n".join(lines)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common())


def run(seed: int, numbers: Sequence[int]) -> Iterator[tuple[int, Input, Outcome]]:
    """The outcome of every input."""
    with Runner() as runner:
        for number in numbers:
            given = generate(seed, number)
            yield number, given, runner.run(given)


def _job(arguments: tuple[int, Sequence[int]]) -> list[tuple[int, Input, Outcome]]:
    return list(run(*arguments))


def smallest(found: Found, most: int) -> Input:
    """The input of a failure, made smaller."""
    with Runner() as runner:
        return shrunk(found.given, lambda one: runner.run(one).kind == found.outcome.kind, most)


def told(given: Input) -> str:
    """An input as it can be tried by hand."""
    files = "\n".join(f"--- {name}\n{text if len(text) < 3000 else text[:3000] + '...'}" for name, text in given.files)
    words = (repr(arg) if not arg.isprintable() or " " in arg else arg for arg in given.arguments)
    return f"archscope {' '.join(word[:200] for word in words)}\n{files}"


@click.command()
@click.option("--count", default=2000, show_default=True, help="How many inputs.")
@click.option("--seed", default=0, show_default=True, help="Another one draws others.")
@click.option("--start", default=0, show_default=True, help="The number of the first.")
@click.option("--only", help="No others than these numbers: 17,4711.")
@click.option("--jobs", default=1, show_default=True, help="Processes at work.")
@click.option("--shrink", default=200, show_default=True, help="Runs spent on making one failing input smaller.")
def main(count: int, seed: int, start: int, only: str | None, jobs: int, shrink: int) -> None:
    """Try hostile inputs, print a table of what came of them, and the smallest input of each kind of failure."""
    report, begun = Report(), time.monotonic()
    numbers = [*map(int, only.split(","))] if only else range(start, start + count)
    if jobs == 1:
        for done, one in enumerate(run(seed, numbers), 1):
            report.add(*one)
            _, given, outcome = one
            if not outcome.fine:
                took = f"{outcome.cpu:.2f} s, {outcome.memory / 1e6:.0f} MB"
                click.echo(f"{one[0]}: {outcome.kind} ({given.kind}, {given.size} characters, {took})", err=True)
            if done % 5000 == 0:
                failed = sum(n for kind, n in report.counts.items() if not Outcome(kind).fine)
                click.echo(f"{done:,} inputs, {failed} failures, {time.monotonic() - begun:,.0f} s", err=True)
    else:
        parts = [(seed, numbers[i : i + 500]) for i in range(0, len(numbers), 500)]
        with mp.get_context("spawn").Pool(jobs) as pool:
            for batch in pool.imap(_job, parts):
                for one in batch:
                    report.add(*one)
    click.echo(report)
    for kind, found in report.failures.items():
        given = smallest(found, shrink) if shrink else found.given
        took = f"{found.outcome.cpu:.1f} s, {found.outcome.memory / 1e6:.0f} MB"
        click.echo(f"\n=== {kind} (seed {seed}, number {found.number}, {took})")
        click.echo(told(given))
        click.echo(found.outcome.detail)
    sys.exit(1 if report.failures else 0)


if __name__ == "__main__":
    main()
