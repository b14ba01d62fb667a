"""Compiled JMESPath, held to the library's own answers."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import jmespath
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jmespath.exceptions import JMESPathError

from esb.routes import expressions
from esb.routes.expressions import ExpressionFailed, ExpressionInvalid

NAMES = st.sampled_from(["a", "b", "c", '"d e"'])
LITERALS = st.sampled_from(
    ["'x'", "''", "'404'", "`0`", "`1`", "`2.5`", "`true`", "`false`", "`null`", "`[]`", "`{}`", '`["x"]`']
)
COMPARATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
CALLS = st.sampled_from(["length", "type", "to_string", "to_number", "to_array", "keys", "sort", "sum", "not_null"])
SELECTORS = st.sampled_from(["[0]", "[-1]", "[7]", "[1:]", "[::-1]", "[:2]", "[*]", "[]", ".*", "[*].a", "[*].[a, b]"])


def composed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Larger expressions out of smaller ones."""
    pair = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(inner, NAMES).map(".".join),
        st.tuples(inner, SELECTORS).map("".join),
        st.tuples(inner, COMPARATORS, inner).map(lambda parts: f"({' '.join(parts)})"),
        pair.map(lambda parts: f"({parts[0]} || {parts[1]})"),
        pair.map(lambda parts: f"({parts[0]} && {parts[1]})"),
        pair.map(lambda parts: f"({parts[0]} | {parts[1]})"),
        pair.map(lambda parts: f"{{x: {parts[0]}, y: {parts[1]}}}"),
        pair.map(lambda parts: f"[{parts[0]}, {parts[1]}]"),
        st.tuples(inner, inner).map(lambda parts: f"{parts[0]}[?{parts[1]}]"),
        st.tuples(inner, inner).map(lambda parts: f"{parts[0]}[?{parts[1]}].a"),
        st.tuples(inner, NAMES, NAMES).map(lambda parts: f"{parts[0]}.{{x: {parts[1]}, y: {parts[2]}}}"),
        st.tuples(inner, NAMES).map(lambda parts: f"map(&{parts[1]}, to_array({parts[0]}))"),
        st.tuples(inner, NAMES).map(lambda parts: f"sort_by(to_array({parts[0]}), &{parts[1]})"),
        st.tuples(CALLS, inner).map(lambda parts: f"{parts[0]}({parts[1]})"),
        inner.map(lambda part: f"!{part}"),
    )


TEXTS = st.recursive(st.one_of(NAMES, LITERALS, st.just("@")), composed, max_leaves=8)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-2, 3), st.sampled_from([0.0, 2.5, "", "x", "404", "İ", "ə"]))
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["a", "b", "c", "d e"]), inner, max_size=4),
    ),
    max_leaves=16,
)


def library_answer(text: str, document: Any) -> Any:
    """What the library says; its refusals as one value. It raises TypeError where the specification says null."""
    try:
        return jmespath.search(text, document)
    except JMESPathError:
        return "refused"
    except TypeError:
        return "undefined"


def own_answer(text: str, document: Any) -> Any:
    try:
        return expressions.compile(text).evaluate(document)
    except ExpressionFailed:
        return "refused"


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, document=DOCUMENTS)
@example(text="a == b", document={"a": 1, "b": True})
@example(text="a == b", document={"a": True, "b": 1})
@example(text="a[?b == `1`]", document={"a": [{"b": True}, {"b": 1}, {"b": 1.0}]})
@example(text="a.b[1:].c | [0]", document={"a": {"b": [{}, {"c": 1}]}})
@example(text="*.a[] | length(@)", document={"x": {"a": [[1], 2]}})
@example(text="[a, b][] || c", document={"a": [], "b": []})
def test_closures_answer_as_the_library_does(text: str, document: Any) -> None:
    wanted = library_answer(text, document)
    if wanted != "undefined":
        own = own_answer(text, document)
        assert own == wanted
        assert repr(own) == repr(wanted)  # 1, 1.0 and True are not the same answer


