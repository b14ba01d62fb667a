"""One operation of a REST or XML agency, compiled: how it is called, and what its values and documents must be.

Made at load by `json_contract` and `xml_contract`; called by the adapters and by simulated agencies. An operation's
values are one mapping: parameters by name, and the request document under `body`. An answer is one mapping too: the
document itself where it is an object, otherwise the document under `body`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from esb.contracts.documents import DocumentForm, Findings, XsdDocument
from esb.contracts.json_sample import sample_of
from esb.contracts.json_schema import JsonValidator
from esb.contracts.json_shape import DIALECT
from esb.contracts.openapi_parameters import JsonParameter
from esb.errors import ContractUnsupported, ContractViolation

Schema = dict[str, Any]

BODY = "body"

_SEVERAL = 2
_STATUSES = range(100, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonResponse:
    """What an operation may answer: `status` is `200`, `4XX` or `default`; without `forms` there is no document."""

    status: str
    forms: tuple[DocumentForm, ...] = ()

    @property
    def media_type(self) -> str | None:
        """Of the document that is preferred."""
        return self.forms[0].media_type if self.forms else None

    @property
    def schema(self) -> Schema | None:
        """Of the document that is preferred; None when there is none."""
        return self.forms[0].schema if self.forms else None

    def form(self, content_type: str | None) -> DocumentForm | None:
        """The form of a document of this type; the preferred one where nothing says or knows the type."""
        if content_type is None or len(self.forms) < _SEVERAL:
            return self.forms[0] if self.forms else None
        plain = content_type.partition(";")[0].strip().lower()
        named = (form for form in self.forms if form.media_type.lower() == plain)
        return next(named, self.forms[0])

    def read(self, content: bytes, content_type: str | None, *, lax: bool = False) -> tuple[Any, Findings]:
        """The validated document, None where the contract has none. Raises ContractViolation."""
        form = self.form(content_type)
        if form is None:
            return None, ()
        return form.read_lax(content) if lax else (form.read(content), ())


class JsonOperation:
    """One operation, compiled. Safe for concurrent use."""

    def __init__(
        self,
        *,
        name: str,
        method: str,
        path: str,
        parameters: tuple[JsonParameter, ...],
        body: DocumentForm | None = None,
        body_required: bool = False,
        responses: Mapping[str, JsonResponse],
        whole: XsdDocument | None = None,
    ) -> None:
        """`path` is the template, `/diplomas/{pin}`.

        `whole`: the parameters together are the fields of this document, which is never sent itself.
        """
        self.name = name
        self.method = method
        self.path = path
        self.parameters = parameters
        self.body_form = body
        self.responses = responses
        self._by_status = {status: found for status in _STATUSES if (found := _response(responses, status))}
        self.request_schema = whole.schema if whole else _request_schema(parameters, body, required=body_required)
        self.reply_schema = _reply_schema(name, responses)
        self._validate = _validation(whole, parameters, body, required=body_required)

    @property
    def body(self) -> Schema | None:
        """The schema of the request document, if there is one."""
        return self.body_form.schema if self.body_form else None

    @property
    def reply_media_types(self) -> tuple[str, ...]:
        """What an answer may be, those of success first."""
        ordered = sorted(self.responses.values(), key=lambda response: not response.status.startswith("2"))
        return tuple(dict.fromkeys(form.media_type for response in ordered for form in response.forms))

    @property
    def request_sample(self) -> dict[str, Any]:
        """Values that `validate_request` accepts, where the schema's author gave good examples or none."""
        sample: dict[str, Any] = _good_sample(self.request_schema)
        return sample

    @property
    def reply_sample(self) -> Any:
        """Plain data of an answer of success."""
        return _good_sample(self.reply_schema)

    def validate_request(self, values: Mapping[str, Any]) -> None:
        """Return when the values fit. Raises ContractViolation, `path` a JSON pointer: `/pin`, `/body/kind`."""
        self._validate(values)

    def response(self, http_status: int) -> JsonResponse:
        """What the contract says about a status. Raises ContractViolation when it says nothing."""
        found = self._by_status.get(http_status)
        if found is None:
            raise ContractViolation(f"HTTP status {http_status} is not in the contract")
        return found

    def validate_reply(self, http_status: int, document: Any) -> None:
        """Return when a JSON document fits the contract for that status. `path` of a violation is a JSON pointer."""
        schema = self.response(http_status).schema
        if schema is not None:
            JsonValidator(schema, formats=True).validate(document)


