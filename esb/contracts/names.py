"""Names of elements, attributes and types: as lxml writes them, as plain data writes them, as documents write them.

In plain data a name without namespace is `local`, another `{namespace}local`. The names that documents use for
themselves are short: `@xsi:type`, `@xsi:nil`, `@xml:lang`; so are XSD's own types, `xs:int`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from esb.contracts.wellknown import XML_NAMESPACE, XSD_NAMESPACE
from esb.errors import ContractViolation

XSI_NAMESPACE = "http://www.w3.org/2001/XMLSchema-instance"

XSI = f"{{{XSI_NAMESPACE}}}"
XSI_TYPE = XSI + "type"
XSI_NIL = XSI + "nil"
XSI_HINTS = frozenset({XSI + "schemaLocation", XSI + "noNamespaceSchemaLocation"})

TYPE_KEY = "@xsi:type"
NIL_KEY = "@xsi:nil"
TEXT_KEY = "#text"

_SHORT = {"xml": XML_NAMESPACE, "xsi": XSI_NAMESPACE}
_PREFIX_OF = {namespace: prefix for prefix, namespace in _SHORT.items()}
_XSD = f"{{{XSD_NAMESPACE}}}"

# Namespaces in XML 1.0, clause 3; the characters are those of XML 1.0 (fifth edition), production 4.
_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f\u2c00-\u2fef"
    "\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NCNAME = re.compile(f"[{_START}][{_START}\\-.0-9\u00b7\u0300-\u036f\u203f-\u2040]*")
_ILLEGAL = re.compile('[\x00-\x20<>&"{}|\\\\^`\ud800-\udfff\ufffe\uffff]')


def split(tag: str) -> tuple[str, str]:
    """Namespace and local name of `{namespace}local`; the namespace is "" where there is none."""
    namespace, _, local = tag.rpartition("}")
    return namespace[1:], local


def joined(namespace: str, local: str) -> str:
    """The other way round."""
    return f"{{{namespace}}}{local}" if namespace else local


def is_ncname(text: str) -> bool:
    """Whether the text can stand as a local name or a prefix."""
    return _NCNAME.fullmatch(text) is not None


def proper(tag: str) -> tuple[str, str]:
    """As `split`, of a name that comes from plain data. Raises ContractViolation when no document could hold it."""
    namespace, local = split(tag)
    # A relative namespace has no canonical form (RFC 3741 after canonical XML 1.0, 1.3), and of one with `&` libxml2
    # writes a form that is not well-formed.
    absolute = ":" in namespace or not namespace
    if not is_ncname(local) or not absolute or _ILLEGAL.search(namespace) or (tag[:1] == "{") != bool(namespace):
        raise ContractViolation("is not a name; write {namespace}local")
    return namespace, local


def attribute_key(tag: str) -> str:
    """The key of an attribute that the contract does not name."""
    namespace, local = split(tag)
    prefix = _PREFIX_OF.get(namespace)
    return f"@{prefix}:{local}" if prefix else f"@{tag}"


def attribute_tag(key: str) -> str:
    """The other way round."""
    name = key[1:]
    prefix, colon, local = name.partition(":")
    return joined(_SHORT[prefix], local) if colon and prefix in _SHORT else name


def resolved(text: str, nsmap: Mapping[str | None, str]) -> str:
    """`{namespace}local` of a QName as it stands in a document. Raises ContractViolation: the prefix is not bound."""
    prefix, colon, local = text.strip(" \t\r\n").rpartition(":")
    namespace = nsmap.get(prefix if colon else None)
    if colon and namespace is None:
        if prefix == "xml":
            return joined(XML_NAMESPACE, local)
        raise ContractViolation("names something by a prefix that is not declared")
    return joined(namespace or "", local)


def type_key(qname: str, others: Mapping[str, object], declared: str) -> str:
    """What plain data calls a type: its local name where that is unmistakable, else `{namespace}local`."""
    if qname.startswith(_XSD):
        return f"xs:{qname[len(_XSD) :]}"
    local = split(qname)[1]
    alike = sum(split(other)[1] == local for other in {*others, declared})
    return local if alike == 1 else qname


def type_keys(choices: Mapping[str, object], declared: str) -> dict[str, str]:
    """Everything that plain data may call one of these types or the declared one, and the type that it means."""
    known = [qname for qname in (*choices, declared) if qname]
    return {name: qname for qname in known for name in (qname, type_key(qname, choices, declared))}
