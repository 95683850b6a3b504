"""Reads captions and keywords from XMP (ISO 16684-1), in a sidecar or inside a photo."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mmsearch.errors import UnreadableFileError
from mmsearch.media.descriptions import Description

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_IPTC = "{http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/}"
_IPTC_EXTENSION = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
_PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
_ACDSEE = "{http://ns.acdsee.com/iptc/1.0/}"

_TEXTS = (
    f"{_DC}title",
    f"{_DC}description",
    f"{_PHOTOSHOP}Headline",
    f"{_IPTC}AltTextAccessibility",
    f"{_IPTC}ExtDescrAccessibility",
    "{http://ns.adobe.com/tiff/1.0/}ImageDescription",
    "{http://ns.adobe.com/exif/1.0/}UserComment",
    f"{_ACDSEE}caption",
)
_KEYWORDS = (
    f"{_DC}subject",
    "{http://ns.adobe.com/lightroom/1.0/}hierarchicalSubject",
    "{http://www.digikam.org/ns/1.0/}TagsList",
    "{http://ns.microsoft.com/photo/1.0/}LastKeywordXMP",
    f"{_IPTC_EXTENSION}PersonInImage",
)
_PEOPLE = (
    "{http://www.metadataworkinggroup.com/schemas/regions/}Name",
    "{http://ns.microsoft.com/photo/1.2/t/Region#}PersonDisplayName",
)
_LEVELS = re.compile("[|/]")  # Lightroom writes Places|Rome, digiKam Places/Rome
_HIERARCHICAL = frozenset(_KEYWORDS[1:4])

_ANY_NAME = re.compile(
    rb"title|description|ImageDescription|subject|Headline|Accessibility|UserComment|caption|"
    rb"TagsList|LastKeyword|PersonInImage|:Name|PersonDisplayName"
)


def parse_xmp(packet: bytes) -> Description:
    """Reads descriptions in all languages, titles, keywords, and the names of people.

    Properties may be written as attributes or as elements, their values alone or in a bag,
    sequence or choice of languages.

    Args:
        packet: XMP, with or without its wrapping.

    Raises:
        UnreadableFileError: it is no XML, or XML that expands itself.
    """
    found = Description()
    root = _parse(packet)
    for node in root.iter(f"{_RDF}Description"):
        for name in _TEXTS:
            found.texts += _values(node, name)
        for name in _KEYWORDS:
            for value in _values(node, name):
                found.keywords += _LEVELS.split(value) if name in _HIERARCHICAL else [value]
    for node in root.iter():
        for name in _PEOPLE:
            found.keywords += _values(node, name)
    return found


def may_describe(packet: bytes) -> bool:
    """Whether parsing can find anything: most photos' XMP only lists settings."""
    return _ANY_NAME.search(packet) is not None or b"\0" in packet  # UTF-16


def _parse(packet: bytes) -> Element:
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    room = "\0 \t\r\n"  # which many programs leave behind it
    document: bytes | str = packet.strip(room.encode())
    if packet.startswith((b"\xff\xfe", b"\xfe\xff")):
        document = packet.decode("utf-16", "replace").strip(room)
    try:
        root: Element = fromstring(document)
    except ParseError as error:
        raise UnreadableFileError(f"it is not valid XML (line {error.position[0]})") from error
    except DefusedXmlException as error:
        raise UnreadableFileError("its XML defines entities, which XMP never does") from error
    except (ValueError, LookupError) as error:  # encodings that are not there
        raise UnreadableFileError("its XML is in an unknown encoding") from error
    return root


def _values(node: Element, name: str) -> Iterator[str]:
    """The values of a property of one node."""
    if value := node.get(name):
        yield value
    for element in node.findall(name):
        items = element.findall(f"*/{_RDF}li")  # in a bag, sequence or choice
        for item in items or [element]:
            if item.text and item.text.strip():
                yield item.text
