"""Shards: the rows of a range as one Parquet file, whose name holds the checksum of what is in it."""

import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lrsweep.inputs._errors import InputTypeError
from lrsweep.inputs._messages import quote
from lrsweep.tables._schema import INDEX

# How the columns of recorded values begin, a list in each row.
_CURVE = "curve_"

# Under this name a shard says which sweep it is of.
_KEY = b"lrsweep"

_NAME = re.compile(r"shard-(\d{6,})\.([0-9a-f]{16})\.parquet")


def name_of(shard: int, content: bytes) -> str:
    """Names the file of a shard by its number and by the first 16 digits of its content's SHA-256.

    Example:
        >>> name_of(12, b"")
        'shard-000012.e3b0c44298fc1c14.parquet'
    """
    return f"shard-{shard:06d}.{_digest(content)}.parquet"


def find_shards(names: Iterable[str]) -> dict[int, list[str]]:
    """Finds the shards among the names of files: by number, the files that are called so.

    Example:
        >>> find_shards(["manifest.json", "shard-000012.e3b0c44298fc1c14.parquet"])
        {12: ['shard-000012.e3b0c44298fc1c14.parquet']}
    """
    found: dict[int, list[str]] = {}
    for name in names:
        if match := _NAME.fullmatch(name):
            found.setdefault(int(match[1]), []).append(name)
    return found


def arrow_types(trials: pd.DataFrame) -> dict[str, str]:
    """Gives Arrow's type of every column whose dtype does not say it, the index included.

    Parts of a column could look as if they were of different types, such as one that is missing everywhere.

    Args:
        trials: The trials table.

    Raises:
        InputTypeError: A column, or the index, holds values of several types.

    Example:
        >>> arrow_types(pd.DataFrame({"nesterov": pd.Series([True, None], dtype=object), "momentum": [0.0, 0.9]}))
        {'nesterov': 'bool'}
    """
    columns: dict[str, Any] = {name: trials[name] for name in trials.columns} | {INDEX: trials.index}
    types = {}
    for name, column in columns.items():
        if column.dtype != object:
            continue
        try:
            types[name] = str(pa.array(column, from_pandas=True).type)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            owner = "the trials' index" if name == INDEX else f"column {quote(name)} of the trials"
            raise InputTypeError(f"{owner} holds values of several types, which no Parquet file can hold") from None
    return types


def encode(
    table: pd.DataFrame, curves: Mapping[str, np.ndarray], types: Mapping[str, str], about: Mapping[str, Any]
) -> bytes:
    """Gives the content of a shard.

    Args:
        table: Its rows of the result table, whose index becomes the column `trial`.
        curves: What was recorded, ``[row, record]`` by name; see `curve_column`.
        types: See `arrow_types`.
        about: Which sweep and which rows of it these are, as JSON can hold it.

    Example:
        >>> content = encode(result.table, {}, {}, {"shard": 0})
        >>> decode(content, {"shard": 0}).num_rows
        3
    """
    # To state all types takes a quarter of the time of Arrow's own conversion.
    schema: Any = pa.Schema.from_pandas(table, preserve_index=True) if types else None
    for name, alias in types.items():
        place = schema.get_field_index(name)
        schema = schema.set(place, schema.field(place).with_type(pa.type_for_alias(alias)))
    # One thread: the others are for the trials.
    arrow = pa.Table.from_pandas(table, schema, preserve_index=True, nthreads=1)
    for name, curve in curves.items():
        flat = pa.array(np.ascontiguousarray(curve).reshape(-1), from_pandas=False)
        arrow = arrow.append_column(curve_column(name), pa.FixedSizeListArray.from_arrays(flat, curve.shape[1]))
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), _KEY: json.dumps(about).encode()})
    sink = io.BytesIO()
    encodings = _encodings(arrow.schema)
    words: Any = [name for name in arrow.schema.names if name not in encodings and not name.startswith(_CURVE)]
    # What is looked for in shards are rows and settings: only these columns say between which values they lie.
    found: Any = [INDEX, *table.columns[: list(table.columns).index("status")]]
    pq.write_table(
        arrow,
        sink,
        compression="lz4",
        use_dictionary=words,
        column_encoding=encodings,
        write_statistics=found,
    )
    return sink.getvalue()


def _encodings(schema: pa.Schema) -> dict[str, str]:
    """Gives the encoding of each column of numbers.

    On a table of the line these take, with LZ4, half of the time of Parquet's dictionaries with Zstandard's fastest
    level, and as many bytes.
    """
    encodings = {}
    for each in schema:
        is_curve = pa.types.is_fixed_size_list(each.type)
        name, kind = (f"{each.name}.list.element", each.type.value_type) if is_curve else (each.name, each.type)
        if pa.types.is_float32(kind) or pa.types.is_float64(kind):
            encodings[name] = "BYTE_STREAM_SPLIT"
        elif pa.types.is_integer(kind):
            encodings[name] = "DELTA_BINARY_PACKED"
    return encodings


def decode(content: bytes, about: Mapping[str, Any], columns: Sequence[str] | None = None) -> pa.Table:
    """Reads a shard.

    Args:
        content: Its file's content.
        about: What it must say of itself.
        columns: The columns to read, or None for all.

    Raises:
        ValueError: It is of another sweep, or no Parquet.
    """
    file = pq.ParquetFile(io.BytesIO(content))
    if json.loads((file.schema_arrow.metadata or {}).get(_KEY, b"{}")) != dict(about):
        raise ValueError("it is of another sweep")
    return file.read(None if columns is None else list(columns), use_threads=False)


def is_whole(name: str, content: bytes) -> bool:
    """Tells whether the content of a shard's file is the one that its name was made of.

    Example:
        >>> [is_whole(f"shard-000012.{digest}.parquet", b"") for digest in ("e3b0c44298fc1c14", 16 * "0")]
        [True, False]
    """
    match = _NAME.fullmatch(name)
    return match is not None and match[2] == _digest(content)


def curve_column(name: str) -> str:
    """Names the column of what is recorded under a name, in which each row has a list.

    Example:
        >>> curve_column("loss")
        'curve_loss'
    """
    return _CURVE + name


def curve_in(arrow: pa.Table, name: str) -> np.ndarray:
    """Gives what was recorded under a name of a shard's rows, ``[row, record]``."""
    column = arrow.column(curve_column(name)).combine_chunks()
    flat = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    return flat.flatten().to_numpy(zero_copy_only=False).reshape(len(flat), -1)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
