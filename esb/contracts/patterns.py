"""Regular expressions of XSD (part 2, appendix F): an example that matches, and the same in JSON Schema's dialect.

Used at load by the sampler and the JSON Schema writer. Matching is left to libxml2.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from esb.errors import ContractUnsupported

_PREFERRED = "1Aa-/. _"
_SCANNED = "".join(map(chr, range(0x20, 0x250))) + "ə字\t\n\r"
_MAX_REPEAT = 60

Test = Callable[[str], bool]

_ESCAPED_CHARACTERS = {"n": "\n", "r": "\r", "t": "\t"}


def _is_name_start(character: str) -> bool:
    return character in "_:" or character.isalpha()


# XSD part 2, appendix F.1.1.
_CLASSES: dict[str, Test] = {
    "d": lambda character: unicodedata.category(character) == "Nd",
    "s": lambda character: character in " \t\n\r",
    "w": lambda character: unicodedata.category(character)[0] not in "PZC",
    "i": _is_name_start,
    "c": lambda character: _is_name_start(character) or character in "-." or character.isdigit(),
}
_BLOCKS = {
    "IsBasicLatin": (0x00, 0x7F),
    "IsLatin-1Supplement": (0x80, 0xFF),
    "IsLatinExtended-A": (0x100, 0x17F),
    "IsLatinExtended-B": (0x180, 0x24F),
    "IsGreek": (0x370, 0x3FF),
    "IsCyrillic": (0x400, 0x4FF),
    "IsArabic": (0x600, 0x6FF),
}
# What \w, \i, \c and \p{…} mean differs between the two dialects; \d agrees on ASCII, and \s can be spelt out.
_PORTABLE_CLASSES = {"d": r"\d", "D": r"\D", "s": r" \t\n\r", "S": r"^ \t\n\r"}
_ECMA_SPECIAL = frozenset("^$\\.*+?()[]{}|/")


@dataclass(frozen=True, slots=True)
class _Characters:
    """One character that passes a test; `known` is one that does. `ecma` is None when JSON Schema cannot say it."""

    test: Test
    known: str
    ecma: str | None

    def example(self, extra: int) -> str:  # noqa: ARG002 - the signature of a node
        """A character that people can read, where the class allows one."""
        for character in itertools.chain(_PREFERRED, self.known, _SCANNED):
            if self.test(character):
                return character
        raise ContractUnsupported("a pattern has a character class without example")


@dataclass(frozen=True, slots=True)
class _Sequence:
    parts: tuple[_Node, ...]

    def example(self, extra: int) -> str:
        return "".join(part.example(extra) for part in self.parts)

    @property
    def ecma(self) -> str | None:
        texts = [part.ecma for part in self.parts]
        return None if None in texts else "".join(text for text in texts if text is not None)


@dataclass(frozen=True, slots=True)
class _Choice:
    branches: tuple[_Node, ...]

    def example(self, extra: int) -> str:
        return self.branches[0].example(extra)

    @property
    def ecma(self) -> str | None:
        texts = [branch.ecma for branch in self.branches]
        return None if None in texts else f"(?:{'|'.join(text for text in texts if text is not None)})"


@dataclass(frozen=True, slots=True)
class _Repeat:
    node: _Node
    minimum: int
    maximum: int | None

    def example(self, extra: int) -> str:
        limit = self.minimum + extra if self.maximum is None else min(self.maximum, self.minimum + extra)
        return self.node.example(extra) * limit

    @property
    def ecma(self) -> str | None:
        inner = self.node.ecma
        if inner is None:
            return None
        if isinstance(self.node, _Sequence):
            inner = f"(?:{inner})"
        return inner + self._quantifier()

    def _quantifier(self) -> str:
        if self.minimum == self.maximum:
            return f"{{{self.minimum}}}"
        maximum = "" if self.maximum is None else str(self.maximum)
        return {"0,1": "?", "0,": "*", "1,": "+"}.get(f"{self.minimum},{maximum}", f"{{{self.minimum},{maximum}}}")


_Node = _Characters | _Sequence | _Choice | _Repeat


def examples(pattern: str) -> Iterator[str]:
    """Texts that match, from the shortest on. Raises ContractUnsupported for a pattern that cannot be read."""
    node = _Parser(pattern).parsed()
    seen: set[str] = set()
    for extra in range(_MAX_REPEAT):
        text = node.example(extra)
        if text not in seen:
            seen.add(text)
            yield text


def to_json_schema(pattern: str) -> str | None:
    """The anchored pattern for JSON Schema, or None when that dialect cannot say the same."""
    try:
        text = _Parser(pattern).parsed().ecma
    except ContractUnsupported:
        return None
    return None if text is None else f"^{text}$"


class _Parser:
    """Recursive descent over one pattern."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def parsed(self) -> _Node:
        node = self._choice()
        if self._at < len(self._pattern):
            raise self._unreadable()
        return node

    def _choice(self) -> _Node:
        branches = [self._sequence()]
        while self._take("|"):
            branches.append(self._sequence())
        return branches[0] if len(branches) == 1 else _Choice(tuple(branches))

    def _sequence(self) -> _Node:
        parts: list[_Node] = []
        while self._at < len(self._pattern) and self._peek() not in "|)":
            parts.append(self._quantified(self._atom()))
        return parts[0] if len(parts) == 1 else _Sequence(tuple(parts))

    def _quantified(self, node: _Node) -> _Node:
        if self._take("?"):
            return _Repeat(node, 0, 1)
        if self._take("*"):
            return _Repeat(node, 0, None)
        if self._take("+"):
            return _Repeat(node, 1, None)
        if not self._take("{"):
            return node
        minimum, comma, maximum = self._until("}").partition(",")
        if not minimum.isascii() or not minimum.isdigit():
            raise self._unreadable()
        if not comma:
            return _Repeat(node, int(minimum), int(minimum))
        return _Repeat(node, int(minimum), int(maximum) if maximum else None)

    def _atom(self) -> _Node:
        if self._take("("):
            node = self._choice()
            if not self._take(")"):
                raise self._unreadable()
            return node
        if self._take("["):
            return self._class()
        if self._take("."):
            return _Characters(lambda character: character not in "\n\r", "", r"[^\n\r]")
        if self._take("\\"):
            return self._escape(inside=False)
        character = self._next()
        return _literal(character)

    def _escape(self, *, inside: bool) -> _Characters:
        letter = self._next()
        if letter.lower() in _CLASSES:
            ecma = _PORTABLE_CLASSES.get(letter)
            if ecma is not None and letter in "sS" and not inside:
                ecma = f"[{ecma}]"
            return _Characters(_unless(_CLASSES[letter.lower()], negated=letter.isupper()), "", ecma)
        if letter in "pP":
            if not self._take("{"):
                raise self._unreadable()
            return _Characters(*_category(self._until("}"), negated=letter == "P"), None)
        return _literal(_ESCAPED_CHARACTERS.get(letter, letter))

    def _class(self) -> _Characters:
        negated = self._take("^")
        members: list[_Characters] = []
        without: _Characters | None = None
        while not self._take("]"):
            if self._take("-["):
                without = self._class()
                continue
            first = self._class_member()
            if len(first.known) == 1 and self._range_follows():
                first = _range(first.known, self._class_member().known)
            members.append(first)
        return _minus(_either(members, negated=negated), without)

    def _class_member(self) -> _Characters:
        if self._take("\\"):
            return self._escape(inside=True)
        character = self._next()
        return _range(character, character)

    def _range_follows(self) -> bool:
        follows = self._pattern[self._at : self._at + 1] == "-"
        if follows and self._pattern[self._at + 1 : self._at + 2] not in {"]", "["}:
            self._at += 1
            return True
        return False

    def _peek(self) -> str:
        return self._pattern[self._at]

    def _next(self) -> str:
        if self._at >= len(self._pattern):
            raise self._unreadable()
        self._at += 1
        return self._pattern[self._at - 1]

    def _take(self, text: str) -> bool:
        if self._pattern.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _until(self, end: str) -> str:
        stop = self._pattern.find(end, self._at)
        if stop < 0:
            raise self._unreadable()
        text = self._pattern[self._at : stop]
        self._at = stop + 1
        return text

    def _unreadable(self) -> ContractUnsupported:
        return ContractUnsupported(f"pattern {self._pattern!r} cannot be read at character {self._at + 1}")


