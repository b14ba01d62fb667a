"""The shape of a contract: what an XSD says about elements, types and occurrence, as small values.

Made by `explain` from xmlschema's components, so that those heavy objects can be dropped; read by the encoder, the
decoder, the JSON Schema writer and the sampler. Nothing here validates: libxml2 does.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from esb.errors import ContractUnsupported


class Kind(enum.StrEnum):
    """How a simple value appears in plain data; `lexical` documents the mapping."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    BOOLEAN = "boolean"
    MOMENT = "moment"
    BINARY = "binary"
    LIST = "list"


class Whitespace(enum.StrEnum):
    """XSD part 2, 4.3.6: what becomes of space, tab, CR and LF before a value is looked at."""

    PRESERVE = "preserve"
    REPLACE = "replace"
    COLLAPSE = "collapse"


class Order(enum.StrEnum):
    """How the members of a group follow one another."""

    SEQUENCE = "sequence"
    CHOICE = "choice"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Titles:
    """What the contract's annotations call something, by language."""

    az: str | None = None
    en: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The facets that limit a value. `patterns`: a value must match one of each inner tuple."""

    enumeration: tuple[str, ...] | None = None
    patterns: tuple[tuple[str, ...], ...] = ()
    min_length: int | None = None
    max_length: int | None = None
    minimum: Decimal | str | None = None
    maximum: Decimal | str | None = None
    above: Decimal | str | None = None
    below: Decimal | str | None = None
    total_digits: int | None = None
    fraction_digits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleShape:
    """A simple type. `builtin`: the XSD type it derives from, `date`; `refusal`: why it cannot be compiled."""

    kind: Kind
    builtin: str
    whitespace: Whitespace
    bounds: Bounds = Bounds()
    item: SimpleShape | None = None
    members: tuple[SimpleShape, ...] = ()
    titles: Titles = Titles()
    refusal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeShape:
    """One attribute of a type. `namespace` is "" for an unqualified one."""

    namespace: str
    name: str
    type: SimpleShape
    required: bool
    default: str | None
    titles: Titles

    @property
    def key(self) -> str:
        """The key in plain data."""
        return "@" + self.name

    @property
    def tag(self) -> str:
        """The name as lxml writes it."""
        return f"{{{self.namespace}}}{self.name}" if self.namespace else self.name


@dataclass(slots=True, kw_only=True, eq=False)
class ComplexShape:
    """A complex type. Filled in after it is made, because types may contain themselves; read-only afterwards."""

    name: str
    attributes: tuple[AttributeShape, ...] = ()
    content: GroupShape | None = None
    text: SimpleShape | None = None
    titles: Titles = field(default_factory=Titles)
    refusal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ElementShape:
    """One element particle. `maximum` None is unbounded; `default` covers `fixed` as well."""

    namespace: str
    name: str
    type: SimpleShape | ComplexShape
    minimum: int = 1
    maximum: int | None = 1
    nillable: bool = False
    default: str | None = None
    titles: Titles = Titles()

    @property
    def tag(self) -> str:
        """The name as lxml writes it."""
        return f"{{{self.namespace}}}{self.name}" if self.namespace else self.name

    @property
    def repeated(self) -> bool:
        """Whether it may occur more than once by its own account."""
        return self.maximum is None or self.maximum > 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupShape:
    """A model group."""

    order: Order
    members: tuple[ElementShape | GroupShape, ...]
    minimum: int = 1
    maximum: int | None = 1

    @property
    def repeated(self) -> bool:
        """Whether the whole group may occur more than once."""
        return self.maximum is None or self.maximum > 1

    @property
    def names(self) -> frozenset[str]:
        """Every element name that the group can hold."""
        return frozenset(element.name for element in elements_of(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One key that an element's plain data can have. `required`: present in every valid document."""

    element: ElementShape
    repeated: bool
    required: bool


def elements_of(group: GroupShape) -> Iterator[ElementShape]:
    """Every element particle in a group, in document order."""
    for member in group.members:
        if isinstance(member, ElementShape):
            yield member
        else:
            yield from elements_of(member)


def fields_of(shape: ComplexShape) -> dict[str, Field]:
    """The keys of a type's plain data, in document order.

    Raises:
        ContractUnsupported: two elements would need the same key, or the order of a repeated group would be lost.
    """
    if shape.content is None:
        return {}
    return _fields(shape.content, required=True, repeated=False, owner=shape.name)


def supported(shape: SimpleShape | ComplexShape) -> None:
    """Return when the type itself (not what it contains) can be compiled; raises ContractUnsupported."""
    if shape.refusal is not None:
        raise ContractUnsupported(shape.refusal)
    if isinstance(shape, ComplexShape) and len({each.key for each in shape.attributes}) < len(shape.attributes):
        raise ContractUnsupported(f"{shape.name} has two attributes that differ in their namespace only")


def _fields(group: GroupShape, *, required: bool, repeated: bool, owner: str) -> dict[str, Field]:
    repeated = repeated or group.repeated
    if repeated:
        _refuse_lost_order(group, owner)
    required = required and group.minimum > 0 and (group.order is not Order.CHOICE or len(group.members) == 1)
    fields: dict[str, Field] = {}
    for member in group.members:
        if isinstance(member, ElementShape):
            found = {
                member.name: Field(
                    element=member,
                    repeated=repeated or member.repeated,
                    required=required and member.minimum > 0,
                )
            }
        else:
            found = _fields(member, required=required, repeated=repeated, owner=owner)
        for name, new in found.items():
            fields[name] = _merged(fields[name], new, group.order, owner) if name in fields else new
    return fields


def _merged(old: Field, new: Field, order: Order, owner: str) -> Field:
    if old.element.tag != new.element.tag:
        raise ContractUnsupported(f"{owner} has two elements named {new.element.name} in different namespaces")
    if order is not Order.CHOICE:
        raise ContractUnsupported(f"{owner} holds the element {new.element.name} at two places")
    return Field(element=old.element, repeated=old.repeated or new.repeated, required=False)


def _refuse_lost_order(group: GroupShape, owner: str) -> None:
    if len(group.members) == 1:
        return
    # A repeated choice keeps its values by name; a repeated sequence can be put together again only when every
    # round has exactly one of each.
    single = group.order is Order.CHOICE or all(member.minimum == 1 == member.maximum for member in group.members)
    if not single or any(isinstance(member, GroupShape) for member in group.members):
        raise ContractUnsupported(f"{owner} repeats a group whose rounds could not be told apart afterwards")
