"""Elements that a contract does not describe (`xs:any`, `xs:anyType`), as plain data and back, losing nothing.

| in the document | in plain data |
|---|---|
| text alone | `str`, exactly as it stands |
| an attribute | `@name`, `@{namespace}name`, `@xml:lang`, `@xsi:nil`, `@xsi:type` (as `{namespace}local`) |
| child elements | `name` or `{namespace}name`: always a list |
| children of several names, not in order of these names | `#order` besides: the names as they follow one another |
| text beside attributes | `#text` |
| text between children (not blank, or xml:space is `preserve`) | `#content`: a list of texts and one-key objects |
| a prefix that text or an attribute seems to use | `@xmlns:prefix` |

An element that the contract declares is read and written as it is declared, wherever it stands, unless the wildcard
says `skip`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any

from esb.contracts.layout import ORDER
from esb.contracts.lexical import escaped_attribute, escaped_content, sequence_of
from esb.contracts.names import (
    TEXT_KEY,
    TYPE_KEY,
    XSI_NAMESPACE,
    XSI_TYPE,
    attribute_key,
    attribute_tag,
    is_ncname,
    joined,
    proper,
    resolved,
)
from esb.contracts.output import Output, declarations, escaped_namespace
from esb.contracts.particles import at, below
from esb.contracts.wellknown import XML_NAMESPACE
from esb.errors import ContractViolation
from security.xml import Element

CONTENT = "#content"

ReadDeclared = Callable[[Element], Callable[[Element], Any] | None]
"""The reader of an element that the contract declares, or None."""
WriteDeclared = Callable[[str], Callable[[Any, Output], None] | None]
"""The writer of an element that the contract declares, by its tag, or None."""

_SPACE = f"{{{XML_NAMESPACE}}}space"
_DECLARING = "@xmlns:"
_PREFIX = re.compile(r"([^\s:,;|/()\[\]{}<>\"'=]+):(?=[^\s:])")
# What the encoder calls its own namespaces; a foreign document that means something else by them cannot be written.
_RESERVED = re.compile(r"(?:[nfq][0-9]+|xsi|xmlns|xml)$", re.IGNORECASE)


# --- reading ---------------------------------------------------------------------------------------------


def read(element: Element, declared: ReadDeclared) -> Any:
    """Plain data of one foreign element: as it is declared, or in the form above."""
    read_declared = declared(element)
    return read_untyped(element, declared) if read_declared is None else read_declared(element)


def read_untyped(element: Element, declared: ReadDeclared) -> Any:
    """Plain data of one element in the form above; what stands inside of it may be declared."""
    return _Reading(declared).element(element, preserve=_preserved(element), known={})


class _Reading:
    def __init__(self, declared: ReadDeclared) -> None:
        self._declared = declared

    def element(self, element: Element, *, preserve: bool, known: Mapping[str, str]) -> Any:
        preserve = _preserving(element, inherited=preserve)
        named = _named(element, known)
        values = named | {attribute_key(str(name)): text for name, text in element.attrib.items()}
        chosen = element.get(XSI_TYPE)
        if chosen is not None:
            values[TYPE_KEY] = resolved(chosen, element.nsmap)
        if not len(element):
            text = element.text or ""
            return {**values, TEXT_KEY: text} if values and text else values or text
        texts = [element.text or "", *(child.tail or "" for child in element)]
        read_child = self._child(preserve, {**known, **{key[len(_DECLARING) :]: uri for key, uri in named.items()}})
        if any(text if preserve else text.strip(" \t\r\n") for text in texts):
            return values | {CONTENT: _content(element, texts, read_child)}
        return values | in_lists([(str(child.tag), read_child(child)) for child in element])

    def _child(self, preserve: bool, known: Mapping[str, str]) -> Callable[[Element], Any]:  # noqa: FBT001 - internal
        def read_child(child: Element) -> Any:
            read_declared = self._declared(child)
            return (
                self.element(child, preserve=preserve, known=known) if read_declared is None else read_declared(child)
            )

        return read_child


def in_lists(found: list[tuple[str, Any]]) -> dict[str, Any]:
    """Items by name, with their order where it is not the order of the names."""
    values: dict[str, Any] = {}
    for tag, value in found:
        values.setdefault(tag, []).append(value)
    order = [tag for tag, _ in found]
    return values if order == sorted(order) else values | {ORDER: order}


def _content(element: Element, texts: list[str], read_child: Callable[[Element], Any]) -> list[Any]:
    parts: list[Any] = [texts[0]] if texts[0] else []
    for child, tail in zip(element, texts[1:], strict=True):
        parts.append({str(child.tag): read_child(child)})
        parts += [tail] if tail else []
    return parts


def _preserved(element: Element) -> bool:
    """What xml:space says above the element."""
    parent = element.getparent()
    while parent is not None:
        if parent.get(_SPACE) is not None:
            return parent.get(_SPACE) == "preserve"
        parent = parent.getparent()
    return False


def _preserving(element: Element, *, inherited: bool) -> bool:
    said = element.get(_SPACE)
    return inherited if said is None else said == "preserve"


def _named(element: Element, known: Mapping[str, str]) -> dict[str, str]:
    """Declarations that the element's own text or attributes seem to need."""
    found: dict[str, str] = {}
    texts = [str(text) for name, text in element.attrib.items() if name != XSI_TYPE]
    texts += [element.text or "", *(child.tail or "" for child in element)]
    for text in texts:
        for prefix in _PREFIX.findall(text) if ":" in text else ():
            uri = element.nsmap.get(prefix)
            if uri is not None and known.get(prefix) != uri and not _is_own(prefix, uri):
                found[_DECLARING + prefix] = uri
    return found


