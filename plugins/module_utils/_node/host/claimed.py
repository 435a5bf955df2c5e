# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules have in common that undo what an inventory set earlier: their options, and what ends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..._core.host import ownership, sections
from ..failure import NodeError
from . import section_records as records

OPTIONS: dict[str, Any] = {
    "inventory": {"type": "str", "default": "default"},
    "consent": {"type": "raw"},
}
REMEDY = "To keep them, put them back into the file, or remove the whole section: then nothing of it is managed."


def who(module: AnsibleModule) -> str:
    """Return the id of the inventory. Raises NodeError when it is none."""
    inventory = str(module.params["inventory"])
    if not ownership.INVENTORY_ID.match(inventory):
        raise NodeError(
            f'inventory: got "{inventory}", expected letters, digits, dots, underscores and hyphens, 63 at most'
        )
    return inventory


def consent(module: AnsibleModule) -> ownership.Consent:
    """Return what the operator lets go. Raises NodeError when that can't be read."""
    try:
        return ownership.parse_consent(module.params["consent"], ownership.SECTIONS)
    except ValueError as error:
        raise NodeError(f"Nothing is touched. {error}") from None


def judge(
    module: AnsibleModule,
    inventory: str,
    given: ownership.Consent,
    found: Mapping[str, ownership.Verdict],
    warns: bool = False,
) -> dict[str, Any]:
    """Return a part of the result. Raises NodeError where the records forbid what is wanted.

    With `warns` it prints what stays and which consent is missing: once a run is enough.
    """
    conflicts = [line for verdict in found.values() for line in verdict.conflicts]
    if conflicts:
        raise NodeError("Nothing is touched.\n" + "\n".join(conflicts), conflicts=conflicts)
    gone, missing, notes = [], [], []
    for name, verdict in found.items():
        gone += [f"{name}:{item}" for item, value in sorted(verdict.gone.items()) if sections.is_listed(name, value)]
        missing += records.Section(name, inventory, given).without_consent(verdict)
        notes += [
            f"{name}:{item} is no longer in the file and stays: {', '.join(ids)} sets it too"
            for item, ids in sorted(verdict.shared.items())
            if sections.is_listed(name, verdict.others[item])
        ]
        notes += [
            f"{name}:{item} was set by an earlier version for an inventory that it did not record, and stays. To undo "
            f"it: {ownership.option([f'{name}:{item}'])}"
            for item in verdict.unknown
            if sections.is_listed(name, verdict.others[item])
        ]
    if missing and not module.check_mode:
        raise NodeError(refusal(inventory, missing), missing=missing)
    if missing and warns:
        needed, option = ", ".join(missing), ownership.option(missing)
        module.warn(f"A real run would refuse: it needs a consent for {needed}. Give it with {option}")
    for note in notes if warns else ():
        module.warn(note)
    return {"gone": gone, "missing": missing, "notes": notes}


def refusal(inventory: str, missing: list[str]) -> str:
    """Return why a real run stops, what goes, and the exact option that lets it go."""
    listed = "".join(f"\n  {name}" for name in missing)
    return (
        f'Nothing is touched. The inventory "{inventory}" set these items on this node, its file no longer has them, '
        f"and their removal cuts off access:{listed}\n"
        f"To let them go, run again with {ownership.option(missing)}\n{REMEDY}"
    )
