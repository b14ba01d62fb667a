"""A simulated agency that does not answer at once: gives tickets, lets itself be asked for the answer, or brings it.

Wraps the dialect of an agency of either kind; what it brings is signed as the agency signs. Tickets live in memory: an
agency that is started anew has forgotten them.
"""

from __future__ import annotations

import asyncio
import secrets
import string
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import aiohttp
import msgspec

from adapters.manifest_interaction import How, InteractionTerms, LaterTerms
from adapters.simulator.behaviours import Kind
from adapters.simulator.dialect import Chosen, Dialect, Draft, Incoming, Question, Refusal, Sealed, complain
from adapters.simulator.files import FileAgency
from adapters.simulator.register import AgencyReply, LaterRecords, Register
from esb.errors import ConfigurationError, ContractViolation
from esb.ports import Clock
from security.httpsig import HttpSigner
from security.wsse import SoapVersion, WsseSigner

TRIES = 40
TRY_EVERY_S = 0.25
_TIMEOUT_S = 10.0
_LONGEST_REASON = 500
_FIRST_ERROR = 400
_NOT_FOUND = 404
_FIRST_SERVER_ERROR = 500

DraftOf = Callable[[str, AgencyReply], Draft]
"""A reply of an operation in the contract's form. Raises ContractViolation."""


class Carrier(Protocol):
    """Makes a document a whole HTTP request that the bus can believe."""

    def seal(self, content: bytes, *, url: str, now: datetime) -> Sealed:
        """The request."""
        ...


class WsseCarrier:
    """A signed SOAP envelope."""

    def __init__(self, signer: WsseSigner, version: SoapVersion) -> None:
        self._signer = signer
        is_11 = version is SoapVersion.SOAP11
        self._content_type = f"{'text/xml' if is_11 else 'application/soap+xml'}; charset=utf-8"

    def seal(self, content: bytes, *, url: str, now: datetime) -> Sealed:  # noqa: ARG002 - not signed
        """The request."""
        envelope = self._signer.sign(content, now=now).envelope
        return Sealed(http_status=0, headers={"Content-Type": self._content_type}, body=envelope)


class HttpSignatureCarrier:
    """A JSON document under an HTTP message signature."""

    def __init__(self, signer: HttpSigner) -> None:
        self._signer = signer

    def seal(self, content: bytes, *, url: str, now: datetime) -> Sealed:
        """The request."""
        headers = {"content-type": "application/json"}
        headers |= self._signer.sign_request(method="POST", url=url, headers=headers, body=content, now=now)
        return Sealed(http_status=0, headers=headers, body=content)


class _Accepted(msgspec.Struct, frozen=True, kw_only=True):
    operation: str
    key: str
    ready_at: datetime


