"""The only place where XML from outside becomes a tree, and where trees become canonical bytes.

Called by signature code, contracts and adapters. Never resolves an entity, a DTD or a network address: a document
that has a DTD is refused before the parser sees it, whatever it contains.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from lxml import etree

from security.errors import XmlRefused

Element = etree._Element  # noqa: SLF001 - lxml publishes the type only under this name

DEFAULT_MAX_BYTES = 5 * 1024 * 1024
DEFAULT_MAX_DEPTH = 100
"""libxml2 itself stops at 256 levels; contracts of agencies stay far below this."""

# One parser for all: lxml's parse functions lock it per thread, and a new parser per message costs more than the
# parse. huge_tree=False keeps libxml2's own limits on depth and text size. Comments are dropped while parsing: in a
# tree that kept them, `element.text` of `<a>x<!-- -->y</a>` is `x`, while the signature covers `xy`.
_PARSER = etree.XMLParser(
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    dtd_validation=False,
    attribute_defaults=False,
    huge_tree=False,
    remove_comments=True,
    remove_pis=False,
)

_BOM = b"\xef\xbb\xbf"
_DECLARATION = re.compile(rb"<\?xml\s[^>]*?\bencoding\s*=\s*[\"']([^\"']*)[\"']")
_ENCODINGS = frozenset({b"utf-8", b"utf8", b"us-ascii", b"ascii"})
_HAS_INSTRUCTION = etree.XPath("boolean(descendant::processing-instruction())")


def parse(data: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES, max_depth: int = DEFAULT_MAX_DEPTH) -> Element:
    """The root of a well-formed UTF-8 document without DTD, entities, processing instructions or excess.

    The tree holds no comments, as canonical XML without comments does not either.

    Raises:
        XmlRefused: too large, too deep, not well-formed, not UTF-8, with a DOCTYPE, or with a processing instruction
            inside the root.
    """
    if len(data) > max_bytes:
        raise XmlRefused(f"document is over {max_bytes} bytes")
    _refuse_encoding(data)
    # The internal subset is expanded while parsing (billion laughs), so a DOCTYPE is refused before the parser sees
    # it. The encoding is known to be ASCII-compatible by now, so the marker cannot hide.
    if b"<!DOCTYPE" in data:
        raise XmlRefused("document has a DTD")
    try:
        root = etree.fromstring(data, _PARSER)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise XmlRefused("not well-formed XML") from error
    # SOAP 1.1 (clause 3) and 1.2 (clause 5) forbid instructions, and they split text as comments do.
    if data.find(b"<?", 2) != -1 and _HAS_INSTRUCTION(root):
        raise XmlRefused("document has a processing instruction")
    # Every level ends somewhere: a document with fewer ends than levels allowed needs no second look.
    if data.count(b"</") + data.count(b"/>") > max_depth and _deeper_than(max_depth)(root):
        raise XmlRefused(f"more than {max_depth} levels deep")
    return root


def canonical(element: Element, *, inclusive_prefixes: tuple[str, ...] = ()) -> bytes:
    """Exclusive XML canonicalisation 1.0 without comments (RFC 3741), as UTF-8.

    Raises:
        XmlRefused: it has no canonical form (a relative namespace URI).
    """
    prefixes = list(inclusive_prefixes) or None
    try:
        return etree.tostring(
            element, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=prefixes
        )
    except etree.C14NError as error:
        raise XmlRefused("document has no canonical form") from error


def canonical_inclusive(element: Element) -> bytes:
    """Inclusive canonical XML 1.0 without comments (RFC 3076), as UTF-8: with every namespace that is in scope.

    Raises:
        XmlRefused: it has no canonical form.
    """
    if element.getparent() is not None:
        # libxml2 canonicalises a part inclusively with `xmlns=""` where a default namespace holds, a whole rightly.
        element = etree.fromstring(etree.tostring(element, with_tail=False), _PARSER)
    try:
        return etree.tostring(element, method="c14n", exclusive=False, with_comments=False)
    except etree.C14NError as error:
        raise XmlRefused("document has no canonical form") from error


def span_of(data: bytes, path: Sequence[int]) -> tuple[int, int]:
    """Where an element stands in a document that `parse` has accepted: its bytes are `data[start:end]`, as written.

    `path`: positions among child elements, from the root's children down; empty for the root itself. For what has to
    be handed on byte for byte. Never proof: whatever was verified is compared with what the bytes parse to.

    Raises:
        XmlRefused: there is no such element.
    """
    wanted = [0, *path]
    position: list[int] = []
    children = [0]
    start = 0
    for markup in _TAG_OR_OTHER.finditer(data):
        if markup["tag"] is None:
            continue
        closes = markup["tag"].startswith(b"/")
        if not closes:
            position.append(children[-1])
            children[-1] += 1
            children.append(0)
            if position == wanted:
                start = markup.start()
        if closes or data[markup.end() - 2] == _SLASH:
            if position == wanted:
                return start, markup.end()
            position.pop()
            children.pop()
    raise XmlRefused("document has no such element")


# In a well-formed document without DTD every `<` begins one of these, and only a quoted value hides a `>`.
_TAG_OR_OTHER = re.compile(
    rb"""<(?:!--.*?-->|!\[CDATA\[.*?\]\]>|\?.*?\?>|(?P<tag>/?[^<>"'!?][^<>"']*)(?:(?:"[^"]*"|'[^']*')[^<>"']*)*>)""",
    re.DOTALL,
)
_SLASH = ord("/")


def _refuse_encoding(data: bytes) -> None:
    # libxml2 guesses UTF-16, UTF-32 and EBCDIC from the first bytes, and obeys a declaration (UTF-7 among them).
    start = 3 if data.startswith(_BOM) else 0
    if data[start : start + 1] not in {b"<", b" ", b"\t", b"\r", b"\n"} or b"\x00" in data[:4]:
        raise XmlRefused("not UTF-8 XML")
    declared = _DECLARATION.match(data, start)
    if declared and declared.group(1).lower() not in _ENCODINGS:
        raise XmlRefused("only UTF-8 is read")


# Building the expression costs 18 us, running it 1.
@functools.lru_cache(maxsize=16)
def _deeper_than(max_depth: int) -> etree.XPath:
    return etree.XPath("boolean(" + "/".join(["/*"] + ["*"] * max_depth) + ")")
