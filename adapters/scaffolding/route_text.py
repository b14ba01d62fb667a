"""The proposed routes of an agency as `routes.yaml`, in the house's canonical form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from adapters.contract_headers import KEY as HEADERS
from adapters.identifiers import snake
from adapters.placeholders import PLACEHOLDER
from adapters.scaffolding.mapping import Mapped
from esb.routes import formatter

_LONGEST_TITLE = 80


def routes_text(
    agency: str, proposals: Mapping[str, Mapped], *, titles: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """The text, and the name of each operation's route. `titles`: what the contract calls its operations."""
    names: dict[str, str] = {}
    for operation in proposals:
        names[operation] = _route_id(agency, operation, set(names.values()))
    lines = [
        f"# Proposed by `esb adapters scaffold` for {agency}: take what is right into the deployment's routes.yaml",
        "# and grant it there. Lines marked `check:` were guessed.",
        "routes:",
    ]
    for operation, proposal in proposals.items():
        lines += _route(names[operation], agency, operation, proposal, titles.get(operation, ""))
    return formatter.format_text("\n".join(lines) + "\n"), names


def _route(name: str, agency: str, operation: str, proposal: Mapped, title: str) -> Iterator[str]:
    az, en = _titles(operation, title)
    yield f"  {name}:"
    yield f"    title: {{az: {_quoted(az)}, en: {_quoted(en)}}}"
    yield "    # check: for whom the service is."
    yield "    audience: [citizen]"
    yield f'    legal_basis: "{PLACEHOLDER}: act that allows the question, with its number"'
    if proposal.scheme not in {None, "FIN"}:
        yield f"    subject_schemes: [{proposal.scheme}]"
    yield f"    adapter: {agency}"
    yield f"    operation: {_quoted(operation)}"
    if proposal.scheme:
        yield "    # check: which field names the person or company that is asked about."
    else:
        yield "    # check: no field seems to name a person or company; all are taken from the parameters."
    for path in proposal.credentials:
        yield f"    # check: {path} seems to be a credential, which no caller brings; {_given(path)}"
    yield from _pairs("request", proposal.request)
    yield from _pairs("reply", proposal.reply)
    for guess in proposal.not_found:
        yield f"    # check: not_found: {_quoted(guess)}"
    yield "    timeout_s: 5"
    yield "    # check: true when asking twice does nothing twice; then a failed question is asked again."
    yield "    idempotent: false"


def _given(path: str) -> str:
    """Where the bus has its own credential from."""
    head, _, rest = path.partition(".")
    if head != HEADERS or not rest:
        return "ask the agency how the bus proves itself (authentication in adapter.yaml)."
    part, _, name = rest.partition(".")
    field = f"{{{name}: NAME}}" if name else "{...: NAME}"
    return f"name it in adapter.yaml as soap_headers: {{{part}: {{secrets: {field}}}}}."


def _pairs(section: str, pairs: Mapping[str, str]) -> Iterator[str]:
    if not pairs:
        yield f"    {section}: {{}}"
        return
    yield f"    {section}:"
    for name, expression in pairs.items():
        yield f"      {_quoted(name)}: {_quoted(expression)}"


def _route_id(agency: str, operation: str, taken: set[str]) -> str:
    words = [word for word in snake(operation).split("_") if word] or ["operation"]
    wanted = name = f"{agency}.{'-'.join(words)}"
    number = 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    return name


def _titles(operation: str, said: str) -> tuple[str, str]:
    """Both languages, where the contract says both with a stroke between; else its words, or the operation's name."""
    words = re.sub(r"\s+", " ", said).strip()
    az, stroke, en = words.partition(" / ")
    if stroke and len(words) <= 2 * _LONGEST_TITLE:
        return az.strip(), en.strip()
    text = words if 0 < len(words) <= _LONGEST_TITLE else snake(operation).replace("_", " ") or operation
    return text, text


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
