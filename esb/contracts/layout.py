"""Which keys the plain data of a type has, and how they follow one another in a document.

Made once per type at load; encoder, decoder, JSON Schema writer and sampler all follow it, so that they cannot
disagree. The friendly form is one key per element name. Where that would lose something, and only there:

| in the contract | in plain data |
|---|---|
| an element that may occur more than once | a list |
| two elements of one local name in different namespaces | keys `{namespace}local` |
| one element at two places of a sequence | `Name`, then `Name#2`, `Name#3` … in the order of the contract |
| a repeated choice or head of a substitution group | a list per name; `#order` where a document mixes the names |
| a repeated sequence of single elements | lists of equal length |
| any other repeated group | `#items`: a list of objects, one for each round |
| an element wildcard | `{namespace}local`; see `generic` |

See docs/adr/0014.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from esb.contracts.shapes import (
    ComplexShape,
    ElementShape,
    GroupShape,
    Order,
    Particle,
    Wildcard,
    particles_of,
)

ITEMS = "#items"
ORDER = "#order"
_ANY = "{*}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """An element and its key. `required`: present in every valid document."""

    key: str
    element: ElementShape
    repeated: bool
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Foreign:
    """A wildcard. Keys are names of elements, with the suffix where the type has several wildcards."""

    suffix: str
    wildcard: Wildcard
    repeated: bool
    required: bool

    @property
    def key(self) -> str:
        """Stands for every key that the wildcard may use."""
        return _ANY + self.suffix


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """A group that occurs once or, when `optional`, not at all."""

    order: Order
    members: tuple[Node, ...]
    optional: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """A repeated sequence whose rounds hold exactly one of each."""

    places: tuple[Place, ...]
    minimum: int
    maximum: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lists:
    """A repeated choice: every member is a list; `order` is the key that holds the order of the document."""

    members: tuple[Place | Foreign, ...]
    order: str
    minimum: int
    maximum: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rounds:
    """A repeated group whose rounds matter: a list of objects."""

    key: str
    scope: Layout
    minimum: int
    maximum: int | None
    required: bool


Node = Place | Foreign | Run | Columns | Lists | Rounds
Leaf = Place | Foreign | Rounds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """The children of one type, or of one round of a repeated group."""

    node: Node
    places: dict[str, Place]
    rounds: dict[str, Rounds]
    foreign: tuple[Foreign, ...]
    orders: dict[str, Lists]

    @property
    def declared(self) -> frozenset[str]:
        """Every key but those of wildcards."""
        return frozenset((*self.places, *self.rounds, *self.orders))

    @property
    def flat(self) -> bool:
        """Whether a child's name alone says where it belongs, and the order of children says nothing."""
        tags = {place.element.tag for place in self.places.values()}
        return len(tags) == len(self.places) and not self.rounds and not self.foreign and not self.orders


def layout_of(shape: ComplexShape) -> Layout:
    """The layout of a type's children."""
    return _scope(shape.content or GroupShape(order=Order.SEQUENCE, members=()))


def leaves_of(node: Node) -> Iterator[Leaf]:
    """Everything in a node that has keys, in the order of the contract."""
    match node:
        case Run():
            for member in node.members:
                yield from leaves_of(member)
        case Columns():
            yield from node.places
        case Lists():
            yield from node.members
        case _:
            yield node


def keys_of(node: Node) -> frozenset[str]:
    """Every key that the node can use."""
    return frozenset(leaf.key for leaf in leaves_of(node)) | {each.order for each in lists_of(node)}


def repeated_of(node: Node) -> frozenset[str]:
    """The keys that hold lists, which are there even when they say nothing."""
    leaves = [leaf for leaf in leaves_of(node) if not isinstance(leaf, Foreign)]
    return frozenset(leaf.key for leaf in leaves if isinstance(leaf, Rounds) or leaf.repeated)


