# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that describe a wanted container, wherever modules have them: as options, or in a list of containers."""

from __future__ import annotations

import json
import typing as t

import yaml

OPTIONS: dict[str, t.Any] = yaml.safe_load(r"""
ctid:
  description: The container's id, from 100 to 999999999.
  type: int
  required: true
state:
  description:
    - Where to stop. The first six are the states of the way up; nothing is ever rolled back to reach one of them.
    - V(absent) destroys the container and needs O(confirm).
  type: str
  choices: [defined, created, configured, running, customizing, completed, absent]
  default: completed
config:
  description: The container's configuration, with the keys of C(phoenix_lxc_configs.json).
  type: dict
  default: {}
features:
  description:
    - The features to be applied inside the container, lowest first, as the action plugin completes them.
    - Each has at least C(name) and C(digest).
  type: list
  elements: dict
  default: []
application:
  description: The application to be run after the features, with C(name), C(digest) and C(health).
  type: dict
source:
  description:
    - The clone source, with the same keys as this module's options, when the same run still has work on it.
    - Only a plan in check mode can use it, a real run needs the source itself.
  type: dict
inherited:
  description: The names of features that only the container's clone sources list.
  type: list
  elements: str
  default: []
classes:
  description: Classes of devices that the container's features need, those of its clone sources included.
  type: list
  elements: str
  default: []
assignment:
  description:
    - "The GPUs that the container sees: V(none), or indices, PCI addresses or UUIDs with commas between them."
    - Without it all of the node's. It matters only with the class of a GPU vendor.
  type: str
clone_snapshot:
  description: The snapshot of the clone source to clone from, if it has it.
  type: str
adopt:
  description:
    - What to do with a container that exists but is not one that this collection created or adopted.
    - V(no) refuses, V(record) assumes that the listed features are installed, V(reapply) runs them, whatever the
      ledger inside says.
  type: str
  choices: ['no', record, reapply]
  default: 'no'
confirm:
  description: The CTIDs that may be destroyed. O(ctid) must be among them for O(state=absent).
  type: list
  elements: int
  default: []
recreate:
  description:
    - The containers that are to be destroyed and recreated. When O(ctid) is among them and the container exists,
      it is destroyed with all its volumes first, whether or not anything is to change.
    - Refused for containers that are not ours, protected, held, or the source of linked clones.
    - An interrupted recreation continues and destroys nothing twice. The run that has recreated a container does not
      do it again; another run that names it does.
  type: list
  elements: int
  default: []
force:
  description:
    - The features, and V(application), to apply again, whatever the ledger says.
    - The run that has begun to does it once; another run that names them does it again.
  type: list
  elements: str
  default: []
forget:
  description:
    - The features, and V(application), that the ledger no longer says are applied. Nothing is removed inside.
    - Refused for what the configuration lists, and for what the ledger does not have.
  type: list
  elements: str
  default: []
update:
  description:
    - Updates the packages of a running container, instead of taking it to its target state.
    - V(begin) lists them and takes a snapshot, or makes a backup where PVE takes no snapshot; nothing where all
      packages are current. Whoever calls updates them then, and checks the container.
    - V(end) runs the checks of the features that are applied, and removes the snapshot or backup when all are good.
    - A held, stopped or template container is left alone with a note.
  type: str
  choices: [begin, end]
layers:
  description: Where layers are kept, and for how long. Without it the container is created without layers.
  type: dict
power:
  description:
    - Starts or stops a container that exists, instead of taking it to its target state.
    - V(shutdown) lets it end within a minute, V(stop) does not. A container that was stopped so stays stopped in every
      run until V(start) or V(restart), or until somebody starts it by hand.
  type: str
  choices: [start, stop, shutdown, restart]
""")

# What the preflight needs of a container beside some of these.
PREFLIGHT_OPTIONS: dict[str, t.Any] = yaml.safe_load(r"""
plan:
  description: Its plan, as RV(phoenix.hypervisor.phoenix_lxc_info#module:containers) has it.
  type: dict
  required: true
servers:
  description:
    - What the manifests of its features declare of servers that take memory of GPUs, each with the container's keys
      that say how much. An empty key is one that the server does not have.
  type: list
  elements: dict
  default: []
  suboptions:
    name:
      description: The name of the server.
      type: str
      required: true
    memory_share:
      description: The key with the part of each GPU's memory that it takes, from 0 to 1.
      type: str
      default: ""
    default_memory_share:
      description: The part that it takes with a model but without that key.
      type: float
    ranks:
      description: The key with the number of GPUs that it needs at the same time.
      type: str
      default: ""
    model:
      description: The key with the model that it serves.
      type: str
      default: ""
outside:
  description: The guests that it depends on and that the file does not have. A missing one is a warning.
  type: list
  elements: int
  default: []
layer_storage:
  description: The storage of the layers that it starts from or leaves. Empty for a container without layers.
  type: str
  default: ""
""")

# What it needs beside the containers.
DEMAND_OPTIONS: dict[str, t.Any] = yaml.safe_load(r"""
coming:
  description:
    - Names of storages, bridges and folders that the hypervisor's configuration makes. In check mode they need not
      exist yet.
    - Filled in by the action plugin.
  type: list
  elements: str
  default: []
neighbors:
  description: Containers of the file that the run leaves alone. Filled in by the action plugin.
  type: list
  elements: dict
  default: []
  suboptions:
    ctid:
      description: CTID of such a container.
      type: int
      required: true
    share:
      description: The share of its GPUs' memory that it takes according to the file, the sum of its servers.
      type: float
      required: true
credential:
  description:
    - The user or API token (C(user@realm!name)) whose privileges are checked for what the run does.
    - V(root@pam) has every privilege, and no privilege is checked for it.
  type: str
  default: root@pam
""")


def _documentation(options: dict[str, t.Any]) -> str:
    """The text of a fragment: JSON is YAML, and quicker to read."""
    return json.dumps({"options": options})


class ModuleDocFragment:
    """All options, the CTID alone, and those of the preflight: its containers, its demands, and both in one option."""

    DOCUMENTATION: str = _documentation(OPTIONS)

    CTID: str = _documentation({"ctid": OPTIONS["ctid"]})

    CANDIDATES: str = _documentation(
        {
            "containers": {
                "description": [
                    "The containers that the run would work on, in its order.",
                    "The action plugin makes it from O(ignore:hosts), the inventory names of observed containers.",
                ],
                "type": "list",
                "elements": "dict",
                "default": [],
                "suboptions": {
                    **{name: OPTIONS[name] for name in ("ctid", "config", "classes", "assignment")},
                    **PREFLIGHT_OPTIONS,
                },
            }
        }
    )

    DEMANDS: str = _documentation(DEMAND_OPTIONS)

    PREFLIGHT: str = _documentation(
        {
            "preflight": {
                "description": [
                    "Check in the same call whether the node can carry out what is planned, and return RV(preflight).",
                    "M(phoenix.hypervisor.phoenix_preflight) makes the same check.",
                    "It may be empty. The action plugin completes it.",
                ],
                "type": "dict",
                "suboptions": {
                    **DEMAND_OPTIONS,
                    "needs": {
                        "description": "What the check must know of some of the containers.",
                        "type": "list",
                        "elements": "dict",
                        "default": [],
                        "suboptions": {
                            **{name: OPTIONS[name] for name in ("ctid", "classes", "assignment")},
                            **{name: PREFLIGHT_OPTIONS[name] for name in ("servers", "outside")},
                        },
                    },
                },
            }
        }
    )
