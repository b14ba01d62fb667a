"""Sample data of an element: valid, readable, the same every time, in the form that JSON would carry.

Called at load for documents and scaffolds. Every optional part is there once; the first branch of a choice is taken.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from lxml import etree

from esb.contracts.layout import (
    Columns,
    Foreign,
    Layout,
    Lists,
    Node,
    Place,
    Rounds,
    Run,
    layout_of,
    needed_of,
)
from esb.contracts.lexical import raw_writer, reader
from esb.contracts.names import TYPE_KEY, type_key
from esb.contracts.patterns import examples, to_json_schema
from esb.contracts.shapes import (
    ComplexShape,
    ElementShape,
    Kind,
    Order,
    SimpleShape,
    Whitespace,
    supported,
)
from esb.contracts.wellknown import XSD_NAMESPACE
from esb.errors import ContractUnsupported

_XSD = f"{{{XSD_NAMESPACE}}}"
_NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT})

_MOMENTS = {
    "date": "2026-01-31",
    "dateTime": "2026-01-31T12:00:00+04:00",
    "time": "12:00:00",
    "gYear": "2026",
    "gYearMonth": "2026-01",
    "gMonthDay": "--01-31",
    "gDay": "---31",
    "gMonth": "--01",
    "duration": "P1D",
}
_TEXTS = {"anyURI": "https://example.az/1", "language": "az"}


def sample_of(element: ElementShape) -> Any:
    """Plain data of a whole element: a dict, or one value for an element of a simple type.

    Raises:
        ContractUnsupported: a type that must contain itself, or a pattern that cannot be read.
    """
    try:
        return _element(element, ())
    except RecursionError as error:
        raise ContractUnsupported(f"{element.name} is nested too deeply for a sample") from error


def _element(element: ElementShape, above: tuple[int, ...]) -> Any:
    supported(element.type)
    if isinstance(element.type, SimpleShape):
        return _value(element.name, element.type, element.default)
    if element.type.anything and not _opaque(element):
        return "text"
    if element.type.anything:
        raise ContractUnsupported(f"{element.name} cannot be made up")
    if not element.type.abstract:
        return _complex(element.type, above)
    return _chosen(element, above)


def _chosen(element: ElementShape, above: tuple[int, ...]) -> Any:
    """An abstract type: the first that may stand for it and does not lead back."""
    for qname, shape in sorted(element.choices.items()):
        if id(shape) not in above and shape.refusal is None:
            values = _simple(shape) if isinstance(shape, SimpleShape) else _complex(shape, above)
            declared = "" if isinstance(element.type, SimpleShape) or element.type.abstract else element.type.qname
            named = {TYPE_KEY: type_key(qname, element.choices, declared)}
            return {**named, **values} if isinstance(values, dict) else {**named, "value": values}
    raise ContractUnsupported(f"{element.name} is of an abstract type, and no type may stand for it")


def _complex(shape: ComplexShape, above: tuple[int, ...]) -> Any:
    supported(shape)
    if shape.text is not None and shape.bare:
        return _simple(shape.text)
    sample: dict[str, Any] = {
        attribute.key: _value(attribute.key, attribute.type, attribute.default) for attribute in shape.attributes
    }
    if shape.text is not None:
        return {"value": _simple(shape.text), **sample}
    return sample | _scope(layout_of(shape), (*above, id(shape)))


def _scope(layout: Layout, above: tuple[int, ...]) -> dict[str, Any]:
    empty: dict[str, Any] = {key: [] for key, place in layout.places.items() if place.repeated}
    return empty | {key: [] for key in layout.rounds} | _node(layout.node, above)


def _node(node: Node, above: tuple[int, ...]) -> dict[str, Any]:  # noqa: PLR0911 - one answer for each kind of node
    match node:
        case Place():
            return _place(node, above, max(1, node.element.minimum))
        case Columns():
            taken = [_place(place, above, max(1, node.minimum)) for place in node.places]
            return {key: values for part in taken for key, values in part.items()}
        case Lists():
            places = [member for member in node.members if isinstance(member, Place) and not _endless(member, above)]
            return _place(places[0], above, max(1, node.minimum, places[0].element.minimum)) if places else {}
        case Rounds():
            if _endless(node.scope.node, above):
                return {}
            return {node.key: [_scope(node.scope, above) for _ in range(max(1, node.minimum))]}
        case Run():
            return _run(node, above)
        case Foreign():
            return {}


def _place(place: Place, above: tuple[int, ...], times: int) -> dict[str, Any]:
    if _endless(place, above):
        if _needed(place):
            raise ContractUnsupported(_no_end(place))
        return {}
    if place.repeated:
        return {place.key: [_element(place.element, above) for _ in range(times)]}
    return {place.key: _element(place.element, above)}


def _run(run: Run, above: tuple[int, ...]) -> dict[str, Any]:
    members = [member for member in run.members if not _endless(member, above)]
    if run.order is Order.CHOICE:
        members = members[:1]
    elif any(_needed(member) for member in run.members if _endless(member, above)):
        raise ContractUnsupported(
            next(_no_end(member) for member in run.members if _endless(member, above) and _needed(member))
        )
    return {key: value for member in members for key, value in _node(member, above).items()}


def _no_end(node: Node) -> str:
    if isinstance(node, Place) and _opaque(node.element):
        return f"{node.element.name} cannot be made up"
    return "a type must contain itself without end"


def _needed(node: Node) -> bool:
    return bool(needed_of(node))


def _endless(node: Node, above: tuple[int, ...]) -> bool:
    """Whether the node's first way leads back to a type above, or to what cannot be made up."""
    return isinstance(node, Place) and (id(node.element.type) in above or _opaque(node.element))


