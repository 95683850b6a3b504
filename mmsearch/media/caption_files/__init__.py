"""Files that hold the captions of many photos, in the formats that captioned collections come in.

``rows`` is the front door; each other module reads one family of formats, ``match`` finds the
photos that the captions speak of.
"""

from mmsearch.media.caption_files.match import match_captions
from mmsearch.media.caption_files.rows import (
    CaptionRow,
    iter_caption_rows,
    read_caption_rows,
    read_utf8,
)

__all__ = ["CaptionRow", "iter_caption_rows", "match_captions", "read_caption_rows", "read_utf8"]
