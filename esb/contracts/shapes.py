"""The shape of a contract: what an XSD says about elements, types and occurrence, as small values.

Made by `explain` from xmlschema's components, so that those heavy objects can be dropped; read by the encoder, the
decoder, the JSON Schema writer and the sampler. Nothing here validates: libxml2 does. How shapes become the keys of
plain data is told by `layout`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
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
    NAME = "name"
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


class Processing(enum.StrEnum):
    """What the contract demands of the content of a wildcard."""

    STRICT = "strict"
    LAX = "lax"
    SKIP = "skip"


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
    qname: str = ""
    bounds: Bounds = Bounds()
    item: SimpleShape | None = None
    members: tuple[SimpleShape, ...] = ()
    titles: Titles = Titles()
    refusal: str | None = None

    @property
    def names(self) -> bool:
        """Whether its text depends on the prefixes around it (QName, NOTATION and lists of these)."""
        return self.kind is Kind.NAME or (self.item is not None and self.item.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wildcard:
    """`xs:any` or `xs:anyAttribute`. `namespaces` None: any but those `excluded`; "" is no namespace."""

    processing: Processing
    namespaces: frozenset[str] | None = None
    excluded: frozenset[str] = frozenset()
    minimum: int = 1
    maximum: int | None = 1

    @property
    def repeated(self) -> bool:
        """Whether it may stand for more than one element."""
        return self.maximum is None or self.maximum > 1

    def admits(self, namespace: str) -> bool:
        """Whether a name of this namespace may stand here. XSD part 1, 3.10.4."""
        return namespace not in self.excluded if self.namespaces is None else namespace in self.namespaces


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeShape:
    """One attribute of a type. `namespace` is "" for an unqualified one; `default` covers `fixed` as well."""

    namespace: str
    name: str
    type: SimpleShape
    required: bool
    default: str | None
    fixed: bool = False
    titles: Titles = Titles()
    clashes: bool = False

    @property
    def key(self) -> str:
        """The key in plain data: the full name only where the local one stands for another attribute as well."""
        return "@" + (self.tag if self.clashes else self.name)

    @property
    def tag(self) -> str:
        """The name as lxml writes it."""
        return f"{{{self.namespace}}}{self.name}" if self.namespace else self.name


@dataclass(slots=True, kw_only=True, eq=False)
class ComplexShape:
    """A complex type. Filled in after it is made, because types may contain themselves; read-only afterwards.

    `qname` is "" for an anonymous type; `anything`: it is read in the generic form, as xs:anyType is.
    """

    name: str
    qname: str = ""
    attributes: tuple[AttributeShape, ...] = ()
    any_attribute: Wildcard | None = None
    content: GroupShape | None = None
    text: SimpleShape | None = None
    abstract: bool = False
    anything: bool = False
    titles: Titles = field(default_factory=Titles)
    refusal: str | None = None

    @property
    def bare(self) -> bool:
        """Whether its plain data is one value and no object."""
        return self.text is not None and not self.attributes and self.any_attribute is None


Type = SimpleShape | ComplexShape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ElementShape:
    """One element particle. `maximum` None is unbounded; `default` covers `fixed` as well.

    `choices` are the types that a document may choose instead (xsi:type), by `{namespace}local`; the same mapping
    for every element of one type.
    """

    namespace: str
    name: str
    type: Type
    minimum: int = 1
    maximum: int | None = 1
    nillable: bool = False
    abstract: bool = False
    default: str | None = None
    fixed: bool = False
    choices: Mapping[str, Type] = field(default_factory=dict)
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
    members: tuple[Particle, ...]
    minimum: int = 1
    maximum: int | None = 1

    @property
    def repeated(self) -> bool:
        """Whether the whole group may occur more than once."""
        return self.maximum is None or self.maximum > 1


Particle = ElementShape | GroupShape | Wildcard


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarations:
    """Every global element of a contract: what a wildcard may stand for."""

    elements: Mapping[str, ElementShape] = field(default_factory=dict)

    def element(self, tag: str, processing: Processing) -> ElementShape | None:
        """The declaration that the content of such a wildcard must fit, if any."""
        return None if processing is Processing.SKIP else self.elements.get(tag)


def particles_of(group: GroupShape) -> Iterator[ElementShape | Wildcard]:
    """Every element and wildcard in a group, in document order."""
    for member in group.members:
        if isinstance(member, GroupShape):
            yield from particles_of(member)
        else:
            yield member


def elements_of(group: GroupShape) -> Iterator[ElementShape]:
    """Every element particle in a group, in document order."""
    return (particle for particle in particles_of(group) if isinstance(particle, ElementShape))


def supported(shape: Type) -> None:
    """Return when the type itself (not what it contains) can be compiled; raises ContractUnsupported."""
    if shape.refusal is not None:
        raise ContractUnsupported(shape.refusal)


def reachable(root: ElementShape, declarations: Declarations) -> Iterator[ElementShape]:
    """Every element that a document of this root can hold, each declaration once."""
    waiting, seen = [root], set[int]()
    while waiting:
        element = waiting.pop()
        yield element
        for shape in (element.type, *element.choices.values()):
            if not isinstance(shape, ComplexShape) or id(shape) in seen:
                continue
            seen.add(id(shape))
            for particle in particles_of(shape.content) if shape.content is not None else ():
                if isinstance(particle, ElementShape):
                    waiting.append(particle)
                elif particle.processing is not Processing.SKIP and id(declarations) not in seen:
                    seen.add(id(declarations))
                    waiting += declarations.elements.values()
            if shape.anything and id(declarations) not in seen:
                seen.add(id(declarations))
                waiting += declarations.elements.values()
