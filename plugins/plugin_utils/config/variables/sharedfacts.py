# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that plays, roles and plugins share: one table. Pure.

What people give to a run is in :mod:`runvariables`; here is what the collection itself sets and reads again. A test
finds a variable C(phoenix_*) that is in neither, one that is set elsewhere than its row says, and one without reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """Where a variable comes from, which decides who may set it and how long it lives."""

    INVENTORY = "inventory variable"
    NODE_FACT = "fact of a node"
    CONTROLLER_FACT = "fact of the controller"
    RESULT = "registered result"
    PLAY = "variable of a play or task"
    LOOP = "loop variable"


@dataclass(frozen=True)
class SharedFact:
    """One variable.

    Attributes:
        name: as plays and plugins write it.
        kind: where it comes from.
        type: its type in the words of the documentation.
        meaning: what it holds, as a phrase.
        set_by: the files that set it, from the root of the collection.
        of: whose variable it is, for those of the inventory.
        identity: it says who a container is or what it is to be, so that only the inventory may set it.
        for_people: only playbooks and templates outside of the collection read it.
    """

    name: str
    kind: Kind
    type: str
    meaning: str
    set_by: tuple[str, ...]
    of: str = ""
    identity: bool = False
    for_people: bool = False


_PLUGIN = ("plugins/inventory/phoenix.py",)
_STORED = ("plugins/plugin_utils/config/host/model_keys.py",)
_OBSERVE = ("plugins/action/phoenix_lxc_info.py",)
_PREFLIGHT = ("plugins/action/phoenix_preflight.py",)


def _inventory(
    name: str,
    of: str,
    kind: str,
    meaning: str,
    identity: bool = False,
    for_people: bool = False,
    set_by: tuple[str, ...] = _PLUGIN,
) -> SharedFact:
    return SharedFact(name, Kind.INVENTORY, kind, meaning, set_by, of, identity, for_people)


def _play(name: str, kind: str, meaning: str, *playbooks: str) -> SharedFact:
    return SharedFact(name, Kind.PLAY, kind, meaning, tuple(f"playbooks/{playbook}.yml" for playbook in playbooks))


def _result(name: str, of: str, *playbooks: str) -> SharedFact:
    return SharedFact(
        name, Kind.RESULT, "dictionary", f"Result of {of}", tuple(f"playbooks/{playbook}.yml" for playbook in playbooks)
    )


def _loop(name: str, kind: str, meaning: str, *playbooks: str) -> SharedFact:
    return SharedFact(name, Kind.LOOP, kind, meaning, tuple(f"playbooks/{playbook}.yml" for playbook in playbooks))


