"""The block `interaction` of `adapter.yaml`: operations that the agency does not answer at once.

Part of `manifest_fields`, declared by the same rules; the values are a frozen part of the manifest.
"""

from __future__ import annotations

import enum
import fnmatch
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from esb.model import Text
from esb.routes.fields import Field, Fields, Kind

_PATH = r"[^\s.]+(\.[^\s.]+)*"
LONGEST_WAIT_S: Final = 30 * 24 * 3600
"""A month: what a paper process behind a system may take."""


class How(enum.StrEnum):
    """How an answer that is not there at once comes to the bus."""

    POLL = "poll"
    PUSH = "push"
    FILE = "file"


class LaterTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How one operation is answered later. Paths are dotted names; see the fields for what each means."""

    how: How
    for_s: float
    every_s: float
    answer: str | None = None
    ticket: str | None = None
    ticket_field: str | None = None
    values: Mapping[str, str] = {}
    ready: str | None = None
    not_ready: tuple[str, ...] = ()
    key: str | None = None
    brings: str = "reply"
    acknowledge: Mapping[str, str] = {}

    def is_not_ready(self, code: str | None) -> bool:
        """Whether a fault with this code says that the answer is not there yet."""
        return code is not None and any(re.fullmatch(fnmatch.translate(one), code) for one in self.not_ready)


class BatchTerms(msgspec.Struct, frozen=True, kw_only=True):
    """When what was gathered becomes one file: so many documents, or so long after the first of them."""

    most: int
    every_s: float


class FileTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The folders that an agency and the bus exchange files in; `settle_s`: how long a file must not have changed."""

    outbox: str
    inbox: str
    settle_s: float
    signature: str = "none"
    batch: BatchTerms | None = None


class InteractionTerms(msgspec.Struct, frozen=True, kw_only=True):
    """All operations that are answered later."""

    operations: Mapping[str, LaterTerms]
    files: FileTerms | None = None


