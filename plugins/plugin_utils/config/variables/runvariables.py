# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that people give to a run: one table, from which values are read, checked and documented. Pure.

A value comes from a JSON or YAML file, from ``-e name=value`` as text, or from a survey of AWX, where a question that
nobody answered is a blank text. A blank value means the default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.asked_options import POWER
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.states import STATES
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.ownership import INVENTORY_ID
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.finding import show
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.config.variables import runvalues


class RunVariableError(ValueError):
    """A variable's value can't be used: what it is, what is expected, what to do."""

    def __init__(self, name: str, got: str, expected: str, remedy: str) -> None:
        self.name, self.got, self.expected, self.remedy = name, got, expected, remedy
        super().__init__(f"{name}: got {got}, expected {expected}. {remedy}".rstrip())


@dataclass(frozen=True)
class RunVariable:
    """One variable.

    Attributes:
        name: as it is given to a run.
        type: its type in the words of the documentation.
        default: what an absent or blank value means, as the documentation writes it; the reader of the value decides.
        meaning: one sentence for the documentation.
        read: turns a value that is not blank into its one form, or raises ValueError with what is expected.
        choices: the words it may have, if it is one of a few words.
        secret: its value is never shown.
        blank: a blank value means the default; else it is refused, because ansible-core itself reads the variable.
    """

    name: str
    type: str
    default: str
    meaning: str
    read: Callable[[Any], Any]
    choices: tuple[str, ...] = ()
    secret: bool = False
    blank: bool = True


