"""From a file of captions to its rows, whatever the format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmsearch.errors import DatasetError
from mmsearch.media.caption_files import documents, parquet, tables, webdataset
from mmsearch.media.caption_files.record import CaptionRow
from mmsearch.media.formats import suffix_of

__all__ = ["CaptionRow", "iter_caption_rows", "read_caption_rows", "read_utf8"]

_JSON_LINES = frozenset((".jsonl", ".ndjson"))
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def read_caption_rows(path: Path) -> list[CaptionRow]:
    """Reads the captions in a file, leaving out rows without a photo or a caption.

    Args:
        path: as for :func:`iter_caption_rows`.

    Returns:
        The captions in the order of the file; never empty.

    Raises:
        DatasetError: the file cannot be read, does not follow its format or holds no caption.
    """
    rows = [row for row in iter_caption_rows(path) if row.image and row.caption]
    if not rows:
        raise DatasetError(f"{path} holds no caption.")
    return rows


def iter_caption_rows(path: Path) -> Iterator[CaptionRow]:
    """Reads the rows of a file of captions as they stand.

    The name tells the format: ``.jsonl`` and ``.ndjson`` are JSON Lines, ``.parquet`` is Parquet,
    ``.tar`` (or compressed, ``.tar.gz``) is a webdataset, which is streamed and never unpacked.
    ``.json`` is COCO captions JSON, Karpathy split JSON where its images carry ``sentences``, or a
    list of objects as in JSON Lines. Everything else is TSV where the header line has a tab, and
    CSV otherwise. Text is UTF-8; a byte order mark and CRLF line ends are accepted.

    The columns of a table are ``image`` and ``caption``. Objects and Parquet may also say
    ``file_name``, ``filename``, ``image_path``, ``path``, ``file`` or ``img``, and ``captions``,
    ``text``, ``sentences``, ``sentence`` or ``description``; the first of these that there is
    counts. They may hold lists of captions. Case never counts.

    Args:
        path: the file.

    Yields:
        One row for each caption, while reading. Names and captions have no surrounding white
        space, and may be empty.

    Raises:
        DatasetError: the file cannot be read or does not follow its format.
    """
    name, suffix = path.name.lower(), suffix_of(path.name)
    if name.endswith(_TAR):
        yield from webdataset.rows(path)
    elif suffix == ".parquet":
        yield from parquet.rows(path)
    else:
        text = read_utf8(path)
        if not text.strip():
            raise DatasetError(f"{path} is empty; it should list images and captions.")
        if suffix == ".json":
            yield from documents.rows(text, path)
        elif suffix in _JSON_LINES:
            yield from documents.line_rows(text, path)
        else:
            yield from tables.rows(text, path)


def read_utf8(path: Path) -> str:
    """Reads a UTF-8 file, without its byte order mark.

    Raises:
        DatasetError: it is not there, may not be read or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DatasetError(f"There is no file {path}.") from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8 and try again."
        ) from error
