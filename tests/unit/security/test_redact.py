from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.redact import mask_identifier, mask_text

FINS = st.text("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=7, max_size=7)


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("5VBK5VR", "5VB**VR"),
        ("1234567890123", "123********23"),
        ("AZE12", "A***2"),
        ("1234", "****"),
        ("", ""),
    ],
)
def test_identifier_keeps_its_ends_only(value: str, masked: str) -> None:
    assert mask_identifier(value) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("person 7TESTX1 asked", "person 7TE**X1 asked"),
        ("/subject/7TESTX1?x=fin_7TESTX1,7TESTX2.", "/subject/7TE**X1?x=fin_7TE**X1,7TE**X2."),
        ("fin 7testx1", "fin 7te**x1"),
        ("FİN:7TESTX1", "FİN:7TE**X1"),
        ("ABCDEFG", "ABC**FG"),
        ("card 123456789012 and 12345678901", "card 123*******12 and 12345678901"),
        ("until=2026-11-21T22:10:04.260602Z, 7TESTX1", "until=2026-11-21T22:10:04.260602Z, 7TE**X1"),
        ("2026-11-21T22:10:04.123456+04:00", "2026-11-21T22:10:04.123456+04:00"),
        ("2026-11-21T22:10:04.7TESTX1", "2026-11-21T22:10:04.7TE**X1"),
        ("request timeout connect", "request timeout connect"),
        ("id 0190f6e2-7a11-7cc2-9f5e-1c2d3e4f5a6b", "id 0190f6e2-7a11-7cc2-9f5e-1c2d3e4f5a6b"),
        ("", ""),
    ],
)
def test_text_shows_no_whole_identifier(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@given(
    before=st.text(" ,;:/?=&\"'<>()[]{}əƏİı_-\n", max_size=5), fin=FINS, after=st.text(" ,;:/?=&\"'<>_-\n", max_size=5)
)
def test_no_fin_survives_whatever_stands_around_it(before: str, fin: str, after: str) -> None:
    assert fin not in mask_text(before + fin + after)


@given(text=st.text())
def test_masking_again_changes_nothing(text: str) -> None:
    assert mask_text(mask_text(text)) == mask_text(text)
