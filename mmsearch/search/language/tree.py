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
        span: where it stands; None where it was not typed.
        weight: how much it counts beside the other terms, above 0.
    """

    subject: Subject
    span: Span | None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition that every hit meets, and where it stands; None where it was not typed."""

    condition: Condition
    span: Span | None


@dataclass(frozen=True, slots=True)
class Question:
    """A query as it was understood.

    Attributes:
        text: as it was typed; spans count in it.
        wanted: what hits are like; may be empty.
        unwanted: what hits are not like.
        filters: what all hits meet.
    """

    text: str
    wanted: tuple[Term, ...] = ()
    unwanted: tuple[Term, ...] = ()
    filters: tuple[Filter, ...] = ()

    @property
    def words(self) -> Words:
        """The words of all texts that are wanted."""
        return Words.joined([one.subject for one in self.wanted if isinstance(one.subject, Words)])

    @property
    def is_listing(self) -> bool:
        """Whether it asks for everything that passes its filters, and nothing in particular."""
        return not (self.wanted or self.unwanted)
