"""What is scaffolded from: one contract file, with what it imports out of its own folder and out of a catalogue.

Reads files below those two folders and nothing else: an import is a name that is looked for, never a path that is
opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from adapters import wsdl
from adapters.wsdl import Completed, SurveyedPort
from esb.contracts.contract import Contract
from esb.contracts.intake import MAX_FILE_BYTES
from esb.contracts.openapi_files import OpenApiFiles
from esb.contracts.shapes import ComplexShape
from esb.errors import ConfigurationError, ContractUnsupported

MAX_FILES: Final = 5000

_SUFFIXES: Final = {".wsdl", ".xsd", ".xml", ".svc", ".asmx"}
_FILE_NAME: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_REFERENCE: Final = re.compile(r"""\$ref["']?\s*:\s*["']?([^"'#\s,}]+)""")
_ADDRESS: Final = re.compile(r"https?://[^/?#\s@]+(/[^?#\s]*)?")
_SENT: Final = re.compile(r"(.+?)(Request|Query|Req|Sorgu)?")
_GIVEN: Final = ("Response", "Reply", "Answer", "Result", "Resp", "Cavab")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A contract that compiles. `elements`: for an XSD alone, request and reply of each call that it seems to mean.

    `titles`: what the contract calls its operations. `notes`: sentences for a person, about what was taken or guessed.
    """

    kind: str
    entry: str
    bundle: Mapping[str, bytes]
    service: str | None = None
    port: str | None = None
    address: str = ""
    policy: tuple[str, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    elements: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def from_wsdl(
    file: Path, *, catalogue: Path | None = None, service: str | None = None, port: str | None = None
) -> Source:
    """A WSDL with its imports.

    Raises:
        ContractUnsupported: it cannot be read, something is missing, or one of several services must be named.
    """
    completed = _completed(file, catalogue)
    entry, bundle = _entry_name(file), completed.bundle
    survey = _with_missing(completed, lambda: wsdl.survey(bundle, entry))
    chosen, note = _chosen(survey.ports, service, port)
    service, port = (chosen.service or None, chosen.port or None) if chosen else (service, port)
    compiled = _with_missing(completed, lambda: wsdl.compile(bundle, entry, service=service, port=port))
    return Source(
        kind="soap",
        entry=entry,
        bundle=bundle,
        service=service if len(survey.ports) > 1 else None,
        port=port if len(survey.ports) > 1 else None,
        address=_address(chosen.address if chosen else ""),
        policy=tuple(hint for hint in compiled.hints if "policy demands" in hint),
        titles=dict(chosen.documentation) if chosen else {},
        notes=(*_taken(completed), *note, *dict.fromkeys([*survey.hints, *compiled.hints])),
    )


def from_xsd(file: Path, *, catalogue: Path | None = None) -> Source:
    """An XSD alone: elements named like question and answer become calls.

    Raises:
        ContractUnsupported: it cannot be compiled, or no two elements look like a question and its answer.
    """
    completed = _completed(file, catalogue)
    entry = _entry_name(file)
    contract = _with_missing(completed, lambda: Contract.from_xsd(completed.bundle, [entry]))
    elements = dict(_pairs(contract))
    if not elements:
        known = ", ".join(name.rpartition("}")[2] for name in contract.elements[:10]) or "none"
        raise ContractUnsupported(
            f"{entry}: no two elements look like a question and its answer (GetX and GetXResponse, or XRequest and "
            f"XResponse); there are: {known}. Add such elements, or write contract.operations of adapter.yaml by hand"
        )
    note = "an XSD does not say how it is called: each call is guessed as POST /<name>; see contract.operations"
    return Source(kind="xml", entry=entry, bundle=completed.bundle, elements=elements, notes=(*_taken(completed), note))


def from_openapi(file: Path, *, catalogue: Path | None = None) -> Source:
    """An OpenAPI document with the files that it refers to. Raises ContractUnsupported."""
    entry = _entry_name(file)
    bundle = {entry: _read(file)}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        for reference in _REFERENCE.findall(bundle[name].decode("utf-8", "replace")):
            wanted = (Path(name).parent / reference).as_posix()
            found = _beside(file.parent, wanted) or (_beside(catalogue, Path(reference).name) if catalogue else None)
            if "://" in reference or wanted in bundle or found is None:
                continue
            bundle[wanted] = _read(found)
            waiting.append(wanted)
    files = OpenApiFiles(bundle)
    root = files.root(entry)
    servers = root.child("servers").value
    server = next((str(one.get("url", "")) for one in servers or () if isinstance(one, dict)), "")
    return Source(
        kind="rest",
        entry=entry,
        bundle=bundle,
        address=_address(server),
        titles=dict(_summaries(root.value)),
        notes=tuple(f"took {name} from beside {entry}" for name in bundle if name != entry),
    )


def with_imports(file: Path) -> tuple[str, Mapping[str, bytes]]:
    """A WSDL or XSD by its name, and it with all that it imports from its own folder. Raises ContractUnsupported."""
    return _entry_name(file), _completed(file, None).bundle


# --- files -----------------------------------------------------------------------------------------------


class _Folder(Mapping[str, bytes]):
    """Contract files below a folder, read when they are asked for."""

    def __init__(self, folder: Path) -> None:
        paths = [path for path in _walk(folder) if path.suffix.lower() in _SUFFIXES]
        self._paths = {path.relative_to(folder).as_posix(): path for path in paths}

    def __getitem__(self, name: str) -> bytes:
        return _read(self._paths[name])

    def __contains__(self, name: object) -> bool:
        return name in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def _walk(folder: Path) -> list[Path]:
    found: list[Path] = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file() and not path.is_symlink():
            found.append(path)
        if len(found) > MAX_FILES:
            raise ConfigurationError(
                f"{folder} holds more than {MAX_FILES} files; put the contract into one of its own"
            )
    return found


def _completed(file: Path, catalogue: Path | None) -> Completed:
    entry = _entry_name(file)
    # Names as from the file's own folder, so that its relative imports find their files.
    own = wsdl.complete({entry: _read(file)}, entry, _Folder(file.parent))
    if catalogue is None or not own.missing:
        return own
    if not catalogue.is_dir():
        raise ConfigurationError(f"--catalog: {catalogue} is not a folder")
    found = wsdl.complete(own.bundle, entry, _Folder(catalogue))
    return Completed(bundle=found.bundle, taken=(*own.taken, *found.taken), missing=found.missing)


def _entry_name(file: Path) -> str:
    name = _FILE_NAME.sub("-", file.name).lstrip("-.")
    return name or "contract"


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ContractUnsupported(
                f"{path.name} has {path.stat().st_size} bytes; files over {MAX_FILE_BYTES} are not read"
            )
        content = path.read_bytes()
    except OSError as error:
        raise ContractUnsupported(f"cannot read {path}: {error.strerror}") from error
    if not content.strip():
        raise ContractUnsupported(f"{path.name} is empty")
    return content


def _beside(folder: Path, name: str) -> Path | None:
    """A file below the folder; None for a name that leads out of it."""
    path = folder / name
    if ".." in Path(name).parts or Path(name).is_absolute() or not path.is_file() or path.is_symlink():
        return None
    return path


def _taken(completed: Completed) -> Iterator[str]:
    for one in completed.taken:
        yield f"took {one.source}, which {one.wanted_by} imports"


def _with_missing(completed: Completed, work: Any) -> Any:
    """The outcome of `work`; when it fails, what is missing is named, as it is the likeliest reason."""
    try:
        return work()
    except ContractUnsupported as error:
        lacking = [one for one in completed.missing if one.rpartition("; ")[2] not in error.reason]
        advice = ["put it beside the contract, or name its folder with --catalog"] if completed.missing else []
        raise ContractUnsupported("; ".join([*lacking, error.reason, *advice])) from error


# --- choices ---------------------------------------------------------------------------------------------


def _chosen(
    ports: tuple[SurveyedPort, ...], service: str | None, port: str | None
) -> tuple[SurveyedPort | None, tuple[str, ...]]:
    """The port to use, and a sentence where it was guessed; None leaves the error to the compiler."""
    usable = [one for one in ports if one.unreadable is None]
    wanted = [one for one in usable if service in {None, one.service} and port in {None, one.port}]
    if len(wanted) == 1:
        return wanted[0], ()
    if not wanted or len({one.operations for one in wanted}) > 1:
        return None, ()
    first = next((one for one in wanted if one.soap_version == "1.1"), wanted[0])
    others = ", ".join(f"{one.service}/{one.port}" for one in wanted if one is not first)
    return first, (f"check: of several ports with the same operations {first.port} was chosen; others: {others}",)


def _address(written: str) -> str:
    return written if _ADDRESS.fullmatch(written) else ""


def _pairs(contract: Contract) -> Iterator[tuple[str, tuple[str, str]]]:
    by_name = {name.rpartition("}")[2]: name for name in contract.elements}
    for local, name in by_name.items():
        if not isinstance(contract.shape(name).type, ComplexShape) or local.endswith(_GIVEN):
            continue
        found = _SENT.fullmatch(local)
        stem = found[1] if found else local
        answer = next((by_name[stem + ending] for ending in _GIVEN if stem + ending in by_name), None)
        if answer is not None and isinstance(contract.shape(answer).type, ComplexShape):
            yield stem, (name, answer)


def _summaries(root: Any) -> Iterator[tuple[str, str]]:
    paths = root.get("paths") if isinstance(root, dict) else None
    for item in (paths or {}).values() if isinstance(paths, dict) else ():
        for operation in item.values() if isinstance(item, dict) else ():
            if isinstance(operation, dict) and operation.get("operationId"):
                text = operation.get("summary") or operation.get("description")
                if isinstance(text, str):
                    yield str(operation["operationId"]), text