TABLE: tuple[RunVariable, ...] = (
    RunVariable(
        "phoenix_target_state",
        "word",
        "the key `target_state`, else `completed`",
        "State to stop at. A run never moves a container to an earlier state.",
        runvalues.word(STATES),
        STATES,
    ),
    RunVariable(
        "phoenix_adopt",
        "word, or mapping from CTID to word",
        "`no`",
        "What to do with a foreign container under a CTID of the file: refuse, take it over as it is (`record`), or "
        "take it over and apply its features (`reapply`).",
        runvalues.adopt,
        runvalues.ADOPT,
    ),
    RunVariable(
        "phoenix_recreate_ctids",
        "CTIDs",
        "none",
        "Containers to destroy with their volumes and to recreate. Give it on the command line, for one run.",
        runvalues.ctids,
    ),
    RunVariable(
        "phoenix_new_host_key_ctids",
        "CTIDs",
        "none",
        "Containers whose SSH host key was renewed: the one that answers is taken, with `guest_ssh` of their node.",
        runvalues.ctids,
    ),
    RunVariable(
        "phoenix_force",
        "list of features, or `application`",
        "none",
        "What to apply again, once, in the containers of the run that list it, whatever their ledgers say.",
        runvalues.features,
    ),
    RunVariable(
        "phoenix_forget",
        "list of features, or `application`",
        "none",
        "What the ledgers of `phoenix_forget_ctids` forget. Nothing is removed inside. Not for what the file lists.",
        runvalues.features,
    ),
    RunVariable(
        "phoenix_forget_ctids", "CTIDs", "none", "The containers that `phoenix_forget` is for.", runvalues.ctids
    ),
    RunVariable("phoenix_destroy", "CTIDs", "", "For `destroy`: the containers to destroy.", runvalues.ctids),
    RunVariable(
        "phoenix_destroy_confirm",
        "CTIDs",
        "asked for at a terminal",
        "For `destroy`: the same list again.",
        runvalues.ctids,
    ),
    RunVariable(
        "phoenix_import_ctids",
        "CTIDs",
        "all of the nodes",
        "For `import`: the containers to import.",
        runvalues.ctids,
    ),
    RunVariable(
        "phoenix_import_to",
        "folder",
        "`imported`",
        "For `import`: the folder of the controller for both files. A relative one begins at the working directory.",
        runvalues.text,
    ),
    RunVariable(
        "phoenix_import_overwrite",
        "true or false",
        "`false`",
        "For `import`: whether to replace files that exist with other content.",
        runvalues.flag,
    ),
    RunVariable(
        "phoenix_plan_file",
        "path",
        "none",
        "File on the controller that the run writes: a plan in check mode, else a journal in the same form.",
        runvalues.file,
    ),
    RunVariable(
        "phoenix_plan_mode",
        "text",
        "`0600`",
        "Mode of that file, as octal digits in quotes.",
        runvalues.mode,
    ),
    RunVariable("phoenix_journal_file", "path", "", "For `compare`: the journal of the real run.", runvalues.file),
    RunVariable(
        "phoenix_fail_on_changes",
        "true or false",
        "`false`",
        "Whether the run fails at its end when something is due in check mode, or was changed in a real run.",
        runvalues.flag,
    ),
    RunVariable(
        "phoenix_status_file",
        "path",
        "none",
        "For `status`: a file of the controller for the status, JSON for `.json`, else a page of HTML.",
        runvalues.text,
    ),
    RunVariable(
        "phoenix_why_file",
        "path",
        "none",
        "For `why`: a file of the controller for the explanation as JSON.",
        runvalues.text,
    ),
    RunVariable(
        "phoenix_logs_to",
        "folder",
        "the screen",
        "For `logs`: the folder of the controller for the logs. A relative one begins at the working directory.",
        runvalues.text,
    ),
    RunVariable(
        "phoenix_awx",
        "mapping",
        "none",
        "For `awx`: the settings of the project and templates in AWX.",
        runvalues.environment,
    ),
    RunVariable(
        "phoenix_power",
        "word",
        "",
        "For `power`: what to do with the containers of the run. `stop` cuts off, `shutdown` lets them end.",
        runvalues.word(POWER),
        POWER,
    ),
    RunVariable(
        "phoenix_update_batch",
        "number",
        "`1`",
        "For `update`: how many containers are updated at the same time.",
        lambda value: runvalues.seconds(value, "containers"),
    ),
    RunVariable(
        "phoenix_update_host",
        "true or false",
        "`false`",
        "For `update`: whether to update the packages of the nodes of the run, too, before those of their containers.",
        runvalues.flag,
    ),
    RunVariable(
        "phoenix_missing_node",
        "word",
        "`fail`",
        "What to do with a container whose node is not in the inventory of the run: fail it, or reach the node as the "
        "inventory source says (`reach`).",
        runvalues.word(("fail", "reach")),
        ("fail", "reach"),
    ),
    RunVariable(
        "phoenix_host_consent",
        "list of sections or items",
        "none",
        "What a run may remove from a node although that cuts off access, such as `network:vmbr1` or `nfs`.",
        runvalues.consent,
    ),
    RunVariable(
        "phoenix_inventory_id",
        "text",
        "`inventory_id` of the inventory source",
        "Id under which nodes record what this inventory set on them.",
        runvalues.matching(INVENTORY_ID, "letters, digits, dots, underscores and hyphens, 63 at most"),
        blank=False,
    ),
    RunVariable(
        "phoenix_credential",
        "text",
        "`root@pam`",
        "User or API token (`user@realm!name`) whose privileges the preflight checks.",
        runvalues.matching(runvalues.CREDENTIAL, "a user or token of PVE, such as automation@pve!phoenix"),
    ),
    RunVariable(
        "phoenix_application_env",
        "mapping",
        "none",
        "Further variables for the application script and its health check; their values are kept out of logs.",
        runvalues.environment,
        secret=True,
    ),
    RunVariable(
        "phoenix_application_timeout",
        "seconds",
        "`3600`",
        "How long an application script may take.",
        runvalues.seconds,
    ),
    RunVariable(
        "phoenix_application_path",
        "list of folders",
        "see `application_path`",
        "Where application scripts are searched for. Only with `-e`.",
        runvalues.folders,
    ),
    RunVariable(
        "phoenix_feature_collections",
        "list of collections",
        "none",
        "Collections in which a plain feature name is looked for, after this one.",
        runvalues.collections,
    ),
    RunVariable(
        "phoenix_digest_key",
        "text",
        "none",
        "Key with which secret variables enter the digests. Set it, vault-encrypted, when roles or scripts take "
        "secrets.",
        runvalues.text,
        secret=True,
    ),
    RunVariable(
        "phoenix_pct_method",
        "word",
        "`lxc-attach`",
        "How commands enter a container.",
        runvalues.word(("lxc-attach", "pct")),
        ("lxc-attach", "pct"),
        blank=False,
    ),
    RunVariable(
        "phoenix_pct_transport",
        "word",
        "from the inventory",
        "How the node is reached, or with `guest` the container itself.",
        runvalues.word(("ssh", "local", "guest")),
        ("ssh", "local", "guest"),
        blank=False,
    ),
    RunVariable(
        "phoenix_pct_node_become",
        "true or false",
        "as the user on the node needs it",
        "Whether to use `sudo -n` on the node to enter containers.",
        runvalues.flag,
        blank=False,
    ),
    RunVariable(
        "phoenix_warm_interpreter",
        "true or false",
        "`true`",
        "Whether modules run in a Python that stays in the container, or on the node, between the tasks of a run.",
        runvalues.flag,
        blank=False,
    ),
    RunVariable(
        "phoenix_busy_timeout",
        "seconds",
        "`300`",
        "How long a task waits while another run works in the container.",
        runvalues.seconds,
        blank=False,
    ),
    RunVariable(
        "phoenix_command_timeout",
        "seconds",
        "`7200`",
        "After how long a command in a container is ended, and its task fails.",
        runvalues.seconds,
        blank=False,
    ),
    RunVariable(
        "phoenix_output_limit_mb",
        "MiB",
        "`64`",
        "How much a command in a container may write on each stream; fetched files do not count.",
        lambda value: runvalues.seconds(value, "MiB"),
        blank=False,
    ),
    RunVariable(
        "phoenix_busy_dir",
        "path",
        "`/run/phoenix_hypervisor`",
        "Folder of the node with the locks that show that a container is being worked on.",
        runvalues.matching(runvalues.PATH, "an absolute path of the node"),
        blank=False,
    ),
)

