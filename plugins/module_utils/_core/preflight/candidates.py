# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The containers that a run will work on, as the controller hands them to the preflight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Union

from ..container.desired import Desired, understand
from ..container.model import Plan
from ..container.refusal import Refusal
from ..errors import KnownError
from ..gpu import memory_budget
from ..gpu.servers import Server
from ..pve.apicalls import Kind
from .demand_options import CANDIDATE_OPTIONS

Path = tuple[Union[str, int], ...]

# Mutations of the node; what happens inside a container, and our own records, ask nothing of it.
ON_NODE = frozenset({"pve", "conf"})
_PLAN_KEYS = frozenset({"error", *(one.name for one in fields(Plan))})
_STEP_KEYS = frozenset({"kind", "name", "reason", "disrupts", "state", "entries"})
_ENTRY_KEYS = frozenset({"op", "what", "params", "kind", "ctid"})
_CALL = "pve"


def only(given: Any, known: Iterable[str], where: str) -> Mapping[str, Any]:
    """Return a mapping with known keys alone. Raises KnownError for anything else, with its ``where``."""
    if not isinstance(given, Mapping):
        raise KnownError(f"expected a mapping, not {type(given).__name__}", where=where)
    unknown = sorted(set(given) - set(known))
    if unknown:
        why = f"unknown keys: {', '.join(map(str, unknown))}; expected only {', '.join(sorted(known))}"
        raise KnownError(why, where=where)
    return given


@dataclass(frozen=True)
class Mutation:
    """One entry of a finished plan: what ``Entry.as_dict`` shows. A call to PVE has a kind and a container."""

    op: str
    params: Mapping[str, Any] = field(default_factory=dict)
    kind: Kind | None = None
    ctid: int = 0

    @classmethod
    def from_json(cls, given: Any, where: str) -> Mutation:
        """Return an entry. Raises KnownError for one of another form, with its ``where``."""
        item = only(given, _ENTRY_KEYS, where)
        op, params = str(item.get("op") or ""), item.get("params") or {}
        if op != _CALL:
            return cls(op, params)
        try:
            return cls(op, params, Kind(item.get("kind")), int(item.get("ctid", "")))
        except (TypeError, ValueError) as error:
            raise KnownError(f"call to Proxmox VE without a known kind and a CTID: {error}", where=where) from error


_LISTS = ("delete", "revert")


def changed(params: Mapping[str, Any]) -> list[str]:
    """Return the options that a change of a config sets, deletes or leaves as they are."""
    names = [name for key in _LISTS for name in str(params.get(key, "")).split(",")]
    return [name for name in [*params, *names] if name and name not in (*_LISTS, "digest")]


def chosen(
    observed: Mapping[str, Mapping[str, Any]],
    configs: Mapping[str, Mapping[str, Any]],
    needs: Iterable[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return those of the observed containers that the node must be looked at for, in the form of CANDIDATE_OPTIONS.

    They are the ones with something to do on the node, with a refusal, or with servers that take memory of GPUs. All
    mappings are by the CTID as text; ``needs`` is that of PREFLIGHT_OPTIONS.
    """
    known = {str(item["ctid"]): item for item in needs}
    found = []
    for ctid, seen in observed.items():
        plan = seen.get("plan")
        if plan is None or seen.get("error") or not seen.get("due"):
            continue
        need = known.get(ctid) or {}
        on_node = any(entry["op"] in ON_NODE for step in plan["steps"] for entry in step["entries"])
        if plan.get("error") or on_node or need.get("servers"):
            layers = {"layer_storage": seen["layers"].get("storage") or ""} if seen.get("layers") else {}
            found.append({"ctid": int(ctid), "config": configs[ctid], "plan": plan, **need, **layers})
    return found


def _mutations(plan: Mapping[str, Any], where: str) -> Iterator[Mutation]:
    for number, step in enumerate(plan.get("steps") or ()):
        place = f"{where}.steps[{number}]"
        for entry in only(step, _STEP_KEYS, place).get("entries") or ():
            yield Mutation.from_json(entry, f"{place}.entries")


@dataclass(frozen=True)
class Candidate:
    """A container that this run will work on: what it asks for, and what its plan does.

    ``claims`` are what its servers take of the node's GPUs afterwards. ``outside`` are the guests that it depends on
    and that the file does not have. ``layer_storage`` is that of the layers that it takes part in, empty for none.
    """

    ctid: int
    desired: Desired = field(default_factory=Desired)
    mutations: tuple[Mutation, ...] = ()
    refusal: Refusal | None = None
    claims: tuple[memory_budget.Claim, ...] = ()
    outside: tuple[int, ...] = ()
    layer_storage: str = ""

    @classmethod
    def from_options(cls, given: Mapping[str, Any]) -> Candidate:
        """Return a container from CANDIDATE_OPTIONS. Raises KnownError for a key or a plan of another form."""
        where = f"container {given.get('ctid')}"
        only(given, CANDIDATE_OPTIONS, where)
        ctid, config = int(given["ctid"]), given.get("config") or {}
        plan = only(given.get("plan"), _PLAN_KEYS, f"{where}: plan")
        claims = memory_budget.claims(
            ctid,
            config,
            given.get("assignment"),
            str(plan.get("final_state") or ""),
            [Server.from_json(server) for server in given.get("servers") or ()],
            given.get("classes") or (),
        )
        return cls(
            ctid,
            understand(config),
            tuple(_mutations(plan, f"{where}: plan")),
            Refusal.from_json(plan["refusal"]) if plan.get("refusal") else None,
            claims,
            tuple(int(each) for each in given.get("outside") or ()),
            str(given.get("layer_storage") or ""),
        )

    def calls(self) -> Iterator[tuple[Kind, int, Mapping[str, Any]]]:
        """(kind, container, parameters) of every call to PVE that the plan makes."""
        return ((each.kind, each.ctid, each.params) for each in self.mutations if each.kind is not None)

    def edits(self) -> Iterator[Mapping[str, Any]]:
        """What the plan writes into the container's config file itself."""
        return (each.params for each in self.mutations if each.op == "conf")

    def made(self) -> set[str]:
        """The folders of the node that the plan makes."""
        return {str(each.params["path"]) for each in self.mutations if each.op == "folder"}

    def place(self, *keys: str | int) -> Path:
        """The path of a key of this container in the containers' file."""
        return ("lxc_configs", str(self.ctid), *keys)
