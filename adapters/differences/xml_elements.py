"""Differences between two elements of XSD: what they may hold, how often, in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from adapters.differences.changes import Changes, Direction, Effect, Shift, shift_of_limit, told
from adapters.differences.xml_types import SimpleTypes
from esb.contracts.shapes import (
    AttributeShape,
    ComplexShape,
    ElementShape,
    GroupShape,
    Order,
    SimpleShape,
    Type,
    Wildcard,
)

_MOST_PLACES = 20
"""At how many places the changes of one type are told; a base type of everything would fill books."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """An element among the content of a type. `required`: in every document; `chosen`: in a choice."""

    element: ElementShape
    required: bool
    chosen: bool
    repeated: bool


class Elements:
    """Compares into one list of changes; types that contain themselves end."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._simple = SimpleTypes(changes)
        self._open: set[tuple[int, int, Direction]] = set()
        self._walked: Counter[tuple[int, int, Direction]] = Counter()

    def compare(self, old: ElementShape, new: ElementShape, path: str, direction: Direction) -> None:
        """Everything that differs between two elements of one name."""
        say = self._changes.add
        if old.namespace != new.namespace:
            say(Shift.OTHER, direction, path, f"namespace {told(old.namespace or None, new.namespace or None)}")
        if old.nillable is not new.nillable:
            shift = Shift.WIDER if new.nillable else Shift.NARROWER
            say(shift, direction, path, f"nillable {told(old.nillable, new.nillable)}")
        if (old.default, old.fixed) != (new.default, new.fixed):
            word = "fixed" if old.fixed or new.fixed else "default"
            say(Shift.OTHER, direction, path, f"{word} {told(old.default, new.default)}")
        if old.titles != new.titles:
            say(Shift.NEITHER, direction, path, "documentation")
        self._types(old.type, new.type, path, direction)

    def _types(self, old: Type, new: Type, path: str, direction: Direction) -> None:
        if isinstance(old, SimpleShape) and isinstance(new, SimpleShape):
            self._simple.compare(old, new, path, direction)
        elif isinstance(old, ComplexShape) and isinstance(new, ComplexShape):
            self._pair(old, new, path, direction)
        else:
            self._changes.add(Shift.OTHER, direction, path, f"type {told(_kind(old), _kind(new))}")

    def _pair(self, old: ComplexShape, new: ComplexShape, path: str, direction: Direction) -> None:
        """Two types, at every place where they are used; where they are all alike, once is enough."""
        key = id(old), id(new), direction
        if key in self._open or self._walked[key] >= _MOST_PLACES:
            return
        self._open.add(key)
        before = len(self._changes)
        self._complex(old, new, path, direction)
        self._open.remove(key)
        self._walked[key] = _MOST_PLACES if len(self._changes) == before else self._walked[key] + 1

    def _complex(self, old: ComplexShape, new: ComplexShape, path: str, direction: Direction) -> None:
        if old.anything is not new.anything:
            shift = Shift.WIDER if new.anything else Shift.NARROWER
            self._changes.add(shift, direction, path, f"type {told(_kind(old), _kind(new))}")
            return
        if old.abstract is not new.abstract:
            self._changes.add(Shift.OTHER, direction, path, f"abstract {told(old.abstract, new.abstract)}")
        if old.text is not None and new.text is not None:
            self._simple.compare(old.text, new.text, path, direction)
        elif old.text is not new.text:
            self._changes.add(Shift.OTHER, direction, path, f"content {told(_content(old), _content(new))}")
        self._attributes(old, new, path, direction)
        self._contents(old.content, new.content, path, direction)

    # --- attributes --------------------------------------------------------------------------------------

    def _attributes(self, old: ComplexShape, new: ComplexShape, path: str, direction: Direction) -> None:
        before = {attribute.tag: attribute for attribute in old.attributes}
        after = {attribute.tag: attribute for attribute in new.attributes}
        for tag, attribute in after.items():
            if tag not in before:
                self._added(f"{path}/@{attribute.name}", direction, required=attribute.required, chosen=False)
        for tag, attribute in before.items():
            place = f"{path}/@{attribute.name}"
            if tag not in after:
                self._changes.add(Shift.OTHER, direction, place, "removed")
            else:
                self._attribute(attribute, after[tag], place, direction)
        self._wildcard(old.any_attribute, new.any_attribute, path, direction, "xs:anyAttribute")

    def _attribute(self, old: AttributeShape, new: AttributeShape, path: str, direction: Direction) -> None:
        if old.required is not new.required:
            self._requirement(path, direction, required=new.required)
        if (old.default, old.fixed) != (new.default, new.fixed):
            self._changes.add(Shift.OTHER, direction, path, f"default {told(old.default, new.default)}")
        if old.titles != new.titles:
            self._changes.add(Shift.NEITHER, direction, path, "documentation")
        self._simple.compare(old.type, new.type, path, direction)

    # --- elements ----------------------------------------------------------------------------------------

    def _contents(self, old: GroupShape | None, new: GroupShape | None, path: str, direction: Direction) -> None:
        before, after = dict(_members(old)), dict(_members(new))
        for name, member in after.items():
            if name not in before:
                self._added(f"{path}/{name}", direction, required=member.required, chosen=member.chosen)
        for name, member in before.items():
            if name not in after:
                self._changes.add(Shift.OTHER, direction, f"{path}/{name}", "removed")
            else:
                self._member(member, after[name], f"{path}/{name}", direction)
        if old is not None and new is not None:
            moved = [name for name in before if name in after] != [name for name in after if name in before]
            told_apart = len(old.members) > 1 and len(new.members) > 1
            self._order(old.order, new.order if told_apart else old.order, path, direction, moved=moved)
        self._wildcard(_wildcard_in(old), _wildcard_in(new), path, direction, "xs:any")

    def _member(self, old: _Member, new: _Member, path: str, direction: Direction) -> None:
        if old.required is not new.required:
            self._requirement(path, direction, required=new.required)
        if old.repeated is not new.repeated:
            what = "may be repeated" if new.repeated else "may no longer be repeated"
            # One value becomes a list of values, or a list one value: nobody's mapping fits both.
            self._changes.add(Shift.OTHER, direction, path, what)
        elif old.element.maximum != new.element.maximum:
            shift = shift_of_limit(old.element.maximum, new.element.maximum, upper=True)
            limits = told(old.element.maximum or "unbounded", new.element.maximum or "unbounded")
            self._changes.add(shift, direction, path, f"maxOccurs {limits}")
        fewest = old.element.minimum, new.element.minimum
        if fewest[0] != fewest[1] and min(fewest) > 0:
            shift = shift_of_limit(*fewest, upper=False)
            self._changes.add(shift, direction, path, f"minOccurs {told(*fewest)}")
        self.compare(old.element, new.element, path, direction)

    def _order(self, old: Order, new: Order, path: str, direction: Direction, *, moved: bool) -> None:
        if old is not new:
            shift = Shift.WIDER if (old, new) == (Order.SEQUENCE, Order.ALL) else Shift.OTHER
            self._changes.add(shift, direction, path, f"order {told(old, new)}")
        elif old is Order.SEQUENCE and moved:
            self._changes.add(Shift.OTHER, direction, path, "its elements follow one another in another order")

    # --- common ------------------------------------------------------------------------------------------

    def _added(self, path: str, direction: Direction, *, required: bool, chosen: bool) -> None:
        """What nobody knew before: to be sent at once if it must be; in a reply, whoever does not read it need not."""
        breaks = direction is not Direction.REPLY and required
        breaks = breaks or (chosen and direction is not Direction.REQUEST)
        what = "added, required" if required else "added to a choice" if chosen else "added, optional"
        self._changes.say(Effect.BREAKING if breaks else Effect.COMPATIBLE, direction, path, what)

    def _requirement(self, path: str, direction: Direction, *, required: bool) -> None:
        shift = Shift.NARROWER if required else Shift.WIDER
        self._changes.add(shift, direction, path, "required now" if required else "may be missing now")

    def _wildcard(self, old: Wildcard | None, new: Wildcard | None, path: str, direction: Direction, what: str) -> None:
        if (old is None) is not (new is None):
            shift = Shift.WIDER if old is None else Shift.NARROWER
            self._changes.add(shift, direction, path, f"{what} {'added' if old is None else 'removed'}")


