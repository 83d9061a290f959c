"""An external sort of any number of rows: sorted runs in local files, which are merged while they are read.

Knows Arrow and a local folder. Does not know columns or storage. Memory holds one run while rows are added,
and one slice of each run while they are merged.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from flipbatch.errors import StorageError

BYTES_PER_RUN = 16 << 20
ROWS_PER_SLICE = 4_096
RUNS_AT_A_TIME = 64

Order = Sequence[tuple[str, str]]
"""Columns without nulls, each with ``"ascending"``, as `pyarrow.Table.sort_by` takes them."""


class ExternalSort:
    """Sorts rows that are added in any order; equal rows keep the order in which they were added.

    Parameters
    ----------
    schema : pyarrow.Schema
    order : Order
    folder : Path
        A local folder for this sort alone. The caller removes it.
    """

    def __init__(self, schema: pa.Schema, order: Order, folder: Path) -> None:
        self._schema, self._order, self._folder = schema, order, folder
        self._pending: list[pa.RecordBatch] = []
        self._bytes, self._files, self._runs = 0, 0, list[Path]()
        self.rows = 0

    def add(self, rows: pa.RecordBatch) -> None:
        """Add rows.

        Raises
        ------
        StorageError
            If the folder can't be written, as on a full disk.
        """
        self._pending.append(rows)
        self._bytes += rows.nbytes
        self.rows += rows.num_rows
        if self._bytes >= BYTES_PER_RUN:
            self._runs.append(self._write(_slices(self._take_pending())))

    def sorted(self) -> Iterator[pa.RecordBatch]:
        """Return all rows in order, some thousands at a time; may be called more than once.

        Raises
        ------
        StorageError
        """
        self._pending = [self._take_pending()]
        while len(self._runs) > RUNS_AT_A_TIME:
            self._merge_runs()
        with self._reading(self._runs) as runs:
            yield from _merge([*runs, _slices(self._pending[0])], self._order)

    def _take_pending(self) -> pa.RecordBatch:
        """Return the rows that are in no run yet, sorted."""
        rows = _sorted([pa.RecordBatch.from_pylist([], self._schema), *self._pending], self._order)
        self._pending, self._bytes = [], 0
        return rows

    def _merge_runs(self) -> None:
        """Merge neighbouring runs into longer ones; equal rows keep their order."""
        runs, self._runs = self._runs, []
        for start in range(0, len(runs), RUNS_AT_A_TIME):
            some = runs[start : start + RUNS_AT_A_TIME]
            with self._reading(some) as slices:
                self._runs.append(self._write(_merge(slices, self._order)))
            for run in some:
                run.unlink()

    def _write(self, slices: Iterable[pa.RecordBatch]) -> Path:
        self._files += 1
        path = self._folder / f"run-{self._files:06d}.arrow"
        options = ipc.IpcWriteOptions(compression="lz4")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (
                pa.OSFile(str(path), "wb") as file,
                ipc.new_stream(file, self._schema, options=options) as out,
            ):
                for rows in slices:
                    out.write_batch(rows)
        except OSError as error:
            raise StorageError(
                f"Can't sort frames in {self._folder}: {error}. Set TMPDIR to a folder with more room."
            ) from error
        return path

    @contextmanager
    def _reading(self, runs: Iterable[Path]) -> Iterator[list[Iterator[pa.RecordBatch]]]:
        with ExitStack() as stack:
            files = [stack.enter_context(pa.OSFile(str(run), "rb")) for run in runs]
            yield [iter(stack.enter_context(ipc.open_stream(file))) for file in files]


def _slices(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    starts = range(0, rows.num_rows, ROWS_PER_SLICE)
    return (rows.slice(start, ROWS_PER_SLICE) for start in starts)


def _sorted(pieces: Sequence[pa.RecordBatch], order: Order) -> pa.RecordBatch:
    rows = pa.concat_batches(pieces)
    return rows.take(pc.sort_indices(rows, sort_keys=order))  # pyright: ignore[reportAttributeAccessIssue]


def _merge(runs: Sequence[Iterator[pa.RecordBatch]], order: Order) -> Iterator[pa.RecordBatch]:
    """Merge sorted runs.

    The smallest last row in memory is the bound: no row below it is still to be read.
    """
    keys = [column for column, _ in order]
    heads = [head for head in (_Head(run, keys) for run in runs) if head.load()]
    while heads:
        first = min(range(len(heads)), key=lambda index: heads[index].last)
        bound = heads[first].last
        # More rows equal to the bound may follow in that run: equal rows of later runs wait for them.
        taken = [head.take(bound, with_equal=index <= first) for index, head in enumerate(heads)]
        pieces = [rows for rows in taken if rows.num_rows]
        yield pieces[0] if len(pieces) == 1 else _sorted(pieces, order)
        if not heads[first].load():
            del heads[first]


class _Head:
    """The rows of one run that are in memory and not yet merged."""

    def __init__(self, run: Iterator[pa.RecordBatch], keys: Sequence[str]) -> None:
        self._run, self._keys = run, keys

    def load(self) -> bool:
        """Replace the rows by the run's next; return whether there are any."""
        rows = next(self._run, None)
        if rows is None:
            return False
        self._rows = rows
        self.last = self._key(rows.num_rows - 1)
        return True

    def take(self, bound: tuple[Any, ...], with_equal: bool) -> pa.RecordBatch:
        """Remove and return the rows below a bound, or up to and with it."""
        bisect = bisect_right if with_equal else bisect_left
        stop = bisect(range(self._rows.num_rows), bound, key=self._key)
        taken, self._rows = self._rows.slice(0, stop), self._rows.slice(stop)
        return taken

    def _key(self, row: int) -> tuple[Any, ...]:
        return tuple(self._rows.column(name)[row].as_py() for name in self._keys)
