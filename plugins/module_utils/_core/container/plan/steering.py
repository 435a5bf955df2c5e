# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run changes in the ledger on request: at an adoption, to apply something again, or to forget it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import states
from ..applied import ledger as ledgers
from ..known.world import World
from ..model import Entry, Observation, Record, Wanted
from ..refusal import Code, Refusal

APPLICATION = "application"
"""The name by which the application is asked for, beside the names of features."""
AGAIN = "phoenix_force names it"


def forced(wanted: Wanted, record: Record) -> tuple[str, ...]:
    """What is still to be applied again: a run that has begun to does it once."""
    return () if record.forced and record.forced == wanted.run else wanted.force


def book_of(seen: Observation, record: Record) -> Mapping[str, Any] | None:
    """The ledger as far as it is known: that of a stopped container as it was cached."""
    return seen.ledger if seen.ledger is not None else record.ledger if not seen.running else None


def is_adopted(wanted: Wanted, seen: Observation, record: Record) -> bool:
    """Whether the plan takes over a container that is not ours."""
    return seen.exists and not record.ours and not seen.creating and wanted.adopt in ("record", "reapply")


def due(
    wanted: Wanted, record: Record, book: Mapping[str, Any] | None, origin: Mapping[str, Any] | None = None
) -> tuple[list[dict[str, str]], str | None]:
    """(features, application) that are due by the ledger, and by what is forced, whatever the ledger says.

    ``origin`` is the ledger of the clone source of a container that does not exist; its application is none of it.
    """
    again = forced(wanted, record)
    features = ledgers.due_features(wanted.features, without(origin or book, again))
    application = ledgers.application_due(wanted.ctid, wanted.application, without(book, again))
    known = (origin or book or ledgers.empty())["features"]
    for item in features:
        if item["name"] in again and item["name"] in known:
            item["reason"] = AGAIN
    if application and APPLICATION in again and (book or {}).get("application"):
        application = AGAIN
    return features, application


def without(book: Mapping[str, Any] | None, names: tuple[str, ...]) -> Mapping[str, Any] | None:
    """The ledger without some entries."""
    if book is None or not names:
        return book
    features = {name: entry for name, entry in book["features"].items() if name not in names}
    return {**book, "features": features, "application": None if APPLICATION in names else book["application"]}


def to_forget(wanted: Wanted, book: Mapping[str, Any] | None) -> tuple[str, ...]:
    """What of the request the ledger still has."""
    return tuple(name for name in wanted.forget if name in _applied(book))


def refusal(wanted: Wanted, seen: Observation, record: Record) -> Refusal | None:
    """Why the ledger can't forget what it is asked to, or None."""
    if not wanted.forget:
        return None
    book = book_of(seen, record)
    listed = [*(feature.name for feature in wanted.features), *([APPLICATION] if wanted.application else [])]
    kept = [name for name in wanted.forget if name in listed]
    if kept:
        got = f"phoenix_forget names {', '.join(kept)}, which the configuration of container {wanted.ctid} lists"
        remedy = "remove it from the configuration first; phoenix_force applies it again"
        return Refusal(Code.FORGET, got, remedy)
    if book is None:
        why = seen.ledger_error or ("no run has seen its ledger" if seen.exists else "it doesn't exist")
        return Refusal(
            Code.FORGET, f"phoenix_forget: the ledger of container {wanted.ctid} is unknown: {why}", "start it"
        )
    known = _applied(book)
    strange = [name for name in wanted.forget if name not in known and name not in record.forgotten]
    if not strange:
        return None
    got = f"phoenix_forget names {', '.join(strange)}, which the ledger of container {wanted.ctid} does not have"
    return Refusal(
        Code.FORGET, got, f"name one of these: {', '.join(sorted(known)) or 'none; nothing is applied in it'}"
    )


def _applied(book: Mapping[str, Any] | None) -> set[str]:
    names = set((book or ledgers.empty())["features"])
    return names | {APPLICATION} if (book or {}).get("application") else names


def settle(wanted: Wanted, record: Record, world: World, target: int, notes: list[str]) -> None:
    """The steps that change the ledger of a running container."""
    if not world.running:
        if (world.force or world.forget) and world.exists:
            listed = ", ".join((*world.force, *world.forget))
            why = "a template is never entered" if world.template else "the container doesn't run"
            notes.append(f"not done for {listed} (phoenix_force, phoenix_forget): {why}")
        return
    _adopted(wanted, world)
    if world.forget:
        names, world.forget = world.forget, ()
        why = f"phoenix_forget: {', '.join(names)}; nothing is removed inside the container"
        kept = sorted({*record.forgotten, *names})
        # First the note: a run that is cut off can be repeated as it was.
        world.add("forget", why, Entry("node", "record", {"forgotten": kept}), _away(names))
    if world.force and target >= states.rank(states.CUSTOMIZING):
        names, world.force = world.force, ()
        why = f"phoenix_force: {', '.join(names)}; applied again, whatever the ledger says"
        world.add("forget", why, _away(names), Entry("node", "record", {"forced": True}))
    elif world.force:
        notes.append(f"not applied again: {', '.join(world.force)} (phoenix_force): the target state comes before")


def _adopted(wanted: Wanted, world: World) -> None:
    """The ledger of an adopted container: it gets the listed features as installed, or loses them so that they run."""
    if not (world.assume_installed or world.forget_ledger):
        return
    names = tuple(feature.name for feature in wanted.features)
    if world.assume_installed:
        world.assume_installed, world.due, world.application = False, [], None
        why = f"phoenix_adopt: record; assumed to be installed: {', '.join(names) or 'nothing'}"
        about = {"features": list(names), "application": bool(wanted.application)}
        done = Entry("node", "record", {"assume_installed": None})
        world.add("assume", why, Entry("ledger", "assume installed", about), done)
    else:
        world.forget_ledger = False
        why = "phoenix_adopt: reapply; the listed features run, whatever the ledger inside says"
        done = Entry("node", "record", {"forget_ledger": None})
        world.add("forget", why, _away((*names, APPLICATION)), done)


def _away(names: tuple[str, ...]) -> Entry:
    features = [name for name in names if name != APPLICATION]
    return Entry("ledger", "forget", {"features": features, "application": APPLICATION in names})
