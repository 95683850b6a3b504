"""Every error that a caller of mmsearch can meet.

    MmsearchError
    ├── SettingsError               a flag, MMSEARCH_* variable or mmsearch.toml holds a bad value
    ├── StorageError                an index directory cannot be used as asked
    │   ├── IndexNotFoundError          there is no index at this path
    │   ├── IndexExistsError            there is one already
    │   ├── IndexLockedError            another process is writing to it
    │   ├── IndexFormatError            made by a newer mmsearch, or not an index
    │   └── IndexDamagedError           the catalog itself is unreadable
    ├── SourceNotFoundError         a file or folder to index, remove or query with is not there
    ├── MediaError                  one file cannot be turned into items
    │   ├── UnsupportedFormatError      no decoder for it, or an extra is not installed
    │   ├── UnreadableFileError         damaged, truncated, empty, or no permission
    │   ├── NothingToIndexError         readable, but nothing in it can be searched: no speech
    │   └── ImageTooLargeError          more megapixels than the limit allows
    ├── EncoderError                an encoder cannot be used as asked
    │   ├── UnknownEncoderError         no encoder has this name
    │   ├── HubUnreachableError         weights are not cached and the hub does not answer
    │   ├── WeightsError                weights are there but cannot be loaded
    │   ├── EncoderMismatchError        not the encoder that the index was made with
    │   └── DeviceUnavailableError      the device that was asked for is not there
    ├── RerankerError               a reranker cannot be used as asked
    │   └── UnknownRerankerError        no reranker has this name
    ├── SpeechModelError            no speech model is at hand, or it cannot be loaded
    ├── QueryError                  a query cannot be answered as asked
    │   ├── QuerySyntaxError            a part of its text cannot be understood
    │   └── NotIndexedError             no item, asset or file of this name is in the index
    ├── DatasetError                a captioned data set cannot be read
    ├── OutputError                 a file that results go to cannot be written
    ├── ViewerError                 a hit cannot be opened: no display, no viewer, file gone
    ├── ServerError                 a server cannot be started or ended
    └── TrainingError               training cannot start or made nothing worth keeping

Each message says what happened and what to do next, in one or two sentences.
"""

from __future__ import annotations

from typing import Self


class MmsearchError(Exception):
    """Base of every error that mmsearch raises on purpose."""


class SettingsError(MmsearchError):
    """A flag, an ``MMSEARCH_*`` variable or ``mmsearch.toml`` holds a value that cannot be used."""


class StorageError(MmsearchError):
    """An index directory cannot be used as asked."""


class IndexNotFoundError(StorageError):
    """There is no index at this path."""


class IndexExistsError(StorageError):
    """An index is already at this path."""


class IndexLockedError(StorageError):
    """Another process is writing to this index."""


class IndexFormatError(StorageError):
    """The index was made by a newer mmsearch, or the directory is no index."""


class IndexDamagedError(StorageError):
    """The catalog of the index cannot be read."""


class SourceNotFoundError(MmsearchError):
    """A file or folder that was named is not there."""


class MediaError(MmsearchError):
    """One file cannot be turned into items. Indexing records the message and goes on."""

    def of(self, name: str) -> Self:
        """The same as a sentence of its own, which names the file."""
        return type(self)(f"{name} cannot be read: {str(self).rstrip('.')}.")


class UnsupportedFormatError(MediaError):
    """No decoder for this file, or the extra that brings it is not installed."""


class UnreadableFileError(MediaError):
    """The file is damaged, truncated, empty, or may not be read."""


class NothingToIndexError(MediaError):
    """The file is readable, but nothing in it can be searched: no speech, no words."""


class ImageTooLargeError(MediaError):
    """The image has more megapixels than the limit allows."""


class EncoderError(MmsearchError):
    """An encoder cannot be used as asked."""


class UnknownEncoderError(EncoderError):
    """No encoder has this name."""


class HubUnreachableError(EncoderError):
    """The weights are not cached, and the model hub does not answer or broke off.

    Attributes:
        why: the same without what to do next, as the beginning of a sentence's clause.
    """

    def __init__(self, message: str, *, why: str = "") -> None:
        super().__init__(message)
        self.why = why or message.rstrip(".")


class WeightsError(EncoderError):
    """The weights are there, but cannot be loaded into this architecture."""


class EncoderMismatchError(EncoderError):
    """The encoder at hand is not the one that the index was made with."""


class DeviceUnavailableError(EncoderError):
    """The device that was asked for is not there."""


class RerankerError(MmsearchError):
    """A reranker cannot be used as asked: it does not go with this encoder, for instance."""


class UnknownRerankerError(RerankerError):
    """No reranker has this name."""


class SpeechModelError(MmsearchError):
    """No speech model is at hand, or the one that was asked for cannot be loaded."""


class QueryError(MmsearchError):
    """A query cannot be understood or answered as asked."""


class QuerySyntaxError(QueryError):
    """A part of a query's text cannot be understood; the message points at it in a second line.

    Attributes:
        position: of the first character of that part in the query, from 0.
        length: of that part, in characters.
    """

    def __init__(self, message: str, *, position: int, length: int) -> None:
        super().__init__(message)
        self.position = position
        self.length = length


class NotIndexedError(QueryError):
    """No item, asset or file of this name or number is in the index."""


class DatasetError(MmsearchError):
    """A captioned data set cannot be read, or names photos that are not there."""


class OutputError(MmsearchError):
    """A file that results are to be written to cannot be written."""


class ViewerError(MmsearchError):
    """A hit cannot be opened to be looked at: no display, no viewer, or the file is gone."""


class ServerError(MmsearchError):
    """A server cannot be started or ended."""


class TrainingError(MmsearchError):
    """Training cannot start, or made nothing worth keeping."""
