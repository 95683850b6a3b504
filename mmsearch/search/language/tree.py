"""What a query says, once it is read: things that are wanted, or not, and filters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mmsearch.search.language.conditions import Condition
from mmsearch.search.words import Words


@dataclass(frozen=True, slots=True)
class Span:
    """Where in a query something stands: characters ``start`` to ``end``, without ``end``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Like:
    """The items that a name stands for: see `mmsearch.search.reference`."""

    name: str


Subject: TypeAlias = Words | Path | Like
"""What a term is about: a text, a picture's path, or items of the index."""


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that is looked for, or that must not be there.

    Attributes:
        subject: what it is about.
        span: where it stands.
        weight: how much it counts beside the other terms, above 0.
    """

    subject: Subject
    span: Span
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition that every hit passes, and where it stands."""

    condition: Condition
    span: Span


@dataclass(frozen=True, slots=True)
class Question:
    """A query as it was understood.

    Attributes:
        text: as it was typed; spans count in it.
        wanted: what hits are like; may be empty.
        unwanted: what hits are not like.
        filters: what all hits pass.
    """

    text: str
    wanted: tuple[Term, ...] = ()
    unwanted: tuple[Term, ...] = ()
    filters: tuple[Filter, ...] = ()