def _opaque(element: ElementShape) -> bool:
    """Whether it is in the generic form although it has a type of its own: a signature."""
    shape = element.type
    return isinstance(shape, ComplexShape) and shape.anything and not shape.qname.endswith("}anyType")


def _value(name: str, shape: SimpleShape, default: str | None) -> Any:
    """Raises ContractUnsupported, which names the field."""
    try:
        return _simple(shape) if default is None else _read(shape, default)
    except ContractUnsupported as error:
        raise ContractUnsupported(f"{name}: {error.reason}") from error


def _simple(shape: SimpleShape) -> Any:
    supported(shape)
    if shape.members:
        member = shape.members[0]
        return _simple(member) if member.kind is shape.kind else raw_writer(member)(_simple(member))
    if shape.bounds.enumeration:
        return _read(shape, shape.bounds.enumeration[0])
    if shape.kind is Kind.LIST and shape.item is not None:
        return [_simple(shape.item) for _ in range(max(1, shape.bounds.min_length or 0))]
    if shape.bounds.patterns:
        return _read(shape, _matching(shape))
    return _BY_KIND[shape.kind](shape)


def _read(shape: SimpleShape, text: str) -> Any:
    read = reader(shape)
    return text if read is None or shape.kind is Kind.DECIMAL else read(text)


def _matching(shape: SimpleShape) -> str:
    nearest, *inherited = shape.bounds.patterns
    if shape.kind is Kind.MOMENT or shape.kind in _NUMBERS:
        fits = _checker(shape)
        found = next(filter(fits, itertools.chain(_plain(shape), *map(examples, nearest))), None)
        if found is not None:
            return found
        raise ContractUnsupported(f"no {shape.builtin} was found that fits the pattern {nearest[0]!r}")
    for pattern in nearest:
        for text in examples(pattern):
            if _length_fits(shape, text) and all(_matches(step, text) for step in inherited):
                return text
    raise ContractUnsupported(f"no example found for the pattern {nearest[0]!r}")


def _plain(shape: SimpleShape) -> Iterator[str]:
    """What everybody would write, where a pattern says less than the type it restricts: a lone `P` is no duration."""
    if shape.kind is Kind.MOMENT:
        usual = _MOMENTS[shape.builtin]
        yield from (usual, usual.partition("+")[0], f"{usual.partition('+')[0]}Z", _moment(shape))
    elif shape.kind in _NUMBERS:
        yield str(_BY_KIND[shape.kind](shape))


