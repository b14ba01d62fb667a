"""The floor: one exchange's unavoidable work in a straight line, on lxml, cryptography and msgspec alone.

Written independently of the product: nothing of it is imported here, and nothing it does beyond this (routing,
policy, limits, journal, metrics, logs, retries) is done. No network. As a program it works when told to, in a process
of its own: `measure 3.0` on standard input is answered with the CPU time of one exchange.
"""

from __future__ import annotations

import base64
import hashlib
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from xml.sax.saxutils import escape

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, load_pem_public_key
from lxml import etree

from bench.values import Specimen

_OASIS = "http://docs.oasis-open.org/wss/"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
WSSE = _OASIS + "2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = _OASIS + "2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
DS = "http://www.w3.org/2000/09/xmldsig#"
C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
REGISTER = "urn:az:gov:din:population-register:v1"

ECDSA = ec.ECDSA(hashes.SHA256())
PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
SKEW = timedelta(seconds=30)
BATCH = 50


class Subject(msgspec.Struct, forbid_unknown_fields=True):
    """Whom the question is about."""

    scheme: str
    value: str


class Ask(msgspec.Struct, forbid_unknown_fields=True):
    """The caller's question."""

    subject: Subject
    purpose: str
    legal_basis: str


class Outcome(msgspec.Struct, kw_only=True):
    """What one exchange wrote and read."""

    document: bytes
    envelope: bytes
    signature_value: bytes
    reply: bytes
    reply_signature: str
    records: tuple[bytes, bytes]


