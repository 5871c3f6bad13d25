"""Designs of a sweep written to a file as they come: Parquet, or comma-separated values.

Both have the column ``design`` (its number in the space), one for each axis of the space, and one for each figure,
empty where a design has none. An axis that is called as a figure is, or ``design``, is ``vars.NAME``. The file gets its
name when the writer is closed, and is valid then, however much of the sweep has come.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

import archscope
from archscope.errors import MissingLibrary, UsageError
from archscope.files import replaced
from archscope.report.base import UNITS, run_of
from archscope.report.sheet import BOM, INCOMPLETE, to_csv, to_row
from archscope.report.text import plain
from archscope.sweeps.model import Rows
from archscope.sweeps.space import DESIGN, axis_columns

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from archscope.figures import Column
    from archscope.sweeps.plan import Plan
    from archscope.sweeps.space import Axis

#: rows that are written at once, at least
GROUP = 1 << 18
_CONVENTION = "number of the design in the space, from 0 on"


class RowsWriter(ABC):
    """Writes rows one after another to a file, which is there, and whole, when the writer is closed.

    After an error in writing nothing is there but what was before.
    """

    def __init__(
        self,
        target: str,
        axes: Sequence[Axis],
        columns: Sequence[Column],
        about: Mapping[str, Any] | None = None,
        run: Mapping[str, Any] | None = None,
        *,
        scratch: Path | None = None,
    ) -> None:
        """Begin a file.

        Args:
            target: its name.
            axes: of the space.
            columns: of the rows; those of style ``count`` are whole numbers.
            about: of which sweep the rows are, in values of JSON; kinds of file that have no place for it leave it out.
            run: how all of them are run, as far as it does not vary: a column each.
            scratch: the folder where the file lies until then, on the same disk; beside the target, if not given.

        Raises:
            MissingLibrary: what writes this kind of file is not installed.
            UsageError: the file cannot be written.
        """
        figures = [column.name for column in columns]
        self._axes = [(name, axis.values) for name, axis in zip(axis_columns(axes, figures), axes, strict=True)]
        self._columns = columns
        names = {DESIGN, *(name for name, _ in self._axes), *figures}
        said = {**(run or {}), INCOMPLETE: (about or {}).get(INCOMPLETE)}
        alike = {name: value for name, value in said.items() if value is not None and name not in names}
        self._alike = len(alike)  # axes of one value each, so that every row says it
        self._axes += [(name, (value,)) for name, value in alike.items()]
        self._prepare(about or {})
        self._file = ExitStack()
        self._out = self._file.enter_context(replaced(target, scratch))
        self._done(self._begin)

    @abstractmethod
    def _prepare(self, about: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def _begin(self) -> None: ...

    @abstractmethod
    def _write(self, rows: Rows) -> None: ...

    @abstractmethod
    def _end(self) -> None: ...

    def write(self, rows: Rows) -> None:
        """Append rows.

        Raises:
            UsageError: the file cannot be written.
        """
        if self._alike:
            firsts = np.zeros((self._alike, len(rows)), np.int32)
            rows = Rows(rows.numbers, np.vstack([rows.choices, firsts]), rows.columns)
        self._done(self._write, rows)

    def close(self) -> None:
        """Give the file its name.

        Raises:
            UsageError: the file cannot be written.
        """
        if not self._out.closed:
            self._done(self._end)
            self._file.close()

    def _done(self, step: Callable[..., None], *arguments: Any) -> None:
        try:
            step(*arguments)
        except BaseException:
            with self._file:  # throws it away, and says it
                raise

    def __enter__(self) -> RowsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _figures(self, rows: Rows) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]]:
        """The numbers of each column, and where there are none."""
        for column in self._columns:
            values = rows.columns[column.name]
            missing = np.isnan(values)
            if column.style == "count" and values.dtype != np.int64:
                values = np.where(missing, 0, values).astype(np.int64)
            yield values, missing


class ParquetWriter(RowsWriter):
    """Writes Parquet: whole numbers as int64, others as double, words and lists as a dictionary of text.

    Every field knows its ``unit`` and ``convention``; the key ``archscope`` of the file has ``about`` as JSON.
    """

    def _prepare(self, about: Mapping[str, Any]) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet
        except ImportError:
            raise MissingLibrary("Parquet needs pyarrow: `pip install 'archscope[sweep]'`") from None
        fields = [pa.field(DESIGN, pa.int64(), metadata={"unit": "", "convention": _CONVENTION})]
        fields += [pa.field(name, _arrow_type(values)) for name, values in self._axes]
        for column in self._columns:
            kind = pa.int64() if column.style == "count" else pa.float64()
            fields.append(pa.field(column.name, kind, metadata={"unit": column.unit, "convention": column.convention}))
        self._schema = pa.schema(fields, {"archscope": json.dumps(about, ensure_ascii=False)})
        self._waiting: list[pa.Table] = []

    def _begin(self) -> None:
        from pyarrow.parquet import ParquetWriter

        self._parquet = ParquetWriter(self._out, self._schema, compression="zstd")
        self._file.callback(self._let_go)

    def _write(self, rows: Rows) -> None:
        import pyarrow as pa

        kinds = self._schema.types
        arrays = [pa.array(rows.numbers)]
        for (_, values), places in zip(self._axes, rows.choices, strict=True):
            arrays.append(_arrow_array(kinds[len(arrays)], values, places))
        for figures, missing in self._figures(rows):
            numbers = figures.astype(kinds[len(arrays)].to_pandas_dtype(), copy=False)
            arrays.append(pa.array(numbers, mask=missing))
        self._waiting.append(pa.Table.from_arrays(arrays, schema=self._schema))
        if sum(map(len, self._waiting)) >= GROUP:
            self._flush()

    def _flush(self) -> None:
        """Write what has come as one row group, or of much as several."""
        import pyarrow as pa

        if sum(map(len, self._waiting)):
            self._parquet.write_table(pa.concat_tables(self._waiting), row_group_size=4 * GROUP)
            self._waiting.clear()

    def _end(self) -> None:
        self._flush()
        self._parquet.close()

    def _let_go(self) -> None:
        """After an error: else pyarrow would write the end of its file when it is collected."""
        with suppress(OSError, ValueError):
            self._parquet.close()
        self._parquet.is_open = False


def _arrow_type(values: Sequence[Any]) -> pa.DataType:
    """The type of an axis's column: of numbers, of true and false, or of text."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    largest = max((abs(value) for value in values if type(value) is int), default=0)
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int} and largest < 2**63:
        return pa.int64()
    if kinds and kinds <= {int, float} and largest <= 2**53:
        return pa.float64()
    return pa.dictionary(pa.int32(), pa.string())


