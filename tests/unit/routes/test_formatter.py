"""The canonical form of the deployment file, and the edits of `esb callers`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from esb.errors import ConfigurationError, RoutesInvalid
from esb.model import Text
from esb.routes import compiler, document, formatter
from esb.routes.document import Node, Shape
from tests.support.deployment import CATALOGUE, DEPLOYMENT, write

MESSY = """\
# About this file.

# Who is served.
routes:   # behind routes
    person.identity:
        # the adapter comes first here
        adapter: "din-reg"   # behind adapter
        operation: 'GetPersonByPin'
        retry:
            attempts: 3
        title: {en: Identity, az: 'Şəxsiyyət'}
        audience:
            - citizen
            - agency   # why agencies
        legal_basis: "say \\"why\\""
        reply: {surname: Person.Surname}
        request: {Pin: subject.value}
        # strength: sima
    # before the misspelt one
    x: {bogus: [1, two], adapter: a.b, title: {az: "a"}}
# Who asks.
callers:
    portal: {title: {az: P, en: P}}
grants:
- caller: portal  # who
  routes:
    - person.identity  # first
    - x
"""

CANONICAL = """\
# About this file.

# Who asks.
callers:
  portal:
    title: {az: "P", en: "P"}

grants:
  - caller: portal  # who
    routes:
      - person.identity  # first
      - x

# Who is served.
routes:  # behind routes
  person.identity:
    title: {az: "Şəxsiyyət", en: "Identity"}
    audience:
      - citizen
      - agency  # why agencies
    legal_basis: 'say "why"'
    # the adapter comes first here
    adapter: din-reg  # behind adapter
    operation: GetPersonByPin
    request:
      Pin: subject.value
    reply:
      surname: Person.Surname
    retry: {attempts: 3}
    # strength: sima

  # before the misspelt one
  x:
    title: {az: "a"}
    adapter: a.b
    bogus: [1, two]
