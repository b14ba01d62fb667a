"""A damaged WSDL is compiled or refused in words; nothing else ever comes out."""

from __future__ import annotations

import contextlib

from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters import wsdl
from esb.errors import ContractUnsupported
from security.xml import parse
from tests.support import wsdls
from tests.support.contracts import bundle_of
from tests.support.wsdls import bound, messages
from tests.unit.adapters.test_wsdl_encoded import ENCODING, TYPES

SEEDS = (
    wsdls.text().encode(),
    wsdls.text(
        style="rpc",
        types=TYPES,
        messages=messages(
            request='<wsdl:part name="who" type="t:Person"/>', reply='<wsdl:part name="r" type="t:Grid"/>'
        ),
        bound=bound(request=f"<soap:body {ENCODING}/>", reply=f"<soap:body {ENCODING}/>"),
    ).encode(),
    bundle_of("mkr")["CreditRegistry.wsdl"],
)
VALUES = (
    "",
    "t:",
    ":",
    "t:Ask",
    "Ask",
    "xs:string",
    "x:y",
    "0",
    "-1",
    "unbounded",
    "##any",
    "a b",
    "http://[",
    "s.wsdl",
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A WSDL with a few elements gone, doubled or moved, and a few attributes gone or with another value."""
    root = parse(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        elements = [each for each in root.iter() if each is not root]
        chosen = elements[draw(st.integers(0, len(elements) - 1))]
        what = draw(st.sampled_from(["remove", "double", "move", "attribute", "value", "text"]))
        parent = chosen.getparent()
        assert parent is not None
        if what == "remove":
            parent.remove(chosen)
        elif what == "double":
            parent.append(parse(etree.tostring(chosen, with_tail=False)))
        elif what == "move":
            target = elements[draw(st.integers(0, len(elements) - 1))]
            if target not in set(chosen.iter()):
                target.append(chosen)
        elif what == "text":
            chosen.text = draw(st.sampled_from(["x", "\N{NO-BREAK SPACE}", "]]"]))
        elif chosen.attrib:
            key = draw(st.sampled_from(sorted(str(each) for each in chosen.attrib)))
            if what == "attribute":
                del chosen.attrib[key]
            else:
                chosen.set(key, draw(st.sampled_from(VALUES)))
    return etree.tostring(root)


def refusal(files: dict[str, bytes]) -> str | None:
    """What compiling says, or None when it has nothing to say."""
    try:
        wsdl.compile(files, "s.wsdl")
    except ContractUnsupported as error:
        return error.reason
    return None


@given(damaged())
@example(b"<a/>")
@example(b"")
@settings(max_examples=60, deadline=None)
def test_a_damaged_wsdl_is_compiled_or_refused_in_words(content: bytes) -> None:
    files = {**bundle_of("mkr"), "s.wsdl": content}
    with contextlib.suppress(ContractUnsupported):
        wsdl.survey(files, "s.wsdl")
    with contextlib.suppress(ContractUnsupported):
        wsdl.complete(files, "s.wsdl", {})
    reason = refusal(files)
    assert reason is None or (reason and "\n" not in reason)


@given(st.integers(0, 2), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_a_wsdl_that_ends_early_names_the_line(seed: int, share: float) -> None:
    content = SEEDS[seed].rstrip()[: int((len(SEEDS[seed].rstrip()) - 1) * share)]
    assert str(refusal({"s.wsdl": content})).startswith("s.wsdl")
