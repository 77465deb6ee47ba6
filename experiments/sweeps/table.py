"""The table of a study as Parquet, with its provenance in the file's metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.sweeps.study import Row

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KEY", "read_provenance", "read_table", "write_table"]

KEY = b"mdplab.experiment"
"""Key of the provenance, a JSON object, in the metadata of the Parquet schema."""


def write_table(rows: Sequence[Row], provenance: dict[str, Any], path: Path) -> None:
    """Write rows as a Parquet file, in one step; the same rows and provenance give the same bytes.

    Parameters
    ----------
    rows : sequence of dict
        The rows; a key that a row does not have is null there.
    provenance : dict
        JSON types.
    path : Path
        The file; its folder is there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = dict.fromkeys(key for row in rows for key in row)
    table = pa.table({key: [row.get(key) for row in rows] for key in columns})
    table = table.replace_schema_metadata({KEY: json.dumps(provenance, sort_keys=True).encode()})
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        pq.write_table(table, part, compression="zstd")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read_table(path: Path) -> pd.DataFrame:
    """The rows of a Parquet file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    pandas.DataFrame
    """
    import pyarrow.parquet as pq

    table: pd.DataFrame = pq.read_table(path).to_pandas()
    return table


def read_provenance(path: Path) -> dict[str, Any] | None:
    """Where the rows of a Parquet file come from.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict or None
        None where there is no such file, or one of other origin.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
        found = json.loads(metadata[KEY])
    except (OSError, KeyError, ValueError, pa.ArrowException):
        return None
    return found if isinstance(found, dict) else None
