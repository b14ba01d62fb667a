"""What the bench measures and what it found, as values that go into `results/latest.json` as they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median

import msgspec

ROUTE = "person.identity"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One way to run the bus and to reach it. `over_broker`: the question comes in through RabbitMQ."""

    name: str
    title: str
    on_postgres: bool
    over_broker: bool


CASES = (
    Case(name="http", title="(a) HTTP sync, PostgreSQL", on_postgres=True, over_broker=False),
    Case(name="rabbitmq", title="(b) RabbitMQ, PostgreSQL", on_postgres=True, over_broker=True),
    Case(name="embedded", title="(c) HTTP sync, embedded (SQLite)", on_postgres=False, over_broker=False),
)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Whom is asked about. `size` names the agency's reply: XML of about so many bytes inside the envelope."""

    size: str
    fin: str


QUESTIONS = (Question(size="2 kB", fin="7TEST2K"), Question(size="10 kB", fin="7TEST1K"))


class Specimen(msgspec.Struct, frozen=True, kw_only=True):
    """One real exchange as bytes, with the keys it was made with. `now`: when it happened, for checks of freshness.

    `request` and `reply` are the caller's JSON; `envelope` and `reply_envelope` the signed SOAP of bus and agency;
    `document` is what the bus signed in `envelope`, and `signature_value` its signature.
    """

    question: Question
    now: datetime
    token: str
    caller_key_pem: bytes
    audience: str
    message_id: str
    request: bytes
    document: bytes
    bus_key_pem: bytes
    bus_certificate_pem: bytes
    kid: str
    schema: str
    envelope: bytes
    signature_value: bytes
    agency_certificate_pem: bytes
    reply_envelope: bytes
    reply: bytes


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What the load generator saw in one round."""

    exchanges: int
    elapsed_s: float
    p50_ms: float
    p99_ms: float


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One round of one process under load. `cpu_us`: user and system time of that process per exchange."""

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """The unavoidable work of one exchange in one round: straight-line program, with and without a token to check.

    `joined_us`: both in one process under the same load as the bus. It is more than the sum, because work that is not
    repeated in a tight loop finds the processor's caches cold.
    """

    straight_us: float
    straight_without_token_us: float
    proxy_us: float
    joined_us: float

    def of(self, case: Case) -> float:
        """What this case cannot do without. Over RabbitMQ the broker has proven the sender: there is no token."""
        straight_us = self.straight_without_token_us if case.over_broker else self.straight_us
        return straight_us + self.proxy_us

    def joined_of(self, case: Case) -> float:
        """The same as one program."""
        return self.joined_us * self.of(case) / (self.straight_us + self.proxy_us)


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """A case and a question over all rounds."""

    case: Case
    question: Question
    runs: Sequence[Run]
    floors: Sequence[Floor]
    rss_mib: float

    @property
    def name(self) -> str:
        """As it stands in every table."""
        return f"{self.case.title}, {self.question.size}"

    @property
    def middle(self) -> Run:
        """The median of each field of the runs."""
        return Run(
            per_s=median(run.per_s for run in self.runs),
            p50_ms=median(run.p50_ms for run in self.runs),
            p99_ms=median(run.p99_ms for run in self.runs),
            cpu_us=median(run.cpu_us for run in self.runs),
        )

    @property
    def floor_us(self) -> float:
        """The median of the floor."""
        return median(floor.of(self.case) for floor in self.floors)

    @property
    def ratio(self) -> float:
        """The median of the ratios within each round: a machine that changes its speed changes both sides alike."""
        return median(run.cpu_us / floor.of(self.case) for run, floor in zip(self.runs, self.floors, strict=True))

    @property
    def joined_us(self) -> float:
        """The median of the floor as one program."""
        return median(floor.joined_of(self.case) for floor in self.floors)

    @property
    def ratio_to_joined(self) -> float:
        """As `ratio`, to the floor as one program."""
        rounds = zip(self.runs, self.floors, strict=True)
        return median(run.cpu_us / floor.joined_of(self.case) for run, floor in rounds)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the straight-line program, timed alone."""

    question: Question
    name: str
    us: float


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run of the bench found."""

    taken_at: str
    machine: dict[str, str]
    versions: dict[str, str]
    rounds: int
    seconds: float
    concurrency: int
    cases: Sequence[CaseResult]
    steps: Sequence[Step]