def contradictions(interaction: Mapping[str, Any] | None, kind: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """What cannot work: the keys below `interaction` it is about, and why."""
    if interaction is None:
        return
    operations: Mapping[str, Mapping[str, Any]] = interaction["operations"]
    for name, terms in operations.items():
        place = f"interaction.operations.{name}"
        for key, text in _of_operation(terms):
            yield ("operations", name, *([key] if terms.get(key) else [])), f"{place}: {text}"
        if terms["brings"] == "request" and kind != "soap":
            text = "brings: request is for SOAP; name the operation whose reply has the form of what is brought"
            yield ("operations", name, "brings"), f"{place}: {text}"
    has_files = any(terms["how"] == How.FILE for terms in operations.values())
    if has_files != (interaction["files"] is not None):
        yield ("files",), "interaction: operations with `how: file` and the block files go together"
    files = interaction["files"]
    if files is not None and files["outbox"] == files["inbox"]:
        yield ("files", "inbox"), "interaction.files: outbox and inbox must be two folders"


def _of_operation(terms: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    how = terms["how"]
    for key, wanted in _NEEDED[how]:
        if not terms[key]:
            yield key, f"how: {how} needs {key}, {wanted}"
    for key in _UNUSED[how]:
        if terms[key] and terms[key] != _DEFAULTS.get(key):
            yield key, f"{key} means nothing with how: {how}"
    if terms["acknowledge"] and terms["brings"] != "request":
        yield "acknowledge", "acknowledge fills the reply to what is brought, with brings: request"


_NEEDED: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    How.POLL: (
        ("answer", "the operation that is asked for the answer"),
        ("ticket", "where the first answer says the ticket"),
        ("ticket_field", "the field of that operation's request that takes the ticket"),
    ),
    How.PUSH: (("key", "where the answer says which request it is for"),),
    How.FILE: (),
}
_UNUSED: Final[Mapping[str, tuple[str, ...]]] = {
    How.POLL: ("key", "brings", "acknowledge"),
    How.PUSH: ("ticket_field", "values", "ready", "not_ready"),
    How.FILE: ("ticket", "ticket_field", "values", "ready", "not_ready", "key", "brings", "acknowledge", "answer"),
}
_DEFAULTS: Final = {"brings": "reply"}


def _says(az: str, en: str) -> Text:
    return Text(az=az, en=en)


_OPERATION: Final[Fields] = (
    Field(
        name="how",
        kind=Kind.CHOICE,
        choices=tuple(How),
        required=True,
        description=_says(
            "cavabın gəlmə yolu", "poll: the bus asks for it; push: the agency brings it; file: it lies in a folder"
        ),
    ),
    Field(
        name="answer",
        kind=Kind.STRING,
        example="GetResult",
        description=_says(
            "cavabı verən əməliyyat", "poll: the operation that is asked for the answer; push: that has its form"
        ),
    ),
    Field(
        name="ticket",
        kind=Kind.STRING,
        pattern=_PATH,
        example="Ticket",
        description=_says(
            "talonun ilk cavabdakı yeri",
            "where the first answer says under which ticket the answer comes; without it, under the message id",
        ),
    ),
    Field(
        name="ticket_field",
        kind=Kind.STRING,
        pattern=_PATH,
        example="Ticket",
        description=_says(
            "talonun sorğudakı yeri", "poll: the field of the request for the answer that takes the ticket"
        ),
    ),
    Field(
        name="values",
        kind=Kind.PAIRS,
        key_pattern=_PATH,
        default={},
        description=_says("sabit sahələr", "poll: other fields of that request, with their constant values"),
    ),
    Field(
        name="ready",
        kind=Kind.STRING,
        example="Status == 'DONE'",
        description=_says(
            "cavabın hazır olma şərti", "poll: JMESPath over what came: whether it is the answer; without it, always"
        ),
    ),
    Field(
        name="not_ready",
        kind=Kind.STRINGS,
        default=(),
        example=("Client.NotReady",),
        description=_says(
            "«hələ hazır deyil» bildirən xəta kodları", "poll: patterns of fault codes that mean: not yet"
        ),
    ),
    Field(
        name="every_s",
        kind=Kind.NUMBER,
        minimum=0.1,
        maximum=24 * 3600,
        default=2.0,
        description=_says("soruşma aralığı", "poll and file: how often the answer is looked for"),
    ),
    Field(
        name="for_s",
        kind=Kind.NUMBER,
        minimum=1,
        maximum=LONGEST_WAIT_S,
        default=600.0,
        description=_says("gözləmə müddəti", "how long the answer may take; after that its caller is told TIMEOUT"),
    ),
    Field(
        name="key",
        kind=Kind.STRING,
        pattern=_PATH,
        example="Ticket",
        description=_says("açarın cavabdakı yeri", "push: where what is brought says its ticket or message id"),
    ),
    Field(
        name="brings",
        kind=Kind.CHOICE,
        choices=("reply", "request"),
        default="reply",
        description=_says(
            "gətirilən sənədin forması",
            "push: what is brought has the form of the reply of `answer`, or of its request, where it is a callback",
        ),
    ),
    Field(
        name="acknowledge",
        kind=Kind.PAIRS,
        default={},
        example={"Code": "0"},
        description=_says("təsdiqin sahələri", "push with brings: request: fields of the acknowledgement"),
    ),
)

_BATCH: Final[Fields] = (
    Field(
        name="most",
        kind=Kind.INTEGER,
        minimum=1,
        maximum=100_000,
        default=1000,
        description=_says("ən çox sənəd", "the most documents in one file"),
    ),
    Field(
        name="every_s",
        kind=Kind.NUMBER,
        minimum=0.1,
        maximum=24 * 3600,
        default=60.0,
        description=_says("yazılma aralığı", "how long the first document of a file waits for more"),
    ),
)

_FILES: Final[Fields] = (
    Field(
        name="outbox",
        kind=Kind.STRING,
        required=True,
        example="exchange/dsmf/out",
        description=_says("gedən faylların qovluğu", "folder for the agency, absolute or below `home`"),
    ),
    Field(
        name="inbox",
        kind=Kind.STRING,
        required=True,
        example="exchange/dsmf/in",
        description=_says("gələn faylların qovluğu", "folder from the agency, absolute or below `home`"),
    ),
    Field(
        name="settle_s",
        kind=Kind.NUMBER,
        minimum=0,
        maximum=3600,
        default=1.0,
        description=_says("faylın dəyişməz qalma müddəti", "how long a file must not have changed before it is read"),
    ),
    Field(
        name="signature",
        kind=Kind.CHOICE,
        choices=("none", "jws"),
        default="none",
        description=_says("faylların imzası", "jws: beside each file lies FILE.jws, a detached JWS, both ways"),
    ),
    Field(
        name="batch",
        kind=Kind.RECORD,
        fields=_BATCH,
        description=_says("paket", "many documents in one file; without it, one file each"),
    ),
)

INTERACTION: Final[Fields] = (
    Field(
        name="operations",
        kind=Kind.TABLE,
        fields=_OPERATION,
        required=True,
        description=_says("gec cavablanan əməliyyatlar", "operations that are answered later, by their name"),
    ),
    Field(
        name="files",
        kind=Kind.RECORD,
        fields=_FILES,
        description=_says("fayl mübadiləsi", "folders, for operations with `how: file`"),
    ),
)
"""`interaction`."""
