#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_shares_survey
short_description: Compare NFS exports, Samba shares and shared folders with the configuration
version_added: 0.1.0
description:
  - Changes nothing. Returns the content of the drop-in files and the folders to be made, for other modules.
  - The drop-in files hold what other inventories have set too. A part that is not O(managed) stays as it is.
  - Fails with all refusals before any change. It refuses an export or share without an existing folder, and one that
    another file already has.
  - A shared folder that is not empty and belongs to another user is explained in RV(notes) and keeps its owner.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
  - phoenix.hypervisor.claims
options:
  managed:
    description: The parts that the file has.
    type: list
    elements: str
    choices: [nfs, samba]
    default: [nfs, samba]
  exports:
    description: The NFS exports, as the filter P(phoenix.hypervisor.host_config#filter) gives them.
    type: list
    elements: dict
    default: []
  shares:
    description: The Samba shares, as that filter gives them.
    type: list
    elements: dict
    default: []
  workgroup:
    description: Samba's workgroup; empty leaves it.
    type: str
    default: ''
  volumes:
    description: The shared folders, as that filter gives them.
    type: list
    elements: dict
    default: []
  accounts:
    description: Accounts that are to have a Samba password.
    type: list
    elements: str
    default: []
  folders_to_come:
    description: Folders that a part of this run which is only predicted would make.
    type: list
    elements: str
    default: []
  accounts_to_come:
    description: Accounts that such a part would make.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Compare with the current state
  phoenix.hypervisor.phoenix_shares_survey:
    exports: "{{ (phoenix_hypervisor_config | phoenix.hypervisor.host_config).exports }}"
  register: survey
"""

RETURN = r"""
exports:
  description: What C(/etc/exports.d/phoenix.exports) is to hold; empty when it is to go.
  returned: success
  type: str
exports_before:
  description: What it holds; empty when it is not there.
  returned: success
  type: str
export_due:
  description: Whether exports have changed since exportfs last read them.
  returned: success
  type: bool
smb:
  description: What C(/etc/samba/phoenix.conf) is to hold; empty when it is to go.
  returned: success
  type: str
smb_before:
  description: What it holds; empty when it is not there.
  returned: success
  type: str
due:
  description: The parts whose record of this inventory changes.
  returned: success
  type: list
  elements: str
folders:
  description: The shared folders with C(path), C(owner), C(group) and C(mode).
  returned: success
  type: list
  elements: dict
accounts:
  description: The accounts that are not there.
  returned: success
  type: list
  elements: str
notes:
  description: What differs and is left.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host import ownership, sections
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage import share_plan
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError, failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host import claimed
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host import exports as seen
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.host.section_records import Section


def file_diff(path: str, before: str, after: str) -> list[dict[str, str]]:
    """One file's entry of a diff, nothing when it stays as it is."""
    return [] if before == after else [{"before_header": path, "after_header": path, "before": before, "after": after}]


@failing("the node's shares can't be looked at")
def work(module: AnsibleModule) -> dict[str, Any]:
    """Look and compare."""
    desired = {key: module.params[key] for key in ("exports", "shares", "volumes", "workgroup")}
    paths = {row["path"] for key in ("exports", "shares", "volumes") for row in desired[key]}
    folders = {path: seen.folder(path) for path in paths}
    plan = share_plan.plan(
        desired, seen.exports_by_hand(), seen.text(seen.SMB_CONF), folders, module.params["folders_to_come"]
    )
    if plan.errors:
        raise NodeError("Nothing has been changed. " + "; ".join(plan.errors), errors=plan.errors)
    for note in plan.notes:
        module.warn(note)
    before = {"exports": seen.text(share_plan.EXPORTS), "smb": seen.text(share_plan.SMB)}
    told, unrecorded = _with_others(module, plan, desired, before)
    accounts = [name for name in module.params["accounts"] if not seen.has_account(name)]
    lines = [f"folder {line}" for line in folder_lines(plan.folders, folders)]
    lines += [
        f"make account {name}, without a login shell"
        for name in accounts
        if name not in module.params["accounts_to_come"]
    ]
    due = seen.export_is_due()
    if due and before["exports"] == plan.exports:
        lines.append("reload the exports: exportfs -ra")
    if plan.smb and share_plan.INCLUDE not in seen.text(seen.SMB_CONF):
        lines.append(f"add to {seen.SMB_CONF}: {share_plan.INCLUDE}")
    diff: list[dict[str, str]] = [{"prepared": "".join(f"{line}\n" for line in lines)}] if lines else []
    diff += file_diff(share_plan.EXPORTS, before["exports"], plan.exports)
    diff += file_diff(share_plan.SMB, before["smb"], plan.smb)
    return {
        # What is still to be made is the change of the tasks that make it; in check mode they don't run.
        "changed": bool(diff) and module.check_mode,
        "exports": plan.exports,
        "exports_before": before["exports"],
        "export_due": due,
        "smb": plan.smb,
        "smb_before": before["smb"],
        "folders": plan.folders,
        "accounts": accounts,
        "due": unrecorded,
        "notes": [*told["notes"], *plan.notes],
        "diff": diff if module.check_mode else [],
    }


def _with_others(
    module: AnsibleModule, plan: share_plan.Plan, desired: dict[str, Any], before: dict[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """Put what other inventories set into the plan's files, and leave a part alone that is not managed."""
    inventory, consent = claimed.who(module), claimed.consent(module)
    found: dict[str, ownership.Verdict] = {}
    due = []
    for name in module.params["managed"]:
        section, wanted = Section(name, inventory, consent), sections.wanted(name, desired)
        found[name] = section.judge(wanted)
        due += [name] if section.is_due(wanted, found[name]) else []
        if name == "nfs":
            same = [{item: one[item] for item in one if item in wanted} for one in section.foreign()]
            plan.exports = share_plan.exports_text(sections.exports([found[name].others, wanted, *same]))
        else:
            items = {**found[name].others, **wanted}
            rows = [value for item, value in sorted(items.items()) if item != sections.WORKGROUP]
            plan.smb = share_plan.smb_text(rows, str(items.get(sections.WORKGROUP, "")))
    if "nfs" not in found:
        plan.exports = before["exports"]
    if "samba" not in found:
        plan.smb = before["smb"]
    return claimed.judge(module, inventory, consent, found), due


def folder_lines(wanted: list[dict[str, Any]], folders: dict[str, share_plan.Folder]) -> list[str]:
    """The folders that are to be made or changed, in words."""
    lines = []
    for row in wanted:
        found = folders[row["path"]]
        now = (str(found.owner), str(found.group), f"{found.mode:04o}")
        text = f"{row['path']}: {row['owner']}:{row['group']} {row['mode']}"
        if not found.kind:
            lines.append(text)
        elif now != (row["owner"], row["group"], row["mode"]):
            lines.append(f"{text} (now {now[0]}:{now[1]} {now[2]})")
    return lines


def main() -> None:
    """Module entry point."""
    rows: dict[str, Any] = {"type": "list", "elements": "dict", "default": []}
    names: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
    run_module(
        {
            "exports": rows,
            "shares": rows,
            "volumes": rows,
            "workgroup": {"type": "str", "default": ""},
            "accounts": names,
            "folders_to_come": names,
            "accounts_to_come": names,
            "managed": {**names, "choices": ["nfs", "samba"], "default": ["nfs", "samba"]},
            **claimed.OPTIONS,
        },
        work,
    )


if __name__ == "__main__":
    main()
