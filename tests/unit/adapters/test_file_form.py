"""What stands in exchanged files, written and read, and what cannot be read."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.file_form import MAX_ITEMS, NAMESPACE, FileRefused, Forms, Item, id_in
from security import xml

XML, JSON = Forms(is_xml=True), Forms(is_xml=False)
DOCUMENTS = (
    b'<a xmlns="urn:x"><b>1</b></a>',
    b"<a><b>no namespace at all</b></a>",
    b'<p:a xmlns:p="urn:x"><b></b></p:a>',
    "<a>Əliyeva İ ı 😀 &amp; &lt;</a>".encode(),
)


def answers(*items: tuple[str, bytes]) -> bytes:
    inner = b"".join(b'<f:Answer id="%s">%s</f:Answer>' % (key.encode(), content) for key, content in items)
    return b'<f:Answers xmlns:f="%s">%s</f:Answers>' % (NAMESPACE.encode(), inner)


def test_documents_survive_an_xml_file_byte_for_byte() -> None:
    written = XML.write(Item(id=f"m-{n}", content=content, operation="Op") for n, content in enumerate(DOCUMENTS))
    root = xml.parse(written)
    assert root.tag == f"{{{NAMESPACE}}}Requests"
    assert [xml.canonical(request[0]) for request in root] == list(DOCUMENTS)
    assert [request.get("operation") for request in root] == ["Op"] * len(DOCUMENTS)


def test_answers_of_an_xml_file_are_read_with_their_ids() -> None:
    items, problems = XML.read(answers(*((f"m-{n}", content) for n, content in enumerate(DOCUMENTS))))
    assert problems == []
    assert [(item.id, item.content) for item in items] == [(f"m-{n}", d) for n, d in enumerate(DOCUMENTS)]


@given(st.lists(st.tuples(st.from_regex("[A-Za-z0-9-]{1,30}", fullmatch=True), st.text())))
def test_documents_survive_lines_of_json(documents: list[tuple[str, str]]) -> None:
    items = [Item(id=f"m{key}", content=msgspec.json.encode({"text": text})) for key, text in documents]
    if not items:
        return
    read, problems = JSON.read(JSON.write(items))
    assert problems == []
    assert [(item.id, msgspec.json.decode(item.content)) for item in read] == [
        (f"m{key}", {"text": text}) for key, text in documents
    ]


def test_answer_that_cannot_be_read_spoils_no_other() -> None:
    content = (
        b'<f:Answers xmlns:f="%s"><f:Answer id="m-1"><a></a></f:Answer><f:Answer><a></a></f:Answer>'
        b'<f:Answer id="m-2"></f:Answer><f:Other id="m-3"><a></a></f:Other><f:Answer id="../x"><a></a></f:Answer>'
        b'<f:Answer id="m-4"><a></a></f:Answer></f:Answers>' % NAMESPACE.encode()
    )
    items, problems = XML.read(content)
    assert [item.id for item in items] == ["m-1", "m-4"]
    assert [problem.partition(":")[0] for problem in problems] == ["answer 2", "answer 3", "answer 4", "answer 5"]
    lines = b'{"id":"m-1","document":{}}\n\nnot json\n{"id":"../../etc","document":1}\n{"id":"m-2"}\n'
    items, problems = JSON.read(lines)
    assert [item.id for item in items] == ["m-1"]
    assert [problem.partition(":")[0] for problem in problems] == ["line 3", "line 4", "line 5"]


def test_line_may_say_the_status_that_http_would_have_had() -> None:
    items, _ = JSON.read(b'{"id":"m-1","status":404,"document":{"code":"NONE"}}')
    assert (items[0].http_status, items[0].content) == (404, b'{"code":"NONE"}')


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<cut",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a/>',
        b"<a></a>",
        b'<f:Requests xmlns:f="urn:esb:files:1"></f:Requests>',
    ],
)
def test_file_that_is_no_file_of_answers_is_refused_whole(content: bytes) -> None:
    with pytest.raises(FileRefused):
        XML.read(content)


def test_empty_file_of_lines_is_refused() -> None:
    with pytest.raises(FileRefused, match="empty"):
        JSON.read(b"\n\n")


def test_file_of_too_many_documents_is_refused() -> None:
    with pytest.raises(FileRefused, match=str(MAX_ITEMS)):
        JSON.read(b'{"id":"m","document":1}\n' * (MAX_ITEMS + 1))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Decide.0b2f-1.xml", "0b2f-1"),
        ("a.b.c.m-1.xml", "m-1"),
        ("m-1.xml", None),
        ("Decide..xml", None),
        ("Decide.-x.xml", None),
        ("Decide.a b.xml", None),
    ],
)
def test_name_of_a_single_file_holds_the_message_id_before_its_ending(name: str, key: str | None) -> None:
    assert id_in(name) == key


def test_single_document_is_told_from_many() -> None:
    assert XML.is_single("Decide.m-1.xml", b"<a></a>")
    assert not XML.is_single("batch.xml", answers(("m-1", b"<a></a>")))
    assert XML.read_single("Decide.m-1.xml", b"<a ></a >") == Item(id="m-1", content=b"<a></a>")
    assert JSON.is_single("Decide.m-1.json", b"{}")
    assert not JSON.is_single("batch.jsonl", b"{}")
    with pytest.raises(FileRefused, match="message id"):
        XML.read_single("answer.xml", b"<a></a>")
