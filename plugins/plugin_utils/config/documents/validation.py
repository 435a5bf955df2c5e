# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is wrong with the configuration, found at once: the text, the schema, then what holds between keys and
containers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.checks.subject import Check, Subject
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents import contradictions
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.container_document import (
    ServersOf,
    no_servers,
    prepared,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import (
    Finding,
    Notice,
    Pointer,
    show,
    to_pointer,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.fleet import (
    CTID,
    Deprecation,
    Fleet,
    load_hypervisor,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.host import model_keys, notices, sharedmounts
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsonscan import Place
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.json.jsontext import JsonText
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.old_files import misplaced
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.old_files.field_keys import Conflict
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.old_files.lenient import settled
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.old_files.spellings import old_spellings
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.schema.known import NOTHING, Known, key_of


@dataclass(frozen=True)
class Source:
    """One configuration file.

    Attributes:
        file: its name in findings.
        text: what was read.
        schema: its JSON Schema.
        hidden: it is encrypted: no value of it may be shown.
    """

    file: str
    text: JsonText
    schema: Mapping[str, Any]
    hidden: bool = False


@dataclass(frozen=True)
class Outcome:
    """The result of validating: what was read, as far as it is readable, and everything that is wrong with it, by
    file and line. `stored` are the containers that read from the host's store of models; `fleet` has their mounts,
    and those of shared volumes.
    """

    fleet: Fleet
    hypervisor: dict[str, Any]
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...] = field(default=())
    stored: Mapping[str, model_keys.Stored] = field(default_factory=dict)


def read_hypervisor(text: JsonText, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hypervisor configuration in the form in which roles read it, whatever is wrong with it."""
    lifted, _moves = misplaced.lifted(text.value)
    return load_hypervisor(settled(lifted, schema), old_spellings(schema))[0]


def read_containers(text: JsonText, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the containers' configurations in the form in which modules read them, as the file would have them."""
    return document_of(prepared(text.value, schema).fleet)


def document_of(fleet: Fleet) -> dict[str, Any]:
    """Return a fleet as a file with everything in the containers' own entries."""
    return {"lxc_configs": {ctid: container.config for ctid, container in fleet.containers.items()}}


def validate(
    lxc: Source,
    hypervisor: Source | None,
    nodes: tuple[str, ...] | None = None,
    further_checks: Iterable[Check] = (),
    servers_of: ServersOf = no_servers,
    known: Known = NOTHING,
) -> Outcome:
    """Judge both files.

    Args:
        lxc: `phoenix_lxc_configs.json`.
        hypervisor: `hypervisor_config.json`, if there is one.
        nodes: names of the nodes that the inventory source knows; None skips what concerns them.
        further_checks: checks that the caller adds, such as those that look at files.
        servers_of: the servers that the features of a fleet bring, as their manifests declare them.
        known: the documents that are known to be valid.
    """
    sources = [lxc] + ([hypervisor] if hypervisor is not None else [])
    read = prepared(lxc.text.value, lxc.schema, servers_of)
    lifted, host_moves = misplaced.lifted(hypervisor.text.value if hypervisor is not None else None)
    host_document = settled(lifted, hypervisor.schema) if hypervisor is not None else None
    moves = {lxc.file: read.reading.moves, **({hypervisor.file: host_moves} if hypervisor is not None else {})}
    found: list[Finding] = []
    keys = []
    for source, value in zip(sources, (read.document, host_document), strict=False):  # one or both
        # A hash of what is encrypted would let a reader of the hash guess at it.
        keys.append("" if source.hidden else key_of(value, source.schema))
        found += _text_findings(source)
        found += _schema_findings(source, value, source is lxc, known, keys[-1])
    found += _conflicts(lxc, read.reading.conflicts)
    host_spellings = old_spellings(hypervisor.schema) if hypervisor is not None else {}
    host, host_deprecations = load_hypervisor(host_document, host_spellings)
    fleet, harmless = contradictions.settled_keys(read.fleet, host, read.servers, read.reading.moves)
    warnings = _warnings(lxc, [*read.reading.told, *fleet.deprecations, *harmless], moves[lxc.file])
    warnings += _unused(lxc, read.reading.unused)
    if hypervisor is not None:
        warnings += _warnings(hypervisor, [*host_deprecations, *misplaced.deprecations(host_moves)], {})
        told = [*notices.not_acted_on(host_document, hypervisor.schema), *notices.unused_storage_ids(host)]
        if lxc.text.readable:
            told += sharedmounts.strangers(fleet, host, lxc.file)
        warnings += _warnings(hypervisor, told, {})
        warnings += _unused(hypervisor, notices.unused(host_document, hypervisor.schema))
    if lxc.text.readable:
        hidden = frozenset(source.file for source in sources if source.hidden)
        subject = Subject(
            fleet, host, nodes, lxc.file, hypervisor.file if hypervisor is not None else "", hidden, read.servers
        )
        texts = [source.text.text for source in sources]
        key = key_of("checks", texts, keys, nodes, repr(read.servers)) if all(keys) else ""
        found += _faults(subject, known, key)
        for check in further_checks:
            found += check(subject)
    found = [
        dataclasses.replace(finding, path=misplaced.as_written(finding.path, moves.get(finding.file, {})))
        for finding in found
    ]
    # Only now: the checks are about what stands in the file.
    fleet, repeated = contradictions.settled_rules(fleet)
    warnings += _warnings(lxc, repeated, moves[lxc.file])
    if hypervisor is not None:
        host, repeated = contradictions.settled_host_rules(host)
        warnings += _warnings(hypervisor, repeated, host_moves)
    fleet, stored = model_keys.completed(sharedmounts.completed(fleet, host), host, read.servers)
    return Outcome(fleet, host, tuple(_placed(found, sources)), tuple(warnings), stored)


def _conflicts(source: Source, conflicts: Iterable[Conflict]) -> Iterator[Finding]:
    """Two keys that mean the same, with two values."""
    for one in conflicts:
        other = show(one.other, one.other_value, source.hidden)
        yield Finding(
            source.file,
            one.path,
            show(one.path, one.value, source.hidden),
            f"the same as {to_pointer(one.other)} ({other}), which means the same",
            "Remove one of the two.",
        )


def _text_findings(source: Source) -> Iterator[Finding]:
    for error in source.text.errors:
        yield Finding(source.file, error.path, error.got, error.expected, error.remedy, None, error.line, error.column)


def _faults(subject: Subject, known: Known, key: str) -> list[Finding]:
    """Return what the checks find, which look at nothing but the subject. ``key``: of all that it is made of."""
    if key and known.has(key):
        return []
    # Only here: they load a fifth of what reading the files does.
    from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.documents.all_checks import ALL_CHECKS

    found = [finding for check in ALL_CHECKS for finding in check(subject)]
    if key and not found:
        known.add(key)
    return found


def _schema_findings(source: Source, value: Any, first: bool, known: Known, key: str) -> Iterator[Finding]:
    if not source.text.readable or (key and known.has(key)):
        return
    # Only here, for the same reason.
    from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.schema.explain import Explainer
    from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.schema.schemajudge import (
        MISSING_LIBRARY,
        SchemaJudge,
        library_present,
    )

    if not library_present():
        if not first:
            return
        remedy = f"Install it for the Python that runs Ansible: {MISSING_LIBRARY}"
        yield Finding(
            source.file,
            (),
            "no Python library jsonschema on the controller",
            "jsonschema, to validate the configuration",
            remedy,
        )
        return
    judge = SchemaJudge(source.schema)
    found = list(judge.findings(value, Explainer(source.file, source.hidden, source.schema)))
    if key and not found:
        known.add(key)
    yield from found


def _warnings(source: Source, told: Iterable[Deprecation | Notice], moves: misplaced.Moves) -> list[str]:
    """A line each; a repeated old spelling has one."""
    first: dict[Any, Deprecation | Notice] = {}
    count: dict[Any, int] = {}
    for item in told:
        kind = (item.old, item.new) if isinstance(item, Deprecation) else item
        first.setdefault(kind, dataclasses.replace(item, path=misplaced.as_written(item.path, moves)))
        count[kind] = count.get(kind, 0) + 1
    places = source.text.locate(item.path for item in first.values()) if first else {}
    lines = []
    for kind, item in first.items():
        more = f" (and {count[kind] - 1} more of it)" if count[kind] > 1 else ""
        lines.append(f"{source.file}{_line(source, places.get(item.path))}  {item}{more}")
    return lines


def _unused(source: Source, paths: Iterable[Pointer]) -> list[str]:
    """The keys for other tools, all in one line."""
    names = sorted({".".join(str(part) for part in path if not _names_one(part)) for path in paths})
    return [f"{source.file}  accepted and not acted on: {', '.join(names)}"] if names else []


def _names_one(part: str | int) -> bool:
    """Whether a part of a pointer only says which one of many."""
    return isinstance(part, int) or part in ("lxc_configs", "lxc_defaults") or bool(CTID.match(part))


def _line(source: Source, place: Place | None) -> str:
    return f":{source.text.line_column(place.value)[0]}" if place is not None else ""


def _placed(findings: Iterable[Finding], sources: list[Source]) -> list[Finding]:
    """The findings with line and column, by file and line, none twice."""
    by_file: dict[str, list[Finding]] = {source.file: [] for source in sources}
    for finding in dict.fromkeys(findings):
        by_file.setdefault(finding.file, []).append(finding)
    result: list[Finding] = []
    for source in sources:
        mine = by_file.pop(source.file, [])
        places = source.text.locate(_ways([finding.path for finding in mine if not finding.line])) if mine else {}
        placed = [finding if finding.line else _with_line(finding, source.text, places) for finding in mine]
        result += sorted(placed, key=lambda finding: (finding.line, finding.column))
    for rest in by_file.values():
        result += rest
    return result


def _ways(paths: Iterable[Pointer]) -> Iterator[Pointer]:
    for path in paths:
        for length in range(len(path) + 1):
            yield path[:length]


def _with_line(finding: Finding, text: JsonText, places: Mapping[Pointer, Place]) -> Finding:
    if not text.text:
        return finding
    # What is missing has no place of its own: the nearest thing around it has.
    for length in range(len(finding.path), -1, -1):
        place = places.get(finding.path[:length])
        if place is not None:
            offset = place.key if finding.at_key and place.key is not None else place.value
            line, column = text.line_column(offset)
            return dataclasses.replace(finding, line=line, column=column)
    return finding
