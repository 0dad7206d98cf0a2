"""A Polars frame into a table by binary COPY, built column by column (few rows: one by one): no text to write here and
to read there.

Each row is a count of fields, then for each field its length and its bytes, everything big-endian (PostgreSQL,
"COPY", binary format). What has the same width in every row is laid out as one block of a matrix; texts are joined in
between by Arrow.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection

PIECE = 1 << 20  # bytes handed to the wire at a time
SLICE = 4_096  # rows laid out at a time
AHEAD = 2  # slices laid out before they are asked for
HEADER, TRAILER = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"
EPOCH_DAYS = 10_957  # PostgreSQL counts from 2000-01-01
EPOCH = EPOCH_DAYS * 86_400_000_000  # in microseconds
TEXT_OID = 25
Numbers = np.ndarray[Any, Any]
Block = np.ndarray[Any, np.dtype[np.uint8]]  # rows × bytes
FIXED = {  # Polars type → how its numbers are written, and what is subtracted before
    pl.Int16: (">i2", 0),
    pl.Int32: (">i4", 0),
    pl.Int64: (">i8", 0),
    pl.Float64: (">f8", 0),
    pl.Boolean: ("u1", 0),
    pl.Date: (">i4", EPOCH_DAYS),
    pl.Datetime: (">i8", EPOCH),
}


FEW = 20  # rows up to which they are written one by one: laying out columns costs a millisecond before the first row
_SINCE, _MICROSECOND = dt.datetime(2000, 1, 1), dt.timedelta(microseconds=1)  # noqa: DTZ001  timestamps without zone too
_SIZE = struct.Struct(">i").pack


def _bytes_of(values: Numbers, kind: str = ">i4") -> Block:
    values = values.astype(kind)
    return values.view(np.uint8).reshape(len(values), values.dtype.itemsize)


def _array(data: Any, offsets: Numbers) -> pa.Array:
    buffers = [None, pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def _rows_of(block: Block) -> pa.Array:
    rows, width = block.shape
    return _array(np.ascontiguousarray(block), np.arange(rows + 1) * width)


def _joined(parts: list[pa.Array]) -> pa.Array:
    """Row by row all parts, one after the other; a null is no bytes."""
    nothing = _array(b"", np.zeros(2))[0]  # not `pa.scalar`: for a value of Python it imports pandas, half a second
    return pc.binary_join_element_wise(*parts, nothing, null_handling="replace", null_replacement="")


def _offsets(array: pa.Array) -> Numbers:
    return np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]


def _texts(column: pl.Series) -> tuple[pa.Array, Numbers]:
    """Texts as bytes, and the length of each: -1 for a null."""
    found = pc.cast(column.rechunk().to_arrow(), pa.large_binary())
    lengths = np.diff(_offsets(found))
    return found, np.where(column.is_not_null(), lengths, -1) if column.null_count() else lengths


def _lists(column: pl.Series) -> tuple[pa.Array, Numbers]:
    """Lists of texts as PostgreSQL arrays: dimensions, no nulls, element type, size, lower bound; then the elements."""
    sizes = column.list.len().to_numpy().astype(np.int64)
    texts, lengths = _texts(column.explode(empty_as_null=False))
    items = _joined([_rows_of(_bytes_of(lengths)), texts])
    starts = _offsets(items)[np.concatenate(([0], np.cumsum(sizes)))]
    head = np.tile(np.array([1, 0, TEXT_OID, 0, 1]), (len(sizes), 1))
    head[:, 3] = sizes
    begins = head.astype(">i4").view(np.uint8).reshape(len(sizes), 20)
    values = _joined([_rows_of(begins), _array(items.buffers()[2], starts)])
    return values, np.diff(_offsets(values))


def _fixed(column: pl.Series) -> Block:
    kind, shift = FIXED[column.dtype.base_type()]
    numbers = column.to_physical()
    if numbers.null_count():
        numbers = numbers.fill_null(False if numbers.dtype == pl.Boolean else 0)
    values = numbers.to_numpy()
    return _bytes_of(values - shift if shift else values, kind)


def _varying(column: pl.Series) -> tuple[pa.Array, Numbers]:
    """The bytes of a column whose rows are not all of one width, and their lengths: -1 for a null."""
    if column.dtype == pl.List:
        return _lists(column)
    if column.dtype.base_type() not in FIXED:
        return _texts(column)
    block, present = _fixed(column), column.is_not_null().to_numpy()
    offsets = np.concatenate(([0], np.cumsum(present * block.shape[1])))
    return _array(np.ascontiguousarray(block[present]), offsets), np.where(present, block.shape[1], -1)


def _moment(value: dt.datetime) -> bytes:
    return struct.pack(">q", (value.replace(tzinfo=None) - _SINCE) // _MICROSECOND)


def _list(values: list[str]) -> bytes:
    texts = [value.encode() for value in values]
    head = struct.pack(">iiiii", 1, 0, TEXT_OID, len(texts), 1)
    return head + b"".join([_SIZE(len(text)) + text for text in texts])


_VALUE: dict[Any, Callable[[Any], bytes]] = {
    pl.Int16: struct.Struct(">h").pack,
    pl.Int32: struct.Struct(">i").pack,
    pl.Int64: struct.Struct(">q").pack,
    pl.Float64: struct.Struct(">d").pack,
    pl.Boolean: struct.Struct(">?").pack,
    pl.Date: lambda value: struct.pack(">i", (value - _SINCE.date()).days),
    pl.Datetime: _moment,
    pl.String: str.encode,
    pl.Binary: bytes,
    pl.List: _list,
}


def by_rows(frame: pl.DataFrame) -> bytes:
    """The rows of a frame in COPY's binary format, without header and trailer; value by value."""
    writers = [_VALUE[kind.base_type()] for kind in frame.dtypes]
    width, null, parts = struct.pack(">h", frame.width), _SIZE(-1), list[bytes]()
    for row in frame.rows():
        parts.append(width)
        for write, value in zip(writers, row, strict=True):
            if value is None:
                parts.append(null)
            else:
                data = write(value)
                parts += (_SIZE(len(data)), data)
    return b"".join(parts)


