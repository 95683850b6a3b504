"""Reading a file whole, and naming its content."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

from mmsearch.errors import UnreadableFileError

_DIGEST_SIZE = 20
_BLOCK = 1 << 20
_LATEST = (1 << 63) - 1

_REASONS = {
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ENOENT: "it is no longer there",
    errno.ENOTDIR: "it is no longer there",
    errno.EISDIR: "it is a folder",
    errno.ELOOP: "its symbolic links lead back to themselves",
    errno.ENAMETOOLONG: "the path is too long for this system",
    errno.EIO: "the disk reports a read error",
    errno.ESTALE: "the network drive lost it",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.ENOMEM: "there is not enough memory to read it",
}


def os_reason(error: OSError) -> str:
    """Says in words why the operating system refused, for instance ``no permission to read it``."""
    if error.errno in _REASONS:
        return _REASONS[error.errno]
    return f"the system says: {error.strerror or type(error).__name__}"


def changed_ns(status: os.stat_result) -> int:
    """When a file was last changed, nanoseconds since 1970, within what SQLite holds.

    Some file systems keep dates beyond the year 2262, which broken clocks and tools do set.
    """
    return max(-_LATEST, min(status.st_mtime_ns, _LATEST))


def read_bytes(path: Path) -> bytes:
    """Reads a whole file.

    Returns:
        Its content, never empty.

    Raises:
        UnreadableFileError: it may not be read, vanished, is no file, or is empty. The message is
            the reason alone and does not repeat the path.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableFileError(os_reason(error)) from error
    except MemoryError as error:
        raise UnreadableFileError("there is not enough memory to read it") from error
    except ValueError as error:  # a NUL in the path
        raise UnreadableFileError("no file can have this path") from error
    if not data:
        raise UnreadableFileError("the file is empty")
    return data


def content_hash(data: bytes) -> str:
    """Names content: equal bytes have equal hashes, and others have not.

    BLAKE2b (RFC 7693) with 160 bits: cryptographic, so that nobody can make a photo pass for
    another one, and steadily fast, where SHA-256 depends on instructions of the processor.

    Returns:
        40 lower-case hexadecimal digits.
    """
    return hashlib.blake2b(data, digest_size=_DIGEST_SIZE).hexdigest()


def hash_file(path: Path) -> str:
    """Names a file's content as `content_hash` does, without holding all of it in memory.

    Raises:
        UnreadableFileError: it may not be read, vanished, is no file, or is empty.
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_SIZE)
    size = 0
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise UnreadableFileError(os_reason(error)) from error
    except ValueError as error:  # a NUL in the path
        raise UnreadableFileError("no file can have this path") from error
    if not size:
        raise UnreadableFileError("the file is empty")
    return digest.hexdigest()
