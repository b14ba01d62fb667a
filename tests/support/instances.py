"""Hypothesis strategies for plain data that fit a contract's shapes.

The oracle side of the property tests: written from the shapes, independently of the sampler.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from esb.contracts.generic import in_lists
from esb.contracts.json_values import value_of
from esb.contracts.layout import Columns, Foreign, Layout, Lists, Node, Place, Rounds, Run, layout_of
from esb.contracts.names import NIL_KEY, TYPE_KEY, type_key
from esb.contracts.patterns import to_json_schema
from esb.contracts.shapes import (
    ComplexShape,
    ElementShape,
    Kind,
    Order,
    Processing,
    SimpleShape,
    Type,
    Whitespace,
)

AZERBAIJANI = "ƏəIıİiĞğŞşÇçÖöÜüXxQqǝәÄ\u0307\u0301\u00a0\u2028𝒜😀"

# Every character that XML 1.0 can carry.
_LEGAL = st.one_of(
    st.sampled_from(AZERBAIJANI + "&<>\"'\r\n\t ]"),
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"),
)
_TIDY = st.text(st.sampled_from("AZazƏəİı09-.'&<>\"_"), min_size=1, max_size=6)
_ZONES = st.sampled_from(["", "Z", "+04:00", "-11:30"])
_MAX_DEPTH = 3
_CHOSEN = frozenset({"int", "string", "decimal", "date", "boolean"})


def instances(element: ElementShape, depth: int = 0) -> st.SearchStrategy[Any]:
    """Plain data of one occurrence of an element, in the very form that the decoder gives."""
    if isinstance(element.type, SimpleShape):
        default = element.default
        strategy = values(element.type) if default is None else st.just(_default(element.type, default))
        if element.choices and default is None:
            strategy |= _named_value(element)
    else:
        strategy = _complex(element, depth)
    return _nil(element) | strategy if element.nillable else strategy


def _default(shape: SimpleShape, text: str) -> Any:
    return Decimal(text) if shape.kind is Kind.DECIMAL else value_of(shape, text)


def _nil(element: ElementShape) -> st.SearchStrategy[Any]:
    shape = element.type
    if isinstance(shape, SimpleShape) or not shape.attributes:
        return st.none()
    return _attributes(shape).map(lambda data: {NIL_KEY: True, **data} if data else None)


def _usable(element: ElementShape) -> list[tuple[str, Type]]:
    return [
        (qname, shape)
        for qname, shape in element.choices.items()
        if shape.refusal is None and (isinstance(shape, ComplexShape) or shape.builtin in _CHOSEN)
    ]


@st.composite
def _named_value(draw: st.DrawFn, element: ElementShape) -> Any:
    qname, shape = draw(st.sampled_from(_usable(element)))
    data = draw(values(shape) if isinstance(shape, SimpleShape) else _of_type(shape, 0))
    name = {TYPE_KEY: type_key(qname, element.choices, element.type.qname)}
    return {**name, **data} if isinstance(data, dict) else {**name, "value": data}


def values(shape: SimpleShape) -> st.SearchStrategy[Any]:
    """Values of a simple type."""
    bounds = shape.bounds
    if shape.members:
        return _union(shape)
    if bounds.enumeration is not None:
        return st.sampled_from([value_of(shape, text) for text in bounds.enumeration])
    if shape.kind is Kind.LIST:
        assert shape.item is not None
        return st.lists(values(shape.item), min_size=bounds.min_length or 1, max_size=bounds.max_length or 4)
    if bounds.patterns:
        patterns = [to_json_schema(pattern) for pattern in bounds.patterns[0]]
        return st.one_of(
            [st.from_regex(pattern, fullmatch=True).filter(str.isascii) for pattern in patterns if pattern]
        )
    makers: dict[Kind, Callable[[SimpleShape], st.SearchStrategy[Any]]] = {
        Kind.TEXT: _text,
        Kind.INTEGER: lambda shape: st.integers(_whole(shape.bounds.minimum), _whole(shape.bounds.maximum)),
        Kind.DECIMAL: _decimals,
        Kind.FLOAT: _floats,
        Kind.BOOLEAN: lambda _: st.booleans(),
        Kind.MOMENT: _moments,
        Kind.BINARY: _binaries,
        Kind.NAME: lambda _: st.sampled_from(
            ["{urn:zoo}a", "{urn:far}b", "c", "{http://www.w3.org/2001/XMLSchema}int"]
        ),
    }
    return makers[shape.kind](shape)


def _union(shape: SimpleShape) -> st.SearchStrategy[Any]:
    if shape.kind is not Kind.TEXT:
        return st.one_of([values(member) for member in shape.members])
    return st.one_of([values(member).map(str) for member in shape.members])


def _text(shape: SimpleShape) -> st.SearchStrategy[str]:
    if shape.builtin in {"language", "anyURI"}:
        return st.sampled_from(["az", "en"])
    if shape.builtin in {"ID", "IDREF", "NCName", "Name"}:
        return st.just("Ə1")
    if shape.builtin == "NMTOKEN":
        return st.text("abcƏ.-_:19", min_size=1, max_size=5)
    shortest, longest = shape.bounds.min_length or 0, min(shape.bounds.max_length or 30, 30)
    if shape.whitespace is Whitespace.PRESERVE:
        return st.text(_LEGAL, min_size=shortest, max_size=longest)
    if shape.whitespace is Whitespace.REPLACE:
        return st.text(_LEGAL, max_size=longest).map(lambda text: re.sub("[\t\r\n]", " ", text))
    words = st.lists(_TIDY, min_size=1, max_size=3).map(" ".join)
    return words.filter(lambda text: shortest <= len(text) <= longest)


def _decimals(shape: SimpleShape) -> st.SearchStrategy[Decimal]:
    bounds = shape.bounds
    places = bounds.fraction_digits if bounds.fraction_digits is not None else 5
    lowest = bounds.minimum if bounds.minimum is not None else bounds.above
    highest = bounds.maximum if bounds.maximum is not None else bounds.below
    limit = Decimal(10) ** ((bounds.total_digits or 17) - places) - 1
    found = st.decimals(
        -limit if lowest is None else Decimal(lowest), limit if highest is None else Decimal(highest), places=places
    )
    return found.filter(lambda number: number not in {bounds.above, bounds.below})


def _floats(shape: SimpleShape) -> st.SearchStrategy[float | str]:
    finite = st.floats(allow_nan=False, allow_infinity=False, width=32 if shape.builtin == "float" else 64)
    return finite | st.sampled_from(["INF", "-INF", "NaN"])


def _moments(shape: SimpleShape) -> st.SearchStrategy[str]:
    dates = st.dates().map(lambda day: day.isoformat()) | st.sampled_from(["-0044-03-15", "99999-12-31"])
    times = st.times().map(lambda time: time.isoformat())
    plain = {
        "date": dates,
        "time": times,
        "dateTime": st.tuples(dates, times).map("T".join),
        "gYear": st.integers(1, 99_999).map(lambda year: f"{year:04}") | st.just("-0044"),
        "gMonthDay": dates.map(lambda day: f"-{day[-6:]}"),
        "gDay": dates.map(lambda day: f"--{day[-3:]}"),
        "gMonth": dates.map(lambda day: f"-{day[-6:-3]}"),
        "gYearMonth": dates.map(lambda day: day[:-3]),
        "duration": st.sampled_from(["P1D", "P1Y2M", "-PT5.5S"]),
    }[shape.builtin]
    return plain if shape.builtin == "duration" else st.tuples(plain, _ZONES).map("".join)


def _binaries(shape: SimpleShape) -> st.SearchStrategy[str]:
    if shape.builtin == "hexBinary":
        shortest, longest = shape.bounds.min_length or 0, shape.bounds.max_length or 20
        return st.binary(min_size=shortest, max_size=longest).map(bytes.hex)
    return st.binary(max_size=20).map(lambda content: base64.b64encode(content).decode())


def _whole(bound: Decimal | str | None) -> int | None:
    return None if bound is None else int(bound)


@st.composite
def _complex(draw: st.DrawFn, element: ElementShape, depth: int) -> Any:
    shape = element.type
    assert isinstance(shape, ComplexShape)
    choices = _usable(element)
    if not choices or (not shape.abstract and draw(st.booleans())):
        return draw(_of_type(shape, depth))
    qname, chosen = draw(st.sampled_from(choices))
    data = draw(values(chosen) if isinstance(chosen, SimpleShape) else _of_type(chosen, depth))
    declared = "" if shape.abstract else shape.qname
    name = {TYPE_KEY: type_key(qname, element.choices, declared)}
    return {**name, **data} if isinstance(data, dict) else {**name, "value": data}


@st.composite
def _of_type(draw: st.DrawFn, shape: ComplexShape, depth: int) -> Any:
    if shape.anything:
        return draw(foreign())
    if shape.text is not None and shape.bare:
        return draw(values(shape.text))
    data: dict[str, Any] = draw(_attributes(shape))
    if shape.text is not None:
        return {"value": draw(values(shape.text)), **data}
    return data | draw(_scope(layout_of(shape), depth + 1))


@st.composite
def _attributes(draw: st.DrawFn, shape: ComplexShape) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for attribute in shape.attributes:
        # A default is supplied by the reader, so what leaves it out does not come back the same.
        if attribute.fixed:
            data[attribute.key] = draw(st.just(_default(attribute.type, attribute.default or "")))
        elif attribute.required or attribute.default is not None or draw(st.booleans()):
            data[attribute.key] = draw(values(attribute.type))
    if shape.any_attribute is not None:
        names = [name for name in ("urn:far", "urn:zoo:far") if shape.any_attribute.admits(name)]
        if names and shape.any_attribute.processing is not Processing.STRICT and draw(st.booleans()):
            data[f"@{{{draw(st.sampled_from(names))}}}mark"] = draw(_FOREIGN_TEXT)
    return data


@st.composite
def _scope(draw: st.DrawFn, layout: Layout, depth: int) -> dict[str, Any]:
    data: dict[str, Any] = {key: [] for key, place in layout.places.items() if place.repeated}
    data |= {key: [] for key in layout.rounds}
    _fill(draw, layout.node, data, depth)
    return data


def _fill(draw: st.DrawFn, node: Node, data: dict[str, Any], depth: int) -> None:  # noqa: C901, PLR0912 - by kind of node
    match node:
        case Place():
            for _ in range(_times(draw, node.element.minimum, node.element.maximum, depth)):
                _put(data, node.key, draw(instances(node.element, depth)))
        case Foreign():
            if _times(draw, node.wildcard.minimum, 1, depth):
                data["{urn:far}thing" + node.suffix] = draw(foreign())
        case Columns():
            for _ in range(_times(draw, node.minimum, node.maximum, depth)):
                for place in node.places:
                    data[place.key].append(draw(instances(place.element, depth)))
        case Rounds():
            for _ in range(_times(draw, node.minimum, node.maximum, depth)):
                item = draw(_scope(node.scope, depth).filter(_says_something))
                data[node.key].append(item)
        case Lists():
            _fill_lists(draw, node, data, depth)
        case Run(order=Order.CHOICE) if len(node.members) > 1:
            if not node.optional or draw(st.booleans()):
                _fill(draw, draw(st.sampled_from(node.members)), data, depth)
        case Run():
            if not node.optional or draw(st.booleans()):
                for member in node.members:
                    _fill(draw, member, data, depth)


def _fill_lists(draw: st.DrawFn, node: Lists, data: dict[str, Any], depth: int) -> None:
    order: list[tuple[int, str]] = []
    for _ in range(_times(draw, node.minimum, node.maximum, depth, most=4)):
        rank = draw(st.integers(0, len(node.members) - 1))
        member = node.members[rank]
        if isinstance(member, Place):
            key = member.key
            data[key].append(draw(instances(member.element, depth)))
        else:
            rank += len(node.members)
            key = draw(st.sampled_from(["{urn:far}a", "{urn:far}b", "{urn:further}a"])) + member.suffix
            data.setdefault(key, []).append(draw(foreign()))
        order.append((rank, key))
    if order != sorted(order):
        data[node.order] = [key for _, key in order]


def _says_something(item: dict[str, Any]) -> bool:
    return any(value != [] for value in item.values())


def _times(draw: st.DrawFn, minimum: int, maximum: int | None, depth: int, most: int = 2) -> int:
    if depth > _MAX_DEPTH:
        return minimum
    return draw(st.integers(minimum, min(minimum + most, minimum + most if maximum is None else maximum)))


def _put(data: dict[str, Any], name: str, value: Any) -> None:
    if isinstance(data.get(name), list):
        data[name].append(value)
    else:
        data[name] = value


# --- what no contract describes --------------------------------------------------------------------------

_FOREIGN_TEXT = st.text(_LEGAL, max_size=12).filter(lambda text: ":" not in text)
_FOREIGN_NAMES = st.sampled_from(["a", "Ə1", "{urn:far}a", "{urn:far}b", "{urn:further}c"])


def foreign(depth: int = 0) -> st.SearchStrategy[Any]:
    """An element in the form of `generic`, as a reader would give it."""
    if depth > _MAX_DEPTH - 1:
        return _FOREIGN_TEXT
    return _FOREIGN_TEXT | _foreign_object(depth)


@st.composite
def _foreign_object(draw: st.DrawFn, depth: int) -> Any:
    attributes = st.dictionaries(st.sampled_from(["@a", "@{urn:far}a", "@{urn:else}z"]), _FOREIGN_TEXT)
    data: dict[str, Any] = dict(draw(attributes)) | draw(st.sampled_from([{}, {"@xml:lang": "az"}]))
    kind = draw(st.sampled_from(["text", "children", "mixed"]))
    if kind == "text":
        text = draw(_FOREIGN_TEXT)
        return {**data, "#text": text} if data and text else data or text
    children = draw(st.lists(st.tuples(_FOREIGN_NAMES, foreign(depth + 1)), min_size=1, max_size=3))
    if kind == "children":
        return data | in_lists(children)
    parts: list[Any] = ["ə "]
    for name, value in children:
        parts += [{name: value}, draw(_FOREIGN_TEXT.filter(bool))]
    return data | {"#content": parts}