def _checker(shape: SimpleShape) -> Callable[[str], bool]:
    """Whether a text is of the built-in type, within the bounds, and matches the patterns: libxml2 says it."""
    root = etree.Element(f"{_XSD}schema", nsmap={"xs": XSD_NAMESPACE})
    declared = etree.SubElement(root, f"{_XSD}element", name="v")
    bounds = shape.bounds
    # Patterns of one step are alternatives, those of several all hold.
    for step in bounds.patterns:
        restriction = etree.Element(f"{_XSD}restriction")
        for pattern in step:
            etree.SubElement(restriction, f"{_XSD}pattern", value=pattern)
        holder = etree.Element(f"{_XSD}simpleType")
        holder.append(restriction)
        # The type that is restricted stands before the facets.
        declared.insert(0, holder)
        declared = restriction
    declared.set("base", f"xs:{shape.builtin}")
    limits = {
        "minInclusive": bounds.minimum,
        "maxInclusive": bounds.maximum,
        "minExclusive": bounds.above,
        "maxExclusive": bounds.below,
        "totalDigits": bounds.total_digits,
        "fractionDigits": bounds.fraction_digits,
    }
    for facet, limit in limits.items():
        if limit is not None:
            etree.SubElement(declared, f"{_XSD}{facet}", value=str(limit))
    schema = etree.XMLSchema(root)

    def fits(text: str) -> bool:
        value = etree.Element("v")
        value.text = text
        return schema.validate(value)

    return fits


def _length_fits(shape: SimpleShape, text: str) -> bool:
    longest = shape.bounds.max_length
    return len(text) >= (shape.bounds.min_length or 0) and (longest is None or len(text) <= longest)


def _matches(alternatives: tuple[str, ...], text: str) -> bool:
    translated = [to_json_schema(pattern) for pattern in alternatives]
    return any(pattern is None or re.match(pattern, text) for pattern in translated)


def _text(shape: SimpleShape) -> str:
    text = _TEXTS.get(shape.builtin, "text" if shape.whitespace is not Whitespace.COLLAPSE else "token")
    text += "x" * ((shape.bounds.min_length or 0) - len(text))
    return text if shape.bounds.max_length is None else text[: shape.bounds.max_length]


def _number(shape: SimpleShape) -> Decimal:
    """1.00 where the bounds allow it, else the nearest bound."""
    bounds = shape.bounds
    step = Decimal(1).scaleb(-min(bounds.fraction_digits, 2)) if bounds.fraction_digits is not None else Decimal(1)
    number = Decimal(1) if shape.kind is Kind.INTEGER else Decimal(1).quantize(step)
    if bounds.maximum is not None:
        number = min(number, Decimal(bounds.maximum))
    if bounds.below is not None and number >= Decimal(bounds.below):
        number = Decimal(bounds.below) - step
    if bounds.minimum is not None:
        number = max(number, Decimal(bounds.minimum))
    if bounds.above is not None and number <= Decimal(bounds.above):
        number = Decimal(bounds.above) + step
    return number


def _moment(shape: SimpleShape) -> str:
    limit = shape.bounds.minimum if shape.bounds.minimum is not None else shape.bounds.maximum
    return str(limit) if limit is not None else _MOMENTS[shape.builtin]


def _binary(shape: SimpleShape) -> str:
    content = bytes(max(1, shape.bounds.min_length or 0))
    return content.hex().upper() if shape.builtin == "hexBinary" else base64.b64encode(content).decode()


_BY_KIND: dict[Kind, Callable[[SimpleShape], Any]] = {
    Kind.TEXT: _text,
    Kind.INTEGER: lambda shape: int(_number(shape)),
    Kind.DECIMAL: lambda shape: format(_number(shape), "f"),
    Kind.FLOAT: lambda shape: float(_number(shape)),
    Kind.BOOLEAN: lambda shape: True,  # noqa: ARG005 - the signature of the table
    Kind.MOMENT: _moment,
    Kind.BINARY: _binary,
    Kind.NAME: lambda shape: "{urn:example}name",  # noqa: ARG005 - the signature of the table
}
