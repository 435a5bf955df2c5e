# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is applied inside a container, in its ledger and on record: begun, recorded, failed, forgotten."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from ..._core.container import states
from ..._core.container.applied import ledger as ledgers
from ..._core.container.guarding import guard
from ..._core.pve.conffile import ConfFile
from ..audit import Audit
from ..failure import NodeError, about
from ..guest import featurecheck, glance, guest, guestnetwork
from ..store import Store
from .conf import observe
from .lease import LEASE_OPTIONS, Leases
from .past import identity

MAX_OUTPUT = 8192
MANUAL = {"id": "manual"}
# Whether a container has Python, and whether dpkg was cut off in it.
FOUND = (
    "command -v python3 >/dev/null && echo found; "
    '[ -z "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ] || echo interrupted'
)

Params = Mapping[str, Any]


class Place:
    """Where containers, and what is kept of them, are within reach: the node that this process runs on.

    ``way``: how their inside is reached. ``has_trail``: whether the audit trail is a file here.
    """

    way = guest.ON_NODE
    has_trail = True

    def __init__(self) -> None:
        self.store = Store()
        self._leases = Leases()

    def working(self, params: Params) -> contextlib.AbstractContextManager[Any]:
        """A block of work, with the lease of the run."""
        return self._leases.working(params["ctid"], params["run"] or MANUAL, params["dead_runs"])

    def release(self, params: Params) -> None:
        """Give the container back."""
        self._leases.release(params["ctid"], params["run"] or MANUAL)

    def look(self, ctid: int) -> guest.GuestView:
        """A look inside a running container."""
        return glance.look(ctid, observe.node_boot())

    def write_ledger(self, ctid: int, book: Mapping[str, Any]) -> None:
        """Replace the ledger inside a running container."""
        guest.write_ledger(ctid, ledgers.dump(book))

    def read_conf(self, ctid: int) -> tuple[ConfFile | None, str]:
        """(config, digest) of a container, (None, '') when it doesn't exist."""
        return observe.read_conf(observe.node_name(), ctid)


def params_of(feature: Mapping[str, Any], operation: str, held: Mapping[str, Any]) -> Params:
    """The options of phoenix_feature for an operation on a feature, or on what ``kind`` says in its place.

    ``held``: the container and who works on it.
    """
    given = {name: feature.get(name) for name in ("name", "digest", "components", "network", "error", "output")}
    check = feature.get("check") or None
    if check:
        check = {"command": check["command"], "timeout": float(check.get("timeout") or featurecheck.TIMEOUT)}
    return {**held, **given, "operation": operation, "kind": feature.get("kind") or "feature", "check": check}


def read(place: Place, ctid: int) -> tuple[dict[str, Any], str]:
    """(ledger, boot) of a running container. An unreadable ledger counts as empty: its features are due again."""
    view = place.look(ctid)
    if view.boot is None:
        raise guest.GuestError(f"it doesn't answer: {view.error or 'is it running?'}", where=f"container {ctid}")
    try:
        return ledgers.parse(view.ledger_text) if view.ledger_text else ledgers.empty(), view.boot
    except ledgers.LedgerError:
        return ledgers.empty(), view.boot


def change(ledger: dict[str, Any], params: Params, run: str, boot: str) -> dict[str, Any]:
    """The ledger after the operation."""
    result = {**ledger, "features": dict(ledger["features"])}
    operation, kind, name = params["operation"], params["kind"], params["name"] or ""
    now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    status = ledgers.BEGUN if operation == "begin" else ledgers.APPLIED
    entry = {"status": status, "run": run, "at": now, "digest": params["digest"] or ""}
    if params["components"]:
        entry["components"] = params["components"]
    if kind == "feature":
        if operation == "forget":
            result["features"].pop(name, None)
        else:
            result["features"][name] = entry
    elif operation == "forget":
        result["application"] = None
    else:
        result["application"] = {**entry, "name": name, "ctid": params["ctid"], "boot": boot}
        if operation == "begin":
            # An attempt lasts until it is recorded: the script's success is adopted by whoever goes on with it.
            known = ledgers.attempt_of(params["ctid"], entry["digest"], ledger)
            result["application"]["attempt"] = known or uuid.uuid4().hex
    return result


