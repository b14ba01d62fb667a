"""The strict YAML of configuration files."""

from __future__ import annotations

from pathlib import Path

import pytest

from esb.routes import document
from esb.routes.document import Shape


def test_every_node_knows_the_lines_of_its_key_and_of_its_value() -> None:
    root = document.parse("a: 1\nb:\n  c: |\n    x\n    y\n  d: [e, f]\n", file="f.yaml").root
    assert root is not None
    text, items = root.get("b", "c"), root.get("b", "d")
    assert text is not None
    assert items is not None
    assert (text.key_line, text.line, text.value) == (3, 3, "x\ny\n")
    assert [(item.line, item.column, item.text) for item in items.items] == [(6, 7, "e"), (6, 10, "f")]
    assert (root.line_of("b", "d"), root.line_of("b", "missing"), root.line_of("missing")) == (6, 2, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("-7", -7),
        ("0.25", 0.25),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("007", "007"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("2026-01-01", "2026-01-01"),
        ("1" * 40, "1" * 40),
        ("'7'", "7"),
        ('"true"', "true"),
    ],
)
def test_only_what_is_plainly_a_number_or_a_truth_value_is_read_as_one(text: str, value: object) -> None:
    root = document.parse(f"a: {text}\n", file="f.yaml").root
    assert root is not None
    assert (root.entries["a"].value, type(root.entries["a"].value)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: &x 2\n", 2, "anchors are not used here: remove &x"),
        ("a: 1\nb: *x\n", 2, "aliases are not used here"),
        ("a: 1\nb: !!str 2\n", 2, "tags are not used here"),
        ("a: 1\n!x b: 2\n", 2, "tags are not used here"),
        ("a: 1\n<<: {b: 1}\n", 2, "merge keys"),
        ("a: 1\nb: 2\na: 3\n", 3, "key 'a' stands here twice, first on line 1"),
        ("a: {b: 1,\n b: 2}\n", 2, "key 'b' stands here twice"),
        ("a: 1\n---\nb: 2\n", 2, "only one document"),
        ("%YAML 1.1\n---\na: 1\n", 2, "directives"),
        ("? [a]\n: 1\n", 1, "a key must be a single word"),
        ("a: [1, 2\n", 2, "is not YAML at column 1"),
        ("a: b: c\n", 1, "is not YAML at column 5"),
        ("a: 1\n\tb: 2\n", 2, "is not YAML"),
        ("a: 1\nb: '\n", 3, "is not YAML"),
        ("a: \x07\n", 1, "is not YAML"),
        ("a: 1\nb: x\u2028# c\n", 2, "a line break that editors do not show"),
        ("a: " + "[" * 30 + "]" * 30 + "\n", 1, "levels deep"),
        ("", 1, "is empty"),
        ("# only a comment\n", 1, "is empty"),
    ],
)
def test_what_is_not_the_strict_subset_is_found_with_its_line(text: str, line: int, words: str) -> None:
    findings = document.parse(text, file="routes.yaml").findings
    assert any(finding.line == line and words in finding.message for finding in findings), findings
    assert all(finding.file == "routes.yaml" for finding in findings)


def test_comments_are_told_from_number_signs_in_text() -> None:
    text = "# top\na: 'x # y'  # side\nb: x#y\nc: |  # head\n  # not\n\n  z\n# after\nd: \"# q\" # e\n"
    comments = document.parse(text, file="f.yaml").comments
    assert [(comment.line, comment.text, comment.alone) for comment in comments] == [
        (1, "# top", True),
        (2, "# side", False),
        (4, "# head", False),
        (8, "# after", True),
        (9, "# e", False),
    ]


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    plain = document.parse("a: 1\nb: [x]\n", file="f").root
    assert document.parse("\ufeffa: 1\r\nb: [x]\r\n", file="f").root == plain


def test_file_that_is_not_there_too_large_or_not_utf8_is_a_finding(tmp_path: Path) -> None:
    large, latin = tmp_path / "large.yaml", tmp_path / "latin.yaml"
    large.write_bytes(b"a" * 101)
    latin.write_bytes("a: 1\nb: Ə\n".encode("utf-16-le"))
    missing = document.load(tmp_path / "missing.yaml")
    assert missing.root is None
    assert "cannot be read: No such file" in missing.findings[0].message
    assert "cannot be read: over 100 bytes" in document.load(large, max_bytes=100).findings[0].message
    assert document.load(latin).root is None


def test_a_document_may_be_a_list_or_a_single_value() -> None:
    listed = document.parse("- 1\n- 2\n", file="f").root
    assert listed is not None
    assert listed.shape is Shape.SEQUENCE
    assert listed.get("a") is None
