# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that people give to a run: one table, from which values are read, checked and documented. Pure.

A value comes from a JSON or YAML file, from ``-e name=value`` as text, or from a survey of AWX, where a question that
nobody answered is a blank text. A blank value means the default.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ansible_collections.phoenix.hypervisor.plugins.module_utils._config.finding import show
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.claims import INVENTORY_ID
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.hostclaims import SECTIONS
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.states import STATES

_CTID = re.compile(r"[1-9][0-9]{2,8}\Z", re.ASCII)
_CREDENTIAL = re.compile(r"[^\s:/!@]+@[A-Za-z][A-Za-z0-9._-]*(?:![A-Za-z][A-Za-z0-9._-]+)?\Z", re.ASCII)
_COLLECTION = re.compile(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*\Z", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,9}\Z", re.ASCII)
_PATH = re.compile(r"/[^\0]*\Z", re.DOTALL)
_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_ADOPT = ("no", "record", "reapply")


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


def _word(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        # YAML 1.1 reads a bare no as false.
        text = "no" if value is False else value
        if isinstance(text, str) and text.strip() in choices:
            return text.strip()
        raise ValueError("one of " + ", ".join(choices))

    return read


def ctids(value: Any) -> list[int]:
    """CTIDs: a list, a number, or text with commas or blanks between them."""
    expected = "CTIDs, such as 950,951"
    if isinstance(value, str):
        items: Iterable[Any] = (
            _json(value) if value.strip().startswith("[") else re.split(r"\s*,\s*|\s+", value.strip())
        )
    else:
        items = value if isinstance(value, (list, tuple)) else [value]
    found = []
    for item in items:
        if isinstance(item, bool) or not isinstance(item, (int, str)) or not _CTID.match(str(item).strip()):
            raise ValueError(expected)
        found.append(int(str(item).strip()))
    return sorted(set(found))


def _adopt(value: Any) -> str | dict[str, str]:
    """One word for all containers, or {CTID: word}."""
    expected = "no, record or reapply, or a mapping from CTID to one of them"
    if isinstance(value, str) and value.strip().startswith("{"):
        value = _json(value)
    try:
        if not isinstance(value, Mapping):
            return _word(_ADOPT)(value)
        return {str(ctids(key)[0]): _word(_ADOPT)(word) for key, word in value.items()}
    except (ValueError, IndexError):
        raise ValueError(expected) from None


def _seconds(value: Any, unit: str = "seconds") -> int:
    text = str(value).strip() if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if _SECONDS.match(text) and int(text) > 0:
        return int(text)
    raise ValueError(f"a whole number of {unit}, at least 1")


def flag(value: Any) -> bool:
    """True or false, as a boolean, a number 0 or 1, or one of Ansible's words for it."""
    found = _FLAGS.get(str(value).strip().lower()) if isinstance(value, (bool, int, str)) else None
    if found is None:
        raise ValueError("true or false")
    return found


def _items(value: Any, valid: Callable[[str], bool], expected: str) -> list[str]:
    items = value if isinstance(value, (list, tuple)) else value.split(",") if isinstance(value, str) else None
    if items is None or not all(isinstance(item, str) and valid(item.strip()) for item in items):
        raise ValueError(expected)
    return [item.strip() for item in items]


def _collections(value: Any) -> list[str]:
    return _items(value, lambda item: bool(_COLLECTION.match(item)), "names of collections, such as acme.models")


def _folders(value: Any) -> list[str]:
    return _items(value, lambda item: bool(item) and "\0" not in item, "folders, such as /srv/applications")


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if isinstance(value, str) and pattern.match(value.strip()):
            return value.strip()
        raise ValueError(expected)

    return read


def _environment(value: Any) -> dict[str, Any]:
    expected = "a mapping from names of variables to text"
    if isinstance(value, str):
        value = _json(value)
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ValueError(expected)
    return dict(value)


def _text(value: Any) -> str:
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value)
    raise ValueError("text")


def _consent(value: Any) -> list[str]:
    items = value if isinstance(value, (list, tuple)) else value.split(",") if isinstance(value, str) else None
    if items is None or not all(isinstance(item, str) for item in items):
        raise ValueError("a list, or text with commas, such as network:vmbr1,nfs")
    words = [item.strip() for item in items if item.strip()]
    if any(word.partition(":")[0] not in SECTIONS for word in words):
        raise ValueError(f"sections ({', '.join(SECTIONS)}), or one with an item, such as network:vmbr1")
    return words


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None if text.strip().startswith("{") else [None]


