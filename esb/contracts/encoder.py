"""From plain data to the exclusive-canonical text of one element.

Compiled once per element into closures that append text; no tree is built. WS-Security signs this text as it is, so
it must equal, byte for byte, what canonicalising it would give (RFC 3741): namespace declarations first and only
where they are used, attributes by namespace and name, no empty-element tags, canonical escapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from esb.contracts import generic
from esb.contracts.layout import (
    Columns,
    Foreign,
    Layout,
    Lists,
    Node,
    Place,
    Rounds,
    Run,
    keys_of,
    layout_of,
    leaves_of,
    needed_of,
    repeated_of,
)
from esb.contracts.lexical import Write
from esb.contracts.names import NIL_KEY, TYPE_KEY, type_keys
from esb.contracts.output import Output
from esb.contracts.particles import (
    ForeignWriter,
    Present,
    WriteElement,
    WriteParticle,
    below,
    columns,
    each,
    if_any,
    in_turn,
    lists,
    nothing,
    one_of,
    presence,
    rounds,
)
from esb.contracts.prefixes import Prefixes, Scope, Tags
from esb.contracts.shapes import (
    ComplexShape,
    Declarations,
    ElementShape,
    Order,
    Processing,
    SimpleShape,
    Type,
    Wildcard,
    supported,
)
from esb.contracts.tag_writers import BodyOf, Mark, TagWriters, unless_empty
from esb.errors import ContractUnsupported, ContractViolation

_MISSING = object()
_MAX_COMPILED_DEPTH = 40
"""Types below this are compiled from a queue, so that a chain of types may be longer than Python's stack."""


def compile_encoder(root: ElementShape, declarations: Declarations) -> Callable[[Any], str]:
    """A function from plain data to canonical text. Facets and counts of repeated elements are left to the validator.

    The function raises ContractViolation: unknown key, missing required key, wrong Python type, two of a choice.

    Raises:
        ContractUnsupported: something in the element's type has no faithful plain form; says where.
    """
    if root.abstract:
        raise ContractUnsupported(f"{root.name} is abstract: only an element that stands for it can be a message")
    write = _Compiler(root, declarations).root(root)

    def encode(values: Any) -> str:
        output = Output()
        try:
            write(values, output)
        except RecursionError as error:
            raise ContractViolation("nested too deeply") from error
        return output.text()

    return encode


class _Field(NamedTuple):
    """One member of a plain sequence. `write_text` is set for the commonest case: one simple element."""

    key: str
    required: bool
    opening: str
    write_text: Write | None
    closing: str
    write: WriteElement


