"""How a person names an item: by its file, or by the number that results show."""

from __future__ import annotations

import re
from pathlib import Path

from mmsearch.catalog.reader import CatalogReader
from mmsearch.errors import NotIndexedError
from mmsearch.paths import absolute, in_home

_NUMBER = re.compile(r"#(\d{1,18})")


def resolve_items(reader: CatalogReader, name: str) -> list[int]:
    """The items that a name stands for.

    Args:
        reader: the catalog.
        name: ``#123``, the id of an item; or the path of an indexed file, which stands for all its
            items: a path on disk, or one inside any source, which still names the file after the
            photos have moved. A file that is called ``#123`` is named ``./#123``.

    Returns:
        Item ids, ascending, at least one.

    Raises:
        NotIndexedError: nothing that is indexed has this name.
    """
    if number := _NUMBER.fullmatch(name.strip()):
        item = int(number[1])
        if not reader.items([item]):
            raise NotIndexedError(
                f"There is no item {number[0]} in this index; "
                "`mmsearch query --json` shows the numbers of items."
            )
        return [item]
    items = _of_file(reader, in_home(name))
    if not items:
        raise NotIndexedError(
            f"Nothing is indexed of {name}; name a file that is in the index, by its path, "
            "or an item by its number, for instance #123."
        )
    return items


def _of_file(reader: CatalogReader, path: Path) -> list[int]:
    on_disk = absolute(path)
    sources = reader.sources()
    for source, root in sources.items():
        if on_disk.is_relative_to(root) and (
            items := reader.items_of_file(source, on_disk.relative_to(root).as_posix())
        ):
            return items
    if path.is_absolute() or ".." in path.parts:
        return []
    inside = [reader.items_of_file(source, path.as_posix()) for source in sources]
    return sorted({item for items in inside for item in items})
