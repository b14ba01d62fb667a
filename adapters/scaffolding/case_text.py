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
from adapters.simulator.register import AgencyReply, Register
from esb.model import Status
from esb.ports import FieldShape
from esb.routes import formatter
from esb.routes.shapes import dereferenced


def records_text(register: Register) -> str:
    """`simulator.yaml`."""
    head = (
        "# Made by `esb adapters scaffold`: the simulated agency knows everybody, and answers with its contract's own\n"
        "# sample. An answer that is put into the table under somebody's key is given to questions with that key.\n"
    )
    return _yaml(head, msgspec.to_builtins(_records(register)))


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
    if echoes.knows_nobody(name, reading):
        request = {**proposal.sample, "subject": {"scheme": "FIN", "value": echoes.NOBODY}}
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


def _records(register: Register) -> dict[str, Any]:
    """As it would be written by hand: without what is so anyway. A document is left as it is."""
    operations = {
        name: {
            "key": rules.key,
            "table": rules.table,
            "found": rules.found,
            "missing": _reply(rules.missing),
            **({"special": {key: _reply(reply) for key, reply in rules.special.items()}} if rules.special else {}),
        }
        for name, rules in register.operations.items()
    }
    return {"agency": register.agency, "tables": register.tables, "operations": operations}


def _reply(reply: AgencyReply) -> dict[str, Any]:
    status = {} if reply.http_status == AgencyReply().http_status else {"http_status": reply.http_status}
    return {**({} if reply.document is None else {"document": reply.document}), **status}


def _yaml(head: str, value: Any) -> str:
    return head + formatter.format_text(json.dumps(value, ensure_ascii=False), fields=())
