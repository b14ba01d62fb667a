"""A document as a tree that may be edited and that keeps its comments: what the formatter reads and writes.

Called by the formatter alone. Nodes say what the file means; pieces say what is to be written, comments included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from esb.routes.document import Comment, Document, Node, Shape


@dataclass(slots=True, kw_only=True)
class Piece:
    """One value with its key (None in a list). The only mutable value of this package: it never leaves the formatter.

    `head`: comment lines above it; `side`: the comment behind its first line; `tail`: comment lines after its children.
    """

    shape: Shape
    key: str | None = None
    text: str = ""
    is_text: bool = True
    children: list[Piece] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    side: str = ""
    tail: list[str] = field(default_factory=list)
    line: int = 0
    column: int = 0
    flow: bool = False

    def get(self, name: str) -> Piece | None:
        """The child with this key."""
        return next((child for child in self.children if child.key == name), None)

    def string(self, name: str) -> str | None:
        """The text of the scalar child with this key."""
        child = self.get(name)
        return child.text if child is not None and child.shape is Shape.SCALAR else None

    def strings(self, name: str) -> tuple[str, ...]:
        """The texts of the list with this key; empty without one."""
        child = self.get(name)
        return tuple(item.text for item in child.children) if child is not None else ()

    def has_comments(self) -> bool:
        """Whether a comment stands anywhere below this piece."""
        return bool(self.tail) or any(child.head or child.side or child.has_comments() for child in self.children)


def scalar(text: str, *, key: str | None = None) -> Piece:
    """A new piece of text."""
    return Piece(shape=Shape.SCALAR, key=key, text=text)


def strings(values: Sequence[str], *, key: str) -> Piece:
    """A new list of texts."""
    return Piece(shape=Shape.SEQUENCE, key=key, children=[scalar(value) for value in values])


def mapping(children: list[Piece], *, key: str | None = None) -> Piece:
    """A new mapping."""
    return Piece(shape=Shape.MAPPING, key=key, children=children)


def pieces_of(document: Document, root: Node) -> Piece:
    """The tree of a readable document, every comment of it at the piece it belongs to."""
    piece = _piece(root, key=None, column=root.column)
    blocks = list(_blocks(piece))
    header = _header(document.comments, blocks)
    piece.head = [comment.text for comment in header]
    for comment, place in _places(document.comments[len(header) :], blocks):
        _attach(comment, place, piece)
    return piece


def _piece(node: Node, *, key: str | None, column: int) -> Piece:
    if node.shape is Shape.MAPPING:
        children = [_piece(child, key=name, column=child.key_column) for name, child in node.entries.items()]
    else:
        # An item begins at its dash, which is where its list begins.
        children = [_piece(item, key=None, column=node.column) for item in node.items]
    return Piece(
        shape=node.shape,
        key=key,
        text=node.text,
        is_text=isinstance(node.value, str),
        children=children,
        line=node.key_line,
        column=column,
        flow=node.flow,
    )


# --- comments --------------------------------------------------------------------------------------------

# Only pieces of block style take comments: within braces there is no line to put one on. A list item that is itself a
# mapping begins at the same place as its first key; the item, being outer, comes first.


@dataclass(slots=True, kw_only=True)
class _Block:
    """A piece of block style and those it lies in, the outermost first."""

    piece: Piece
    above: tuple[Piece, ...]


def _blocks(piece: Piece, above: tuple[Piece, ...] = ()) -> Iterator[_Block]:
    if piece.flow:
        return
    for child in piece.children:
        yield _Block(piece=child, above=(*above, piece))
        yield from _blocks(child, (*above, piece))


def _header(comments: Sequence[Comment], blocks: Sequence[_Block]) -> Sequence[Comment]:
    """The comments at the top that a blank line parts from the first key: they are about the file."""
    first = blocks[0].piece.line if blocks else 0
    above = [comment for comment in comments if comment.line < first]
    while above and above[-1].line == first - 1:
        first = above.pop().line
    return above


@dataclass(slots=True, kw_only=True)
class _Place:
    """Where a comment stands: between `before` and `after`. `headed`: one above it belongs to `after` already."""

    before: _Block | None
    after: _Block | None
    headed: bool


def _places(comments: Sequence[Comment], blocks: list[_Block]) -> Iterator[tuple[Comment, _Place]]:
    at, headed = 0, False
    for comment in comments:
        while at < len(blocks) and blocks[at].piece.line <= comment.line:
            at, headed = at + 1, False
        before = blocks[at - 1] if at else None
        after = blocks[at] if at < len(blocks) else None
        place = _Place(before=before, after=after, headed=headed)
        yield comment, place
        headed = headed or (comment.alone and after is not None and not _tailed(comment, place))


def _attach(comment: Comment, place: _Place, root: Piece) -> None:
    before, after = place.before, place.after
    if not comment.alone and before is not None:
        _attach_beside(comment, before.piece)
    elif (owner := _tailed(comment, place)) is not None:
        owner.tail.append(comment.text)
    elif after is not None:
        after.piece.head.append(comment.text)
    else:
        root.tail.append(comment.text)


def _attach_beside(comment: Comment, piece: Piece) -> None:
    if piece.side:
        piece.head.append(comment.text)
    else:
        piece.side = comment.text


def _tailed(comment: Comment, place: _Place) -> Piece | None:
    """The container whose last line the comment is: the deepest that is indented no further than the comment.

    A comment indented no further than what follows it belongs to what follows.
    """
    if place.before is None or place.headed:
        return None
    limit = place.after.piece.column if place.after else 0
    for container in reversed((*place.before.above, place.before.piece)):
        column = container.children[0].column if container.children and not container.flow else 0
        if limit < column <= comment.column:
            return container
    return None
