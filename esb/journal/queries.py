"""The statements that only read, in the SQL that both stores share. Placeholders are `$1`, `$2`, … in order.

No text from outside is ever part of a statement.
"""
# ruff: noqa: S608 - only names of columns and numbers of this package are put into statements

from __future__ import annotations

from esb.journal.draft import Routes
from esb.journal.rows import (
    BODY_OF_REPLY,
    BODY_OF_REQUEST,
    AwaitedRow,
    ExchangeRow,
    RecordRow,
    Value,
    microseconds,
)
from esb.ports import ExchangeFilter

EXCHANGE_COLUMNS = ", ".join(ExchangeRow._fields)
RECORD_COLUMNS = ", ".join(RecordRow._fields[:6])

HEAD = "SELECT seq, digest FROM records WHERE chain = $1 ORDER BY seq DESC LIMIT 1"

DIGEST_AT = "SELECT digest FROM records WHERE chain = $1 AND seq = $2"

FIND = f"SELECT {EXCHANGE_COLUMNS} FROM exchanges WHERE message_id = $1 AND caller = $2"

FIND_ANY = f"SELECT {EXCHANGE_COLUMNS} FROM exchanges WHERE message_id = $1 ORDER BY received_us"

RECORDS_OF = f"SELECT {RECORD_COLUMNS} FROM records WHERE message_id = $1 AND caller = $2 ORDER BY id"

RECORDS_ABOUT = f"SELECT {RECORD_COLUMNS} FROM records WHERE message_id = $1 ORDER BY id"

# A plain DISTINCT would read the whole table; this hops from chain to chain along the primary key.
CHAINS = """
WITH RECURSIVE hop(chain) AS (
    SELECT min(chain) FROM records
    UNION ALL
    SELECT (SELECT min(records.chain) FROM records WHERE records.chain > hop.chain) FROM hop WHERE hop.chain IS NOT NULL
)
SELECT chain FROM hop WHERE chain IS NOT NULL ORDER BY chain
"""

# One statement, so that all heads are of one moment.
HEADS = """
WITH RECURSIVE hop(chain) AS (
    SELECT min(chain) FROM records
    UNION ALL
    SELECT (SELECT min(records.chain) FROM records WHERE records.chain > hop.chain) FROM hop WHERE hop.chain IS NOT NULL
)
SELECT hop.chain, records.seq, records.digest FROM hop
JOIN records ON records.chain = hop.chain
    AND records.seq = (SELECT max(seq) FROM records WHERE records.chain = hop.chain)
WHERE hop.chain IS NOT NULL
"""

RECORDS_PAGE = (
    f"SELECT {RECORD_COLUMNS}, caller, message_id, at_us FROM records "
    "WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3"
)

CHECKPOINTS = "SELECT line FROM checkpoints ORDER BY seq"

LAST_CHECKPOINT = "SELECT line FROM checkpoints ORDER BY seq DESC LIMIT 1"

INBOX_WAITS = "SELECT 1 FROM inbox WHERE caller = $1 AND due_us <= $2 LIMIT 1"

OUTBOX_WAITS = "SELECT 1 FROM outbox WHERE due_us <= $1 AND returned_us IS NULL LIMIT 1"

OWN_LEASES = f"SELECT {EXCHANGE_COLUMNS} FROM exchanges WHERE state IN ('RECEIVED', 'AWAITING') AND lease_owner = $1"

AWAITED = f"SELECT {', '.join(AwaitedRow._fields)} FROM awaited WHERE agency = $1 AND answer_key = $2"

AWAITED_BY = (
    f"SELECT {', '.join(AwaitedRow._fields)} FROM awaited "
    "WHERE message_id = $1 AND caller = $2 ORDER BY agency, answer_key"
)

CLAIM = "SELECT key, expires_us, used_by FROM claims WHERE key = $1"

# Exchanges with their records, of one moment: what a row says must be what its records say.
AUDIT_PAGE = """
SELECT page.caller, page.message_id, page.route, page.state, page.status, page.received, page.outcome,
    page.body_sha256, page.reply_sha256, records.chain, records.seq, records.kind, records.content
FROM (
    SELECT caller, message_id, route, state, status, received, outcome,
        sha256(body) AS body_sha256, sha256(reply_body) AS reply_sha256
    FROM exchanges WHERE (message_id, caller) > ($1, $2) ORDER BY message_id, caller LIMIT $3
) AS page
LEFT JOIN records ON records.message_id = page.message_id AND records.caller = page.caller
    AND records.kind <> 'REFUSED'
ORDER BY page.message_id, page.caller, records.id
"""

