"""What a SOAP agency's proven answer means: data, no record, a refusal, or trouble of its own.

Called by `adapters/soap.py`. Which of the agency's codes mean what is the manifest's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from adapters.absence import NOTHING, says_absent
from adapters.agency_words import MAX_CODE, MAX_MESSAGE, WordsReader
from adapters.manifest import Manifest, Meaning
from adapters.soap_fault import SoapFault
from esb.contracts.openapi_xml import read_any_document
from esb.errors import AgencyFault, AgencyRejected
from esb.ports import AgencyAnswer


class Meanings:
    """Of the answers of one operation."""

    def __init__(self, manifest: Manifest, operation: str) -> None:
        """`operation`: for messages."""
        self._agency = manifest.agency
        self._operation = operation
        self._faults = manifest.faults
        self._absences = manifest.not_found_answers
        self._statuses = manifest.not_found_statuses
        self._words = WordsReader(manifest.faults)

    def expects_nothing(self, http_status: int) -> bool:
        """Whether an answer without a body says something, by the manifest."""
        return http_status in self._statuses or (http_status < 300 and "empty-body" in self._absences)  # noqa: PLR2004 - the statuses of success

    def of_nothing(self, http_status: int) -> AgencyAnswer:
        """An answer without a body: no record where the manifest says so, else a message that was taken."""
        absent = http_status in self._statuses or says_absent(NOTHING, self._absences)
        return AgencyAnswer(found=not absent, data={})

    def of_fault(self, fault: SoapFault) -> AgencyAnswer:
        """No record. Raises AgencyRejected, AgencyFault."""
        return self._of_codes(fault.codes, "SOAP fault", fault.message, fault.causes)

    def of_status(self, code: str, message: str) -> AgencyAnswer | None:
        """What a gateway's status means; None for success, which is SCSS… unless the manifest says otherwise.

        Raises:
            AgencyRejected, AgencyFault.
        """
        if self._faults.is_success(code) or (not self._faults.success and code.startswith("SCSS")):
            return None
        return self._of_codes((code[:MAX_CODE],), "status of the gateway", message[:MAX_MESSAGE] or None, ())

    def of_code(self, content: bytes) -> AgencyAnswer | None:
        """What a code in a reply means where it does not just mean success; only where the manifest knows such codes.

        Raises:
            AgencyRejected, AgencyFault.
            ContractViolation: it cannot be read.
        """
        if not self._faults.success:
            return None
        document = read_any_document(content)
        code = self._words.code(document)
        if code is None or self._faults.is_success(code):
            return None
        words = self._words.read(document)
        return self._of_codes(words.codes, "code in the reply", words.message, words.causes)

    def of_data(self, data: Any, as_of: datetime | None, findings: tuple[str, ...]) -> AgencyAnswer:
        """The contract's reply; no record where it is empty in a way that the manifest names."""
        if self._absences and says_absent(data, self._absences):
            return AgencyAnswer(found=False, data={}, findings=findings)
        return AgencyAnswer(found=True, data={} if data is None else data, as_of=as_of, findings=findings)

    def _of_codes(
        self, codes: tuple[str, ...], reason: str, message: str | None, causes: tuple[str, ...]
    ) -> AgencyAnswer:
        meaning = self._faults.meaning((*codes, *causes))
        if meaning is Meaning.NOT_FOUND:
            return AgencyAnswer(found=False, data={})
        kind = AgencyRejected if meaning is Meaning.REJECTED else AgencyFault
        raise kind(
            reason,
            agency=self._agency,
            operation=self._operation,
            agency_code=codes[0] if codes else None,
            agency_message=message,
            causes=causes,
        )