def by_columns(frame: pl.DataFrame) -> memoryview:
    """The same, column by column."""
    rows, parts = len(frame), []
    block = [_bytes_of(np.full(rows, frame.width), ">i2")]  # of one width in every row, until a text comes
    for column in frame.get_columns():
        if column.dtype.base_type() in FIXED and not column.null_count():
            values = _fixed(column)
            block += [_bytes_of(np.full(rows, values.shape[1])), values]
            continue
        array, lengths = _varying(column)
        parts += [_rows_of(np.concatenate([*block, _bytes_of(lengths)], axis=1)), array]
        block = []
    if block:
        parts.append(_rows_of(np.concatenate(block, axis=1)))
    joined = _joined(parts)
    ends = _offsets(joined)
    return memoryview(joined.buffers()[2])[int(ends[0]) : int(ends[-1])]


def copy_frame(table: str, frame: pl.DataFrame) -> None:
    """COPY `frame` into the columns of `table` with the same names, in the current transaction.

    Types must be those of the table: Int64 bigint, Int32 integer, Int16 smallint, Float64 double precision, Datetime
    timestamp (with zone: UTC), Utf8 text, List(Utf8) text[], Binary uuid or bytea. Names come from code.
    """
    copy_frames((table, frame))


def copy_frames(*copies: tuple[str, pl.DataFrame]) -> None:
    """The same for several, in their order; the next slice is laid out while the server takes the one before."""
    copies = tuple((table, frame) for table, frame in copies if len(frame))
    data = _laid_out([slice_ for _, frame in copies for slice_ in frame.iter_slices(SLICE)])
    with connection.cursor() as cursor:
        for table, frame in copies:
            with cursor.copy(f"COPY {table} ({', '.join(frame.columns)}) FROM STDIN (FORMAT binary)") as copy:
                copy.write(HEADER)
                for _ in range(0, len(frame), SLICE):
                    rows = next(data)
                    for start in range(0, len(rows), PIECE):
                        copy.write(rows[start : start + PIECE])
                copy.write(TRAILER)


def _laid_out(slices: list[pl.DataFrame]) -> Iterator[memoryview]:
    if len(slices) < 3:  # a thread costs more than it saves
        for slice_ in slices:
            yield memoryview(by_rows(slice_)) if len(slice_) <= FEW else by_columns(slice_)
        return
    with ThreadPoolExecutor(max_workers=1) as ahead:
        waiting = deque(ahead.submit(by_columns, slice_) for slice_ in slices[:AHEAD])
        for slice_ in slices[AHEAD:]:
            yield waiting.popleft().result()
            waiting.append(ahead.submit(by_columns, slice_))
        while waiting:
            yield waiting.popleft().result()
