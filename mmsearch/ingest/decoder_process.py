"""What a worker process runs: decodes photos whose bytes come through shared memory.

A request and its reply are pickles on the standard input and output; bytes of files and pixels
are in the shared memory. It ends when its input does, so it cannot outlive the process that
started it, whichever way that one ended; a codec that hangs just then is ended too.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mmsearch.errors import MediaError, UnreadableFileError
from mmsearch.ingest.photo import Photo, PhotoWish, decode_photo
from mmsearch.ingest.shared_bytes import SharedBytes

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Request:
    """A photo to decode: the first ``size`` bytes of the shared memory."""

    size: int
    suffix: str
    wish: PhotoWish
    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """A decoded photo whose pixels, and after them the picture's, are in the shared memory.

    Attributes:
        photo: the photo without them.
        pixels: their shape.
        picture: size of the picture.
    """

    photo: Photo
    pixels: tuple[int, ...] | None
    picture: tuple[int, int] | None

    @property
    def size(self) -> int:
        """How many bytes are in the shared memory."""
        return self._pixel_bytes + (3 * self.picture[0] * self.picture[1] if self.picture else 0)

    @property
    def _pixel_bytes(self) -> int:
        return int(np.prod(self.pixels)) if self.pixels else 0

    @classmethod
    def put(cls, photo: Photo, memory: SharedBytes) -> Reply:
        """Puts a photo's pixels into the memory."""
        reply = cls(
            replace(photo, pixels=None, picture=None),
            None if photo.pixels is None else photo.pixels.shape,
            photo.picture.size if photo.picture else None,
        )
        with memory.fit(reply.size) as view:
            if photo.pixels is not None:
                view[: reply._pixel_bytes] = photo.pixels.tobytes()
            if photo.picture:
                view[reply._pixel_bytes : reply.size] = photo.picture.tobytes()
        return reply

    def take(self, memory: SharedBytes) -> Photo:
        """The photo, with copies of what is in the memory."""
        with memory.fit(self.size) as view:
            pixels = None
            if self.pixels:
                flat = np.frombuffer(view[: self._pixel_bytes], np.uint8)
                pixels = flat.reshape(self.pixels).copy()
                del flat
            picture = bytes(view[self._pixel_bytes : self.size])
        return replace(
            self.photo,
            pixels=pixels,
            picture=_image(self.picture, picture) if self.picture else None,
        )


Answer: TypeAlias = Reply | MediaError


def serve(handle: str) -> None:
    """Decodes until the input ends.

    Args:
        handle: of the shared memory.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started it
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    # What a codec prints must not be taken for a reply.
    with open(os.dup(1), "wb") as replies, SharedBytes(handle) as memory:  # noqa: PTH123
        os.dup2(2, 1)
        with suppress(EOFError, BrokenPipeError):
            _send(None, replies)
            while True:
                request: Request = pickle.load(sys.stdin.buffer)
                # The last resort where a codec that hangs lets no other thread run.
                _end_after(request.seconds)
                answer = _answer(request, memory)
                _end_after(0)
                _send(answer, replies)


def _send(answer: Answer | None, replies: object) -> None:
    pickle.dump(answer, replies, pickle.HIGHEST_PROTOCOL)  # type: ignore[arg-type]
    replies.flush()  # type: ignore[attr-defined]


def _end_with_parent(parent: int) -> None:
    """Ends this process soon after its parent, whatever its main thread is busy with."""
    while os.getppid() == parent:  # always so on Windows
        time.sleep(1)
    os._exit(1)


def _end_after(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _answer(request: Request, memory: SharedBytes) -> Answer:
    with memory.fit(request.size) as view:
        data = bytes(view[: request.size])
    try:
        return Reply.put(decode_photo(data, request.suffix, request.wish), memory)
    except MediaError as error:
        return error
    except Exception as error:  # such as too little memory
        return UnreadableFileError(f"decoding it failed ({type(error).__name__}: {error})")


def _image(size: tuple[int, int], data: bytes) -> Image:
    from PIL import Image

    return Image.frombytes("RGB", size, data)
