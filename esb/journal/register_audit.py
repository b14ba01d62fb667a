"""Does the register of adapters still say what was recorded? Part of `verification`; only reads.

Each document must be the one whose digest its last record has, with as many records as revisions; each bundle must
have the digest that it is stored under, and be there when a record names it.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from esb.errors import JournalTampered
from esb.journal import content as contents
from esb.journal.rows import Value

DATABASE = "database"

# One statement, so that a document and its records are of one moment.
_DOCUMENTS = """
SELECT registrations.agency, registrations.revision, registrations.document, records.chain, records.seq, records.content
FROM registrations LEFT JOIN records
    ON records.message_id = 'adapter:' || registrations.agency AND records.caller = '' AND records.kind = 'REGISTRATION'
ORDER BY registrations.agency, records.id
"""
_REMOVED = """
SELECT chain, seq, message_id FROM records WHERE kind = 'REGISTRATION' AND NOT EXISTS (
    SELECT 1 FROM registrations WHERE 'adapter:' || registrations.agency = records.message_id
) ORDER BY chain, seq LIMIT 1000
"""
_BUNDLES = "SELECT sha256 FROM bundles ORDER BY sha256"
_BUNDLE = "SELECT content FROM bundles WHERE sha256 = $1"

Problem = tuple[str, int, str]
"""Chain, number in it (0: none), and what does not hold."""


class Source(Protocol):
    """What is read from."""

    async def select(self, query: str, *values: Value) -> Sequence[Sequence[Any]]:
        """Rows of one statement."""
        ...


async def problems(journal: Source) -> AsyncIterator[Problem]:
    """Everything that does not hold."""
    bundles: set[str] = set()
    for (sha256,) in await journal.select(_BUNDLES):
        bundles.add(sha256)
        # One at a time: they may be large.
        for (content,) in await journal.select(_BUNDLE, sha256):
            if not isinstance(content, bytes) or hashlib.sha256(content).hexdigest() != sha256:
                yield DATABASE, 0, f"the bundle or evidence {sha256[:12]} is not the one that was submitted"
    by_agency: dict[str, list[Sequence[Any]]] = {}
    for row in await journal.select(_DOCUMENTS):
        by_agency.setdefault(row[0], []).append(row)
    for agency, rows in by_agency.items():
        for problem in _of_document(agency, rows, bundles):
            yield problem
    for chain, seq, message_id in await journal.select(_REMOVED):
        yield chain, seq, f"what it says of {message_id} was removed from the register"


def _of_document(agency: str, rows: Sequence[Sequence[Any]], bundles: set[str]) -> list[Problem]:
    found: list[Problem] = []
    _, revision, document, *_ = rows[0]
    records = [(chain, seq, content) for *_, chain, seq, content in rows if chain]
    if len(records) != revision:
        found.append((DATABASE, 0, f"the register of {agency} is at revision {revision} with {len(records)} records"))
    try:
        facts = [(chain, seq, contents.decode(content)) for chain, seq, content in records]
    except JournalTampered:
        return [*found, (DATABASE, 0, f"a record about {agency} cannot be read")]
    is_bytes = isinstance(document, bytes)
    if facts and not (is_bytes and hashlib.sha256(document).hexdigest() == facts[-1][2].document_sha256):
        chain, seq, _ = facts[-1]
        found.append((chain, seq, f"the register of {agency} is not what it records"))
    for chain, seq, fact in facts:
        if fact.bundle_sha256 and fact.bundle_sha256 not in bundles:
            found.append((chain, seq, f"the bundle {fact.bundle_sha256[:12]} of {agency} was removed"))
    return found
