"""The front door of the Python library: `create`, `open` and `Index`.

It joins the rooms and holds no logic of its own; the command line and the server stand on it too.
What an `Index` does is told where it is done: `indexing` fills it and keeps it current, `searching`
asks it, `upkeep` looks after it, and `opened` holds what these have in common.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.devices import require_known
from mmsearch.errors import EncoderMismatchError
from mmsearch.index import IndexDirectory
from mmsearch.ingest.identity import stored_identity
from mmsearch.library.indexing import Indexing
from mmsearch.library.opened import load_encoder
from mmsearch.library.searching import Searching
from mmsearch.library.upkeep import Upkeep
from mmsearch.paths import StrPath
from mmsearch.settings import load_settings

if TYPE_CHECKING:
    from mmsearch.encoders.base import Device, DualEncoder


def create(
    name_or_path: StrPath, *, model: str | DualEncoder = "auto", device: Device = "auto"
) -> Index:
    """Makes an empty index.

    Args:
        name_or_path: a path, or the bare name of one of the user's own indexes.
        model: what ``--model`` takes, or an encoder.
        device: where the encoder runs.

    Raises:
        SettingsError: the name is an empty text.
        IndexExistsError: there is one already.
        EncoderError: the encoder cannot be loaded.
    """
    require_known(device)
    path = _index_path(name_or_path)
    encoder = load_encoder(model, device) if isinstance(model, str) else model
    directory = IndexDirectory.create(path, stored_identity(encoder))
    return Index(directory, encoder=encoder, device=device)


def open(
    name_or_path: StrPath, *, device: Device = "auto", encoder: DualEncoder | None = None
) -> Index:
    """Opens an existing index. Its encoder is loaded when it is first needed.

    Args:
        name_or_path: a path, or the bare name of one of the user's own indexes.
        device: where the encoder runs.
        encoder: the encoder that the index was made with, where it is at hand already or is one
            of your own.

    Raises:
        SettingsError: the name is an empty text.
        IndexNotFoundError: there is none.
        IndexFormatError: a newer mmsearch made it, or it is no index.
        IndexDamagedError: its catalog cannot be read.
        EncoderMismatchError: ``encoder`` did not make the index.
        DeviceUnavailableError: mmsearch runs nothing on such a device.
    """
    require_known(device)
    directory = IndexDirectory(_index_path(name_or_path))
    if encoder is not None:
        with directory.reading() as reader:
            made_with = reader.encoder().id
        if encoder.id != made_with:
            directory.close()
            raise EncoderMismatchError(
                f"This index was made with the encoder {made_with}, not {encoder.id}; "
                "Index.reencode changes the encoder of an index."
            )
    return Index(directory, encoder=encoder, device=device)


class Index(Indexing, Searching, Upkeep):
    """A searchable index; made by `create` or `open`, closed by ``with`` or `close`.

    Attributes:
        max_megapixels: larger images are refused, when indexing and as queries.
        speech_model: recognises speech: ``auto``, the name of a Whisper model, or a path. Where
            it is not ``auto``, what other models recognised is recognised again.
        jobs: how many processor cores indexing uses; None for all that the process may use.
    """


def _index_path(name_or_path: StrPath) -> Path:
    return load_settings().index_path(
        name_or_path if isinstance(name_or_path, str) else Path(name_or_path)
    )
