"""Sequences that tmux hands on to the terminal around it.

It does so where ``allow-passthrough`` is on: https://github.com/tmux/tmux/wiki/FAQ.
"""

from __future__ import annotations


def passed_through(sequence: str) -> str:
    """A control sequence in the envelope that tmux opens, its escapes doubled."""
    return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
