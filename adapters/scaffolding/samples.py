"""A sample request and reply of each operation, as they travel without signatures: for people and for other tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lxml import etree

from adapters.contract_reading import ContractReading
from adapters.identifiers import snake
from adapters.rest_request import RequestForm
from adapters.soap_body import body_form
from adapters.soap_envelope import plain_envelope
from adapters.wsdl import Wsdl, WsdlOperation
from esb.contracts.documents import ANY_XML, write
from esb.contracts.json_operation import BODY, JsonOperation
from esb.errors import ContractUnsupported, ContractViolation
from esb.ports import FieldShape
from security import xml
from security.wsse import SoapVersion

FOLDER: Final = "samples/"


def made(reading: ContractReading) -> tuple[Mapping[str, bytes], tuple[str, ...]]:
    """The samples by file name, and a sentence for each operation whose sample the contract's own rules refuse."""
    found: dict[str, bytes] = {}
    refused: list[str] = []
    for name, shape in reading.shapes.items():
        try:
            found |= dict(_of_operation(name, shape, reading))
        except (ContractViolation, ContractUnsupported) as error:
            refused.append(
                f"check: no sample of {name} could be made that fits all rules of its contract: {_why(error)}; "
                "write one by hand"
            )
    return found, tuple(refused)


def _why(error: ContractViolation | ContractUnsupported) -> str:
    path = error.path if isinstance(error, ContractViolation) else ""
    return f"{path}: {error.reason}" if path else error.reason


def _of_operation(name: str, shape: FieldShape, reading: ContractReading) -> Iterator[tuple[str, bytes]]:
    stem = FOLDER + _file_name(name)
    if reading.soap is not None:
        operation = reading.soap.operations[name]
        yield f"{stem}.request.xml", _envelope(reading.soap, operation, operation.input, shape.request_sample)
        if not operation.one_way:
            yield f"{stem}.reply.xml", _reply_envelope(reading.soap, operation, shape.reply_sample)
        return
    called = reading.rest[name]
    yield f"{stem}.request.http", _http(called, shape.request_sample)
    reply = _document(called, reading.success_of(name), shape.reply_sample)
    if reply is not None:
        yield f"{stem}.reply.{'xml' if reply.lstrip().startswith(b'<') else 'json'}", reply


def _file_name(name: str) -> str:
    return "".join(character if character.isalnum() and character.isascii() else "-" for character in name) or snake(
        name
    )


def _envelope(wsdl: Wsdl, operation: WsdlOperation, element: str, values: Mapping[str, Any]) -> bytes:
    content = wsdl.contract.encoder(element).encode(_own(values))
    return _readable(plain_envelope(body_form(operation).write(content), SoapVersion(operation.soap_version)))


def _reply_envelope(wsdl: Wsdl, operation: WsdlOperation, values: Mapping[str, Any]) -> bytes:
    content = wsdl.contract.encoder(operation.output).encode(_own(values))
    return _readable(plain_envelope(content, SoapVersion(operation.soap_version)))


def _own(values: Any) -> Any:
    """Without headers and attachments, which stand beside the element."""
    if not isinstance(values, Mapping):
        return values
    return {name: value for name, value in values.items() if not name.startswith("$")}


def _http(operation: JsonOperation, values: Mapping[str, Any]) -> bytes:
    operation.validate_request(values)
    form = RequestForm(operation, base_url="")
    call = form.fill(form.pack(values), traceparent=None)
    head = [f"{call.method} {call.url} HTTP/1.1", *(f"{name}: {value}" for name, value in call.headers.items())]
    return "\r\n".join([*head, "", ""]).encode() + call.body


def _document(operation: JsonOperation, status: int, sample: Any) -> bytes | None:
    form = operation.response(status).form(None)
    if form is None:
        return None
    try:
        content = write(form, sample)
        form.read(content)
    except ContractViolation:
        if not isinstance(sample, dict) or sample.keys() != {BODY}:
            raise
        content = write(form, sample[BODY])
    return _readable(content) if ANY_XML.fullmatch(form.media_type) else content + b"\n"


def _readable(content: bytes) -> bytes:
    root = xml.parse(content)
    etree.indent(root, space="  ")
    return etree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
