"""The proposed records and golden cases: one question that is answered, one that is refused, one about nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from adapters.cases import Case, Expected
from adapters.contract_reading import ContractReading
from adapters.identifiers import BAD_FINS, has_fin_rule, leaves
from adapters.scaffolding.mapping import Mapped, subject_of
from adapters.simulator import samples as echoes
from adapters.simulator.register import RECORD, AgencyReply, OperationRecords, Register
from esb.contracts.json_sample import sample_of
from esb.model import Status
from esb.ports import FieldShape
from esb.routes import formatter
from esb.routes.shapes import dereferenced

NOBODY = "7TESTX9"
_NOT_FOUND = 404


def records_of(agency: str, reading: ContractReading) -> Register:
    """Records of a simulated agency that knows everybody, as its contract's sample says.

    Where the contract has a 404, the made-up person whom no agency knows is not known here either.
    """
    operations = {
        name: OperationRecords(
            key=echoes.key_of(shape),
            table=echoes.TABLE,
            found=RECORD,
            missing=AgencyReply(document=echoes.echo_of(shape), http_status=reading.success_of(name)),
            special=_special(name, shape, reading),
        )
        for name, shape in reading.shapes.items()
    }
    return Register(agency=agency, tables={echoes.TABLE: {}}, operations=operations)


def records_text(register: Register) -> str:
    """`simulator.yaml`."""
    head = (
        "# Made by `esb adapters scaffold`: the simulated agency knows everybody, and answers with its contract's own\n"
        "# sample. An answer that is put into the table under somebody's key is given to questions with that key.\n"
    )
    return _yaml(head, _lean(msgspec.to_builtins(register)))


def wanted_cases(
    route: str, proposal: Mapped, shape: FieldShape, reading: ContractReading, name: str
) -> Iterator[Case]:
    """The cases of one route, with the status that is meant."""
    yield _case(f"{name} is answered", route, proposal.sample, Status.OK)
    if proposal.scheme != "FIN":
        return
    subject = subject_of(list(leaves(dereferenced(shape.request_schema))))
    if subject is not None and has_fin_rule(subject.schema):
        request = {**proposal.sample, "subject": {"scheme": "FIN", "value": BAD_FINS[0]}}
        yield _case(f"{name}: a FIN with the letter O never reaches the agency", route, request, Status.INVALID_REQUEST)
    if NOBODY in _special(name, shape, reading):
        request = {**proposal.sample, "subject": {"scheme": "FIN", "value": NOBODY}}
        yield _case(f"{name}: nobody is known by this FIN", route, request, Status.NOT_FOUND)


def _case(name: str, route: str, request: Mapping[str, Any], status: Status) -> Case:
    return Case(name=name, route=route, request=dict(request), reply=Expected(status=status))


def as_written(case: Case, asked: Mapping[str, Any] | None, got: Expected) -> dict[str, Any]:
    """The case with what came of it as what is expected."""
    written: dict[str, Any] = {"name": case.name, "route": case.route, "request": case.request}
    if asked is not None:
        written["agency_request"] = msgspec.to_builtins(asked)
    reply = {"status": got.status.value}
    for field in ("data", "path", "agency_code"):
        if (value := getattr(got, field)) is not None:
            reply[field] = msgspec.to_builtins(value)
    return {**written, "reply": reply}


def cases_text(agency: str, cases: Sequence[Mapping[str, Any]]) -> str:
    """`cases.yaml`."""
    head = (
        f"# Golden cases of {agency}, proposed by `esb adapters scaffold` from the contract's own samples: run by\n"
        f"# `esb adapters test {agency}`. Put real questions in their place, of made-up persons.\n"
    )
    return _yaml(head, {"cases": list(cases)})


def _special(name: str, shape: FieldShape, reading: ContractReading) -> dict[str, AgencyReply]:
    operation = reading.rest.get(name)
    if operation is None or str(_NOT_FOUND) not in operation.responses:
        return {}
    key = echoes.key_leaf(shape)
    if key is None or key.path not in {leaf.path for leaf in leaves(dereferenced(shape.request_schema))}:
        return {}
    schema = operation.responses[str(_NOT_FOUND)].schema
    document = None if schema is None else sample_of(schema)
    if isinstance(document, dict) and isinstance(document.get("status"), int):
        document = {**document, "status": _NOT_FOUND}  # RFC 9457, section 3.1.2: as in the HTTP answer
    return {NOBODY: AgencyReply(document=document, http_status=_NOT_FOUND)}


def _lean(value: Any) -> Any:
    """Without what is as it would be if it were left out."""
    if isinstance(value, dict):
        pairs = {name: _lean(part) for name, part in value.items()}
        return {name: part for name, part in pairs.items() if not (name in _DEFAULTS and part == _DEFAULTS[name])}
    return [_lean(item) for item in value] if isinstance(value, list) else value


_DEFAULTS: Mapping[str, Any] = {
    "http_status": 200,
    "fault": None,
    "raw": None,
    "media_type": None,
    "special": {},
    "later": {},
    "callback": "",
}


def _yaml(head: str, value: Any) -> str:
    return head + formatter.format_text(json.dumps(value, ensure_ascii=False), fields=())