def _is_own(prefix: str, uri: str) -> bool:
    return prefix == "xsi" and uri == XSI_NAMESPACE


# --- writing ---------------------------------------------------------------------------------------------


def write(tag: str, value: Any, output: Output, *, bound: Mapping[str, str], declared: WriteDeclared) -> None:
    """One foreign element as canonical text. `bound`: namespaces, by prefix, that elements above have declared.

    Raises:
        ContractViolation: not the form above, or a name that no document could hold.
    """
    _Writing(output, declared).child(tag, value, {**bound, **output.bound})


def write_untyped(tag: str, value: Any, output: Output, *, bound: Mapping[str, str], declared: WriteDeclared) -> None:
    """As `write`, of an element that is in the form above although the contract names it."""
    _Writing(output, declared).element(tag, value, {**bound, **output.bound})


class _Writing:
    def __init__(self, output: Output, declared: WriteDeclared) -> None:
        self._output = output
        self._declared = declared

    def element(self, tag: str, value: Any, bound: Mapping[str, str]) -> None:
        if isinstance(value, str):
            value = {TEXT_KEY: value} if value else {}
        if not isinstance(value, Mapping):
            raise ContractViolation("is not in the contract, so it must be text or an object")
        namespace, local = proper(tag)
        tags = _Prefixes(bound, _declared_by(value))
        name = _prefixed(tags.of(namespace), local)
        attributes = [self._attribute(key, value[key], tags) for key in sorted(filter(_is_attribute, value))]
        outer, self._output.bound = self._output.bound, tags.bound
        own = "".join(f' {name}="{escaped_attribute(text)}"' for _, name, text in sorted(attributes))
        self._output.append(f"<{name}{tags.declared()}{own}>")
        self._inside(value, tags.bound)
        self._output.append(f"</{name}>")
        self._output.bound = outer

    def _attribute(self, key: str, text: Any, tags: _Prefixes) -> tuple[tuple[str, str], str, str]:
        if not isinstance(text, str):
            raise ContractViolation("must be text", path=key)
        try:
            namespace, local = proper(attribute_tag(key))
            if key == TYPE_KEY:
                text = self._qname(text, tags)
        except ContractViolation as violation:
            raise ContractViolation(violation.reason, path=key) from violation
        prefix = "xml" if namespace == XML_NAMESPACE else tags.of(namespace)
        return (namespace, local), _prefixed(prefix, local), text

    def _qname(self, text: str, tags: _Prefixes) -> str:
        namespace, local = proper(text)
        prefix = tags.known(namespace) or self._output.prefix_for(namespace) if namespace else ""
        return _prefixed(prefix, local)

    def _inside(self, value: Mapping[str, Any], bound: Mapping[str, str]) -> None:
        keys = [key for key in value if not _is_attribute(key) and not key.startswith(_DECLARING)]
        if TEXT_KEY in value or CONTENT in value:
            if len(keys) > 1:
                raise ContractViolation("has text and children; text between children goes to #content", path=keys[0])
            for part in sequence_of(value[CONTENT]) if CONTENT in value else [value[TEXT_KEY]]:
                self._part(part, bound)
            return
        order = _ordered(value, [key for key in keys if key != ORDER])
        written: dict[str, int] = {}
        for key in order:
            position = written[key] = written.get(key, 0) + 1
            try:
                self.child(key, value[key][position - 1], bound)
            except ContractViolation as violation:
                raise below(key, at(position, len(value[key]), violation)) from violation

    def _part(self, part: Any, bound: Mapping[str, str]) -> None:
        if isinstance(part, Mapping) and len(part) == 1:
            ((tag, value),) = part.items()
            self.child(tag, value, bound)
        else:
            self._output.append(escaped_content(part))

    def child(self, tag: str, value: Any, bound: Mapping[str, str]) -> None:
        write_declared = self._declared(joined(*proper(tag)))
        if write_declared is None:
            self.element(tag, value, bound)
        else:
            write_declared(value, self._output)


