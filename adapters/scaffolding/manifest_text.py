"""The proposed `adapter.yaml`: what the contract says, what was guessed, and what only the agency knows.

What is left to a person is written as a placeholder, which `esb adapters lint` refuses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from adapters.placeholders import PLACEHOLDER, PLACEHOLDER_ADDRESS
from adapters.scaffolding.source import Source


def manifest_text(
    source: Source, *, agency: str, version: str, authentication: str, simulated_port: int, statuses: tuple[int, ...]
) -> str:
    """`adapter.yaml`. `statuses`: HTTP statuses by which the contract seems to say that there is no such record."""
    lines = [
        "# Made by `esb adapters scaffold`. Lines marked `check:` were guessed; FILL IN is what only the agency knows.",
        f"agency: {agency}",
        "title:",
        f'  az: "{PLACEHOLDER}: qurumun və sistemin adı"',
        f'  en: "{PLACEHOLDER}: name of the agency and its system"',
        f'owner: "{PLACEHOLDER}: who owns the system"',
        "contact:",
        f'  name: "{PLACEHOLDER}: person or desk whom operators call"',
        f"  email: {PLACEHOLDER_ADDRESS}",
        f'legal_basis: "{PLACEHOLDER}: act under which the system is connected, with its number"',
        f"kind: {source.kind}",
        "contract:",
        f"  version: {version}",
        f"  file: {_quoted(source.entry)}",
        *_choice(source),
        *_operations(source),
        "endpoint:",
        f"  simulated: http://127.0.0.1:{simulated_port}",
        *_endpoint(source),
        *_authentication(source, authentication),
        "limits: {concurrency: 8, rate_per_s: 20, connect_timeout_s: 2}  # check: what the agency bears, per worker",
        *(
            [f"not_found: {{http_status: [{', '.join(map(str, statuses))}]}}  # check: 404 means: no such record"]
            if statuses
            else []
        ),
        "validation: strict",
        "lifecycle: test",
    ]
    return "\n".join(lines) + "\n"


def _choice(source: Source) -> Iterator[str]:
    if source.service:
        yield f"  service: {_quoted(source.service)}"
    if source.port:
        yield f"  port: {_quoted(source.port)}"


def _operations(source: Source) -> Iterator[str]:
    if not source.elements:
        return
    yield "  # check: an XSD does not say under which path and by which method each element is sent."
    yield "  operations:"
    for name, (request, reply) in source.elements.items():
        yield f"    {_quoted(name)}:"
        yield f"      path: {_quoted('/' + name)}"
        yield f"      request: {_quoted(request)}"
        yield f"      reply: {_quoted(reply)}"


def _endpoint(source: Source) -> Iterator[str]:
    if source.address:
        yield "  # check: the address that the contract names; whether it is the agency's test or its live system."
        yield f"  test: {_quoted(source.address)}"


def _authentication(source: Source, authentication: str) -> Iterator[str]:
    for hint in source.policy:
        yield f"# check: {hint}"
    yield "# check: how requests and replies are proven; `none` leaves both unsigned."
    yield f"authentication: {authentication}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