def _literal(character: str) -> _Characters:
    return _Characters(lambda other: other == character, character, _ecma(character))


def _range(low: str, high: str) -> _Characters:
    text = _ecma(low) if low == high else f"{_ecma(low)}-{_ecma(high)}"
    return _Characters(lambda other: low <= other <= high, low, r"\-" if low == high == "-" else text)


def _either(members: list[_Characters], *, negated: bool) -> _Characters:
    texts = [member.ecma for member in members]
    # What begins with ^ is spelt for the outside of a class.
    portable = not any(text is None or text.startswith("^") for text in texts)
    body = "".join(text for text in texts if text is not None)
    known = "".join(member.known for member in members)
    test = _unless(lambda character: any(member.test(character) for member in members), negated=negated)
    return _Characters(test, known, f"[{'^' if negated else ''}{body}]" if portable else None)


def _minus(found: _Characters, without: _Characters | None) -> _Characters:
    if without is None:
        return found
    portable = found.ecma is not None and without.ecma is not None
    return _Characters(
        lambda character: found.test(character) and not without.test(character),
        found.known,
        f"(?:(?!{without.ecma}){found.ecma})" if portable else None,
    )


def _unless(test: Test, *, negated: bool) -> Test:
    return (lambda character: not test(character)) if negated else test


def _ecma(character: str) -> str:
    named = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(character)
    return named or (f"\\{character}" if character in _ECMA_SPECIAL else character)


def _category(name: str, *, negated: bool) -> tuple[Test, str]:
    """A test and a candidate for a Unicode category or block."""
    if name in _BLOCKS:
        first, last = _BLOCKS[name]
        middle = chr((first + last) // 2)
        return _unless(lambda character: first <= ord(character) <= last, negated=negated), middle
    if not re.fullmatch("[A-Z][a-z]?", name):
        raise ContractUnsupported(f"a pattern uses the character category {name}")
    return _unless(lambda character: unicodedata.category(character).startswith(name), negated=negated), ""
