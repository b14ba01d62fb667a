"""The rules that the shape of the house depends on, each checked over all product files."""

from __future__ import annotations

import ast
import importlib.metadata
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = sorted(
    [*ROOT.glob("security/**/*.py"), *ROOT.glob("esb/**/*.py"), *ROOT.glob("adapters/**/*.py"), ROOT / "cli.py"]
)

LAYERS = ("security", "esb", "adapters", "cli")

ESB_LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors"}),
    frozenset({"model"}),
    frozenset({"settings", "ports", "faults", "rule_texts", "contracts", "routes", "telemetry", "codec"}),
    frozenset({"resilience", "journal", "amqp"}),
    frozenset({"stages"}),
    frozenset({"pipeline", "outcome"}),
    frozenset({"answers", "arrivals", "configuration", "outgoing", "exchanges", "dispatcher"}),
    frozenset({"bus", "late_answers", "couriers"}),
    frozenset({"inbound", "orchestration", "client"}),
    frozenset({"broker_side", "control"}),
    frozenset({"app"}),
    frozenset({"operations"}),
    frozenset({"commands", "console"}),
)
"""Low to high: a module imports from its own layer and from those before it."""

HOMES: Mapping[str, tuple[str, ...]] = {
    "pika": ("esb/amqp/", "esb/inbound/amqp.py"),
    "zeep": ("adapters/wsdl/zeep_opinion.py",),
    "cryptography": ("security/",),
    "http_message_signatures": ("security/httpsig.py",),
    "aiohttp": ("adapters/simulator/",),
    "aiohappyeyeballs": ("adapters/transport",),
    "httptools": ("adapters/transport", "esb/inbound/http_connection.py"),
    "asyncpg": ("esb/journal/",),
    "sqlite3": ("esb/journal/",),
    "jmespath": ("esb/routes/",),
    "jsonschema_rs": ("esb/contracts/",),
    "openapi_spec_validator": ("esb/contracts/openapi_check.py",),
    "jsonschema_path": ("esb/contracts/openapi_check.py",),
    "xmlschema": ("esb/contracts/",),
    "prometheus_client": ("esb/telemetry/metrics.py",),
    "structlog": ("esb/telemetry/logging.py",),
    "ruamel": ("esb/routes/", "esb/settings.py", "esb/contracts/", "adapters/"),
    "typer": ("esb/commands/", "adapters/commands/", "cli.py"),
    "rich": ("esb/commands/",),
}

NETWORK = frozenset({"socket", "http", "urllib.request", "aiohttp", "pika", "asyncpg", "requests", "asyncio"})


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module in LAYERS:
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module


def _layer(module: str) -> int:
    return next((place for place, names in enumerate(ESB_LAYERS) if module in names), -1)


@pytest.mark.parametrize("path", PRODUCT, ids=_name)
def test_imports_go_one_way_between_packages(path: Path) -> None:
    own = LAYERS.index(_name(path).partition("/")[0].removesuffix(".py"))
    upwards = [
        f"{_name(path)}:{line} imports {module}"
        for line, module in _imports(path)
        if module.partition(".")[0] in LAYERS and LAYERS.index(module.partition(".")[0]) > own
    ]
    assert upwards == []


@pytest.mark.parametrize("path", [p for p in PRODUCT if _name(p).startswith("esb/")], ids=_name)
def test_imports_inside_the_bus_go_from_high_to_low(path: Path) -> None:
    module = _name(path).split("/")[1].removesuffix(".py")
    if module == "__init__":
        return
    own = _layer(module)
    assert own >= 0, f"{module} has no place in the layers"
    upwards = [
        f"{_name(path)}:{line} imports {imported}"
        for line, imported in _imports(path)
        if imported.startswith("esb.") and _layer(imported.split(".")[1]) > own
    ]
    assert upwards == []


@pytest.mark.parametrize("path", PRODUCT, ids=_name)
def test_each_library_has_one_home(path: Path) -> None:
    strays = [
        f"{_name(path)}:{line} imports {module}"
        for line, module in _imports(path)
        for library, homes in HOMES.items()
        if module.partition(".")[0] == library and not _name(path).startswith(homes)
    ]
    assert strays == []


@pytest.mark.parametrize("path", [p for p in PRODUCT if _name(p).startswith("security/")], ids=_name)
def test_security_touches_no_network_and_no_log(path: Path) -> None:
    found = [
        f"{_name(path)}:{line} imports {module}"
        for line, module in _imports(path)
        if module in NETWORK or module.partition(".")[0] in {"structlog", "logging"}
    ]
    assert found == []


@pytest.mark.parametrize("path", PRODUCT, ids=_name)
def test_xml_from_outside_is_parsed_in_one_place_only(path: Path) -> None:
    if _name(path) == "security/xml.py" or _name(path).startswith("esb/contracts/"):
        return  # contracts are pinned files, compiled at load with the same closed parser
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [
        f"{_name(path)}:{node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"fromstring", "XMLParser", "iterparse", "XML"}
        and isinstance(node.value, ast.Name)
        and node.value.id in {"etree", "ElementTree", "ET"}
    ]
    assert calls == []


@pytest.mark.parametrize("path", PRODUCT, ids=_name)
def test_only_settings_read_the_environment(path: Path) -> None:
    if _name(path) == "esb/settings.py":
        return
    text = path.read_text(encoding="utf-8")
    assert re.search(r"\bos\.(environ|getenv)\b", text) is None


@pytest.mark.parametrize("path", PRODUCT, ids=_name)
def test_everything_is_caught_only_at_a_named_boundary(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    broad = [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
        and not _ends_with_bare_raise(node)
    ]
    unnamed = [
        f"{_name(path)}:{line}" for line in broad if not any("# boundary:" in lines[at] for at in (line - 2, line - 1))
    ]
    assert unnamed == []


@pytest.mark.parametrize("path", PRODUCT, ids=_name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_no_other_distribution_ships_our_top_level_names() -> None:
    owners = importlib.metadata.packages_distributions()
    foreign = {
        name: set(owners.get(name, ())) - {"esb-elektron-hokumet"}
        for name in LAYERS
        if set(owners.get(name, ())) - {"esb-elektron-hokumet"}
    }
    assert foreign == {}


def _ends_with_bare_raise(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None
