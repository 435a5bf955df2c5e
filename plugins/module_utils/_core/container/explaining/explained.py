# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a plan is what it is: what the planner compared for each key, and for each thing applied inside the container.

It asks the same comparison and the same ledger as the planner, so it can't say anything else than the plan does.
A value that looks like a secret is not in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ... import secretwords
from ...pve import properties
from ..applied import digest as digests
from ..applied import ledger
from ..applied.work import Work
from ..cluster import availability, firewall_changes, membership
from ..config import growth, hostneeds
from ..config.compare import RAW, Comparison
from ..config.options import by_hand, shown
from ..known import instance
from ..model import Observation, Plan, Record, Wanted
from ..registry.wanted_options import WantedOption

SAME = "as configured"
CHANGE = "changes"
UNDO = "is undone"
REVERT = "is reverted"
WAIT = "waits for a restart"
LEFT = "is left: another user changed what an earlier run set"
NEW = "is set at the creation"
HIDDEN = "(hidden)"
_NAMES = re.compile(r"([A-Za-z_]\w*)=", re.ASCII)


def explain(wanted: Wanted, seen: Observation, record: Record, plan: Plan) -> dict[str, Any]:
    """The explanation of a plan, as plain data. ``at`` of a key is in seconds since the epoch."""
    seen, record = instance.settle(seen, record)
    compared = Comparison(wanted, seen.conf, record, seen.running)
    book = seen.ledger if seen.ledger is not None else record.ledger
    applied_anew = {item["name"]: item["reason"] for item in plan.due_features}
    return {
        "exists": seen.exists,
        "ours": record.ours,
        "running": seen.running,
        "state": plan.state,
        "final_state": plan.final_state,
        "error": _safe(plan.error or ""),
        "steps": [{"kind": step.kind, "name": step.name, "reason": _safe(step.reason)} for step in plan.steps],
        "waiting": list(plan.waiting),
        "notes": [_safe(note) for note in plan.notes],
        "keys": [*_options(compared, seen, plan), *_beside(compared, seen)],
        "not_managed": sorted({*compared.conf.merged()} - {*compared.options} - {*record.applied}),
        "features": [_work(feature, _entry(book, feature.name), applied_anew) for feature in wanted.features],
        "left_behind": ledger.left_behind(wanted.features, book, wanted.inherited),
        "application": _application(wanted, book, plan),
    }


def _options(compared: Comparison, seen: Observation, plan: Plan) -> Iterable[dict[str, Any]]:
    """One row for each option that the configuration or the record has."""
    actual = seen.conf.merged()
    grown = growth.disk_growth(compared.after)[0] if seen.exists else {}
    recorded = {key for key in compared.record.applied if key not in _BESIDE}
    for key in sorted({*compared.options, *recorded}):
        option = compared.options.get(key)
        own = compared.record.applied.get(key)
        values = [_configured(option), actual.get(key), _recorded(key, own)]
        verdict, reason = _verdict(compared, key, grown, plan) if seen.exists else (NEW, "")
        pending = seen.conf.head.get(key) if key in seen.conf.pending or key in seen.conf.deletions else None
        kept = by_hand(option, actual.get(key), own) if option else []
        yield _row(key, option.source if option else "", values, verdict, reason, compared.record, pending, kept)


def _verdict(compared: Comparison, key: str, grown: Mapping[str, str], plan: Plan) -> tuple[str, str]:
    """What the comparison decides about an option, and its reason."""
    if key in compared.reverts.reasons:
        return REVERT, compared.reverts.reasons[key]
    if key in compared.changes.reasons:
        return (CHANGE if key in compared.options else UNDO), compared.changes.reasons[key]
    if key in grown:
        return CHANGE, f"{key} grows to {grown[key]}"
    if key not in compared.options:
        return LEFT, ""
    return (WAIT, "") if key in plan.waiting else (SAME, "")


# What the record has besides options of the config: the key -> the key of the file behind it.
_BESIDE = {
    RAW: "lxc_options",
    firewall_changes.KEY: "firewall",
    membership.KEY: "pool",
    availability.KEY: "ha",
}


