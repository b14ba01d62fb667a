"""JMESPath expressions: read at load with exact errors, evaluated per message through closures.

Called by the route compiler. What an expression reads (`path`, `references`) is known before any message comes.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator
from typing import Any

import jmespath
import msgspec
from jmespath import exceptions

from esb.routes import closures
from esb.routes.closures import Evaluate, ExpressionFailed, Tree, children, plain_path

__all__ = ["Expression", "ExpressionFailed", "ExpressionInvalid", "compile"]

MAX_CHARACTERS = 4000


class ExpressionInvalid(ValueError):
    """A text is not JMESPath; `column` counts from 1 within it, over all its lines."""

    def __init__(self, reason: str, *, column: int, suggestion: str | None = None) -> None:
        """`suggestion`: the function that was probably meant."""
        super().__init__(reason)
        self.reason = reason
        self.column = column
        self.suggestion = suggestion


class Expression(msgspec.Struct, frozen=True, kw_only=True):
    """One compiled expression. `path`: the names, when it is nothing but a path of them; `tree`: the library's."""

    text: str
    path: tuple[str, ...] | None
    tree: Tree
    evaluate: Evaluate
    """The value for a document of dicts, lists and scalars. Raises ExpressionFailed."""

    def references(self) -> frozenset[tuple[str, ...]]:
        """The longest plain paths from the root of the document that the expression reads."""
        return frozenset(_references(self.tree, ()))


def compile(text: str) -> Expression:  # noqa: A001 - reads as expressions.compile(…)
    """The expression.

    Raises:
        ExpressionInvalid: with the column and the reason.
    """
    if len(text) > MAX_CHARACTERS:
        raise ExpressionInvalid(f"over {MAX_CHARACTERS} characters", column=1)
    try:
        tree = _parsed(text)
        _check(tree, text)
        return Expression(text=text, path=plain_path(tree), tree=tree, evaluate=closures.compile(tree))
    except RecursionError as error:
        raise ExpressionInvalid("nested too deeply", column=1) from error


# --- parsing ---------------------------------------------------------------------------------------------


def _parsed(text: str) -> Tree:
    try:
        with warnings.catch_warnings():
            # The library still takes `x` for `"x"`, with a warning: a mistyped number would pass as text.
            warnings.simplefilter("error", PendingDeprecationWarning)
            parsed: Any = jmespath.compile(text).parsed
    except PendingDeprecationWarning as error:
        raise ExpressionInvalid("what stands in backquotes must be JSON", column=text.find("`") + 1) from error
    except exceptions.EmptyExpressionError as error:
        raise ExpressionInvalid("is empty", column=1) from error
    except exceptions.IncompleteExpressionError as error:
        raise ExpressionInvalid("ends too early", column=len(text) + 1) from error
    except exceptions.LexerError as error:
        raise ExpressionInvalid(str(error.message), column=error.lexer_position + 1) from error
    except exceptions.ParseError as error:
        at_end = not error.token_value
        reason = "ends too early" if at_end else f"unexpected {error.token_value!r}"
        raise ExpressionInvalid(reason, column=error.lex_position + 1) from error
    except (exceptions.JMESPathError, IndexError, KeyError) as error:
        raise ExpressionInvalid("cannot be read", column=1) from error
    return dict(parsed)


def _check(tree: Tree, text: str) -> None:
    """What the library would only find with a message in hand."""
    if tree["type"] == "function_expression":
        _check_call(tree, text)
    if tree["type"] == "slice" and tree["children"][2] == 0:
        raise ExpressionInvalid("a slice cannot step by 0", column=1)
    for child in children(tree):
        _check(child, text)


def _check_call(tree: Tree, text: str) -> None:
    name, given = tree["value"], len(tree["children"])
    known = closures.FUNCTIONS
    column = text.find(f"{name}(") + 1 or 1
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise ExpressionInvalid(f"no function {name}()", column=column, suggestion=near[0] if near else None)
    wanted, variadic = known[name]
    if given < wanted or (given > wanted and not variadic):
        raise ExpressionInvalid(f"{name}() takes {wanted} arguments, not {given}", column=column)


_SCOPED = frozenset(
    {"projection", "filter_projection", "value_projection", "pipe", "subexpression", "index_expression"}
)
"""Trees whose first child alone is evaluated against the document itself."""


def _references(tree: Tree, prefix: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    path = plain_path(tree)
    if path:
        yield prefix + path
    elif tree["type"] == "subexpression":
        yield from _subexpression_references(tree, prefix)
    elif tree["type"] in _SCOPED:
        yield from _references(tree["children"][0], prefix)
    elif tree["type"] in {"current", "identity"} and prefix:
        yield prefix
    elif tree["type"] != "expref":
        for child in children(tree):
            yield from _references(child, prefix)


def _subexpression_references(tree: Tree, prefix: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """`a.b.{x: c}` reads a.b.c: as far as names lead, what follows is read below them."""
    first, *rest = children(tree)
    path = plain_path(first)
    if path is None:
        yield from _references(first, prefix)
    elif rest:
        remaining = rest[0] if len(rest) == 1 else {"type": "subexpression", "children": rest}
        yield from _references(remaining, prefix + path)
    else:
        yield prefix + path
