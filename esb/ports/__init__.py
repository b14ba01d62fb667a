"""What the bus needs from the outside, as small protocols; each docstring states the guarantees.

Implemented by `esb/journal`, `esb/amqp` and `adapters`; called by the pipeline, the bus and the doors. Every
implementation of a port passes that port's one conformance suite in `tests/contract`.
"""

from __future__ import annotations

from esb.ports.agencies import (
    NO_ORIGIN,
    AgencyAnswer,
    AgencyCatalogue,
    AgencyOperation,
    AnswerIntake,
    Awaited,
    Bring,
    Courier,
    Evidence,
    FieldShape,
    LateAnswer,
    LaterOperation,
    Origin,
    OutgoingCall,
    ProvenAnswer,
    ProvenPush,
    Push,
    RawAnswer,
    Reach,
    Reception,
)
from esb.ports.clock import Clock, utc_now
from esb.ports.door import Answer, Arrival, Channel, Claim, Credentials, Door
from esb.ports.journal import (
    Completion,
    ExchangeFilter,
    InboxReply,
    Journal,
    JournalRecord,
    Outgoing,
    PendingOutgoing,
    ReceivedExchange,
    Refusal,
    State,
    StoredExchange,
    Waiting,
)

__all__ = [
    "NO_ORIGIN",
    "AgencyAnswer",
    "AgencyCatalogue",
    "AgencyOperation",
    "Answer",
    "AnswerIntake",
    "Arrival",
    "Awaited",
    "Bring",
    "Channel",
    "Claim",
    "Clock",
    "Completion",
    "Courier",
    "Credentials",
    "Door",
    "Evidence",
    "ExchangeFilter",
    "FieldShape",
    "InboxReply",
    "Journal",
    "JournalRecord",
    "LateAnswer",
    "LaterOperation",
    "Origin",
    "Outgoing",
    "OutgoingCall",
    "PendingOutgoing",
    "ProvenAnswer",
    "ProvenPush",
    "Push",
    "RawAnswer",
    "Reach",
    "ReceivedExchange",
    "Reception",
    "Refusal",
    "State",
    "StoredExchange",
    "Waiting",
    "utc_now",
]