def needed_of(node: Node) -> frozenset[str]:
    """Keys without which the node cannot be written."""
    match node:
        case Place():
            return frozenset({node.key}) if node.element.minimum else frozenset()
        case Foreign():
            return frozenset({node.key}) if node.wildcard.minimum else frozenset()
        case Rounds():
            return frozenset({node.key}) if node.minimum else frozenset()
        case Columns():
            return frozenset(place.key for place in node.places) if node.minimum else frozenset()
        case Lists():
            return frozenset({node.members[0].key}) if node.minimum and len(node.members) == 1 else frozenset()
        case Run():
            return _needed_of_run(node)


def lists_of(node: Node) -> Iterator[Lists]:
    """The repeated choices in a node."""
    if isinstance(node, Lists):
        yield node
    elif isinstance(node, Run):
        for member in node.members:
            yield from lists_of(member)


def _needed_of_run(run: Run) -> frozenset[str]:
    parts = [needed_of(member) for member in run.members]
    if run.optional or not parts:
        return frozenset()
    return frozenset.intersection(*parts) if run.order is Order.CHOICE else frozenset().union(*parts)


def _scope(group: GroupShape) -> Layout:
    node = _Planner(group).node(group, set(), required=True)
    leaves = list(leaves_of(node))
    places: dict[str, Place] = {}
    for leaf in leaves:
        if isinstance(leaf, Place):
            # Branches of a choice may share a key; it is there in every document only if each of them needs it.
            known = places.get(leaf.key)
            places[leaf.key] = leaf if known is None else replace(known, required=False)
    return Layout(
        node=node,
        places=places,
        rounds={leaf.key: leaf for leaf in leaves if isinstance(leaf, Rounds)},
        foreign=tuple(leaf for leaf in leaves if isinstance(leaf, Foreign)),
        orders={each.order: each for each in lists_of(node)},
    )


class _Planner:
    """Gives keys to the particles of one scope. `used` is the set of keys that are taken already."""

    def __init__(self, group: GroupShape) -> None:
        tags: defaultdict[str, set[str]] = defaultdict(set)
        for particle in particles_of(group):
            if isinstance(particle, ElementShape):
                tags[particle.name].add(particle.namespace)
        self._clashing = {name for name, namespaces in tags.items() if len(namespaces) > 1}

    def node(self, particle: Particle, used: set[str], *, required: bool) -> Node:
        """The node of one particle; takes its keys."""
        if isinstance(particle, GroupShape):
            particle = _simplified(particle)
        match particle:
            case ElementShape():
                return self._place(particle, used, repeated=particle.repeated, required=required)
            case Wildcard() if particle.repeated:
                return self._lists((particle,), particle.minimum, particle.maximum, used)
            case Wildcard():
                return self._foreign(particle, used, repeated=False, required=required)
            case GroupShape() if particle.repeated:
                return self._repeated(particle, used, required=required)
            case GroupShape(order=Order.CHOICE) if len(particle.members) > 1:
                return self._choice(particle, used)
            case GroupShape():
                required = required and particle.minimum > 0
                members = [self.node(member, used, required=required) for member in _flattened(particle)]
                return Run(order=particle.order, members=tuple(members), optional=not particle.minimum)

    def _place(self, element: ElementShape, used: set[str], *, repeated: bool, required: bool) -> Place:
        key = _fresh(element.tag if element.name in self._clashing else element.name, used)
        return Place(key=key, element=element, repeated=repeated, required=required and element.minimum > 0)

    def _foreign(self, wildcard: Wildcard, used: set[str], *, repeated: bool, required: bool) -> Foreign:
        suffix = _fresh(_ANY, used).removeprefix(_ANY)
        return Foreign(suffix=suffix, wildcard=wildcard, repeated=repeated, required=required and wildcard.minimum > 0)

    def _repeated(self, group: GroupShape, used: set[str], *, required: bool) -> Node:
        members = _flattened(group)
        if group.order is Order.CHOICE and not any(isinstance(member, GroupShape) for member in members):
            singles = [member for member in members if not isinstance(member, GroupShape)]
            return self._lists(tuple(singles), group.minimum, group.maximum, used)
        single = [
            member for member in members if isinstance(member, ElementShape) and member.minimum == 1 == member.maximum
        ]
        if len({member.tag for member in single}) == len(members):
            places = [self._place(each, used, repeated=True, required=False) for each in single]
            return Columns(places=tuple(places), minimum=group.minimum, maximum=group.maximum)
        return Rounds(
            key=_fresh(ITEMS, used),
            scope=_scope(replace(group, minimum=1, maximum=1)),
            minimum=group.minimum,
            maximum=group.maximum,
            required=required and group.minimum > 0,
        )

    def _lists(
        self, members: tuple[ElementShape | Wildcard, ...], minimum: int, maximum: int | None, used: set[str]
    ) -> Lists:
        leaves = [
            self._place(member, used, repeated=True, required=False)
            if isinstance(member, ElementShape)
            else self._foreign(member, used, repeated=True, required=False)
            for member in members
        ]
        return Lists(members=tuple(leaves), order=_fresh(ORDER, used), minimum=minimum, maximum=maximum)

    def _choice(self, group: GroupShape, used: set[str]) -> Run:
        branches: list[Node] = []
        before = frozenset(used)
        for member in _flattened(group):
            taken = set(before)
            branch = self.node(member, taken, required=False)
            if any(_confusable(branch, other) for other in branches):
                branch = self.node(member, used, required=False)
            branches.append(branch)
            used |= keys_of(branch)
        return Run(order=Order.CHOICE, members=tuple(branches), optional=not group.minimum)


