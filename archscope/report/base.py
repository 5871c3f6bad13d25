"""What a report is: a result, and how much of it is asked for.

It yields blocks for people, records for tables of numbers (CSV, frames), and data (JSON) with their schema.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from archscope.design import Design, incomplete
from archscope.errors.diagnostics import Diagnostic
from archscope.figures import Column, fields_of
from archscope.report import schema as js
from archscope.report.blocks import Block, Headline, Room
from archscope.setting import FIELDS, Setting
from archscope.setting.calibration import Calibration

# -- records for tables of numbers -------------------------------------------------------------------------------------


class Field(NamedTuple):
    """A column of records: its name, the unit of its numbers, and the style of what is no number."""

    name: str
    unit: str = ""
    style: str = "text"


class Records(NamedTuple):
    """Rows of plain values.

    Attributes:
        key: the column that names the rows.
        lacking: what the figures lack (:func:`archscope.design.incomplete`), of all rows or of each.
        run: how all of them are run, as :func:`run_of` says it: further columns, as far as there are none of the name.
    """

    fields: Sequence[Field]
    rows: Iterable[Sequence[Any]]
    key: str
    lacking: str | Sequence[str | None] | None
    run: Mapping[Field, Any] = MappingProxyType({})

    @classmethod
    def of(
        cls,
        fields: Sequence[Field],
        records: Iterable[Mapping[str, Any]],
        key: str,
        lacking: str | None,
        run: Mapping[Field, Any] = MappingProxyType({}),
    ) -> Records:
        """Records by name."""
        return cls(fields, ([one[field.name] for field in fields] for one in records), key, lacking, run)

    @property
    def table(self) -> tuple[list[Field], Iterator[list[Any]]]:
        """All columns, and the rows: what tables of numbers consist of."""
        names = {field.name for field in self.fields}
        run = {field: value for field, value in self.run.items() if field.name not in names}
        return [*self.fields, *run], ([*row, *run.values()] for row in self.rows)


#: units of the fields of a setting
UNITS = {"batch": "samples", "launch": "seconds"}


def run_of(setting: Setting, columns: Iterable[Column], also: Iterable[str] = ()) -> dict[Field, Any]:
    """How figures are run, for tables of numbers: what they depend on of a setting; of a calibration, which it is.

    Args:
        also: further fields, of what is built and run for them.
    """
    values, shown = {}, {*fields_of(setting, columns), *also}
    for name in filter(shown.__contains__, FIELDS):
        value = getattr(setting, name)
        if isinstance(value, Calibration):
            value = ", ".join(filter(None, [value.device, str(value.machine.get("date", ""))]))
        values[Field(name, UNITS.get(name, ""), "value" if isinstance(value, bool) else "text")] = value
    return values


# -- reports -----------------------------------------------------------------------------------------------------------


#: the report in each module of :mod:`archscope.report.results`
REPORTS: dict[str, type[Report]] = {}


class Report(ABC):
    """A result, and how much of it is asked for; a frozen dataclass whose first field is the result.

    The result's class names the module that its report is in, which has one: ``class Memory(Shown, report="memory")``.

    Attributes:
        VERSION: of the JSON format; it changes when a reader of the old one would break.
    """

    VERSION: ClassVar[int] = 1

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        name = cls.__module__.rpartition(".")[2]
        assert REPORTS.setdefault(name, cls).__qualname__ == cls.__qualname__, f"{name} has two reports"
        REPORTS[name] = cls

    def __init__(self, result: Any) -> None:
        raise NotImplementedError

    @property
    @abstractmethod
    def said(self) -> Said:
        """What there is to say of the designs."""

    @abstractmethod
    def headline(self) -> Headline:
        """What it is of; quick, for it is asked wherever a result is printed as a value."""

    @abstractmethod
    def blocks(self, room: Room) -> Iterator[Block]:
        """All that people are told, the headline first."""

    @abstractmethod
    def records(self) -> Records:
        """Its rows."""

    @abstractmethod
    def data(self) -> dict[str, Any]:
        """All of it as plain data."""

    @classmethod
    @abstractmethod
    def schema(cls) -> js.Schema:
        """The schema of :meth:`data`."""

    def headed(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Data behind what all have."""
        return js.headed(self.VERSION, self.said.lacking, content, self.said.warnings)


class Said(NamedTuple):
    """What there is to say of the designs that a result is about: what their figures lack, and warnings."""

    lacking: str | None
    warnings: tuple[Diagnostic, ...] = ()

    @classmethod
    def of(cls, *designs: Design) -> Said:
        """What there is to say of some designs."""
        return cls(incomplete(*designs), tuple(one for design in designs for one in design.warnings))

    @property
    def lines(self) -> tuple[str, ...]:
        """What a headline is followed by."""
        return () if self.lacking is None else (self.lacking,)


def report_of(result: Any) -> Report:
    """The report of a result, as it is shown unasked."""
    import_module(f"archscope.report.results.{result.REPORT}")
    return REPORTS[result.REPORT](result)
