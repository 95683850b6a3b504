"""The style sheet of result pages: light and dark, any width, and paper."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --soft: #5b6475; --page: #f5f6f8;
  --card: #ffffff; --line: #dfe3e9; --none: #e9ebef; --link: #1a56c4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaf0; --soft: #a3acbd; --page: #12151b;
  --card: #1b2029; --line: #2e3644; --none: #262c37; --link: #8ab4ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 84rem; padding: 2rem 1.25rem 4rem; background: var(--page);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.3; overflow-wrap: anywhere; }
header p { margin: .25rem 0 1.5rem; color: var(--soft); overflow-wrap: anywhere; }
ol { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr));
  gap: 1rem; margin: 0; padding: 0; list-style: none; }
article { display: flex; flex-direction: column; height: 100%; overflow: hidden;
  background: var(--card); border: 1px solid var(--line); border-radius: .75rem; }
a { display: block; color: var(--link); text-decoration: none; }
a:hover .name { text-decoration: underline; }
a:focus-visible { outline: 3px solid var(--link); outline-offset: -3px; border-radius: .75rem; }
img, .instead { display: block; width: 100%; height: 11.25rem; background: var(--none); }
img { object-fit: contain; }
.instead { display: grid; place-items: center; padding: 1rem; color: var(--soft);
  font-size: .875rem; text-align: center; overflow: hidden; overflow-wrap: anywhere; }
.name { display: block; padding: .75rem .9rem 0; font-weight: 600; overflow-wrap: anywhere; }
.about { padding: .15rem .9rem .9rem; font-size: .875rem; overflow-wrap: anywhere; }
.about p, blockquote, ul { margin: .35rem 0 0; }
.relevance { font-variant-numeric: tabular-nums; }
meter { width: 5rem; height: .8rem; vertical-align: -.05rem; }
blockquote { padding-left: .6rem; border-left: 3px solid var(--line); }
ul { padding-left: 1.1rem; color: var(--soft); }
.facts, .path { color: var(--soft); }
.path { font-size: .8rem; }
.none { padding: 4rem 0; text-align: center; color: var(--soft); }
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --page: #fff; --card: #fff;
    --line: #bbb; --none: #eee; --link: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  ol { grid-template-columns: repeat(3, 1fr); gap: .6rem; }
  li { break-inside: avoid; }
  img, .instead { height: 9rem; print-color-adjust: exact; }
}
"""
