"""The two mappings of a route as built functions."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from esb.routes import expressions, mapping

TEXTS = st.sampled_from(["a", "b", "a.b", "a.c", "a.b.c", "a.b.d", "c[0]", "c[*].d", "a.{x: b}", "'k'", "@"])
DOCUMENTS = st.recursive(
    st.one_of(st.none(), st.integers(0, 2), st.just("x")),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), inner, max_size=4), st.lists(inner, max_size=2)
    ),
    max_leaves=12,
).filter(lambda document: isinstance(document, dict))


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(TEXTS, max_size=8), document=DOCUMENTS)
def test_fields_read_together_are_what_each_gives_alone(texts: list[str], document: dict[str, Any]) -> None:
    fields = [(f"field_{at}", expressions.compile(text)) for at, text in enumerate(texts)]
    built = mapping.reply_builder(fields)(document)
    assert built == {name: expression.evaluate(document) for name, expression in fields}
    assert list(built) == [name for name, _ in fields]


def test_one_builder_serves_many_messages_without_mixing_them() -> None:
    build = mapping.reply_builder([("x", expressions.compile("a.b")), ("y", expressions.compile("c"))])
    first = build({"a": {"b": 1}, "c": 2})
    assert build({}) == {"x": None, "y": None}
    assert first == {"x": 1, "y": 2}


def test_request_values_nest_along_their_names_and_nulls_are_left_out() -> None:
    build = mapping.request_builder(
        [
            (("Act", "Pin"), expressions.compile("subject.value")),
            (("Act", "Signed"), expressions.compile("parameters.signed")),
            (("Act", "Parties", "Agent"), expressions.compile("parameters.agent")),
            (("Count",), expressions.compile("parameters.count")),
        ]
    )
    request = {"subject": {"value": "7TESTX1"}, "parameters": {"signed": False, "count": 0}}
    assert build(request) == {"Act": {"Pin": "7TESTX1", "Signed": False}, "Count": 0}
    assert build({}) == {}