def test_comparing_text_with_a_number_gives_null_as_the_specification_says() -> None:
    assert expressions.compile("a < `1`").evaluate({"a": "x"}) is None
    assert expressions.compile("a > b").evaluate({"a": None, "b": 1}) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("amount == `0.1`", True),
        ("`0.1` == amount", True),
        ("amount != `0.1`", False),
        ("amount < `0.2`", True),
        ("amount > `0.1`", False),
        ("amount >= `0.1`", True),
        ("sum(amounts)", Decimal("0.3")),
        ("max(amounts)", Decimal("0.2")),
        ("amounts[?@ > `0.15`]", [Decimal("0.2")]),
        ("sort_by(rows, &sum)[0].name", "small"),
        ("to_string(amount)", "0.1"),
        ("to_number(amount)", Decimal("0.1")),
        ("type(amount)", "number"),
        ("abs(amount)", Decimal("0.1")),
    ],
)
def test_decimals_are_numbers_and_stay_exact(text: str, wanted: Any) -> None:
    document = {
        "amount": Decimal("0.1"),
        "amounts": [Decimal("0.1"), Decimal("0.2")],
        "rows": [{"name": "big", "sum": Decimal(9)}, {"name": "small", "sum": Decimal(1)}],
    }
    own = expressions.compile(text).evaluate(document)
    assert own == wanted
    assert type(own) is type(wanted)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("subject.value", ("subject", "value")),
        ('a."b c".d.e', ("a", "b c", "d", "e")),
        ("a[0]", None),
        ("a.b | c", None),
        ("a.{x: b}", None),
        ("@", None),
        ("length(a)", None),
    ],
)
def test_a_plain_path_is_known_as_its_names(text: str, path: tuple[str, ...] | None) -> None:
    assert expressions.compile(text).path == path


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("parameters.consent_ref", {("parameters", "consent_ref")}),
        ("parameters.a || parameters.b", {("parameters", "a"), ("parameters", "b")}),
        ("parameters.list[*].name", {("parameters", "list")}),
        ("parameters.list[?kind == 'x'] | [0]", {("parameters", "list")}),
        ("join('-', [parameters.a, subject.value])", {("parameters", "a"), ("subject", "value")}),
        ("parameters.{x: a, y: b.c}", {("parameters", "a"), ("parameters", "b", "c")}),
        ("parameters", {("parameters",)}),
        ("sort_by(parameters.rows, &name)", {("parameters", "rows")}),
        ("'constant'", set()),
    ],
)
def test_references_are_the_paths_read_from_the_root(text: str, paths: set[tuple[str, ...]]) -> None:
    assert expressions.compile(text).references() == paths


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "is empty"),
        ("a.", 3, "ends too early"),
        ("a ==", 5, "ends too early"),
        ("a = b", 3, "'='"),
        ("a b", 3, "unexpected 'b'"),
        ("a.'b'", 3, "unexpected 'b'"),
        ("a[", 3, "ends too early"),
        ("a['x']", 3, "unexpected 'x'"),
        ("a == '404", 6, "Unclosed ' delimiter"),
        ("a == `{`", 6, "backquotes must be JSON"),
        ("a == `x`", 6, "backquotes must be JSON"),
        ("a[::0]", 1, "a slice cannot step by 0"),
        ("a || lenght(b)", 6, "no function lenght()"),
        ("length(a, b)", 1, "length() takes 1 arguments, not 2"),
        ("join('x')", 1, "join() takes 2 arguments, not 1"),
        ("a #", 3, "Unknown token"),
        ("(" * 3000 + "a", 1, "nested too deeply"),
        ("a" * 5000, 1, "over 4000 characters"),
    ],
)
def test_what_is_not_jmespath_is_told_with_its_column(text: str, column: int, words: str) -> None:
    with pytest.raises(ExpressionInvalid) as raised:
        expressions.compile(text)
    assert words in raised.value.reason
    assert raised.value.column == column


def test_a_misspelt_function_has_a_suggestion() -> None:
    with pytest.raises(ExpressionInvalid) as raised:
        expressions.compile("lenght(a)")
    assert raised.value.suggestion == "length"


@given(text=st.text(alphabet="ab.[]{}()*?&|!=<>'`\"@,: 01-", max_size=20))
@settings(max_examples=400, deadline=None)
def test_no_text_breaks_the_compiler(text: str) -> None:
    with contextlib.suppress(ExpressionInvalid, ExpressionFailed):
        expressions.compile(text).evaluate({"a": [{"b": 1}], "b": {"a": "x"}})


def test_a_function_that_refuses_its_argument_never_quotes_it() -> None:
    with pytest.raises(ExpressionFailed) as raised:
        expressions.compile("length(pin)").evaluate({"pin": 7654321})
    assert "7654321" not in str(raised.value)
