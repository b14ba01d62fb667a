"""Which forms the documents of an OpenAPI operation have: media types in the order in which the bus prefers them.

Called at load by `json_contract`.
"""

from __future__ import annotations

from typing import Any

from esb.contracts.contract import Contract
from esb.contracts.documents import (
    ANY_JSON,
    ANY_XML,
    URLENCODED,
    BinaryDocument,
    DocumentForm,
    JsonDocument,
    TextDocument,
    UrlencodedDocument,
    XmlDocument,
)
from esb.contracts.openapi_files import Place
from esb.contracts.openapi_parameters import STYLES, JsonParameter
from esb.contracts.openapi_schema import Schemas
from esb.contracts.references import REFERENCE, References
from esb.contracts.xml_contract import xsd_document
from esb.errors import ContractUnsupported

Schema = dict[str, Any]

_JSON, _XML, _FORM, _TEXT, _BINARY = range(5)


class Bodies:
    """The documents of one contract."""

    def __init__(self, references: References, xsd: Contract | None) -> None:
        """`xsd`: where XML documents are elements of an XSD."""
        self._references = references
        self._xsd = xsd

    def is_json(self, media_type: str) -> bool:
        """Whether a media type is written as JSON."""
        return ANY_JSON.fullmatch(_bare(media_type)) is not None

    def sent(self, holder: Place, schemas: Schemas, element: str | None) -> DocumentForm | None:
        """The preferred form of a request document; None where the contract describes none."""
        forms = self._forms(holder, schemas, element, sent=True)
        content = holder.value.get("content")
        if content and not forms:
            advice = "offer JSON, XML, a form, text or plain bytes"
            raise self._references.refusal(holder, f"a request of {', '.join(content)} cannot be written; {advice}")
        return forms[0] if forms else None

    def received(self, holder: Place, schemas: Schemas, element: str | None, status: str) -> tuple[DocumentForm, ...]:
        """The forms of a document that may come, preferred first."""
        forms = self._forms(holder, schemas, element, sent=False)
        if holder.value.get("content") and not forms and status.startswith("2"):
            raise self._references.refusal(holder, f"a reply of {', '.join(holder.value['content'])} cannot be read")
        return tuple(forms)

    def _forms(self, holder: Place, schemas: Schemas, element: str | None, *, sent: bool) -> list[DocumentForm]:
        content = holder.child("content")
        ranked = [(rank, name) for name in content.value or {} if (rank := _rank(_bare(name))) is not None]
        forms = []
        for rank, name in sorted(ranked, key=lambda each: each[0]):
            place = content.child(name)
            try:
                forms.append(self._form(rank, name, place, schemas, element, sent=sent))
            except ContractUnsupported as error:
                if ":" in error.reason.partition(" ")[0]:  # it says where already
                    raise
                raise self._references.refusal(place, error.reason) from error
        return forms

    def _form(
        self, rank: int, name: str, place: Place, schemas: Schemas, element: str | None, *, sent: bool
    ) -> DocumentForm:
        written = place.child("schema")
        media_type = _bare(name)
        if rank == _XML and self._xsd is not None and element is not None:
            return xsd_document(self._xsd, element, media_type=media_type, sent=sent)
        if rank == _BINARY:
            return BinaryDocument(media_type=media_type)
        schema = {} if written.value is None else schemas.closed(written)
        if rank == _JSON:
            return JsonDocument(schema, media_type=media_type)
        if rank == _XML:
            return XmlDocument(schema, media_type=media_type, name=_name_of(written))
        if rank == _TEXT:
            return TextDocument(schema, media_type=media_type)
        return UrlencodedDocument(schema, _fields(schema, place))


def _fields(schema: Schema, place: Place) -> dict[str, JsonParameter]:
    """How each property of a form is written; nested ones as JSON, as OpenAPI has it by default."""
    encoding = place.child("encoding")
    fields = {}
    for name, part in schema.get("properties", {}).items():
        said = encoding.child(name).value
        own = said if isinstance(said, dict) else {}
        style = str(own.get("style", "form"))
        if style not in STYLES["query"]:
            raise ContractUnsupported(f"property {name} of a form has no style {style!r}")
        explode = own.get("explode")
        fields[name] = JsonParameter(
            name=name,
            location="query",
            required=False,
            schema=part if isinstance(part, dict) else {},
            style=style,
            explode=explode if isinstance(explode, bool) else style in {"form", "deepObject"},
            as_json="style" not in own and isinstance(part, dict) and _is_nested(part),
        )
    return fields


def _is_nested(part: Schema) -> bool:
    items = part.get("items")
    return "properties" in part or part.get("type") == "object" or (isinstance(items, dict) and _is_nested(items))


def _rank(media_type: str) -> int | None:
    if ANY_JSON.fullmatch(media_type):
        return _JSON
    if ANY_XML.fullmatch(media_type):
        return _XML
    if media_type == URLENCODED:
        return _FORM
    if media_type == "text/html" or media_type.startswith("multipart/"):
        return None
    return _TEXT if media_type.startswith("text/") else _BINARY


def _bare(media_type: str) -> str:
    return str(media_type).partition(";")[0].strip().lower()


def _name_of(schema: Place) -> str | None:
    """The root's name where the schema gives none: that of the component that is referred to."""
    reference = schema.value.get(REFERENCE) if isinstance(schema.value, dict) else None
    return str(reference).rpartition("/")[2] if reference else None
