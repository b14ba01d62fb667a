"""The chain alone, without a database: no two different histories have the same head."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.errors import ChainBroken, SignatureInvalid
from security.hashchain import (
    GENESIS,
    ChainVerifier,
    Checkpoint,
    Head,
    check_signature,
    check_succession,
    from_line,
    link,
    next_checkpoint,
    to_line,
)
from security.keys import Algorithm, generate
from tests.support.journal import START

KEY = generate(Algorithm.ES256, START)


def prove(kid: str, signature: bytes, data: bytes) -> None:
    assert kid == KEY.kid
    KEY.verifying().verify(signature, data)


def chain_of(contents: list[bytes], name: str = "node1/1") -> list[tuple[int, bytes, bytes, bytes]]:
    links, previous = [], GENESIS
    for seq, content in enumerate(contents, 1):
        digest = link(chain=name, seq=seq, previous=previous, content=content)
        links.append((seq, previous, digest, content))
        previous = digest
    return links


def walk(links: list[tuple[int, bytes, bytes, bytes]], name: str = "node1/1") -> Head:
    verifier = ChainVerifier(name)
    for seq, previous, digest, content in links:
        verifier.accept(seq=seq, previous=previous, digest=digest, content=content)
    return verifier.head


def checkpoint_of(seq: int, *, after: Checkpoint | None) -> Checkpoint:
    heads = {"node1/1": Head(seq, bytes([seq]) * 32)}
    return next_checkpoint(
        heads, after=after, at=START + timedelta(seconds=seq), sign=lambda data: (KEY.kid, KEY.sign(data))
    )


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_chain_as_written_verifies(contents: list[bytes]) -> None:
    assert walk(chain_of(contents)).seq == len(contents)


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=6), st.data())
def test_any_change_of_any_record_is_found(contents: list[bytes], data: st.DataObject) -> None:
    links = chain_of(contents)
    index = data.draw(st.integers(0, len(links) - 1))
    other = data.draw(st.binary(max_size=20).filter(lambda content: content != contents[index]))
    seq, previous, digest, _ = links[index]
    links[index] = (seq, previous, digest, other)
    with pytest.raises(ChainBroken) as broken:
        walk(links)
    assert broken.value.seq == index + 1


@given(
    st.tuples(st.text(max_size=8), st.integers(0, 2**32), st.binary(max_size=8)),
    st.tuples(st.text(max_size=8), st.integers(0, 2**32), st.binary(max_size=8)),
)
def test_different_records_have_different_digests(one: tuple[str, int, bytes], two: tuple[str, int, bytes]) -> None:
    digests = {link(chain=name, seq=seq, previous=GENESIS, content=content) for name, seq, content in (one, two)}
    assert len(digests) == len({one, two})


def test_record_of_one_chain_does_not_fit_another() -> None:
    with pytest.raises(ChainBroken):
        walk(chain_of([b"content"], name="node1/1"), name="node1/2")


@pytest.mark.parametrize("order", [[0, 2, 1], [0, 0, 1], [1, 2], [0, 2]])
def test_other_order_repetition_and_gap_are_found(order: list[int]) -> None:
    links = chain_of([b"a", b"b", b"c"])
    with pytest.raises(ChainBroken):
        walk([links[index] for index in order])


def test_checkpoint_survives_its_line() -> None:
    checkpoint = checkpoint_of(3, after=checkpoint_of(1, after=None))
    again = from_line(to_line(checkpoint))
    assert again == checkpoint
    assert again.content == checkpoint.content
    check_signature(again, prove)


def test_signature_covers_every_fact_of_a_checkpoint() -> None:
    checkpoint = checkpoint_of(3, after=checkpoint_of(1, after=None))
    facts = {"seq": checkpoint.seq, "at": checkpoint.at, "previous": checkpoint.previous, "heads": checkpoint.heads}
    others = {
        "seq": 7,
        "at": START,
        "previous": GENESIS,
        "heads": {"node1/1": Head(4, bytes(32))},
    }
    for name, value in others.items():
        changed = Checkpoint(**{**facts, name: value}, kid=KEY.kid, signature=checkpoint.signature)  # type: ignore[arg-type]
        with pytest.raises(SignatureInvalid):
            check_signature(changed, prove)


def test_checkpoints_must_follow_each_other() -> None:
    first = checkpoint_of(2, after=None)
    second = checkpoint_of(3, after=first)
    third = checkpoint_of(4, after=second)
    check_succession(first, after=None)
    check_succession(third, after=second)
    for later, earlier in ((second, None), (third, first), (checkpoint_of(3, after=second), third)):
        with pytest.raises(ChainBroken):
            check_succession(later, after=earlier)


def test_chain_never_gets_shorter_from_one_checkpoint_to_the_next() -> None:
    first = checkpoint_of(5, after=None)
    with pytest.raises(ChainBroken, match="shorter"):
        check_succession(checkpoint_of(4, after=first), after=first)


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'{"content":{},"kid":"k","signature":"00"}', b"\xff"])
def test_what_is_no_checkpoint_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the contract names no more
        from_line(line)