class _Compiler:
    """Compiles everything below one root; prefixes are fixed for the whole document, but those of foreign names."""

    def __init__(self, root: ElementShape, declarations: Declarations) -> None:
        self._declarations = declarations
        self._prefixes = Prefixes(root, declarations)
        self._tags = TagWriters(self._prefixes)
        self._contents: dict[tuple[int, Scope], WriteParticle] = {}
        self._globals: dict[tuple[str, Scope], WriteElement] = {}
        self._queue: list[Callable[[], None]] = []
        self._path: list[str] = []

    def root(self, root: ElementShape) -> WriteElement:
        """A writer of the document."""
        write = self.element(root, frozenset())
        while self._queue:
            self._queue.pop()()
        return write

    def element(self, element: ElementShape, scope: Scope) -> WriteElement:
        """A writer of one occurrence of the element."""
        self._path.append(element.name)
        try:
            return self._element(element, self._prefixes.tags(element, scope))
        finally:
            self._path.pop()

    def _element(self, element: ElementShape, tags: Tags) -> WriteElement:
        shape = element.type
        self._supported(shape)
        if isinstance(shape, ComplexShape) and shape.anything:
            write = self._anything(element, tags.above)
        else:
            write = self._of_type(shape, tags)
        if element.default:
            write = unless_empty(write, shape)
        if element.choices or (isinstance(shape, ComplexShape) and shape.abstract):
            write = self._choosing(write, element, tags)
        return self._nillable(write, element, tags) if element.nillable else write

    def _of_type(self, shape: Type, tags: Tags) -> WriteElement:
        if isinstance(shape, SimpleShape):
            return self._tags.simple(shape, tags)
        if shape.bare and shape.text is not None:
            self._supported(shape.text)
            return self._tags.simple(shape.text, tags)
        for attribute in shape.attributes:
            self._supported(attribute.type, attribute.key)
        if shape.any_attribute is not None or any(attribute.type.names for attribute in shape.attributes):
            return self._tags.open(shape, tags, self._body_of(shape), unknown=_unknown_key)
        return self._tags.closed(shape, tags, self._body_of(shape), unknown=_unknown_key)

    def _supported(self, shape: Type, *below_path: str) -> None:
        try:
            supported(shape)
        except ContractUnsupported as error:
            raise ContractUnsupported(f"{'/'.join((*self._path, *below_path))}: {error}") from error

    # --- types that the data chooses, nil, anything -------------------------------------------------------

    def _choosing(self, write: WriteElement, element: ElementShape, tags: Tags) -> WriteElement:
        declared = element.type
        abstract = isinstance(declared, ComplexShape) and declared.abstract
        unnamed = abstract or (isinstance(declared, ComplexShape) and declared.anything)
        named = type_keys(element.choices, "" if unnamed else declared.qname)
        expected = ", ".join(sorted(key for key in named if "}" not in key)[:8])
        compiled: dict[str, WriteElement] = {}

        def write_chosen(values: Any, output: Output) -> None:
            chosen = values.get(TYPE_KEY, _MISSING) if isinstance(values, Mapping) else _MISSING
            if chosen is _MISSING and not abstract:
                write(values, output)
                return
            qname = named.get(chosen) if isinstance(chosen, str) else None
            if qname is None:
                raise ContractViolation(f"must name a type that may stand here: {expected}", path=TYPE_KEY)
            if qname not in compiled:
                shape = element.choices.get(qname, declared)
                compiled[qname] = self._later(lambda: self._marked(shape, tags, Mark(type=qname)))
            compiled[qname]({key: value for key, value in values.items() if key != TYPE_KEY}, output)

        return write_chosen

    def _later(self, compile_it: Callable[[], WriteElement]) -> WriteElement:
        """What only some documents need is compiled with the first of them; an unsupported part is their refusal."""
        try:
            write = compile_it()
            while self._queue:
                self._queue.pop()()
        except ContractUnsupported as error:
            raise ContractViolation(f"cannot be written: {error}") from error
        return write

    def _marked(self, shape: Type, tags: Tags, mark: Mark) -> WriteElement:
        self._supported(shape)
        return self._tags.open(shape, tags, self._body_of(shape), unknown=_unknown_key, mark=mark)

    def _nillable(self, write: WriteElement, element: ElementShape, tags: Tags) -> WriteElement:
        nil = self._tags.nil(tags)
        named = type_keys(element.choices, element.type.qname)

        def write_or_nil(value: Any, output: Output) -> None:
            if value is None:
                output.append(nil)
            elif isinstance(value, Mapping) and NIL_KEY in value:
                write_nil(value, output)
            else:
                write(value, output)

        def write_nil(value: Mapping[str, Any], output: Output) -> None:
            if value[NIL_KEY] is not True:
                raise ContractViolation("can only be true", path=NIL_KEY)
            chosen = named.get(value[TYPE_KEY]) if TYPE_KEY in value else None
            if chosen is None and TYPE_KEY in value:
                raise ContractViolation("must name a type that may stand here", path=TYPE_KEY)
            shape = element.choices.get(chosen or "", element.type)
            attributes = {key: text for key, text in value.items() if key not in {NIL_KEY, TYPE_KEY}}
            self._later(lambda: self._marked(shape, tags, Mark(type=chosen, nil=True)))(attributes, output)

        return write_or_nil

    def _anything(self, element: ElementShape, scope: Scope) -> WriteElement:
        bound = self._prefixes.bound(scope)
        declared = self._declared(Wildcard(processing=Processing.LAX), scope)
        return lambda value, output: generic.write_untyped(element.tag, value, output, bound=bound, declared=declared)

    def _declared(self, wildcard: Wildcard, scope: Scope) -> generic.WriteDeclared:
        """Writers of the elements that the contract declares, for what stands in a wildcard."""

        def declared(tag: str) -> WriteElement | None:
            element = self._declarations.element(tag, wildcard.processing)
            if element is None:
                return None
            key = (tag, scope)
            if key not in self._globals:
                self._globals[key] = self._later(lambda: self.element(element, scope))
            return self._globals[key]

        return declared

    # --- what stands between the tags ---------------------------------------------------------------------

    def _body_of(self, shape: Type) -> BodyOf:
        """The writer of text or children, by the prefixes that are declared around it."""
        if isinstance(shape, SimpleShape):
            return lambda scope: self._tags.text_body(shape, scope)
        if shape.text is not None:
            self._supported(shape.text)
            text = shape.text
            return lambda scope: self._tags.text_body(text, scope)
        return lambda scope: self._content(shape, scope)

    def _content(self, shape: ComplexShape, scope: Scope) -> WriteParticle:
        """The writer of a type's children; made once per scope, so that a type may contain itself."""
        key = (id(shape), scope)
        known = self._contents.get(key)
        if known is not None:
            return known
        if shape.content is None or not shape.content.members:
            return nothing

        def in_the_making(values: Mapping[str, Any], output: Output) -> int:
            return self._contents[key](values, output)

        self._contents[key] = in_the_making
        if len(self._path) > _MAX_COMPILED_DEPTH:
            path = list(self._path)
            self._queue.append(lambda: self._compile_content(shape, key, path))
        else:
            self._compile_content(shape, key, self._path)
        return self._contents[key]

    def _compile_content(self, shape: ComplexShape, key: tuple[int, Scope], path: list[str]) -> None:
        outer, self._path = self._path, path[-_MAX_COMPILED_DEPTH // 2 :] if path is not self._path else path
        layout = layout_of(shape)
        self._contents[key] = self._node(layout.node, layout, key[1])
        self._path = outer

    def _node(self, node: Node, layout: Layout, scope: Scope) -> WriteParticle:  # noqa: PLR0911 - one answer for each kind of node
        match node:
            case Place():
                return self._plain_sequence([node], scope)
            case Run(order=Order.CHOICE) if len(node.members) > 1:
                return self._choice(node, layout, scope)
            case Run():
                return self._run(node, layout, scope)
            case Columns():
                writers = [(place.key, self.element(place.element, scope)) for place in node.places]
                return columns(writers, node.minimum)
            case Lists():
                return self._lists(node, layout, scope)
            case Rounds():
                return rounds(node.key, self._node(node.scope.node, node.scope, scope), node.minimum)
            case Foreign():
                return self._foreign(node, layout, scope).one

    def _run(self, run: Run, layout: Layout, scope: Scope) -> WriteParticle:
        writers: list[WriteParticle] = []
        places: list[Place] = []
        for member in run.members:
            if isinstance(member, Place):
                places.append(member)
                continue
            if places:
                writers.append(self._plain_sequence(places, scope))
                places = []
            writers.append(self._node(member, layout, scope))
        if places or not writers:
            writers.append(self._plain_sequence(places, scope))
        write = in_turn(writers)
        return if_any(write, self._present(run, layout, scope), repeated_of(run)) if run.optional else write

    def _plain_sequence(self, places: list[Place], scope: Scope) -> WriteParticle:
        fields = [self._field(place, scope) for place in places]

        def write(values: Mapping[str, Any], output: Output) -> int:
            used = 0
            append, get = output.append, values.get
            for key, required, opening, write_text, closing, write_element in fields:
                value = get(key, _MISSING)
                if value is _MISSING:
                    if required:
                        raise ContractViolation("is required", path=key)
                    continue
                used += 1
                try:
                    if write_text is not None:
                        append(opening + write_text(value) + closing)
                    else:
                        write_element(value, output)
                except ContractViolation as violation:
                    raise below(key, violation) from violation
            return used

        return write

    def _field(self, place: Place, scope: Scope) -> _Field:
        element = place.element
        write = self.element(element, scope)
        if place.repeated:
            write = each(write, element.minimum)
        tags = self._prefixes.tags(element, scope)
        plain = not (place.repeated or element.nillable or element.default or element.choices)
        simple = element.type if plain and isinstance(element.type, SimpleShape) and not element.type.names else None
        return _Field(
            key=place.key,
            required=element.minimum > 0,
            opening=self._prefixes.opening(tags) + ">",
            write_text=self._tags.plain_text(simple) if simple is not None else None,
            closing=tags.closing,
            write=write,
        )

    def _choice(self, run: Run, layout: Layout, scope: Scope) -> WriteParticle:
        branches = [(keys_of(member), needed_of(member), self._node(member, layout, scope)) for member in run.members]
        return one_of(branches, self._present(run, layout, scope), repeated_of(run), optional=run.optional)

    def _lists(self, node: Lists, layout: Layout, scope: Scope) -> WriteParticle:
        places = [
            (member.key, self.element(member.element, scope)) for member in node.members if isinstance(member, Place)
        ]
        foreign = [self._foreign(member, layout, scope) for member in node.members if isinstance(member, Foreign)]
        return lists(places, foreign, node.order, node.minimum)

    def _foreign(self, node: Foreign, layout: Layout, scope: Scope) -> ForeignWriter:
        bound = self._prefixes.bound(scope)
        declared = self._declared(node.wildcard, scope)
        return ForeignWriter(
            node,
            layout.declared,
            lambda tag, value, output: generic.write(tag, value, output, bound=bound, declared=declared),
        )

    def _present(self, node: Node, layout: Layout, scope: Scope) -> Present:
        foreign = [leaf for leaf in leaves_of(node) if isinstance(leaf, Foreign)]
        writers = [(leaf.key, self._foreign(leaf, layout, scope)) for leaf in foreign]
        return presence(keys_of(node) - {leaf.key for leaf in foreign}, repeated_of(node), writers)


def _unknown_key(values: Mapping[str, Any], shape: Type) -> ContractViolation:
    known: set[str] = set()
    if isinstance(shape, ComplexShape):
        known |= {attribute.key for attribute in shape.attributes} | layout_of(shape).declared
    if isinstance(shape, SimpleShape) or shape.text is not None:
        known.add("value")
    unknown = sorted(str(key) for key in values if key not in known)
    return ContractViolation("is not in the contract", path=unknown[0] if unknown else None)