def _members(group: GroupShape | None, *, required: bool = True, chosen: bool = False) -> Iterator[tuple[str, _Member]]:
    if group is None:
        return
    choice = group.order is Order.CHOICE and len(group.members) > 1
    needed, among = required and group.minimum > 0 and not choice, chosen or choice
    for member in group.members:
        if isinstance(member, GroupShape):
            for name, inner in _members(member, required=needed, chosen=among):
                repeated = inner.repeated or group.repeated
                yield (
                    name,
                    _Member(element=inner.element, required=inner.required, chosen=inner.chosen, repeated=repeated),
                )
        elif isinstance(member, ElementShape):
            yield (
                member.name,
                _Member(
                    element=member,
                    required=needed and member.minimum > 0,
                    chosen=among,
                    repeated=member.repeated or group.repeated,
                ),
            )


def _wildcard_in(group: GroupShape | None) -> Wildcard | None:
    for member in group.members if group is not None else ():
        found = _wildcard_in(member) if isinstance(member, GroupShape) else member
        if isinstance(found, Wildcard):
            return found
    return None


def _kind(shape: Type) -> str:
    if isinstance(shape, SimpleShape):
        return shape.builtin
    return "anyType" if shape.anything else shape.name


def _content(shape: ComplexShape) -> str:
    return "text" if shape.text is not None else "elements"
