"""What kind of media a file is by its name, and which format a photo is by its content."""

from __future__ import annotations

from enum import Enum, StrEnum

RAW_SUFFIXES = frozenset(
    (
        ".3fr", ".ari", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr",
        ".iiq", ".k25", ".kdc", ".mdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".ori",
        ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
    )
)  # fmt: skip
"""Camera RAW files; lower case, with the dot."""

HEIF_SUFFIXES = frozenset((".heic", ".heif", ".hif", ".heics", ".heifs"))
"""HEIC and HEIF photos; lower case, with the dot."""

PHOTO_SUFFIXES = HEIF_SUFFIXES | RAW_SUFFIXES | frozenset(
    (
        ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".png", ".apng", ".webp", ".avif",
        ".avifs", ".gif", ".tif", ".tiff", ".bmp", ".dib", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf",
        ".jpx", ".pnm", ".pbm", ".pgm", ".ppm", ".pfm",
    )
)  # fmt: skip
"""Every photo that mmsearch knows; lower case, with the dot."""


RECORDING_SUFFIXES = frozenset(
    (
        ".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".m4b", ".aac", ".wma", ".aif",
        ".aiff", ".aifc", ".amr", ".caf", ".mka", ".ape", ".wv", ".au", ".ac3",
    )
)  # fmt: skip
"""Recordings; lower case, with the dot."""

VIDEO_SUFFIXES = frozenset(
    (
        ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".mts", ".m2ts",
        ".wmv", ".flv", ".3gp", ".3g2", ".ogv", ".asf", ".vob", ".mxf",
    )
)  # fmt: skip
"""Videos; lower case, with the dot. ``.ts`` is left out: most such files are TypeScript."""

TEXT_SUFFIXES = frozenset((".txt", ".text", ".md", ".markdown"))
"""Plain text and Markdown; lower case, with the dot."""


class MediaKind(StrEnum):
    """What an asset is."""

    PHOTO = "photo"
    RECORDING = "recording"
    VIDEO = "video"
    TEXT = "text"


MEDIA_KINDS = {
    **dict.fromkeys(PHOTO_SUFFIXES, MediaKind.PHOTO),
    **dict.fromkeys(RECORDING_SUFFIXES, MediaKind.RECORDING),
    **dict.fromkeys(VIDEO_SUFFIXES, MediaKind.VIDEO),
    **dict.fromkeys(TEXT_SUFFIXES, MediaKind.TEXT),
}
"""From every suffix that mmsearch indexes (lower case, with the dot) to the kind of media."""


class Format(Enum):
    """What the content of a photo is; the value is the name for people."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"
    AVIF = "AVIF"
    GIF = "GIF"
    TIFF = "TIFF"
    BMP = "BMP"
    JPEG_2000 = "JPEG 2000"
    PNM = "PNM"
    HEIF = "HEIC/HEIF"
    RAW = "camera RAW"

    @property
    def extra(self) -> str | None:
        """The extra that brings the decoder, for instance ``heif``; None where none is needed."""
        return _EXTRAS.get(self)


_EXTRAS = {Format.HEIF: "heif", Format.RAW: "raw"}


def suffix_of(name: str) -> str:
    """The last suffix of a file name in lower case with its dot, or an empty string."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def is_photo(name: str) -> bool:
    """Whether a file of this name is a photo, judged by its suffix in any case."""
    return suffix_of(name) in PHOTO_SUFFIXES


def kind_of(name: str) -> MediaKind | None:
    """What a file of this name is, judged by its suffix in any case; None for other files."""
    return MEDIA_KINDS.get(suffix_of(name))


_PREFIXES: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", Format.JPEG),
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    (b"BM", Format.BMP),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", Format.JPEG_2000),
    (b"\xff\x4f\xff\x51", Format.JPEG_2000),
    (b"FUJIFILMCCD-RAW", Format.RAW),
    (b"IIRO", Format.RAW),  # Olympus
    (b"IIRS", Format.RAW),
    (b"MMOR", Format.RAW),
    (b"IIU\x00", Format.RAW),  # Panasonic, Leica
    (b"II\x1a\x00\x00\x00HEAPCCDR", Format.RAW),  # Canon CRW
    (b"\x00MRM", Format.RAW),  # Minolta
    (b"FOVb", Format.RAW),  # Sigma
)
_TIFF_PREFIXES = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)


def identify(data: bytes, suffix: str) -> Format | None:
    """Tells the format from the content.

    The suffix only decides where the content cannot: most camera RAW files are built like a
    TIFF, and are told from one by their name.

    Args:
        data: the file, or at least its first 64 bytes.
        suffix: of the file's name, in any case, with the dot.

    Returns:
        The format, or None for anything that is not a photo.
    """
    if data.startswith(_TIFF_PREFIXES):
        is_raw = suffix.lower() in RAW_SUFFIXES or data[8:10] == b"CR"
        return Format.RAW if is_raw else Format.TIFF
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Format.WEBP
    if data[4:8] == b"ftyp":
        return _identify_by_brands(data)
    if data[:1] == b"P" and data[1:2] in b"123456f" and data[2:3].isspace():
        return Format.PNM
    return next((kind for prefix, kind in _PREFIXES if data.startswith(prefix)), None)


def _identify_by_brands(data: bytes) -> Format | None:
    """Tells AVIF, HEIF and Canon CR3 apart, which share the ISO base media container."""
    major, end = data[8:12], min(int.from_bytes(data[:4], "big"), 256)
    brands = {major} | {data[i : i + 4] for i in range(16, end, 4)}
    if major == b"crx ":
        return Format.RAW
    if brands & {b"avif", b"avis"}:
        return Format.AVIF
    return Format.HEIF if brands & _HEIF_BRANDS else None
