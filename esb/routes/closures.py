"""A JMESPath syntax tree as Python closures; walking the tree for each message would cost more than the whole route.

Called by `expressions` at load. Tests hold the closures to the library's own answers. Where they differ on purpose:
`Decimal` is a number, and comparing text with a number gives null, as the specification says, where the library raises.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from jmespath import exceptions, functions, visitor

Evaluate = Callable[[Any], Any]
Tree = dict[str, Any]


class ExpressionFailed(ValueError):
    """An expression met a value that one of its functions does not take. Never quotes the value."""


def compile(tree: Tree) -> Evaluate:  # noqa: A001 - reads as closures.compile(…)
    """The closure that answers for a document of dicts, lists and scalars what the tree means.

    The closure raises ExpressionFailed; nothing else.
    """
    evaluate = _compiled(tree)
    return _guarded(evaluate) if _calls_functions(tree) else evaluate


def children(tree: Tree) -> Iterator[Tree]:
    """The trees directly below one; a slice's numbers are no trees."""
    return (child for child in tree["children"] if isinstance(child, dict))


def plain_path(tree: Tree) -> tuple[str, ...] | None:
    """The names, when the tree is nothing but a path of them."""
    if tree["type"] == "field":
        return (tree["value"],)
    if tree["type"] != "subexpression":
        return None
    parts = [plain_path(child) for child in children(tree)]
    return tuple(name for part in parts if part for name in part) if all(parts) else None


def _calls_functions(tree: Tree) -> bool:
    return tree["type"] == "function_expression" or any(_calls_functions(child) for child in children(tree))


def _compiled(tree: Tree) -> Evaluate:
    return _COMPILERS[tree["type"]](tree)


def _of_path(path: tuple[str, ...]) -> Evaluate:
    """The names one after another; the shortest paths are by far the most common and are unrolled."""
    if len(path) == 1:
        return _field_of(path[0])
    if len(path) == 2:  # noqa: PLR2004 - unrolled
        return _two_fields(*path)

    def evaluate(value: Any) -> Any:
        for name in path:
            if type(value) is not dict:
                return None
            value = value.get(name)
        return value

    return evaluate


def _field_of(name: str) -> Evaluate:
    return lambda value: value.get(name) if type(value) is dict else None


def _two_fields(first: str, second: str) -> Evaluate:
    def evaluate(value: Any) -> Any:
        inner = value.get(first) if type(value) is dict else None
        return inner.get(second) if type(inner) is dict else None

    return evaluate


def _field(tree: Tree) -> Evaluate:
    return _field_of(tree["value"])


def _itself(_tree: Tree) -> Evaluate:
    return lambda value: value


def _literal(tree: Tree) -> Evaluate:
    constant = tree["value"]
    return lambda _: constant


