"""Which prefix each namespace has in the documents of one root, and where it is declared.

Used by `encoder`. A scope is known when the encoder is compiled: exclusive canonical XML declares a prefix at the
first element on the way down that uses it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from esb.contracts.names import XSI_NAMESPACE, split
from esb.contracts.output import declarations, escaped_namespace
from esb.contracts.shapes import (
    ComplexShape,
    Declarations,
    ElementShape,
    SimpleShape,
    Type,
    Wildcard,
    particles_of,
    reachable,
)
from esb.contracts.wellknown import XML_NAMESPACE

Scope = frozenset[str]
"""Prefixes that an element above has declared already; "" stands for the default namespace."""

XSI_PREFIX = "xsi"


class Tags(NamedTuple):
    """An element's tags in one scope. `opening` lacks its declarations and its `>`; `own` is the prefix it declares."""

    opening: str
    closing: str
    own: Scope
    scope: Scope
    above: Scope


class Prefixes:
    """Fixed for all documents of one root."""

    def __init__(self, root: ElementShape, declared: Declarations) -> None:
        elements = list(reachable(root, declared))
        spaces = {root.namespace, *(space for element in elements for space in _spaces(element))}
        # The root's namespace goes without prefix, which is shorter; but a name without namespace, in a tag or in a
        # value, would then have to take the default back, so such a contract gets prefixes throughout.
        bare = any(not element.namespace or _may_hold_any_name(element) for element in elements)
        self._default = "" if bare else root.namespace
        self._of = {space: f"n{index}" for index, space in enumerate(sorted(spaces - {"", XML_NAMESPACE}))}
        self._spaces = {prefix: space for space, prefix in self._of.items()}
        self._spaces |= {"": self._default, XSI_PREFIX: XSI_NAMESPACE}
        self._escaped = {prefix: escaped_namespace(space) for prefix, space in self._spaces.items()}

    def tags(self, element: ElementShape, scope: Scope) -> Tags:
        """The tags of an element in a scope."""
        prefix = "" if element.namespace == self._default else self._of[element.namespace]
        name = f"{prefix}:{element.name}" if prefix else element.name
        own = frozenset({prefix} if element.namespace else ()) - scope
        return Tags(f"<{name}", f"</{name}>", own, scope | own, scope)

    def opening(self, tags: Tags) -> str:
        """The start tag without its attributes and its `>`."""
        return tags.opening + self.declared(tags.own)

    def declared(self, prefixes: Iterable[str]) -> str:
        """Declarations in canonical order."""
        return declarations((prefix, self._escaped[prefix]) for prefix in prefixes)

    def of_attribute(self, namespace: str) -> str | None:
        """The prefix for attributes of a namespace that the contract knows; never the default, which they have not."""
        return XSI_PREFIX if namespace == XSI_NAMESPACE else self._of.get(namespace)

    def in_scope(self, namespace: str, scope: Scope) -> str | None:
        """A prefix that names in values may use there: "" for the default, None where there is none."""
        if namespace == self._default:
            return "" if "" in scope or not namespace else None
        prefix = self._of.get(namespace)
        return prefix if prefix in scope else None

    def bound(self, scope: Scope) -> dict[str, str]:
        """The scope as namespaces by prefix."""
        return {prefix: self._spaces[prefix] for prefix in scope}


def may_name_in_values(root: ElementShape, declared: Declarations) -> bool:
    """Whether documents of this root may hold names in values: a chosen type, a QName, foreign content."""
    return any(element.choices or _may_hold_any_name(element) for element in reachable(root, declared))


def _spaces(element: ElementShape) -> Iterable[str]:
    yield element.namespace
    for shape in (element.type, *element.choices.values()):
        if isinstance(shape, ComplexShape):
            yield from (attribute.namespace for attribute in shape.attributes)


def _may_hold_any_name(element: ElementShape) -> bool:
    if any(not split(qname)[0] for qname in element.choices):
        return True
    return any(_names_anything(shape) for shape in (element.type, *element.choices.values()))


def _names_anything(shape: Type) -> bool:
    if isinstance(shape, SimpleShape):
        return shape.names
    if shape.anything or (shape.text is not None and shape.text.names):
        return True
    if any(attribute.type.names for attribute in shape.attributes):
        return True
    return shape.content is not None and any(isinstance(each, Wildcard) for each in particles_of(shape.content))
