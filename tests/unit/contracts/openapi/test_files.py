"""OpenAPI files: what YAML and JSON may hold, over how many files, and where an error is said to be."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from esb.contracts.json_contract import JsonContract
from esb.contracts.openapi_check import library_opinion
from esb.contracts.openapi_files import MAX_FILE_BYTES, OpenApiFiles
from esb.errors import ContractUnsupported
from tests.support.openapi import contract_of, document, get, reply

HEAD = "openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths:\n"


def root_of(text: str) -> Any:
    return OpenApiFiles({"a.yaml": text.encode()}).root("a.yaml").value


def refused(files: dict[str, bytes], entry: str = "a.yaml") -> str:
    with pytest.raises(ContractUnsupported) as caught:
        JsonContract(files, entry)
    return caught.value.reason


# --- values ----------------------------------------------------------------------------------------------


def test_yaml_values_are_those_of_yaml_1_2() -> None:
    text = "{a: no, b: 2026-01-31, c: 0x1F, d: 010, e: 1e3, f: ~, g: 'x', 200: on}"
    assert root_of(text) == {
        "a": "no",
        "b": "2026-01-31",
        "c": 31,
        "d": 10,
        "e": 1000.0,
        "f": None,
        "g": "x",
        "200": "on",
    }


def test_aliases_and_merge_keys_are_written_out() -> None:
    assert root_of("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n")["d"] == {"b": 1, "c": 3}


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert OpenApiFiles({"a.json": b'\xef\xbb\xbf{"a": 1}'}).root("a.json").value == {"a": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\nb: 2\na: 3", "a.yaml:3: the key 'a' stands twice"),
        ("a: &a [*a]", "a.yaml:1: an alias contains itself"),
        ("a: !!python/name:os.system x", "is not plain YAML"),
        ("a: !include other.yaml", "the tag '!include' is not plain YAML"),
        ("a: .inf", "is not a number"),
        ("? [a]\n: 1", "a key is not text"),
        ("a: [1", "a.yaml:1: not YAML"),
        ("a: b: c", "a.yaml:1: not YAML"),
        ("%TAG ! tag:x:\n---\na: !b 1", "is not plain YAML"),
        ("<<: 5", "only mappings can be merged"),
    ],
)
def test_other_yaml_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(ContractUnsupported) as caught:
        root_of(text)
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1,\n "a": 2}', "the key 'a' stands twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": 1,\n}', "a.json:2: not JSON"),
        ('{"a": ' + "1" * 5000 + "}", "too many digits"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "nested too deeply"),
    ],
)
def test_other_json_is_refused(text: str, reason: str) -> None:
    assert reason in refused({"a.json": text.encode()}, "a.json")


def test_a_file_that_is_too_large_is_refused_before_it_is_read() -> None:
    assert "is over 10 MB" in refused({"a.yaml": b"#" * (MAX_FILE_BYTES + 1)})


# --- which document --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("swagger: '2.0'\ninfo: {}\n", "a.yaml:1: #/swagger: Swagger 2.0 is not read; convert it to OpenAPI 3.0"),
        ("info: {}\nopenapi: 3.2.0\n", "a.yaml:2: #/openapi: OpenAPI 3.2.0 is not read; write it as 3.0 or 3.1"),
        ("openapi: 3.10.0\n", "OpenAPI 3.10.0 is not read"),
        ("asyncapi: 3.0.0\n", "it has no field `openapi`"),
        ("- 1\n", "its root is not an object"),
        (HEAD + "  /a: {get: {responses: {'200': {}}}}\n", "a.yaml:4: #/paths/~1a/get/responses/200/description: not"),
        (HEAD + "  {}\n", "there is no operation"),
        (HEAD + "  /a:\n    get:\n      responses: {'2000': {description: x}}\n", "a.yaml:6: "),
    ],
)
def test_a_document_that_is_not_read_says_where_and_what_to_do(text: str, reason: str) -> None:
    assert reason in refused({"a.yaml": text.encode()})


def test_an_error_names_the_line_of_the_place() -> None:
    text = (
        HEAD + "  /a:\n    get:\n      responses:\n        '200':\n          $ref: '#/components/responses/Missing'\n"
    )
    assert refused({"a.yaml": text.encode()}) == (
        "a.yaml:7: #/paths/~1a/get/responses/200: it refers to #/components/responses/Missing, which does not exist"
    )


def test_an_error_in_json_names_its_line_too() -> None:
    text = msgspec.json.format(msgspec.json.encode(document({"/a": get({"$ref": "#/x"})})), indent=1)
    line = next(number for number, row in enumerate(text.decode().split("\n"), 1) if '"schema"' in row)
    assert refused({"a.json": text}, "a.json").startswith(f"a.json:{line}: #/paths/~1a/get/responses/200/")


# --- several files ---------------------------------------------------------------------------------------


def test_references_lead_through_the_files_of_the_bundle() -> None:
    files = {
        "api.yaml": (HEAD + "  /a: {$ref: 'paths/a.yaml'}\n").encode(),
        "paths/a.yaml": (
            b"get:\n  operationId: Get\n  parameters: [{$ref: '../common.json#/parameters/Pin'}]\n"
            b"  responses: {'200': {$ref: '#/answer'}}\n"
            b"answer:\n  description: ''\n  content: {application/json: {schema: {$ref: '../types/Person.yaml'}}}\n"
        ),
        "common.json": b'{"parameters": {"Pin": {"name": "pin", "in": "query", "schema": {"type": "string"}}}}',
        "types/Person.yaml": b"type: object\nproperties: {born: {$ref: 'Dates.yaml#/Date'}}\n",
        "types/Dates.yaml": b"Date: {type: string, format: date}\n",
    }
    operation = JsonContract(files, "api.yaml").operation("Get")
    assert operation.request_schema["properties"] == {"pin": {"type": "string"}}
    assert operation.reply_schema["properties"] == {"born": {"type": "string", "format": "date"}}


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("missing.yaml", "it refers to missing.yaml: add the file missing.yaml to the contract"),
        ("http://x.example/y.yaml#/A", "outside of the contract's files; put a copy beside them"),
        ("https://x.example/y.yaml", "outside of the contract's files"),
        ("file:///etc/passwd", "outside of the contract's files"),
        ("/etc/passwd", "outside of the contract's files"),
        ("\\\\server\\share", "outside of the contract's files"),
        ("../../../etc/passwd", "add the file ../../../etc/passwd"),
        ("data:application/json,{}", "outside of the contract's files"),
        ("#anchor", "only references by pointer"),
    ],
)
def test_a_reference_out_of_the_bundle_is_refused(reference: str, reason: str) -> None:
    with pytest.raises(ContractUnsupported) as caught:
        contract_of({"/a": get({"$ref": reference})})
    assert reason in caught.value.reason
    assert caught.value.reason.startswith("t.json:1: #/paths/~1a/get/responses/200/content/")


@pytest.mark.parametrize("scheme", ["file", "http", "https", "ftp", "data", ""])
def test_the_library_opens_nothing_outside_of_the_bundle(scheme: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text("{}")
    library_opinion({"t.json": msgspec.json.encode(document({"/a": get({})}))}, "t.json")  # its own files are open now
    reference = {"file": outside.as_uri(), "": str(outside), "data": "data:application/json,{}"}.get(
        scheme, f"{scheme}://127.0.0.1:9/x.json"
    )
    bundle = {"t.json": msgspec.json.encode(document({"/a": get({"$ref": reference})}))}
    with opened() as seen:
        assert library_opinion(bundle, "t.json") is not None
    assert seen == []


@contextlib.contextmanager
def opened() -> Iterator[list[str]]:
    """What is opened and connected to, as the interpreter itself tells it; its own modules aside."""
    seen: list[str] = []
    listening = True

    def hook(event: str, arguments: Any) -> None:
        told = event in {"open", "socket.connect", "socket.getaddrinfo", "urllib.Request"}
        if listening and told and not str(arguments[0]).endswith((".py", ".pyc")):
            seen.append(f"{event}: {arguments[0]}")

    sys.addaudithook(hook)  # cannot be taken away again
    try:
        yield seen
    finally:
        listening = False


def test_the_library_agrees_with_what_is_read() -> None:
    paths = {"/a": get({"$ref": "other.json#/A"}, responses={"200": reply({"type": "string"})})}
    bundle = {"t.json": msgspec.json.encode(document(paths)), "other.json": b'{"A": {"type": "string"}}'}
    JsonContract(bundle, "t.json")
    assert library_opinion(bundle, "t.json") is None
    assert library_opinion({"t.json": b'{"openapi": "3.0.0"}'}, "t.json") is not None