BY_NAME: Mapping[str, RunVariable] = {variable.name: variable for variable in TABLE}


def is_blank(value: Any) -> bool:
    """Whether a value is none: nothing, or text without anything to see."""
    return value is None or (isinstance(value, str) and not value.strip())


def value_of(name: str, value: Any, default: Any = None) -> Any:
    """A variable's value in its one form; the default for a blank one. Raises RunVariableError."""
    variable = BY_NAME[name]
    if is_blank(value):
        if value is None or variable.blank:
            return default
        raise RunVariableError(name, "a blank text", "a value", f"Leave {name} out for its default.")
    try:
        return variable.read(value)
    except ValueError as error:
        path = ("password",) if variable.secret else (name,)
        nearest = _nearest(value, variable.choices)
        remedy = f"Write {nearest}." if nearest else f"Correct {name}, or leave it out."
        raise RunVariableError(name, show(path, value), str(error), remedy) from None


def faults(values: Mapping[str, Any]) -> list[RunVariableError]:
    """What is wrong with the variables of a run that the table has, in its order."""
    found = []
    for variable in TABLE:
        try:
            value_of(variable.name, values.get(variable.name))
        except RunVariableError as error:
            found.append(error)
    return found


def _nearest(value: Any, choices: tuple[str, ...]) -> str | None:
    matches = get_close_matches(value.strip().lower(), choices, 1, 0.6) if isinstance(value, str) else []
    return matches[0] if matches else None


def table() -> str:
    """The table of docs/configuration.md."""
    rows = ["| Variable | Type | Default | Meaning |", "| --- | --- | --- | --- |"]
    for variable in TABLE:
        kind = ", ".join(f"`{word}`" for word in variable.choices) or variable.type
        rows.append(f"| `{variable.name}` | {kind} | {variable.default} | {variable.meaning} |")
    return "\n".join(rows) + "\n"
