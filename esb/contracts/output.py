"""What an encoder writes into, and the namespaces that become known only while writing.

A name that stands in a value (`xsi:type`, xs:QName) needs a prefix that no element may be using. Exclusive
canonicalisation leaves such a declaration out unless the signature lists the prefix (RFC 3741, InclusiveNamespaces),
so it goes to the root element, where `inclusive_prefixes` finds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from esb.contracts.names import split
from esb.contracts.wellknown import XML_NAMESPACE
from security.xml import Element

# The declarations at the start of the root's tag. A canonical value holds no `"`.
_ROOT_DECLARATIONS = re.compile(r'<[^\s>]+((?: xmlns(?::[^\s=]+)?="[^"]*")*)')
_DECLARATION = re.compile(r' xmlns(?::([^\s=]+))?="([^"]*)"')


class Output(list[str]):
    """Pieces of text. `bound`: prefixes of foreign namespaces in scope; `named`: those that only values use."""

    __slots__ = ("bound", "named")

    def __init__(self) -> None:
        super().__init__()
        self.bound: dict[str, str] = {}
        self.named: dict[str, str] = {}

    def prefix_for(self, namespace: str) -> str:
        """A prefix for names in values; declared at the root by `text`."""
        return self.named.setdefault(namespace, f"q{len(self.named)}")

    def text(self) -> str:
        """All of it, with the declarations that values need."""
        text = "".join(self)
        if not self.named:
            return text
        found = _ROOT_DECLARATIONS.match(text)
        if found is None:
            return text
        declared = [(prefix or "", value) for prefix, value in _DECLARATION.findall(found.group(1))]
        declared += [(prefix, escaped_namespace(namespace)) for namespace, prefix in self.named.items()]
        start, end = found.span(1)
        return text[:start] + declarations(declared) + text[end:]


def declarations(escaped: Iterable[tuple[str, str]]) -> str:
    """Declarations in canonical order, from prefixes and escaped namespaces: the default first, then by prefix."""
    return "".join(f' xmlns:{prefix}="{value}"' if prefix else f' xmlns="{value}"' for prefix, value in sorted(escaped))


def escaped_namespace(namespace: str) -> str:
    """As canonical XML writes it in a declaration."""
    return namespace.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def inclusive_prefixes(root: Element) -> tuple[str, ...]:
    """Prefixes that are declared and that no element or attribute there uses, sorted: only values can need them."""
    found: set[str] = set()
    above: dict[object, dict[str | None, str]] = {}
    for element in root.iter():
        parent = element.getparent()
        outer = above.get(parent, {}) if element is not root else {}
        inner = above[element] = element.nsmap
        own = {prefix for prefix, namespace in inner.items() if outer.get(prefix) != namespace and prefix}
        if own:
            used = {element.prefix, *(_prefix_of(str(name), inner) for name in element.attrib)}
            found |= own - used
    return tuple(sorted(found))


def _prefix_of(attribute: str, nsmap: dict[str | None, str]) -> str | None:
    namespace = split(attribute)[0]
    if not namespace or namespace == XML_NAMESPACE:
        return None
    return next((prefix for prefix, known in nsmap.items() if known == namespace and prefix), None)