class _Prefixes:
    """The prefixes of one element: those above, those that it declares for data, those that it needs itself."""

    def __init__(self, above: Mapping[str, str], data: Mapping[str, str]) -> None:
        self._own = {prefix: uri for prefix, uri in data.items() if above.get(prefix) != uri}
        self.bound = {**above, **self._own}

    def known(self, namespace: str) -> str | None:
        """A prefix that is declared for the namespace."""
        return next((prefix for prefix, uri in self.bound.items() if uri == namespace and prefix), None)

    def of(self, namespace: str) -> str:
        """A prefix for an element or attribute of this namespace, declared if need be; "" for none."""
        if not namespace:
            return ""
        prefix = self.known(namespace)
        if prefix is None:
            prefix = self._free()
            self._own[prefix] = self.bound[prefix] = namespace
        return prefix

    def declared(self) -> str:
        """The declarations of this element."""
        return declarations((prefix, escaped_namespace(uri)) for prefix, uri in self._own.items())

    def _free(self) -> str:
        return next(prefix for number in itertools.count() if (prefix := f"f{number}") not in self.bound)


def _declared_by(value: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, uri in value.items():
        if isinstance(key, str) and key.startswith(_DECLARING):
            prefix = key[len(_DECLARING) :]
            if not is_ncname(prefix) or _RESERVED.match(prefix):
                raise ContractViolation("is no prefix, or one that is kept for the encoder", path=key)
            if not isinstance(uri, str) or not uri:
                raise ContractViolation("must be a namespace", path=key)
            try:
                proper(joined(uri, "x"))
            except ContractViolation as violation:
                raise ContractViolation("must be a namespace", path=key) from violation
            found[prefix] = uri
    return found


def _ordered(value: Mapping[str, Any], keys: list[str]) -> list[str]:
    for key in keys:
        if not isinstance(value[key], list | tuple):
            raise ContractViolation("must be a list: nobody says how often a foreign element occurs", path=key)
    default = [key for key in sorted(keys) for _ in value[key]]
    if ORDER not in value:
        return default
    order = value[ORDER]
    if not isinstance(order, list | tuple) or any(not isinstance(key, str) for key in order):
        raise ContractViolation("must be a list of names", path=ORDER)
    if sorted(order) != default:
        raise ContractViolation("must name every item of the lists beside it, once", path=ORDER)
    return list(order)


def _is_attribute(key: Any) -> bool:
    if not isinstance(key, str):
        raise ContractViolation("holds a key that is not text")
    return key.startswith("@") and not key.startswith(_DECLARING)


def _prefixed(prefix: str, local: str) -> str:
    return f"{prefix}:{local}" if prefix else local