def _chain(tree: Tree) -> Evaluate:
    path = plain_path(tree)
    if path:
        return _of_path(path)
    steps = tuple(_compiled(child) for child in children(tree))
    if len(steps) == 2:  # noqa: PLR2004 - the usual case, unrolled
        first, second = steps
        return lambda value: second(first(value))

    def evaluate(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return evaluate


def _index(tree: Tree) -> Evaluate:
    position = tree["value"]

    def evaluate(value: Any) -> Any:
        if type(value) is not list:
            return None
        return value[position] if -len(value) <= position < len(value) else None

    return evaluate


def _slice(tree: Tree) -> Evaluate:
    cut = slice(*tree["children"])
    return lambda value: value[cut] if type(value) is list else None


def _projection(tree: Tree) -> Evaluate:
    base, each = (_compiled(child) for child in children(tree))

    def evaluate(value: Any) -> Any:
        items = base(value)
        if type(items) is not list:
            return None
        return [result for item in items if (result := each(item)) is not None]

    return evaluate


def _value_projection(tree: Tree) -> Evaluate:
    base, each = (_compiled(child) for child in children(tree))

    def evaluate(value: Any) -> Any:
        mapping = base(value)
        if type(mapping) is not dict:
            return None
        return [result for item in mapping.values() if (result := each(item)) is not None]

    return evaluate


def _filter(tree: Tree) -> Evaluate:
    base, each, condition = (_compiled(child) for child in children(tree))

    def evaluate(value: Any) -> Any:
        items = base(value)
        if type(items) is not list:
            return None
        kept = (each(item) for item in items if is_true(condition(item)))
        return [result for result in kept if result is not None]

    return evaluate


def _flatten(tree: Tree) -> Evaluate:
    (base,) = (_compiled(child) for child in children(tree))

    def evaluate(value: Any) -> Any:
        items = base(value)
        if type(items) is not list:
            return None
        return [inner for item in items for inner in (item if type(item) is list else (item,))]

    return evaluate


def _multi_select_hash(tree: Tree) -> Evaluate:
    pairs = tuple((child["value"], _compiled(child["children"][0])) for child in children(tree))

    def evaluate(value: Any) -> Any:
        return None if value is None else {name: each(value) for name, each in pairs}

    return evaluate


def _multi_select_list(tree: Tree) -> Evaluate:
    parts = tuple(_compiled(child) for child in children(tree))
    return lambda value: None if value is None else [part(value) for part in parts]


def _or(tree: Tree) -> Evaluate:
    left, right = (_compiled(child) for child in children(tree))

    def evaluate(value: Any) -> Any:
        result = left(value)
        return result if is_true(result) else right(value)

    return evaluate


def _and(tree: Tree) -> Evaluate:
    left, right = (_compiled(child) for child in children(tree))

    def evaluate(value: Any) -> Any:
        result = left(value)
        return right(value) if is_true(result) else result

    return evaluate


def _not(tree: Tree) -> Evaluate:
    (inner,) = (_compiled(child) for child in children(tree))
    return lambda value: not is_true(inner(value))


def is_true(value: Any) -> bool:
    """JMESPath's truth: null, false, and empty text, lists and objects are false; zero is true."""
    return not (value is None or value is False or value in ("", [], {}))


# --- comparing -------------------------------------------------------------------------------------------


def _comparator(tree: Tree) -> Evaluate:
    left, right = (_compiled(child) for child in children(tree))
    kind = tree["value"]
    if kind in {"eq", "ne"}:
        return _equality(left, right, tree["children"][1], wanted=kind == "eq")
    compare = _ORDERINGS[kind]

    def evaluate(value: Any) -> Any:
        one, other = _alike(left(value), right(value))
        both_numbers = _is_number(one) and _is_number(other)
        return compare(one, other) if both_numbers or (type(one) is str and type(other) is str) else None

    return evaluate


def _equality(left: Evaluate, right: Evaluate, right_tree: Tree, *, wanted: bool) -> Evaluate:
    constant = right_tree["value"] if right_tree["type"] == "literal" else None
    if type(constant) is str:
        # `ResultCode == '404'`, by far the most common comparison, needs none of the rules for numbers.
        return lambda value: (left(value) == constant) is wanted
    return lambda value: _equal(left(value), right(value)) is wanted


def _equal(one: Any, other: Any) -> bool:
    # Python holds True == 1; JMESPath does not.
    if (type(one) is bool) is not (type(other) is bool):
        return False
    one, other = _alike(one, other)
    return bool(one == other)


def _alike(one: Any, other: Any) -> tuple[Any, Any]:
    """A literal 0.1 is a binary fraction, which no Decimal 0.1 equals; beside a Decimal it is taken as written."""
    if type(one) is Decimal and type(other) is float:
        return one, Decimal(repr(other))
    if type(one) is float and type(other) is Decimal:
        return Decimal(repr(one)), other
    return one, other


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and type(value) is not bool


_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


# --- functions -------------------------------------------------------------------------------------------


_LIBRARY: Any = functions.Functions
"""Untyped on purpose: the type check that is widened below is not in the published stubs."""


class _Functions(_LIBRARY):  # type: ignore[misc]
    """The library's functions, which take Decimal as a number."""

    def _type_check_single(self, current: Any, types: list[str], function_name: str) -> None:
        super()._type_check_single(_binary(current), types, function_name)

    def _convert_to_jmespath_type(self, pyobject: str) -> str:
        return "number" if pyobject == "Decimal" else str(super()._convert_to_jmespath_type(pyobject))

    @functions.signature({"types": []})
    def _func_to_number(self, arg: Any) -> Any:
        return arg if type(arg) is Decimal else super()._func_to_number(arg)

    @functions.signature({"types": []})
    def _func_to_string(self, arg: Any) -> Any:
        return str(arg) if type(arg) is Decimal else super()._func_to_string(arg)

    @functions.signature({"types": []})
    def _func_type(self, arg: Any) -> Any:
        return "number" if type(arg) is Decimal else super()._func_type(arg)


def _binary(value: Any) -> Any:
    """The value as the library's type check knows it; only the check sees it, the function gets the Decimal."""
    if type(value) is Decimal:
        return 0.0
    return [_binary(item) for item in value] if type(value) is list else value


_LIBRARY_EXPRESSION: Any = visitor._Expression  # noqa: SLF001 - the library publishes it nowhere else

FUNCTIONS: Mapping[str, tuple[int, bool]] = {
    name: (len(entry["signature"]), bool(entry["signature"][-1].get("variadic")))
    for name, entry in _Functions.FUNCTION_TABLE.items()
}
"""For each function how many arguments it takes, and whether the last may be repeated."""


class _Closures:
    """Stands where the library's functions expect its interpreter, to evaluate an `&expression` per element."""

    @staticmethod
    def visit(evaluate: Evaluate, value: Any) -> Any:
        return evaluate(value)


def _function(tree: Tree) -> Evaluate:
    name = tree["value"]
    arguments = tuple(_compiled(child) for child in children(tree))
    call = _Functions().call_function
    return lambda value: call(name, [argument(value) for argument in arguments])


def _expref(tree: Tree) -> Evaluate:
    # The library tells an `&expression` by the name of this very class.
    reference = _LIBRARY_EXPRESSION(_compiled(tree["children"][0]), _Closures())
    return lambda _: reference


def _guarded(evaluate: Evaluate) -> Evaluate:
    def guarded(value: Any) -> Any:
        try:
            return evaluate(value)
        except (exceptions.JMESPathError, ArithmeticError, TypeError) as error:
            raise ExpressionFailed("a function of the expression does not take what it was given") from error

    return guarded


_COMPILERS: dict[str, Callable[[Tree], Evaluate]] = {
    "and_expression": _and,
    "comparator": _comparator,
    "current": _itself,
    "expref": _expref,
    "field": _field,
    "filter_projection": _filter,
    "flatten": _flatten,
    "function_expression": _function,
    "identity": _itself,
    "index": _index,
    "index_expression": _chain,
    "literal": _literal,
    "multi_select_dict": _multi_select_hash,
    "multi_select_list": _multi_select_list,
    "not_expression": _not,
    "or_expression": _or,
    "pipe": _chain,
    "projection": _projection,
    "slice": _slice,
    "subexpression": _chain,
    "value_projection": _value_projection,
}