TABLE: tuple[RunVariable, ...] = (
    RunVariable(
        "phoenix_target_state",
        "word",
        "the key `target_state`, else `completed`",
        "State to stop at. A run never moves a container to an earlier state.",
        _word(STATES),
        STATES,
    ),
    RunVariable(
        "phoenix_adopt",
        "word, or mapping from CTID to word",
        "`no`",
        "What to do with a foreign container under a CTID of the file: refuse, take it over and assume that the listed "
        "features are installed (`record`), or take it over and apply them (`reapply`).",
        _adopt,
        _ADOPT,
    ),
    RunVariable(
        "phoenix_recreate_ctids",
        "CTIDs",
        "none",
        "Containers to destroy with their volumes and to recreate. Give it on the command line, for one run.",
        ctids,
    ),
    RunVariable("phoenix_destroy", "CTIDs", "", "For `destroy`: the containers to destroy.", ctids),
    RunVariable(
        "phoenix_destroy_confirm",
        "CTIDs",
        "asked for at a terminal",
        "For `destroy`: the same list again.",
        ctids,
    ),
    RunVariable(
        "phoenix_missing_node",
        "word",
        "`fail`",
        "What to do with a container whose node is not in the inventory of the run, as in a slice of a job in AWX: "
        "fail it, or reach the node as the inventory source says (`reach`).",
        _word(("fail", "reach")),
        ("fail", "reach"),
    ),
    RunVariable(
        "phoenix_host_consent",
        "list of sections or items",
        "none",
        "What a run may remove from a node although that cuts somebody off, such as `network:vmbr1` or `nfs`.",
        _consent,
    ),
    RunVariable(
        "phoenix_inventory_id",
        "text",
        "`inventory_id` of the inventory source",
        "Id under which nodes record what this inventory set on them.",
        _matching(INVENTORY_ID, "letters, digits, dots, underscores and hyphens, 63 at most"),
        blank=False,
    ),
    RunVariable(
        "phoenix_credential",
        "text",
        "`root@pam`",
        "User or API token (`user@realm!name`) whose privileges the preflight checks.",
        _matching(_CREDENTIAL, "a user or token of PVE, such as automation@pve!phoenix"),
    ),
    RunVariable(
        "phoenix_application_env",
        "mapping",
        "none",
        "Further variables for the application script and its health check; their values are kept out of logs.",
        _environment,
        secret=True,
    ),
    RunVariable(
        "phoenix_application_timeout", "seconds", "`3600`", "How long an application script may take.", _seconds
    ),
    RunVariable(
        "phoenix_application_path",
        "list of folders",
        "see `application_path`",
        "Where application scripts are searched for. Only with `-e`.",
        _folders,
    ),
    RunVariable(
        "phoenix_feature_collections",
        "list of collections",
        "none",
        "Collections in which a plain feature name is looked for, after this one.",
        _collections,
    ),
    RunVariable(
        "phoenix_digest_key",
        "text",
        "none",
        "Key with which secret variables enter the digests. Set it, vault-encrypted, when roles or scripts take "
        "secrets.",
        _text,
        secret=True,
    ),
    RunVariable(
        "phoenix_pct_method",
        "word",
        "`lxc-attach`",
        "How commands enter a container.",
        _word(("lxc-attach", "pct")),
        ("lxc-attach", "pct"),
        blank=False,
    ),
    RunVariable(
        "phoenix_pct_transport",
        "word",
        "from the inventory",
        "How the node is reached.",
        _word(("ssh", "local")),
        ("ssh", "local"),
        blank=False,
    ),
    RunVariable(
        "phoenix_pct_node_become",
        "true or false",
        "as the user on the node needs it",
        "Whether to use `sudo -n` on the node to enter containers.",
        flag,
        blank=False,
    ),
    RunVariable(
        "phoenix_busy_timeout",
        "seconds",
        "`300`",
        "How long a task waits while another run works in the container.",
        _seconds,
        blank=False,
    ),
    RunVariable(
        "phoenix_command_timeout",
        "seconds",
        "`7200`",
        "After how long a command in a container is ended, and its task fails.",
        _seconds,
        blank=False,
    ),
    RunVariable(
        "phoenix_output_limit_mb",
        "MiB",
        "`64`",
        "How much a command in a container may write on each stream; fetched files do not count.",
        lambda value: _seconds(value, "MiB"),
        blank=False,
    ),
    RunVariable(
        "phoenix_busy_dir",
        "path",
        "`/run/phoenix_hypervisor`",
        "Folder of the node with the locks that show that a container is being worked on.",
        _matching(_PATH, "an absolute path of the node"),
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


def misspelled(given: Iterable[str], known: Iterable[str] = ()) -> list[RunVariableError]:
    """The given names that are none of the table's, and look like one. ``known``: other names that have a meaning."""
    others = set(known)
    found = []
    for name in sorted(set(given)):
        if not name.startswith("phoenix_") or name in BY_NAME or name in others:
            continue
        matches = get_close_matches(name, BY_NAME, 1, 0.85)
        if matches:
            got = f"unknown variable (did you mean {matches[0]}?)"
            found.append(RunVariableError(name, got, "a variable of a run", f"Rename it to {matches[0]}."))
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