TABLE: tuple[SharedFact, ...] = (
    _inventory("phoenix_ctid", "container", "integer", "CTID as a number", identity=True),
    _inventory("phoenix_name", "container", "text", "Host name", identity=True),
    _inventory("phoenix_node", "container", "text", "Inventory name of its node", identity=True),
    _inventory(
        "phoenix_config",
        "container",
        "dictionary",
        "Its keys, `lxc_defaults` merged under them, old spellings renamed",
        identity=True,
    ),
    _inventory(
        "phoenix_settings",
        "`containers`",
        "dictionary",
        "The keys of the containers' file that are for all of them, such as the version of a driver",
        identity=True,
    ),
    _inventory(
        "phoenix_layers",
        "`containers`",
        "dictionary",
        "`layers` of the inventory source: its storage and limits; set where layers are on",
        identity=True,
    ),
    _inventory("phoenix_nodes", "`containers`", "dictionary", "How to reach each node, by its name"),
    _inventory(
        "phoenix_lineage",
        "container",
        "list of text",
        "CTIDs as text: what it is cloned from, oldest first, then itself",
        identity=True,
    ),
    _inventory(
        "phoenix_inherited_features",
        "container",
        "list of text",
        "What its clone sources hold, lowest first; set where there is any",
        identity=True,
    ),
    _inventory(
        "phoenix_application",
        "container",
        "dictionary",
        "`name` and `path` of its application script on the controller",
        identity=True,
    ),
    _inventory(
        "phoenix_model_store",
        "container",
        "path",
        "Folder inside the container where the node's model store is mounted; set where the store has its model",
        identity=True,
        set_by=_STORED,
    ),
    _inventory(
        "phoenix_model_revision",
        "container",
        "text",
        "Revision of its model in the node's store; set with `phoenix_model_store`",
        identity=True,
        set_by=_STORED,
    ),
    _inventory(
        "phoenix_hypervisor_config",
        "node",
        "dictionary",
        "The host's file, with references in place of secrets",
    ),
    _inventory(
        "phoenix_api",
        "node",
        "dictionary",
        "How the node is reached by an API token, with a reference in place of its secret; set where it is",
        set_by=("plugins/plugin_utils/config/documents/api_entry.py", "playbooks/tasks/find_nodes.yml"),
    ),
    _inventory(
        "phoenix_guest_ssh",
        "node and container",
        "dictionary",
        "How the containers of a node that a token reaches are entered over SSH; set where they are",
        identity=True,
        set_by=(
            "plugins/plugin_utils/config/documents/guest_entry.py",
            "plugins/plugin_utils/config/files/container_access.py",
            "playbooks/tasks/find_nodes.yml",
        ),
    ),
    _inventory("phoenix_node_ctids", "node", "list of integers", "The CTIDs that the file has on this node"),
    _inventory("phoenix_inventory_id_is_given", "all", "true or false", "Whether the inventory source names its id"),
    _inventory("phoenix_config_dir", "all", "path", "Folder of the containers' file", identity=True),
    _inventory("phoenix_config_file", "all", "path", "The containers' file on the controller", identity=True),
    _inventory("phoenix_config_files", "all", "dictionary", "The paths of both files on the controller", identity=True),
    _inventory("phoenix_config_errors", "all", "list of text", "The errors of both files, one by one", for_people=True),
    _inventory("phoenix_config_report", "all", "text", "The errors as one text; empty when all is well"),
    _inventory("phoenix_config_warnings", "all", "list of text", "Old spellings that were found", for_people=True),
    SharedFact(
        "phoenix_fleet",
        Kind.CONTROLLER_FACT,
        "dictionary",
        "The containers in play: `nodes` to their containers, `lacking` nodes to be added, `stranded` containers",
        ("plugins/action/phoenix_check.py",),
    ),
    SharedFact(
        "phoenix_due",
        Kind.NODE_FACT,
        "list of text",
        "Inventory names of the containers on the node that have work to do or a fault; the second play runs for them",
        _OBSERVE,
    ),
    SharedFact(
        "phoenix_observed",
        Kind.NODE_FACT,
        "dictionary",
        "CTID as text to what `phoenix_lxc_info` returns of the container, its plan included",
        _OBSERVE,
    ),
    SharedFact(
        "phoenix_faults",
        Kind.NODE_FACT,
        "dictionary",
        "Inventory name to the message with which the container fails; with those of the preflight",
        _OBSERVE + _PREFLIGHT,
    ),
    SharedFact(
        "phoenix_downloads",
        Kind.NODE_FACT,
        "list of dictionaries",
        "Templates that the node lacks, each with the `ctids` that wait for it",
        _OBSERVE,
    ),
    _play(
        "phoenix_without_node",
        "list of text",
        "Containers in play whose node is not in the inventory of the run",
        "status",
        "why",
    ),
    _play(
        "phoenix_acts",
        "true or false",
        "Whether changes follow: the nodes are checked for them, and little is returned of a container without work",
        "containers",
    ),
    _play("phoenix_explain", "true or false", "Whether the plan of each container is explained", "why"),
    _play("phoenix_node_facts", "list of dictionaries", "Facts of each node in play", "status", "why"),
    _play("phoenix_unobserved", "list of text", "Containers whose state is unknown", "status", "why"),
    _play("phoenix_host_roles", "list of text", "Host roles for which the host's file has a key", "hypervisor"),
    _play("phoenix_host_due", "list of text", "Those of them that have something to do", "hypervisor"),
    _play("phoenix_host_sections", "list of text", "Sections of the host's file that undo what left it", "hypervisor"),
    _play("phoenix_driver_roles", "list of text", "Host roles that install a GPU driver", "hypervisor"),
    _play("phoenix_awx_defaults", "dictionary", "Settings of AWX and their defaults", "awx"),
    _play("phoenix_awx_settings", "dictionary", "Settings of AWX, those of `phoenix_awx` over the defaults", "awx"),
    _play("phoenix_awx_credentials", "list of text", "Credentials of the job templates", "awx"),
    _play("phoenix_awx_form", "dictionary", "What all questions of surveys have", "awx"),
    _play("phoenix_awx_questions", "dictionary", "Variable to its question in surveys", "awx"),
    _play("phoenix_awx_templates", "list of dictionaries", "The job templates", "awx"),
    _play("phoenix_awx_workflows", "list of dictionaries", "The workflows with an approval", "awx"),
    _play("phoenix_awx_survey", "list of text", "Variables of the survey of a workflow", "awx"),
    _play("phoenix_part_of_site", "true or false", "Set where `site` reports at its own end", "site"),
    _play(
        "phoenix_fault",
        "text",
        "Why this container is not touched; empty without a fault",
        "tasks/container",
        "require_nodes",
    ),
    _play("phoenix_seen", "dictionary", "What its node has observed of this container", "tasks/container"),
    _play("phoenix_no_node", "text", "The fault of a container whose node the inventory lacks", "tasks/container"),
    _play("phoenix_stages", "dictionary", "Files of tasks for it, each with whether it is needed", "tasks/container"),
    _play("phoenix_first", "list of text", "Those that are needed, in order", "tasks/container"),
    _play(
        "phoenix_part",
        "dictionary",
        "A part of what is due inside, such as a feature",
        "tasks/container",
        "tasks/change",
    ),
    _play(
        "phoenix_followups",
        "dictionary",
        "Files of tasks after a change, each with whether it is needed",
        "tasks/update_container",
    ),
    _play("phoenix_kinds", "list of text", "The kinds of steps of an update's plan", "tasks/update_container"),
    _play("phoenix_rest", "list of text", "Containers that a failed update leaves out", "tasks/update_inside"),
    _play(
        "phoenix_is_recorded",
        "boolean",
        "Whether the failure came after the record of the feature or application",
        "tasks/application",
        "tasks/feature",
        "tasks/feature_python",
    ),
    _play("phoenix_planned", "list of dictionaries", "The steps that its node has planned for it", "tasks/container"),
    _play(
        "phoenix_services_above",
        "list of text",
        "systemd units of the features that follow in this run and start them again",
        "tasks/feature",
    ),
    _result("phoenix_logs_found", "`phoenix_logs`: the lines for people", "logs"),
    _result("phoenix_reported", "`phoenix_plan_report`: the changes, and the text to fail with", "report"),
    _result("phoenix_explained", "`phoenix_why`: the lines for people", "why"),
    _result(
        "phoenix_step",
        "`phoenix_lxc_state`: what is due inside the container, notes and changes",
        "tasks/container",
        "tasks/change",
        "tasks/update_container",
    ),
    _result(
        "phoenix_undone", "`phoenix_lxc_state` after a failed guarded change", "tasks/guarded", "tasks/update_inside"
    ),
    _result("phoenix_node_updates", "listing the updates of a node", "tasks/update_node"),
    _result("phoenix_source", "waiting for the clone source", "tasks/await_slice", "tasks/skip_clone"),
    _play("phoenix_source_slice", "seconds", "Length of a slice of the wait, 60 without it; for tests"),
    _result("phoenix_dpkg", "finishing an interrupted installation", "tasks/dpkg"),
    _result("phoenix_application_begun", "the begin of the application, with its attempt", "tasks/application"),
    _result("phoenix_application_result", "`phoenix_application`", "tasks/application"),
    _result("phoenix_host_claims", "`phoenix_host_claims`: what this and other inventories set", "hypervisor"),
    _result("phoenix_host_looked", "`phoenix_host_look`: the host roles with something to do", "hypervisor"),
    SharedFact(
        "phoenix_plan",
        Kind.RESULT,
        "dictionary",
        "Plan or journal of the run, a statistic that AWX shows as an artifact",
        ("plugins/action/phoenix_plan_report.py",),
        for_people=True,
    ),
    _result("phoenix_compared", "`phoenix_plan_compare`", "compare"),
    _result("phoenix_checked", "`phoenix_check`", "destroy", "import"),
    _result("phoenix_found", "looking for the containers to destroy on every node", "destroy"),
    _result("phoenix_doomed", "`phoenix_destroy_plan`: what is destroyed", "destroy"),
    _result("phoenix_read", "reading each node", "import"),
    _result("phoenix_written", "`phoenix_import_files`: the files, and what is not in them", "import"),
    _loop(
        "phoenix_one_node",
        "text",
        "A node of the inventory",
        "destroy",
        "import",
        "tasks/find_nodes",
    ),
    _loop("phoenix_one_container", "dictionary", "A container to destroy", "destroy"),
    _loop("phoenix_awx_template", "dictionary", "A row of `phoenix_awx_templates`", "awx"),
    _loop("phoenix_awx_workflow", "dictionary", "A row of `phoenix_awx_workflows`", "awx"),
    _loop("phoenix_driver_role", "text", "A role of `phoenix_driver_roles`", "hypervisor"),
    _loop("phoenix_stage", "dictionary", "A file of tasks for a container that has work to do", "tasks/container"),
    _loop("phoenix_followup", "text", "A file of tasks for what follows an update", "tasks/update_container"),
    _loop("phoenix_work", "dictionary", "The same after what had to come first", "tasks/change"),
    _loop("phoenix_node_fact", "dictionary", "A fact of the node that the role asks for", "tasks/node_facts"),
    _loop("phoenix_wait_hours", "integer", "Whether the wait is past its first slice", "tasks/await_source"),
    _loop("phoenix_wait_minutes", "integer", "Counts slices of the wait", "tasks/await_hours"),
    _loop("phoenix_wait_slice", "integer", "Counts slices of the wait", "tasks/await_minutes"),
)

BY_NAME = {fact.name: fact for fact in TABLE}

#: What the inventory plugin sets for a container: who it is, and what it is to be.
#: One of them people may give to a run too, so its row is in runvariables.
IDENTITY = (*(fact.name for fact in TABLE if fact.identity), "phoenix_feature_collections")