def _confusable(branch: Node, other: Node) -> bool:
    """Whether plain data could not say which of two branches of a choice is meant, or a key means two things."""
    own, others = ({leaf.key: leaf for leaf in leaves_of(node)} for node in (branch, other))
    shared = own.keys() & others.keys()
    if any(not _alike(own[key], others[key]) for key in shared):
        return True
    if any(True for node in (branch, other) for _ in lists_of(node)) and keys_of(branch) & keys_of(other):
        return True
    return bool(shared) and (needed_of(branch) | needed_of(other)) <= (keys_of(branch) & keys_of(other))


def _alike(one: Leaf, other: Leaf) -> bool:
    if not isinstance(one, Place) or not isinstance(other, Place) or one.repeated is not other.repeated:
        return False
    return (one.element.tag, id(one.element.type), one.element.nillable, one.element.default) == (
        other.element.tag,
        id(other.element.type),
        other.element.nillable,
        other.element.default,
    )


def _simplified(group: GroupShape) -> Particle:
    """A group of one member is that member, as often."""
    particle: Particle = group
    while isinstance(particle, GroupShape) and len(particle.members) == 1:
        (member,) = particle.members
        unbounded = particle.maximum is None or member.maximum is None
        maximum = None if unbounded else (particle.maximum or 0) * (member.maximum or 0)
        particle = replace(member, minimum=particle.minimum * member.minimum, maximum=maximum)
    return particle


def _flattened(group: GroupShape) -> list[Particle]:
    """Members, with groups dissolved that say nothing (every extension makes a sequence inside a sequence)."""
    members: list[Particle] = []
    for member in group.members:
        inner = _simplified(member) if isinstance(member, GroupShape) else member
        # A choice inside a repeated choice is offered anew in every round, however often it may occur itself.
        if isinstance(inner, GroupShape) and inner.order is group.order is Order.CHOICE and group.repeated:
            members += _flattened(replace(inner, minimum=1, maximum=None))
        elif isinstance(inner, GroupShape) and inner.order is group.order and inner.minimum == 1 == inner.maximum:
            members += _flattened(inner)
        else:
            members.append(inner)
    return members


def _fresh(key: str, used: set[str]) -> str:
    place, free = 1, key
    while free in used:
        place += 1
        free = f"{key}#{place}"
    used.add(free)
    return free