def _response(responses: Mapping[str, JsonResponse], status: int) -> JsonResponse | None:
    keys = (str(status), f"{status // 100}XX", "default")
    return next((responses[key] for key in keys if key in responses), None)


def plain_reply(document: Any) -> dict[str, Any]:
    """An answer's document as the one mapping that routes read."""
    return document if isinstance(document, dict) else {BODY: document}


# --- schemas ---------------------------------------------------------------------------------------------


def joined(properties: Mapping[str, Any], required: list[str]) -> Schema:
    """A closed object; definitions of its parts are brought to its root."""
    definitions: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for name, part in properties.items():
        definitions |= part.get("$defs", {})
        own[name] = {key: value for key, value in part.items() if key not in {"$defs", "$schema"}}
    schema: Schema = {
        "$schema": DIALECT,
        "type": "object",
        "properties": own,
        "required": required,
        "additionalProperties": False,
    }
    return {**schema, "$defs": definitions} if definitions else schema


def _request_schema(parameters: tuple[JsonParameter, ...], body: DocumentForm | None, *, required: bool) -> Schema:
    properties = {parameter.name: parameter.schema for parameter in parameters}
    needed = [parameter.name for parameter in parameters if parameter.required]
    if body is not None:
        properties[BODY] = body.schema
        needed += [BODY] if required else []
    return joined(properties, needed)


def _validation(
    whole: XsdDocument | None, parameters: tuple[JsonParameter, ...], body: DocumentForm | None, *, required: bool
) -> Callable[[Mapping[str, Any]], None]:
    if whole is not None:
        return whole.pack
    # A document of an XSD is validated by its own encoder, whose plain data know decimals that JSON Schema does not.
    by_schema = None if isinstance(body, XsdDocument) else body
    schema = _request_schema(parameters, by_schema, required=required)
    if body is not by_schema:
        schema["properties"][BODY] = {}
        schema["required"] += [BODY] if required else []
    validator = JsonValidator(schema, formats=True)
    return lambda values: validator.validate(dict(values))


def _reply_schema(name: str, responses: Mapping[str, JsonResponse]) -> Schema:
    succeeding = [responses[status] for status in sorted(responses) if status.startswith("2")]
    if not succeeding and "default" in responses:
        succeeding = [responses["default"]]
    if not succeeding:
        raise ContractUnsupported(f"operation {name} has no response of success")
    found: list[Schema] = []
    for response in succeeding:
        if response.schema is not None and response.schema not in found:
            found.append(response.schema)
    if not found:
        return {"$schema": DIALECT, "type": "object", "properties": {}}
    schemas = [_wrapped(schema) for schema in found]
    if len(schemas) == 1:
        return {"$schema": DIALECT, **schemas[0]}
    definitions = {key: part for schema in schemas for key, part in schema.get("$defs", {}).items()}
    bare = [{key: part for key, part in schema.items() if key not in {"$defs", "$schema"}} for schema in schemas]
    return {"$schema": DIALECT, "anyOf": bare, **({"$defs": definitions} if definitions else {})}


def _wrapped(schema: Schema) -> Schema:
    """The schema of the mapping that routes read, for a document that is no object."""
    kinds = _kinds(schema, schema.get("$defs", {}), ())
    if not kinds or "object" in kinds:
        return schema
    return joined({BODY: schema}, [BODY])


def _kinds(schema: Any, definitions: Mapping[str, Any], above: tuple[str, ...]) -> frozenset[str]:
    """The types that a document may have; empty where the schema leaves it open."""
    if not isinstance(schema, dict):
        return frozenset()
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name and name not in above:
        return _kinds(definitions.get(name), definitions, (*above, name))
    kinds = schema.get("type", "object" if "properties" in schema else "array" if "items" in schema else ())
    named = {kinds} if isinstance(kinds, str) else set(kinds)
    for keyword in ("allOf", "anyOf", "oneOf"):
        named.update(*(_kinds(part, definitions, above) for part in schema.get(keyword, ())))
    return frozenset(named)


def _good_sample(schema: Schema) -> Any:
    """With the author's examples where they fit, else without."""
    sample = sample_of(schema)
    try:
        JsonValidator(schema, formats=True).validate(sample)
    except ContractViolation:
        return sample_of(schema, given=False)
    return sample