class Floor:
    """One exchange, again and again. Whatever can be made once is made here."""

    def __init__(self, specimen: Specimen) -> None:
        self._specimen = specimen
        self._caller_key = _public(load_pem_public_key(specimen.caller_key_pem))
        key = load_pem_private_key(specimen.bus_key_pem, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        certificate = x509.load_pem_x509_certificate(specimen.bus_certificate_pem)
        agency = x509.load_pem_x509_certificate(specimen.agency_certificate_pem)
        self._agency_key = _public(agency.public_key())
        self._agency_token = base64.b64encode(agency.public_bytes(Encoding.DER)).decode()
        self._schema = etree.XMLSchema(etree.parse(specimen.schema))
        self._decode = msgspec.json.Decoder(Ask).decode
        self._encode = msgspec.json.Encoder().encode
        self._envelope_open = _ENVELOPE_OPEN % base64.b64encode(certificate.public_bytes(Encoding.DER))
        header = self._encode({"alg": "ES256", "b64": False, "crit": ["b64"], "kid": specimen.kid})
        self._jws_header = _base64url(header)
        self._previous = bytes(32)

    def exchange(self, *, with_token: bool) -> Outcome:
        """All of it, once."""
        specimen = self._specimen
        if with_token:
            self.check_token(specimen.token)
        ask = self._decode(specimen.request)
        document = self.write_document(ask)
        envelope, signature_value = self.sign(document, specimen.now)
        content = self.verify(specimen.reply_envelope, specimen.signature_value)
        data = self.read(content)
        reply, signature = self.answer(data)
        return Outcome(
            document=document,
            envelope=envelope,
            signature_value=signature_value,
            reply=reply,
            reply_signature=signature,
            records=self.record(ask, reply, signature),
        )

    def check_token(self, token: str) -> str:
        """The issuer of a caller's token."""
        signed, _, encoded = token.rpartition(".")
        encoded_header, _, encoded_claims = signed.partition(".")
        header = msgspec.json.decode(_from_base64url(encoded_header))
        assert header["alg"] == "ES256"
        self._caller_key.verify(_der(_from_base64url(encoded)), signed.encode(), ECDSA)
        claims = msgspec.json.decode(_from_base64url(encoded_claims))
        assert claims["aud"] == self._specimen.audience
        now_s = self._specimen.now.timestamp()
        assert claims["iat"] <= now_s + 30
        assert now_s - 30 < claims["exp"] <= now_s + 330
        issuer: str = claims["iss"]
        return issuer

    def write_document(self, ask: Ask) -> bytes:
        """The agency's question in canonical form, valid under its schema."""
        document = _DOCUMENT % escape(ask.subject.value).encode()
        assert self._schema.validate(etree.fromstring(document, PARSER))
        return document

    def sign(self, document: bytes, now: datetime) -> tuple[bytes, bytes]:
        """The signed envelope and its signature value."""
        body = _BODY % document
        timestamp = _TIMESTAMP % (_moment(now), _moment(now + timedelta(seconds=300)))
        signed_info = _SIGNED_INFO % (_digest(body), _digest(timestamp))
        value = _raw(self._key.sign(signed_info, ECDSA))
        envelope = b"".join(
            (
                self._envelope_open,
                timestamp,
                _SIGNATURE % (signed_info, base64.b64encode(value)),
                body,
                b"</soap:Envelope>",
            )
        )
        return envelope, value

    def verify(self, envelope: bytes, confirms: bytes) -> etree._Element:
        """The signed child of the reply's Body, in the tree whose canonical form was proven."""
        root = etree.fromstring(envelope, PARSER)
        (security,) = root[0]
        token, timestamp, confirmation, signature = security
        assert token.text == self._agency_token
        signed_info, value = signature[0], signature[1]
        self._agency_key.verify(_der(base64.b64decode(value.text or "")), _canonical(signed_info), ECDSA)
        signable = {element.get(_WSU_ID): element for element in (root[1], timestamp, confirmation)}
        for reference in signed_info.iterfind(_REFERENCE):
            target = signable.pop((reference.get("URI") or "")[1:])
            assert reference[2].text == _digest(_canonical(target)).decode()
        assert not signable
        assert confirmation.get("Value") == base64.b64encode(confirms).decode()
        created = datetime.fromisoformat(timestamp[0].text or "")
        assert created - SKEW <= self._specimen.now <= created + timedelta(seconds=300) + SKEW
        (content,) = root[1]
        return content

    def read(self, content: etree._Element) -> dict[str, Any]:
        """The portal's fields out of a reply that is valid under its schema."""
        assert self._schema.validate(content)
        answer = {child.tag: child for child in content}
        assert answer[_tag("ResultCode")].text == "000"
        return _person(answer[_tag("Person")]) | {"as_of": answer[_tag("AsOf")].text}

    def answer(self, data: dict[str, Any]) -> tuple[bytes, str]:
        """The reply's bytes and their detached signature."""
        now = datetime.now(UTC)
        as_of = datetime.fromisoformat(data.pop("as_of"))
        reply = self._encode(
            {
                "message_id": self._specimen.message_id,
                "correlation_id": None,
                "route": "person.identity",
                "version": 1,
                "status": "OK",
                "data": data,
                "sources": [{**_SOURCE, "as_of": as_of, "elapsed_ms": 5, "attempts": 1}],
                "faults": [],
                "received_at": now,
                "completed_at": now,
            }
        )
        signature = _raw(self._key.sign(b"".join((self._jws_header, b".", reply)), ECDSA))
        return reply, f"{self._jws_header.decode()}..{_base64url(signature).decode()}"

    def record(self, ask: Ask, reply: bytes, signature: str) -> tuple[bytes, bytes]:
        """Digests of the two journal records, chained."""
        specimen, now = self._specimen, datetime.now(UTC)
        received = {
            **_RECORD,
            "kind": "RECEIVED",
            "at": now,
            "message_id": specimen.message_id,
            "received_at": now,
            "body_sha256": hashlib.sha256(specimen.request).hexdigest(),
            "purpose": ask.purpose,
            "legal_basis": ask.legal_basis,
        }
        completed = {
            **_RECORD,
            "kind": "COMPLETED",
            "at": now,
            "message_id": specimen.message_id,
            "completed_at": now,
            "reply_sha256": hashlib.sha256(reply).hexdigest(),
            "reply_signature": signature,
            "sources": [{**_SOURCE, "as_of": now, "elapsed_ms": 5, "attempts": 1}],
        }
        first = hashlib.sha256(self._previous + self._encode(received)).digest()
        self._previous = hashlib.sha256(first + self._encode(completed)).digest()
        return first, self._previous

    def steps(self) -> dict[str, Callable[[], object]]:
        """The parts of `exchange` by what they do, each ready to be timed alone."""
        specimen = self._specimen
        ask = self._decode(specimen.request)
        content = self.verify(specimen.reply_envelope, specimen.signature_value)
        data = self.read(content)
        reply, signature = self.answer(data.copy())
        return {
            "check the caller's token": lambda: self.check_token(specimen.token),
            "read the question, write and validate XML": lambda: self.write_document(self._decode(specimen.request)),
            "sign the SOAP request": lambda: self.sign(specimen.document, specimen.now),
            "verify the SOAP reply": lambda: self.verify(specimen.reply_envelope, specimen.signature_value),
            "validate and read the reply": lambda: self.read(content),
            "write and sign the JSON reply": lambda: self.answer(data.copy()),
            "two chained journal records": lambda: self.record(ask, reply, signature),
        }


# --- text made once --------------------------------------------------------------------------------------

_DOCUMENT = f'<GetPersonByPin xmlns="{REGISTER}"><Pin>%b</Pin></GetPersonByPin>'.encode()
_BODY = f'<soap:Body xmlns:soap="{SOAP}" xmlns:wsu="{WSU}" wsu:Id="body">%b</soap:Body>'.encode()
_TIMESTAMP = (
    f'<wsu:Timestamp xmlns:wsu="{WSU}" wsu:Id="time"><wsu:Created>%b</wsu:Created>'
    "<wsu:Expires>%b</wsu:Expires></wsu:Timestamp>"
).encode()
_ENVELOPE_OPEN = (
    f'<soap:Envelope xmlns:soap="{SOAP}"><soap:Header><wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" '
    f'soap:mustUnderstand="1"><wsse:BinarySecurityToken '
    f'EncodingType="{_OASIS}2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary" '
    f'ValueType="{_OASIS}2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3" wsu:Id="token">%b'
    "</wsse:BinarySecurityToken>"
).encode()
_PART = (
    f'<ds:Reference URI="#%s"><ds:Transforms><ds:Transform Algorithm="{C14N}"></ds:Transform></ds:Transforms>'
    '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod>'
    "<ds:DigestValue>%%b</ds:DigestValue></ds:Reference>"
)
_SIGNED_INFO = (
    f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{C14N}"></ds:CanonicalizationMethod>'
    '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"></ds:SignatureMethod>'
    f"{_PART % 'body'}{_PART % 'time'}</ds:SignedInfo>"
).encode()
_SIGNATURE = (
    f'<ds:Signature xmlns:ds="{DS}">%b<ds:SignatureValue>%b</ds:SignatureValue><ds:KeyInfo>'
    '<wsse:SecurityTokenReference><wsse:Reference URI="#token" '
    f'ValueType="{_OASIS}2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"/></wsse:SecurityTokenReference>'
    "</ds:KeyInfo></ds:Signature></wsse:Security></soap:Header>"
).encode()
_SOURCE = {"agency": "din-reg", "operation": "GetPersonByPin", "status": "OK"}
_RECORD = {"caller": "portal", "channel": "http", "route": "person.identity"}
_WSU_ID = f"{{{WSU}}}Id"
_REFERENCE = f"{{{DS}}}Reference"


# --- the population register -----------------------------------------------------------------------------


def _tag(name: str) -> str:
    return f"{{{REGISTER}}}{name}"


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")


_FIELDS = {
    _tag(name): _snake(name)
    for name in (
        "Pin", "Surname", "Name", "Patronymic", "BirthDate", "Sex", "Citizenship", "LifeStatus", "PhotoRef", "Series",
        "Number", "IssueDate", "Expiry", "Issuer", "Region", "Rayon", "Settlement", "Street", "House", "Flat", "Postal",
        "From", "To",
    )
}  # fmt: skip
_PERSON: dict[str, Any] = dict.fromkeys((
    "pin", "surname", "name", "patronymic", "birth_date", "sex", "citizenship", "id_document", "registered_address",
    "previous_addresses", "life_status", "photo_ref",
))  # fmt: skip
_ID_DOCUMENT: dict[str, Any] = dict.fromkeys(("series", "number", "issue_date", "expiry", "issuer"))
_ADDRESS: dict[str, Any] = dict.fromkeys(("region", "rayon", "settlement", "street", "house", "flat", "postal"))
_PREVIOUS = _ADDRESS | dict.fromkeys(("from", "to"))
_PREVIOUS_TAG, _DOCUMENT_TAG, _ADDRESS_TAG = _tag("PreviousAddress"), _tag("IdDocument"), _tag("RegisteredAddress")


def _person(element: etree._Element) -> dict[str, Any]:
    person = {**_PERSON, "previous_addresses": []}
    for child in element:
        if child.tag == _PREVIOUS_TAG:
            person["previous_addresses"].append(_record_of(child, _PREVIOUS))
        elif child.tag == _ADDRESS_TAG:
            person["registered_address"] = _record_of(child, _ADDRESS)
        elif child.tag == _DOCUMENT_TAG:
            person["id_document"] = _record_of(child, _ID_DOCUMENT)
        else:
            person[_FIELDS[child.tag]] = child.text
    return person


def _record_of(element: etree._Element, empty: dict[str, Any]) -> dict[str, Any]:
    record = empty.copy()
    for child in element:
        record[_FIELDS[child.tag]] = child.text
    return record


# --- encodings -------------------------------------------------------------------------------------------


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def _digest(content: bytes) -> bytes:
    return base64.b64encode(hashlib.sha256(content).digest())


def _moment(moment: datetime) -> bytes:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _raw(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _der(raw: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))


def _public(key: object) -> ec.EllipticCurvePublicKey:
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


# --- the program -----------------------------------------------------------------------------------------


def main(path: str) -> None:
    """Serve measurements until standard input ends. `path`: a JSON list of specimens."""
    specimens = msgspec.json.decode(Path(path).read_bytes(), type=list[Specimen])
    floors = {specimen.question.fin: Floor(specimen) for specimen in specimens}
    for line in sys.stdin:
        fin, what, seconds = line.split()
        floor = floors[fin]
        if what == "steps":
            found: object = {name: _cpu_us(step, float(seconds)) for name, step in floor.steps().items()}
        else:
            with_token = what == "token"
            found = _cpu_us(lambda: floor.exchange(with_token=with_token), float(seconds))  # noqa: B023 - used at once
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        sys.stdout.flush()


def _cpu_us(work: Callable[[], object], seconds: float) -> float:
    """CPU time of one call: the median of batches, which are long enough for the clock."""
    batches: list[float] = []
    end_s = time.perf_counter() + seconds
    while not batches or time.perf_counter() < end_s:
        began_s = time.process_time()
        for _ in range(BATCH):
            work()
        batches.append((time.process_time() - began_s) / BATCH * 1e6)
    return median(batches)


if __name__ == "__main__":
    main(sys.argv[1])