"""


def plain(node: Node | None) -> Any:
    """What a document means: mappings without order, scalars as read."""
    assert node is not None
    if node.shape is Shape.MAPPING:
        return {name: plain(child) for name, child in node.entries.items()}
    return [plain(item) for item in node.items] if node.shape is Shape.SEQUENCE else (type(node.value), node.value)


def meaning(text: str) -> Any:
    read = document.parse(text, file="f")
    assert read.findings == ()
    return plain(read.root)


def test_a_messy_file_has_one_canonical_form_and_keeps_every_comment() -> None:
    assert formatter.format_text(MESSY) == CANONICAL
    assert formatter.format_text(CANONICAL) == CANONICAL
    assert meaning(CANONICAL) == meaning(MESSY)
    assert sorted(re.findall("# .*", MESSY)) == sorted(re.findall("# .*", CANONICAL))


def test_the_deployment_of_this_tree_is_canonical() -> None:
    text = (Path(__file__).parents[3] / "routes.yaml").read_text(encoding="utf-8")
    assert formatter.format_text(text) == text


def test_formatting_changes_nothing_of_what_is_compiled(tmp_path: Path) -> None:
    before = compiler.load(write(tmp_path, DEPLOYMENT), CATALOGUE)
    after = compiler.load(write(tmp_path, formatter.format_text(DEPLOYMENT)), CATALOGUE)
    assert before.digest == after.digest


def test_long_lists_and_texts_of_several_lines_get_lines_of_their_own() -> None:
    routes = ", ".join(f"route.number-{number}" for number in range(12))
    text = f'grants: [{{caller: portal, routes: [{routes}]}}]\nroutes:\n  a: {{reply: {{x: "a.{{\\n  b: c}}"}}}}\n'
    formatted = formatter.format_text(text)
    assert "      - route.number-0\n" in formatted
    assert "      x: |-\n        a.{\n          b: c}\n" in formatted
    assert formatter.format_text(formatted) == formatted
    assert meaning(formatted) == meaning(text)


@pytest.mark.parametrize("text", ["a: &x 1\nb: *x\n", "a: 1\na: 2\n", "a: [1\n", "a: !!int 1\n", ""])
def test_what_cannot_be_read_without_loss_is_refused_rather_than_formatted(text: str) -> None:
    with pytest.raises(RoutesInvalid):
        formatter.format_text(text)


KEYS = st.sampled_from(
    [
        "routes",
        "callers",
        "grants",
        "title",
        "az",
        "en",
        "retry",
        "attempts",
        "reply",
        "x y",
        "on",
        "7",
        "ə",
        "#k",
        '"q',
    ]
)
SCALARS = st.one_of(
    st.integers(-5, 99).map(str),
    st.sampled_from(["~", "true", "0.5", "007", "plain", "'it''s'", '"a # b"', '"a\\nb"', '"x\\n"', "'yes'", '"\\t"']),
    st.text(alphabet="aə #:'\"\\-[]{},&*!|>%@`\n\t", max_size=8).map(lambda text: '"' + _escape(text) + '"'),
)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")


def _key(name: str) -> str:
    return '"' + _escape(name) + '"'


@st.composite
def blocks(draw: st.DrawFn, depth: int = 0, *, indent: int = 0) -> list[str]:
    """The lines of a block mapping or list with comments wherever comments may stand."""
    pad = " " * indent
    lines: list[str] = []
    is_list = depth > 0 and draw(st.booleans())
    names = draw(st.lists(KEYS, min_size=1, max_size=4, unique=True))
    for name in names:
        lines += draw(st.lists(st.just(pad + draw(st.sampled_from(["", "  "])) + "# alone"), max_size=2))
        lines += draw(st.sampled_from([[], [], [""]]))
        label = "-" if is_list else f"{_key(name)}:"
        side = draw(st.sampled_from(["", "", " # side"]))
        kind = draw(st.sampled_from(["scalar", "scalar", "flow", "block"])) if depth < 3 else "scalar"
        if kind == "block":
            lines.append(f"{pad}{label}{side}")
            lines += draw(blocks(depth + 1, indent=indent + draw(st.integers(1, 3))))
        else:
            value = draw(SCALARS if kind == "scalar" else flows())
            lines.append(f"{pad}{label} {value}{side}")
    lines += draw(st.lists(st.just(pad + "# last"), max_size=1))
    return lines


def flows() -> st.SearchStrategy[str]:
    """A value in braces or brackets."""
    leaf = SCALARS
    entry = st.tuples(KEYS, leaf).map(lambda pair: f"{_key(pair[0])}: {pair[1]}")
    return st.one_of(
        st.lists(leaf, max_size=4).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(entry, max_size=3, unique_by=lambda text: text.split(":")[0]).map(
            lambda items: f"{{{', '.join(items)}}}"
        ),
    )


@settings(max_examples=150, deadline=None)
@given(lines=blocks())
@example(lines=['"grants":', "- # odd", '  "title": 1', "  # last"])
@example(lines=['"callers":', " - [0] # side"])
@example(lines=['"retry":', "  # alone", '  "x y": ~', "# last"])
def test_formatting_is_idempotent_keeps_the_meaning_and_loses_no_comment(lines: list[str]) -> None:
    text = "\n".join(lines) + "\n"
    read = document.parse(text, file="f")
    assert read.findings == (), text
    once = formatter.format_text(text)
    assert formatter.format_text(once) == once
    assert meaning(once) == plain(read.root)
    assert once.count("# alone") == text.count("# alone")
    comments = document.parse(once, file="f").comments
    assert sorted(comment.text for comment in comments) == sorted(comment.text for comment in read.comments)
    assert not any(line != line.rstrip() for line in once.split("\n"))


# --- edits -----------------------------------------------------------------------------------------------


def grants_of(text: str) -> list[tuple[str, list[str], list[str]]]:
    root = document.parse(text, file="f").root
    assert root is not None
    section = root.get("grants")
    rows = section.items if section else ()
    return [(row.entries["caller"].text, texts(row.get("routes")), texts(row.get("purposes"))) for row in rows]


def texts(node: Node | None) -> list[str]:
    return [item.text for item in node.items] if node else []


def test_a_caller_can_be_added_granted_and_revoked_and_the_file_still_loads(tmp_path: Path) -> None:
    text = formatter.add_caller(DEPLOYMENT, "eesmn", Text(az="Nazirlik", en='The "Ministry"'), contact="x@y.example")
    text = formatter.grant(text, "eesmn", "person.identity", ("VEMTAS application",))
    text = formatter.grant(text, "eesmn", "credit.obligations", ("VEMTAS application",))
    text = formatter.grant(text, "eesmn", "person.overview")
    assert grants_of(text) == [
        ("portal", ["person.*", "credit.obligations"], []),
        ("eesmn", ["person.identity", "credit.obligations"], ["VEMTAS application"]),
        ("eesmn", ["person.overview"], []),
    ]
    table = compiler.load(write(tmp_path, text), CATALOGUE)
    assert table.grants.permits("eesmn", "person.identity", "VEMTAS application")
    assert not table.grants.permits("eesmn", "person.identity", "another")
    revoked = formatter.revoke(formatter.revoke(text, "eesmn", "person.overview"), "eesmn", "person.identity")
    assert grants_of(revoked)[1:] == [("eesmn", ["credit.obligations"], ["VEMTAS application"])]
    assert formatter.format_text(revoked) == revoked


def test_granting_twice_changes_nothing() -> None:
    once = formatter.grant(DEPLOYMENT, "portal", "person.extra")
    assert formatter.grant(once, "portal", "person.extra") == once


def test_grants_are_made_where_there_were_none() -> None:
    text = "callers:\n  a:\n    title: {az: x, en: y}\nroutes: {}\n"
    assert grants_of(formatter.grant(text, "a", "b.c")) == [("a", ["b.c"], [])]


def test_edits_that_make_no_sense_are_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="there is a caller 'portal' already"):
        formatter.add_caller(DEPLOYMENT, "portal", Text(az="x", en="y"))
    with pytest.raises(ConfigurationError, match="there is no caller 'nobody'; add it with: esb callers add nobody"):
        formatter.grant(DEPLOYMENT, "nobody", "person.identity")
    with pytest.raises(ConfigurationError, match=r"by its grant of 'person\.\*'; revoke that instead"):
        formatter.revoke(DEPLOYMENT, "portal", "person.identity")
    with pytest.raises(ConfigurationError, match=r"portal has no grant of 'student\.status'"):
        formatter.revoke(DEPLOYMENT, "portal", "student.status")
    with pytest.raises(ConfigurationError, match="grants must be a list, not a mapping"):
        formatter.revoke("callers: {}\ngrants: {}\n", "portal", "a")
