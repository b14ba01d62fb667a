"""An agency's side of a REST exchange, in memory: proves what the bus signed and signs what the agency answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from adapters.endpoint import Endpoint
from adapters.http_proof import HttpSignatures, Unsigned
from adapters.manifest import Authentication
from adapters.rest import RestOperation
from adapters.transport import Transport
from esb.contracts import catalogue
from esb.contracts.json_contract import JsonContract
from esb.ports import OutgoingCall, RawAnswer
from security.httpsig import HttpSigner, HttpVerifier, VerifiedMessage
from tests.support.soap_agency import NOW, certified_key, manifest_of

BASE_URL = "http://127.0.0.1:9/api"

ORDERS = b"""
openapi: 3.1.0
info: {title: Orders, version: "1"}
paths:
  /accounts/{iban}/orders:
    post:
      operationId: OpenOrder
      parameters:
        - {name: iban, in: path, required: true, schema: {type: string}}
        - {name: tag, in: query, schema: {type: array, items: {type: string}}}
        - {name: dry, in: query, schema: {type: boolean}}
        - {name: X-Branch, in: header, schema: {type: string}}
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              additionalProperties: false
              required: [amount]
              properties:
                amount: {type: number, exclusiveMinimum: 0}
                note: {type: string}
      responses:
        "200":
          description: done
          content:
            application/json:
              schema:
                type: object
                required: [orderId, fee]
                properties: {orderId: {type: string}, fee: {type: number}}
        "204": {description: nothing to say}
        default: {description: problem}
"""
"""What the installed REST contracts do not have: query, header, body and amounts."""


@cache
def contract_of(agency: str) -> JsonContract:
    """The installed contract; `orders` is the one above."""
    if agency == "orders":
        return JsonContract({"orders.yaml": ORDERS}, "orders.yaml")
    where = manifest_of(agency).contract
    return JsonContract(catalogue.load_bundle(Path("schemas/agencies") / agency / where.version), where.file)


@dataclass(frozen=True, kw_only=True)
class RestAgency:
    """One operation of one agency with the bus's half (`operation`) and the agency's own."""

    operation: RestOperation

    def called(self, values: dict[str, Any], *, traceparent: str | None = None) -> OutgoingCall:
        """What the bus sends for these values."""
        document = self.operation.encode(values)
        return self.operation.sign(document, message_id="m-1", traceparent=traceparent, now=NOW)

    def proven(self, call: OutgoingCall) -> VerifiedMessage:
        """The call as an agency sees it that checks everything."""
        verifier = HttpVerifier([certified_key("bus").verifying()], clock_skew_s=30, max_age_s=300)
        return verifier.verify_request(method=call.method, url=call.url, headers=call.headers, body=call.body, now=NOW)

    def signed(
        self, document: Any, call: OutgoingCall, *, status: int = 200, key: str = "agency", now: datetime = NOW
    ) -> RawAnswer:
        """The document (or raw bytes) as the signed answer to the call."""
        body = document if isinstance(document, bytes) else msgspec.json.encode(document)
        headers = {"content-type": "application/json" if status < 400 else "application/problem+json"}
        proof = HttpSigner(certified_key(key)).sign_response(
            status=status, headers=headers, body=body, now=now, request_signature=call.proof
        )
        return RawAnswer(http_status=status, headers={**headers, **proof}, body=body)


def rest_agency(
    name: str, *, agency: str = "tn-tm", keys_there: bool = True, trusted: bool = True, **changes: Any
) -> RestAgency:
    """The operation with test keys; `changes` replace fields of the installed manifest of tn-tm."""
    manifest = msgspec.structs.replace(manifest_of("tn-tm"), **changes)
    unsigned = manifest.authentication is Authentication.NONE
    agency_keys = [certified_key("agency").verifying()] if trusted else []
    return RestAgency(
        operation=RestOperation(
            endpoint=Endpoint(manifest=manifest, url=BASE_URL, transport=Transport()),
            operation=contract_of(agency).operation(name),
            proof=Unsigned()
            if unsigned
            else HttpSignatures(
                agency=manifest.agency,
                signer=HttpSigner(certified_key("bus")) if keys_there else None,
                verifier=HttpVerifier(agency_keys, clock_skew_s=30, max_age_s=300),
                missing="make one with `esb keys new`",
                claim_life_s=330,
            ),
        )
    )