# The answers of one exchange, by what they are known under.
ANSWERS_OF = "SELECT agency, answer_key, sha256(raw) FROM awaited WHERE message_id = $1 AND caller = $2"

ORPHANS = """
SELECT chain, seq, message_id FROM records WHERE kind IN ('RECEIVED', 'COMPLETED') AND NOT EXISTS (
    SELECT 1 FROM exchanges WHERE exchanges.message_id = records.message_id AND exchanges.caller = records.caller
) ORDER BY chain, seq LIMIT 1000
"""

OUTBOX_BODY = f"""
    CASE body_of
        WHEN {BODY_OF_REQUEST} THEN (SELECT exchanges.body FROM exchanges
            WHERE exchanges.message_id = outbox.message_id AND exchanges.caller = outbox.caller)
        WHEN {BODY_OF_REPLY} THEN (SELECT exchanges.reply_body FROM exchanges
            WHERE exchanges.message_id = outbox.message_id AND exchanges.caller = outbox.caller)
        ELSE outbox.body
    END
"""

INBOX = """
SELECT id, caller, message_id, COALESCE(body, (SELECT exchanges.reply_body FROM exchanges
    WHERE exchanges.message_id = inbox.message_id AND exchanges.caller = inbox.caller)), signature
FROM inbox WHERE caller = $1 AND due_us <= $2 ORDER BY id LIMIT $3
"""

INBOX_ID = "SELECT id FROM inbox WHERE caller = $1 AND message_id = $2"

OUTBOX = (
    f"SELECT id, message, {OUTBOX_BODY} FROM outbox WHERE due_us <= $1 AND returned_us IS NULL ORDER BY id LIMIT $2"
)

OUTBOX_MESSAGE = f"SELECT id, message, {OUTBOX_BODY} FROM outbox WHERE id = $1"

REGISTRATION = "SELECT agency, revision, document FROM registrations WHERE agency = $1"

REGISTRATIONS = "SELECT agency, revision, document FROM registrations ORDER BY agency"

GENERATION = "SELECT CAST(COALESCE(sum(revision), 0) AS bigint) FROM registrations"

BUNDLE = "SELECT content FROM bundles WHERE sha256 = $1"
BUNDLE_THERE = "SELECT 1 FROM bundles WHERE sha256 = $1"

LAST_CHECKPOINT_SEQ = "SELECT COALESCE(max(seq), 0) FROM checkpoints"


def work(routes: Routes, *, now_us: int, limit: int) -> tuple[str, list[Value]]:
    """The statement and values for exchanges that are due, longest due first."""
    wanted = "" if routes is None else f"AND route IN ({', '.join(f'${n}' for n in range(3, 3 + len(routes)))}) "
    query = (
        f"SELECT {EXCHANGE_COLUMNS} FROM exchanges WHERE state IN ('RECEIVED', 'AWAITING') AND due_us <= $1 "
        f"{wanted}ORDER BY due_us, received_us LIMIT $2"
    )
    return query, [now_us, limit, *(routes or ())]


def listed(wanted: ExchangeFilter) -> tuple[str, list[Value]]:
    """The statement and values for `esb messages list`."""
    conditions: list[str] = []
    values: list[Value] = []
    since_us = microseconds(wanted.since) if wanted.since else None
    for column, comparison, value in (
        ("state", "=", wanted.state and wanted.state.value),
        ("status", "=", wanted.status and wanted.status.value),
        ("route", "=", wanted.route),
        ("caller", "=", wanted.caller),
        ("received_us", ">=", since_us),
    ):
        if value is not None:
            values.append(value)
            conditions.append(f"{column} {comparison} ${len(values)}")
    values.append(wanted.limit)
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    return (
        f"SELECT {EXCHANGE_COLUMNS} FROM exchanges {where}ORDER BY received_us DESC, message_id LIMIT ${len(values)}",
        values,
    )