def _arrow_array(kind: pa.DataType, values: Sequence[Any], places: npt.NDArray[np.int32]) -> pa.Array:
    import pyarrow as pa

    if not pa.types.is_dictionary(kind):
        return pa.array(values, kind).take(pa.array(places))
    nothing = np.array([value is None for value in values])
    words = pa.array([_text(value) for value in values], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(places, mask=nothing[places]), words)


def _text(value: Any) -> str:
    """A word as it is; a list as ``[3, 4, 6, 3]``."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class CsvWriter(RowsWriter):
    """Writes comma-separated values as :mod:`archscope.report.sheet` does."""

    def _prepare(self, about: Mapping[str, Any]) -> None:
        own = len(self._axes) - self._alike
        heads = [(DESIGN, ""), *((name, "") for name, _ in self._axes[:own])]
        heads += [(name, UNITS.get(name, "")) for name, _ in self._axes[own:]]
        heads += [(column.name, column.unit) for column in self._columns]
        self._head = to_csv(heads, [], lacking=None)
        self._cells = [[_cell(value) for value in values] for _, values in self._axes]

    def _begin(self) -> None:
        if not all(text.isascii() for cells in (self._head, *self._cells) for text in cells):
            self._out.write(BOM.encode())
        self._out.write(self._head.encode())

    def _write(self, rows: Rows) -> None:
        for start in range(0, len(rows), GROUP):
            some = rows.take(np.arange(start, min(start + GROUP, len(rows))))
            columns: list[Iterable[str]] = [map(str, some.numbers.tolist())]
            columns += [
                map(cells.__getitem__, places.tolist()) for cells, places in zip(self._cells, some.choices, strict=True)
            ]
            for values, missing in self._figures(some):
                texts = list(map(str, values.tolist()))
                for place in np.flatnonzero(missing):
                    texts[place] = ""
                columns.append(texts)
            self._out.write("".join(f"{line}\n" for line in map(",".join, zip(*columns, strict=True))).encode())

    def _end(self) -> None:
        pass


def _cell(value: Any) -> str:
    """A value of an axis as its cell is written."""
    if value is None:
        return ""
    return to_row([_text(value) if isinstance(value, tuple) else value])


def rows_writer(target: str, plan: Plan, scratch: Path | None) -> RowsWriter:
    """What writes the rows of a sweep: Parquet, or CSV, as the name of the file says.

    Args:
        scratch: as :class:`RowsWriter` takes it.

    Raises:
        UsageError: the name ends otherwise, or the file cannot be written.
        MissingLibrary: pyarrow is not installed.
    """
    kind = _KINDS.get(Path(target).suffix.lower())
    if kind is None:
        raise UsageError(f"rows are written to {' or '.join(_KINDS)}, not to `{target}`")
    question = plan.question
    run = {field.name: plain(value, field.style) for field, value in run_of(question.setting, plan.columns).items()}
    about: dict[str, Any] = {
        "archscope": archscope.__version__,
        "design": plan.document.name,
        "vary": list(map(str, plan.space.axes)),
        "where": list(question.where),
    }
    if plan.incomplete is not None:
        about[INCOMPLETE] = plan.incomplete
    return kind(target, plan.space.axes, plan.columns, about, run, scratch=scratch)


_KINDS: dict[str, type[RowsWriter]] = {".parquet": ParquetWriter, ".csv": CsvWriter}