def _beside(compared: Comparison, seen: Observation) -> Iterable[dict[str, Any]]:
    """The raw lines, the firewall, the pool and HA, where the configuration or the record has them."""
    desired, applied = compared.wanted.desired, compared.record.applied
    add, remove = compared.lines
    changes = [*(f"+{key}: {value}" for key, value in add), *(f"-{key}: {value}" for key, value in remove)]
    lines = hostneeds.wanted_lines(compared.wanted)
    moving, managing = compared.move(seen.pool), compared.managing(seen.ha)
    filtering = compared.firewall(seen.firewall)
    rules = desired.firewall.remembered()
    found = {
        RAW: (_lines(lines), _lines(seen.conf.raw), changes),
        firewall_changes.KEY: (_counted(rules), f"{len(seen.firewall.rules)} rules", list(filtering.reasons)),
        membership.KEY: (desired.resource_pool or "", seen.pool, [moving.reason] if moving else []),
        availability.KEY: (_words(desired.ha), _words(seen.ha), [managing.reason] if managing else []),
    }
    for key, (configured, actual, reasons) in found.items():
        if not configured and key not in applied and not reasons:
            continue
        own = applied.get(key)
        recorded = _lines(own) if key == RAW else _counted(own) if key == firewall_changes.KEY else _words(own)
        verdict = NEW if not seen.exists else CHANGE if reasons else SAME
        values = [configured or None, actual or None, recorded or None]
        yield _row(key, _BESIDE[key], values, verdict, "; ".join(reasons), compared.record)


def _row(
    key: str,
    source: str,
    values: list[str | None],
    verdict: str,
    reason: str,
    record: Record,
    live: str | None = None,
    kept: Iterable[str] = (),
) -> dict[str, Any]:
    """One row. A key with a value that looks like a secret says that it changes, and none of its values."""
    secret = any(_is_secret(text) for text in (*values, live, reason, *kept) if text)
    stamp = record.set_by.get(key) or {}
    configured, actual, recorded = ((None if value is None else HIDDEN) if secret else value for value in values)
    return {
        "key": key,
        "source": source,
        "configured": configured,
        "actual": actual,
        "recorded": recorded,
        "live": HIDDEN if secret and live is not None else live,
        "by_hand": [] if secret else list(kept),
        "verdict": verdict,
        "reason": "changed" if secret and reason else reason,
        "at": stamp.get("at"),
        "run": str(stamp.get("run") or ""),
    }


def _application(wanted: Wanted, book: Mapping[str, Any] | None, plan: Plan) -> dict[str, Any] | None:
    if wanted.application is None:
        return None
    entry = (book or {}).get("application")
    own = entry if entry and entry.get("ctid") == wanted.ctid else None
    due = plan.application_due
    row = _work(wanted.application, own, {wanted.application.name: due} if due else {})
    return {**row, "health_due": plan.health_due or ""}


def _work(work: Work, entry: Mapping[str, Any] | None, due: Mapping[str, str]) -> dict[str, Any]:
    """A feature or the application: the digest that it is to have and the one in the ledger, and what differs."""
    known = entry or {}
    differs = bool(entry) and known.get("digest") != work.digest
    inputs = digests.differences(known.get("components"), work.components) if differs and work.components else []
    return {
        "name": work.name,
        "digest": work.digest,
        "applied_digest": str(known.get("digest") or ""),
        "status": str(known.get("status") or ""),
        "differs": inputs,
        "due": due.get(work.name, ""),
        "at": str(known.get("at") or ""),
        "run": str(known.get("run") or ""),
    }


def _entry(book: Mapping[str, Any] | None, name: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = (book or {}).get("features", {}).get(name)
    return found


def _configured(option: WantedOption | None) -> str | None:
    """What the configuration asks for, as PVE writes it."""
    if option is None:
        return None
    return _recorded(option.key, option.text if option.parts is None else option.parts)


def _recorded(key: str, value: Any) -> str | None:
    """A value of the record as PVE writes it."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return properties.compose({str(k): str(v) for k, v in value.items()}, properties.default_key(key))
    return shown(key, str(value))


def _lines(lines: Any) -> str:
    return "; ".join(f"{line[0]}: {line[1]}" for line in lines or ())


def _counted(rules: Any) -> str:
    """What is asked of the firewall, in short."""
    if not rules:
        return ""
    if isinstance(rules, Mapping):
        return ", ".join(
            f"{len(v)} {k}" if isinstance(v, (list, tuple, dict)) else f"{k} {v}" for k, v in rules.items()
        )
    return f"{len(rules)} entries"


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{key}={item}" for key, item in value.items())
    return str(value or "")


def _safe(text: str) -> str:
    """A text of the plan, unless something in it looks like a secret."""
    return "changed" if _is_secret(text) else text


def _is_secret(text: str) -> bool:
    """Whether something in a text looks like a secret, or is the value of a name that holds one."""
    plain = text.replace("\0", " ")
    values = re.sub("[=,;]", " ", plain)
    looks = secretwords.holds_secret(plain) or secretwords.holds_secret(values)
    return looks or any(map(secretwords.is_secret_name, _NAMES.findall(plain)))