class LaterDialect:
    """Implements `adapters.simulator.dialect.Dialect` around another one."""

    def __init__(
        self,
        dialect: Dialect,
        terms: InteractionTerms,
        records: Register,
        *,
        draft_of: DraftOf,
        carrier: Carrier | None,
        files: FileAgency | None,
        clock: Clock,
    ) -> None:
        """`carrier` None: the agency brings nothing; `files` None: it exchanges none."""
        self._dialect = dialect
        self._terms = terms.operations
        self._records = records
        self._draft_of = draft_of
        self._carrier = carrier
        self.files = files
        self._clock = clock
        self._accepted: dict[str, _Accepted] = {}
        self._answering = {one.answer for one in self._terms.values() if one.how is How.POLL}
        self._bringing: set[asyncio.Task[None]] = set()
        self.said_back: Counter[int] = Counter()

    @property
    def unable(self) -> frozenset[Kind]:
        """As the dialect below."""
        return self._dialect.unable

    def open(self, incoming: Incoming, *, now: datetime) -> Question:
        """As the dialect below."""
        return self._dialect.open(incoming, now=now)

    def draft(self, question: Question) -> Draft:
        """A receipt for what is answered later; the answer, or that it is not there yet, for who asks for it."""
        terms = self._terms.get(question.operation)
        if terms is not None and terms.how is not How.FILE:
            return self._receipt(question, terms)
        if question.operation in self._answering:
            return self._answer(question)
        return self._dialect.draft(question)

    def draft_refusal(self, refusal: Refusal) -> Draft:
        """As the dialect below."""
        return self._dialect.draft_refusal(refusal)

    def seal(self, draft: Draft, *, proof: bytes, chosen: Chosen, now: datetime) -> Sealed:
        """As the dialect below."""
        return self._dialect.seal(draft, proof=proof, chosen=chosen, now=now)

    def start(self) -> None:
        """Look after files, where there are any."""
        if self.files is not None:
            self.files.start()

    async def stop(self) -> None:
        """Bring nothing more; idempotent."""
        if self.files is not None:
            await self.files.stop()
        for task in self._bringing:
            task.cancel()
        await asyncio.gather(*self._bringing, return_exceptions=True)

    # --- tickets -----------------------------------------------------------------------------------------

    def _receipt(self, question: Question, terms: LaterTerms) -> Draft:
        reply = self._records.answer(question.operation, question.key)
        if not isinstance(reply.document, dict):
            return self._draft_of(question.operation, reply)
        ticket, draft = self._ticketed(question, reply, terms)
        after = self._rules(question.operation)
        ready_at = self._clock() + timedelta(milliseconds=after.after_ms)
        self._accepted[str(ticket)] = _Accepted(operation=question.operation, key=question.key, ready_at=ready_at)
        if terms.how is How.PUSH:
            task = asyncio.get_running_loop().create_task(self._bring(ticket, terms, after))
            self._bringing.add(task)
            task.add_done_callback(self._bringing.discard)
        return draft

    def _ticketed(self, question: Question, reply: AgencyReply, terms: LaterTerms) -> tuple[str | int, Draft]:
        """A new ticket of the first form that the contract takes, and the receipt with it. Raises ContractViolation."""
        assert isinstance(reply.document, dict)  # noqa: S101 - asked by the caller; this tells the type checker
        refused = ContractViolation("takes no ticket that can be made up", path=terms.ticket or "")
        for ticket in tickets(value_at(reply.document, terms.ticket or "")):
            document = with_value(reply.document, terms.ticket or "", ticket)
            try:
                return ticket, self._draft_of(question.operation, msgspec.structs.replace(reply, document=document))
            except ContractViolation as error:
                refused = error
        raise refused

    def _answer(self, question: Question) -> Draft:
        # The ticket is the key that is looked up, whatever the records call it.
        accepted = self._accepted.get(question.key)
        if accepted is None:
            return self._dialect.draft(question)
        rules = self._rules(accepted.operation)
        if self._clock() < accepted.ready_at:
            return self._draft_of(question.operation, rules.pending)
        return self._draft_of(question.operation, self._records.answer(question.operation, accepted.key))

    def _rules(self, operation: str) -> LaterRecords:
        return self._records.later.get(operation, LaterRecords())

    # --- bringing ----------------------------------------------------------------------------------------

    async def _bring(self, ticket: str | int, terms: LaterTerms, rules: LaterRecords) -> None:
        await asyncio.sleep(rules.after_ms / 1000)
        accepted = self._accepted[str(ticket)]
        answer = self._records.answer(terms.answer or accepted.operation, accepted.key)
        if not isinstance(answer.document, dict):
            return
        document = with_value(answer.document, terms.key or "", ticket)
        try:
            draft = self._draft_of(
                terms.answer or accepted.operation, msgspec.structs.replace(answer, document=document)
            )
        except ContractViolation as error:
            self._complain(f"the answer does not fit the contract: {error.path or 'document'}: {error.reason}")
            return
        for _ in range(rules.times):
            await self._deliver(draft.content)

    async def _deliver(self, content: bytes) -> None:
        """Until the bus has it or refuses it: signed afresh each time, as a real system does."""
        assert self._carrier is not None  # noqa: S101 - `require_callback` was asked at the start
        url = self._records.callback
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_TIMEOUT_S)) as session:
            for _ in range(TRIES):
                sealed = self._carrier.seal(content, url=url, now=self._clock())
                try:
                    async with session.post(url, data=sealed.body, headers=sealed.headers) as response:
                        said = await response.text(errors="replace")
                except (OSError, aiohttp.ClientError, TimeoutError) as error:
                    self._complain(f"not delivered to {url}: {str(error) or type(error).__name__}")
                    await asyncio.sleep(TRY_EVERY_S)
                    continue
                self.said_back[response.status] += 1
                if response.status < _FIRST_ERROR:
                    return
                self._complain(
                    f"not taken at {url}: HTTP {response.status}: {' '.join(said.split())[:_LONGEST_REASON]}"
                )
                if response.status < _FIRST_SERVER_ERROR and response.status != _NOT_FOUND:
                    return
                await asyncio.sleep(TRY_EVERY_S)

    def _complain(self, text: str) -> None:
        complain(f"{self._records.agency}: {text}")


def require_callback(terms: InteractionTerms, records: Register) -> None:
    """Raises ConfigurationError where the agency brings answers and does not know where to."""
    if any(one.how is How.PUSH for one in terms.operations.values()) and not records.callback:
        raise ConfigurationError(f"{records.agency}: the data file has no callback, the bus's address for answers")


def tickets(sample: Any) -> Iterator[str | int]:
    """New tickets of several forms: the house's own, a UUID, and two that are written as `sample` is."""
    if isinstance(sample, int):
        yield secrets.randbelow(9 * 10 ** (len(str(sample)) - 1)) + 10 ** (len(str(sample)) - 1)
        return
    yield f"T-{uuid.uuid4().hex[:12]}"
    yield str(uuid.uuid4())
    for kinds in ((string.digits,), (string.digits, string.ascii_uppercase, string.ascii_lowercase)):
        yield "".join(_alike(letter, kinds) for letter in str(sample or ""))


def _alike(letter: str, kinds: tuple[str, ...]) -> str:
    return next((secrets.choice(kind) for kind in kinds if letter in kind), letter)


def value_at(document: Mapping[str, Any], path: str) -> Any:
    """What stands at a dotted path; None where there is nothing."""
    found: Any = document
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def with_value(document: Mapping[str, Any], path: str, value: str | int) -> dict[str, Any]:
    """The document with a value at a dotted path; what stood there goes."""
    name, _, rest = path.partition(".")
    if not rest:
        return {**document, name: value}
    below = document.get(name)
    return {**document, name: with_value(below if isinstance(below, Mapping) else {}, rest, value)}
