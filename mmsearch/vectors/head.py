"""The head of a saved store: which files it consists of, and which rows of them count.

It is the one file that is replaced; the others are complete on the disk before it names them. A
stamp at its end says which catalog, encoder and generation it belongs to. A head without a whole
stamp was cut short and counts as absent, like one of another format.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.vectors import stamp as stamps
from mmsearch.vectors.base import Plan, Wish
from mmsearch.vectors.files import replace_file

HEAD_NAME = "head"

_FORMAT = 1
_CHECK = struct.Struct("<I")  # check sum of what follows
_LENGTH = struct.Struct("<Q")  # of the JSON that follows


@dataclass(frozen=True, slots=True)
class Head:
    """What a saved store consists of.

    Attributes:
        dim: length of the vectors.
        rows: name of the files with the rows; empty for none.
        count: how many rows of them count.
        removed: places of the rows that were removed since, int32, ascending.
        clusters: name of the file with the clusters; None for a store without.
        plan: how they are searched.
        wish: what was wished for; kept, whether there are clusters or not.
    """

    dim: int
    rows: str
    count: int
    removed: NDArray[np.int32]
    clusters: str | None
    plan: Plan | None
    wish: Wish

    def write(self, folder: Path, *, generation: int, origin: str) -> None:
        """Replaces the head in a folder.

        Raises:
            OSError: it could not be written; the one before is still there.
        """
        told = {**asdict(self), "format": _FORMAT}
        del told["removed"]
        described = json.dumps(told).encode()
        removed = np.asarray(self.removed, "<i4").tobytes()
        body = _LENGTH.pack(len(described)) + described + removed
        payload = _CHECK.pack(zlib.crc32(body)) + body
        stamp = stamps.pack(origin, generation, len(payload))
        replace_file(folder / HEAD_NAME, [payload, stamp])

    @classmethod
    def read(cls, folder: Path) -> tuple[Head, stamps.SavedStamp] | None:
        """The head in a folder and its stamp; None where it is absent, damaged or of old."""
        try:
            data = (folder / HEAD_NAME).read_bytes()
        except OSError:
            return None
        payload = data[: -stamps.SIZE]
        stamp = stamps.unpack(data[-stamps.SIZE :], len(payload))
        if stamp is None or len(payload) < _CHECK.size + _LENGTH.size:
            return None
        body = payload[_CHECK.size :]
        if _CHECK.unpack_from(payload) != (zlib.crc32(body),):
            return None
        (length,) = _LENGTH.unpack_from(body)
        described, removed = body[_LENGTH.size :][:length], body[_LENGTH.size + length :]
        told = json.loads(described)
        if told.pop("format") != _FORMAT:
            return None
        return cls(removed=np.frombuffer(removed, "<i4"), **_restored(told)), stamp


def _restored(told: dict[str, Any]) -> dict[str, Any]:
    plan = told["plan"]
    if plan is not None:
        plan = Plan(**{**plan, "wish": Wish(**plan["wish"])})
    return {**told, "plan": plan, "wish": Wish(**told["wish"])}
