"""SOAP headers beside the security header: written with each call, and read or compared in its answer.

Put together at load, for one operation, from its WSDL and the manifest. A block of a reply that nobody signed may make
a reply refused, and is never data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from esb.ports import Origin
from security import xml
from security.wsse import SoapVersion
from security.xml import Element


class AnswerRefused(Exception):
    """A reply's headers do not fit the request. `proof`: it is not known to be the answer; else it is not SOAP."""

    def __init__(self, reason: str, *, proof: bool = True) -> None:
        """`reason`: for operators."""
        super().__init__(reason)
        self.reason = reason
        self.proof = proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What is known of a call when its envelope is written."""

    message_id: str
    origin: Origin
    url: str
    now: datetime


class HeaderDialect(Protocol):
    """One kind of header."""

    @property
    def signed(self) -> bool:
        """Whether its blocks go under the signature, and must stand there in replies."""
        ...

    @property
    def namespaces(self) -> frozenset[str]:
        """Of the blocks that are understood in a reply."""
        ...

    def write(self, occasion: Occasion) -> Sequence[bytes]:
        """The blocks, canonical and self-contained. Raises RequestUnencodable, KeyUnavailable."""
        ...

    def check(self, sent: Sequence[Element], got: Sequence[Element], envelope: bytes) -> None:
        """Return when the blocks of a reply fit those of its request. Raises AnswerRefused.

        `got`: where the dialect is `signed`, only what the signature covers. `envelope`: of the request.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Blocks of one call."""

    signed: tuple[bytes, ...] = ()
    plain: tuple[bytes, ...] = ()

    @property
    def all(self) -> tuple[bytes, ...]:
        """Every block."""
        return self.signed + self.plain


class SoapHeaders:
    """The headers of one operation."""

    def __init__(
        self, version: SoapVersion, dialects: Sequence[HeaderDialect], *, read: Iterable[str] = (), sign_read: bool
    ) -> None:
        """`read`: elements of the contract's reply headers. `sign_read`: blocks that the contract writes are signed."""
        self._dialects = tuple(dialects)
        self._read = frozenset(read)
        self._sign_read = sign_read
        namespace = version.namespace
        self._must = f"{{{namespace}}}mustUnderstand"
        self._actor = f"{{{namespace}}}{version.actor}"
        self._understood = frozenset().union(*(dialect.namespaces for dialect in self._dialects))

    def write(self, occasion: Occasion, contract_blocks: Sequence[bytes]) -> Written:
        """All blocks of a call; `contract_blocks` come from the route's values."""
        signed: list[bytes] = list(contract_blocks) if self._sign_read else []
        plain: list[bytes] = [] if self._sign_read else list(contract_blocks)
        for dialect in self._dialects:
            (signed if dialect.signed else plain).extend(dialect.write(occasion))
        return Written(signed=tuple(signed), plain=tuple(plain))

    def check(self, *, sent: Sequence[bytes], signed: Sequence[bytes], plain: Sequence[bytes], envelope: bytes) -> None:
        """Return when the reply's blocks fit the request's, and none demands what is not understood here.

        Raises:
            AnswerRefused: they do not.
        """
        proven, others = [xml.parse(block) for block in signed], [xml.parse(block) for block in plain]
        for block in (*proven, *others):
            self._refuse_unknown_demand(block)
        asked = [xml.parse(block) for block in sent] if self._dialects else []
        for dialect in self._dialects:
            dialect.check(asked, proven if dialect.signed else [*proven, *others], envelope)

    def _refuse_unknown_demand(self, block: Element) -> None:
        if block.get(self._must) not in {"1", "true"} or block.get(self._actor) is not None:
            return
        namespace = str(block.tag).rpartition("}")[0].removeprefix("{")
        if block.tag not in self._read and namespace not in self._understood:
            raise AnswerRefused(f"reply demands that its header {block.tag} be understood", proof=False)
