"""Hypothesis strategies for plain data that fit a contract's shapes.

The oracle side of the property tests: written from the shapes, independently of the sampler.
"""

from __future__ import annotations

import base64
import re
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from esb.contracts.patterns import to_json_schema
from esb.contracts.shapes import (
    ComplexShape,
    ElementShape,
    GroupShape,
    Kind,
    Order,
    SimpleShape,
    Whitespace,
    fields_of,
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


def instances(element: ElementShape, depth: int = 0) -> st.SearchStrategy[Any]:
    """Plain data of one occurrence of an element."""
    if isinstance(element.type, SimpleShape):
        strategy = st.just(element.default) if element.default is not None else values(element.type)
    else:
        strategy = _complex(element.type, depth)
    return st.none() | strategy if element.nillable else strategy


def values(shape: SimpleShape) -> st.SearchStrategy[Any]:
    """Values of a simple type."""
    bounds = shape.bounds
    if shape.members:
        return _union(shape)
    if bounds.enumeration is not None:
        return st.sampled_from(bounds.enumeration)
    if shape.kind is Kind.LIST:
        assert shape.item is not None
        return st.lists(values(shape.item), min_size=bounds.min_length or 1, max_size=bounds.max_length or 4)
    if bounds.patterns:
        patterns = [to_json_schema(pattern) for pattern in bounds.patterns[0]]
        return st.one_of(
            [st.from_regex(pattern, fullmatch=True).filter(str.isascii) for pattern in patterns if pattern]
        )
    return {
        Kind.TEXT: _text,
        Kind.INTEGER: lambda shape: st.integers(_whole(shape.bounds.minimum), _whole(shape.bounds.maximum)),
        Kind.DECIMAL: _decimals,
        Kind.FLOAT: lambda _: st.floats(allow_nan=False),
        Kind.BOOLEAN: lambda _: st.booleans(),
        Kind.MOMENT: _moments,
        Kind.BINARY: _binaries,
    }[shape.kind](shape)


def _union(shape: SimpleShape) -> st.SearchStrategy[Any]:
    if shape.kind is not Kind.TEXT:
        return st.one_of([values(member) for member in shape.members])
    return st.one_of([values(member).map(str) for member in shape.members])


def _text(shape: SimpleShape) -> st.SearchStrategy[str]:
    if shape.builtin in {"language", "anyURI"}:
        return st.sampled_from(["az", "en"])
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


def _moments(shape: SimpleShape) -> st.SearchStrategy[str]:
    dates = st.dates().map(lambda day: day.isoformat())
    times = st.times().map(lambda time: time.isoformat())
    plain = {
        "date": dates,
        "time": times,
        "dateTime": st.tuples(dates, times).map("T".join),
        "gYear": st.integers(1000, 9999).map(str),
        "gYearMonth": dates.map(lambda day: day[:7]),
        "duration": st.sampled_from(["P1D", "P1Y2M", "-PT5.5S"]),
    }[shape.builtin]
    return plain if shape.builtin == "duration" else st.tuples(plain, _ZONES).map("".join)


def _binaries(shape: SimpleShape) -> st.SearchStrategy[str]:
    if shape.builtin == "hexBinary":
        return st.binary(max_size=20).map(bytes.hex)
    return st.binary(max_size=20).map(lambda content: base64.b64encode(content).decode())


def _whole(bound: Decimal | str | None) -> int | None:
    return None if bound is None else int(bound)


@st.composite
def _complex(draw: st.DrawFn, shape: ComplexShape, depth: int) -> Any:
    if shape.text is not None and not shape.attributes:
        return draw(values(shape.text))
    data: dict[str, Any] = {}
    for attribute in shape.attributes:
        # A default is supplied by the reader, so what leaves it out does not come back the same.
        if attribute.required or attribute.default is not None or draw(st.booleans()):
            data[attribute.key] = draw(values(attribute.type))
    if shape.text is not None:
        return {"value": draw(values(shape.text)), **data}
    data |= {name: [] for name, field in fields_of(shape).items() if field.repeated}
    if shape.content is not None:
        _fill(draw, shape.content, data, depth + 1)
    return data


def _fill(draw: st.DrawFn, group: GroupShape, data: dict[str, Any], depth: int) -> None:
    rounds = _times(draw, group.minimum, group.maximum, depth)
    for _ in range(rounds):
        members = [draw(st.sampled_from(group.members))] if group.order is Order.CHOICE else group.members
        for member in members:
            if isinstance(member, GroupShape):
                _fill(draw, member, data, depth)
            else:
                for _ in range(_times(draw, member.minimum, member.maximum, depth)):
                    _put(data, member.name, draw(instances(member, depth)))


def _times(draw: st.DrawFn, minimum: int, maximum: int | None, depth: int) -> int:
    if depth > _MAX_DEPTH:
        return minimum
    return draw(st.integers(minimum, min(minimum + 2, minimum + 2 if maximum is None else maximum)))


def _put(data: dict[str, Any], name: str, value: Any) -> None:
    if isinstance(data.get(name), list):
        data[name].append(value)
    else:
        data[name] = value
