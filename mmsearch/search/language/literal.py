"""Text that is taken as it stands."""

from __future__ import annotations


def literal(text: str) -> str:
    """Quotes a text so that nothing in it is an operator, a phrase or a filter.

    For text from strangers, or from anywhere that knows nothing of the query language; what is
    added around it still is the language's:

        index.search(f"{mmsearch.literal(typed)} type:image after:2023")

    Returns:
        The text in braces, closing ones in it doubled.
    """
    return "{" + text.replace("}", "}}") + "}"


def unquoted(braced: str) -> str:
    """The text that `literal` was given."""
    return braced[1:-1].replace("}}", "}")
