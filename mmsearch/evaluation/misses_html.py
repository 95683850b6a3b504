"""Draws misses as one HTML page that needs nothing else: photos are in it as data URLs."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmsearch.evaluation.misses import Miss, Misses, Shown

_JPEG_QUALITY = 82

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --soft: #667085; --page: #f5f6f8;
  --card: #ffffff; --line: #e2e5ea; --right: #12805c; --none: #e9ebef; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaf0; --soft: #98a1b3; --page: #12151b;
  --card: #1b2029; --line: #2b323f; --right: #43c59a; --none: #262c37; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 82rem; padding: 2.5rem 1.25rem 4rem; background: var(--page);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.5rem; overflow-wrap: anywhere; }
p { margin: 0 0 2rem; color: var(--soft); max-width: 60rem; }
section { margin: 0 0 1.25rem; padding: 1.1rem 1.25rem 1.25rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .75rem; }
h2 { margin: 0 0 .9rem; font-size: 1.1rem; font-weight: 600; overflow-wrap: anywhere;
  text-align: start; }
.row { display: grid; grid-template-columns: 12rem 1fr; gap: 1.25rem; }
.instead { display: grid; grid-template-columns: repeat(5, 1fr); gap: 1rem .75rem;
  padding-left: 1.25rem; border-left: 1px solid var(--line); align-items: end; }
@media (max-width: 56rem) { .row { grid-template-columns: 1fr; }
  .row > figure { max-width: 14rem; }
  .instead { grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); padding: 1rem 0 0;
    border: 0; border-top: 1px solid var(--line); } }
figure { margin: 0; min-width: 0; }
img, .gone { display: block; width: 100%; aspect-ratio: 1; border-radius: .4rem;
  object-fit: contain; background: var(--none); }
.gone { display: grid; place-items: center; color: var(--soft); font-size: .85rem; }
.right img, .right .gone { outline: 3px solid var(--right); }
figcaption { margin-top: .45rem; font-size: .8rem; line-height: 1.35; color: var(--soft);
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
b { color: var(--ink); font-variant-numeric: tabular-nums; }
.right b { color: var(--right); }
"""


def as_html(misses: Misses) -> bytes:
    """The page, UTF-8."""
    sections = "\n".join(_section(miss) for miss in misses.worst)
    title = escape(misses.title)
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<p>{escape(misses.summary)} The right photo comes first in each row, framed; after it what was
found instead. A score is the inner product of photo and caption.</p>
{sections}
</body>
</html>
"""
    return page.encode("utf-8", "replace")


def _section(miss: Miss) -> str:
    instead = "\n".join(_figure(shown) for shown in miss.instead)
    return f"""<section>
<h2 dir="auto">{escape(miss.caption)}</h2>
<div class="row">
{_figure(miss.right, kind="right")}
<div class="instead">
{instead}
</div>
</div>
</section>"""


def _figure(shown: Shown, *, kind: str = "wrong") -> str:
    name = escape(shown.photo.name)
    picture = '<div class="gone">cannot be read</div>'
    if shown.thumbnail is not None:
        encoded = BytesIO()
        shown.thumbnail.save(encoded, "JPEG", quality=_JPEG_QUALITY)
        data = b64encode(encoded.getvalue()).decode("ascii")
        picture = f'<img src="data:image/jpeg;base64,{data}" alt="{name}" loading="lazy">'
    return (
        f'<figure class="{kind}">{picture}<figcaption title="{escape(str(shown.photo))}">'
        f"<b>rank {shown.rank:,}</b> · {shown.score:.3f}<br>{name}</figcaption></figure>"
    )
