"""Captions in Parquet, read with pyarrow (the extra ``parquet``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmsearch.errors import DatasetError
from mmsearch.media.caption_files.record import (
    CAPTION_KEYS,
    IMAGE_KEYS,
    CaptionRow,
    find_key,
    rows_of,
)

_BATCH = 16_384  # rows


def rows(path: Path) -> Iterator[CaptionRow]:
    """Reads the two columns of a Parquet file, some rows at a time.

    Raises:
        DatasetError: pyarrow is not installed, the file is not there or damaged, or a column is
            missing.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DatasetError(
            f"{path} cannot be read without pyarrow; run: pip install 'mmsearch[parquet]'"
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            image, caption = _columns(file.schema_arrow.names, path)
            # A photo that is stored in the file has a path, which can be read without its bytes.
            is_stored = pyarrow.types.is_struct(file.schema_arrow.field(image).type)
            columns = [f"{image}.path" if is_stored else image, caption]
            for batch in file.iter_batches(_BATCH, columns=columns):
                values = (batch.column(name).to_pylist() for name in (image, caption))
                for name, captions in zip(*values, strict=True):
                    yield from rows_of(name, captions)
    except FileNotFoundError:
        raise DatasetError(f"There is no file {path}.") from None
    except (OSError, pyarrow.ArrowException, KeyError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read as Parquet: {error}") from error


def _columns(names: list[str], path: Path) -> tuple[str, str]:
    image, caption = find_key(names, IMAGE_KEYS), find_key(names, CAPTION_KEYS)
    if image is None or caption is None:
        missing = IMAGE_KEYS[0] if image is None else CAPTION_KEYS[0]
        raise DatasetError(
            f"{path} has no column {missing!r}; its columns are "
            f"{', '.join(map(repr, names[:8])) or 'none'}."
        )
    return image, caption
