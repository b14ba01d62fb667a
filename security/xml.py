"""The only place where XML from outside becomes a tree, and where trees become canonical bytes.

Called by signature code, contracts and adapters. Never resolves an entity, a DTD or a network address: a document
that has a DTD is refused before the tree is handed out, whatever it contains.
"""

from __future__ import annotations

from lxml import etree

from security.errors import XmlRefused

Element = etree._Element  # noqa: SLF001 - lxml publishes the type only under this name

DEFAULT_MAX_BYTES = 5 * 1024 * 1024
DEFAULT_MAX_DEPTH = 100
"""libxml2 itself stops at 256 levels; contracts of agencies stay far below this."""

# One parser for all: lxml's parse functions lock it per thread, and a new parser per message costs more than the
# parse. huge_tree=False keeps libxml2's own limits on depth and text size.
_PARSER = etree.XMLParser(
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    dtd_validation=False,
    attribute_defaults=False,
    huge_tree=False,
    remove_comments=False,
    remove_pis=False,
)


def parse(data: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES, max_depth: int = DEFAULT_MAX_DEPTH) -> Element:
    """The root of a well-formed document without DTD, entities or excess.

    Raises:
        XmlRefused: too large, too deep, not well-formed, or with a DOCTYPE.
    """
    if len(data) > max_bytes:
        raise XmlRefused(f"document is over {max_bytes} bytes")
    # The internal subset is expanded while parsing (billion laughs), so a DOCTYPE is refused before the parser
    # sees it. UTF-16 would hide the marker from this search; no contract here uses it.
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\x00" in data[:4]:
        raise XmlRefused("only UTF-8 is read")
    if b"<!DOCTYPE" in data:
        raise XmlRefused("document has a DTD")
    try:
        root = etree.fromstring(data, _PARSER)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise XmlRefused("not well-formed XML") from error
    docinfo = root.getroottree().docinfo
    if docinfo.doctype or docinfo.internalDTD is not None:
        raise XmlRefused("document has a DTD")
    if docinfo.encoding and docinfo.encoding.upper() not in {"UTF-8", "UTF8", "US-ASCII", "ASCII"}:
        raise XmlRefused("only UTF-8 is read")
    _refuse_depth(root, max_depth)
    return root


def canonical(element: Element, *, inclusive_prefixes: tuple[str, ...] = ()) -> bytes:
    """Exclusive XML canonicalisation 1.0 without comments (RFC 3741), as UTF-8."""
    prefixes = list(inclusive_prefixes) or None
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=prefixes)


def _refuse_depth(root: Element, max_depth: int) -> None:
    if root.xpath("boolean(" + "/".join(["/*"] + ["*"] * max_depth) + ")"):
        raise XmlRefused(f"more than {max_depth} levels deep")
