"""Parquet files, through pyarrow (the extra `parquet`), some rows at a time."""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ListError
from ..settings import ListOptions
from .columns import Columns
from .entry import Entry

MAGIC = b"PAR1"
_ROWS = 1_000
_MISSING = "it is a Parquet file, and pyarrow is not installed: pip install 'asynccrawl[parquet]'"


def parquet_entries(path: Path, options: ListOptions) -> Iterator[Entry]:
    """The entries of a Parquet file; `line` is the row, from 1. Blocks. Raises ListError and what pyarrow raises.

    Values become what JSON can hold: dates and times ISO 8601 text, decimals and UUIDs text, numbers that are none
    (NaN, infinities) null. Columns of binary data are left out.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ListError(_MISSING) from error
    with parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        binary = (pyarrow.types.is_binary, pyarrow.types.is_large_binary, pyarrow.types.is_fixed_size_binary)
        names = [field.name for field in schema if not any(is_so(field.type) for is_so in binary)]
        columns = Columns.of(names, options)
        row = 0
        for batch in file.iter_batches(batch_size=_ROWS, columns=names):
            for values in _values(batch, row):
                row += 1
                yield columns.entry(row, {name: _plain(values[name]) for name in names})


def _values(batch: Any, before: int) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except (ValueError, OverflowError) as error:
        where = f"rows {before + 1} to {before + batch.num_rows}"
        raise ListError(f"a value in {where} is none that Python has ({error}); mend it, or drop its column") from error
    return rows


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime.date | datetime.time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, bytes) else str(value)