def began(ledger: dict[str, Any], params: Params) -> float | None:
    """When the entry's work began, in seconds since the epoch, or None."""
    entry = ledger["application"] if params["kind"] == "application" else ledger["features"].get(params["name"] or "")
    try:
        return time.mktime(time.strptime(str((entry or {}).get("at", ""))[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None


def tail(params: Params) -> dict[str, str]:
    """The application's output as a field of the audit trail, its end where it is long."""
    return {"output": params["output"][-MAX_OUTPUT:]} if params["output"] else {}


def prove(store: Store, params: Params) -> None:
    """A change that is guarded by a snapshot has been seen healthy; without one there is nothing to note."""
    guarding = store.read_record(params["ctid"]).get("guarding")
    proves = params["operation"] == "record" and params["kind"] != "feature"
    if proves and isinstance(guarding, dict) and guarding.get("for") != guard.UPDATE:
        store.update_record(params["ctid"], guarding={**guarding, "stage": guard.PROVED})


def healthy(params: Params, dry: bool, ledger: dict[str, Any], boot: str, store: Store, audit: Audit) -> dict[str, Any]:
    """Remember on the node that the application was seen healthy: what was seen, not what was done."""
    if params["operation"] == "record" and not dry:
        store.update_record(params["ctid"], checked_boot=boot)
        prove(store, params)
        audit.write(params["ctid"], "health check", "ok")
    return {"changed": False, "ledger": ledger, "journal": []}


def works(place: Place, params: Params, dry: bool) -> None:
    """Raise GuestError when a feature that is to be recorded doesn't work by its own check, although its role ended."""
    check = params["check"]
    if dry or not check or (params["operation"], params["kind"]) != ("record", "feature"):
        return
    why = featurecheck.check(params["ctid"], check["command"], check["timeout"], place.way)
    if why:
        raise guest.GuestError(f"the check of feature {params['name']} ({check['command'].strip()}) {why}")


def reaches(place: Place, params: Params, dry: bool) -> None:
    """Raise GuestError when what comes next downloads packages, and the container can't resolve where from."""
    if dry or not (params["operation"] == "network" or (params["operation"] == "begin" and params["network"])):
        return
    conf = place.read_conf(params["ctid"])[0]
    configured = conf.head.get("nameserver") if conf is not None else None
    why = guestnetwork.trouble(params["ctid"], configured, place.way)
    if why:
        raise guest.GuestError(why)


def ensure_ours(place: Place, params: Params) -> None:
    """Raise ForeignError when another container has taken the CTID since the run began to work on it."""
    if params["operation"] != "fail":
        identity.ensure_ours(place.read_conf, params["ctid"], place.store)


def operate(place: Place, params: Params, dry: bool, hold: contextlib.ExitStack) -> dict[str, Any]:
    """Do one operation, with the lease held until ``hold`` ends. Returns the module's result."""
    ctid, operation, kind = params["ctid"], params["operation"], params["kind"]
    run = params["run"] or MANUAL
    what = f"{kind} {params['name'] or ''}".strip()
    store = place.store
    audit = Audit(run["id"], quiet=dry or not place.has_trail)
    if not dry and operation != "ask":
        hold.enter_context(place.working(params))
        ensure_ours(place, params)
    if operation == "fail":
        if not dry:
            extras = {"error": (params["error"] or "")[:2000], **tail(params)}
            audit.write(ctid, what, "failed", level="ERROR", extras=extras)
            place.release(params)
        return {"changed": False, "ledger": {}, "journal": []}
    works(place, params, dry)
    reaches(place, params, dry)
    ledger, boot = read(place, ctid)
    if operation in ("ask", "network"):
        return {"changed": False, "ledger": ledger, "journal": []}
    if kind == "health":
        return healthy(params, dry, ledger, boot, store, audit)
    after = change(ledger, params, run["id"], boot)
    journal = []
    if operation == "begin" and store.load(ctid).word != states.CUSTOMIZING:
        journal.append({"op": "node", "what": "state", "params": {"word": states.CUSTOMIZING}})
    if after != ledger:
        verb = {"begin": "begin", "record": "end", "forget": "forget"}[operation]
        text = f"{verb} {params['name']}" if kind == "feature" else verb if kind == "application" else "check health"
        journal.append({"op": "feature" if kind == "feature" else "application", "what": text, "params": {}})
    if not dry and journal:
        seconds = None
        start = began(ledger, params) if operation == "record" else None
        if start is not None:
            seconds = max(0.0, time.time() - start)
        before = store.load(ctid).word
        if journal[0]["what"] == "state":
            store.write_word(ctid, states.CUSTOMIZING)
            audit.write(ctid, f"{before or states.DEFINED}->{states.CUSTOMIZING}", "ok")
        if after != ledger:
            place.write_ledger(ctid, after)
            store.update_record(ctid, ledger=after)
        prove(store, params)
        audit.write(ctid, what, "ok" if operation == "record" else operation, seconds, extras=tail(params))
    attempt = str((after["application"] or {}).get("attempt") or "")
    return {"changed": bool(journal), "ledger": after, "journal": journal, "attempt": attempt}


def on_feature(
    place: Place, held: Params, dry: bool, operation: str, feature: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One operation on a feature of a plan; nothing in check mode, whose plan has it already. Returns the journal."""
    if dry:
        return []
    with contextlib.ExitStack() as hold:
        return list(operate(place, params_of(feature, operation, held), False, hold)["journal"])


def begin(place: Place, held: Params, dry: bool, feature: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Begin a feature; one that can't begin has failed, as one whose role fails. Returns the journal."""
    try:
        return on_feature(place, held, dry, "begin", feature)
    except NodeError as error:
        error.what = error.what or f"feature {feature['name']} can't begin"
        on_feature(place, held, dry, "fail", {**feature, "error": str(error)})
        raise


def enter(place: Place, held: Params, dry: bool, result: Mapping[str, Any]) -> dict[str, Any]:
    """Look for what the work inside needs, and begin its first feature. Returns additions to the result."""
    due = result["due_features"]
    if not (due or result["application_due"] or result["health_due"]):
        return {}
    if not result["running"]:
        if dry:
            return {}
        raise NodeError("it has stopped, and work inside it is due", remedy="look at its log, then run again", **result)
    words = guest.attach(held["ctid"], FOUND, timeout=60.0, way=place.way).stdout.split()
    found: dict[str, Any] = {"has_python": b"found" in words, "interrupted": b"interrupted" in words}
    if due and (found["has_python"] or not dry):
        # Python comes from the network too.
        first = {**due[0], "network": due[0].get("network") or not found["has_python"]}
        found.update(begun=first["name"], journal=begin(place, held, dry, first))
    return found


def in_turn(
    place: Place, params: Params, dry: bool, act: Callable[[], tuple[dict[str, Any], str | None]]
) -> tuple[dict[str, Any], str | None]:
    """The parts of one call of phoenix_lxc_state: record what has ended, ``act``, begin what comes next.

    ``act`` plans and acts: its result, and why the plan was refused, as here. Raises NodeError with what was done.
    """
    held = {name: params.get(name) for name in ("ctid", *LEASE_OPTIONS)}
    result: dict[str, Any] = {}
    journal: list[dict[str, Any]] = []
    refusal = None
    if params["record"]:
        journal += on_feature(place, held, dry, "record", params["record"])
        result["recorded"] = params["record"].get("name") or params["record"]["kind"]
    ends = params["release"] and not dry
    with about("", **result):
        if params["leave_layer"] or not (params["begin"] or (params["record"] and not ends)):
            done, refusal = act()
            journal += done["journal"]
            result = {**done, **result}
            if params["enter"] and not refusal:
                entered = enter(place, held, dry, done)
                journal += entered.pop("journal", [])
                result.update(entered)
        if params["begin"] and not refusal:
            journal += begin(place, held, dry, params["begin"])
            result["begun"] = params["begin"]["name"]
    return {**result, "journal": journal, "changed": bool(journal)}, refusal
