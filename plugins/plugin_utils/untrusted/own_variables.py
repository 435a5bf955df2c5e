# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container's variables, refused when the container itself has set any of them.

Whatever the connection keeps out of an answer: a cache of facts may hold what an earlier run let in, and another
connection may let in what this collection's does not. So every reader of a container's variables asks here first.
"""

from __future__ import annotations

import collections.abc as c
import typing as t

from ansible import constants
from ansible.errors import AnsibleError

from ..config.variables.sharedfacts import IDENTITY
from .guest_facts import foreign_facts
from .shown_text import one_line

SHOWN = 5


class ForeignFactsError(AnsibleError):
    """A container has facts that are not a container's."""


def fault(host: str, variables: c.Mapping[str, t.Any]) -> str:
    """Return what is wrong with the facts of a host by its variables, an empty text when they are its own."""
    facts = variables.get("ansible_facts")
    if not isinstance(facts, c.Mapping) or not facts:
        return ""
    injected = bool(constants.config.get_config_value("INJECT_FACTS_AS_VARS"))
    return text(host, foreign_facts(facts, variables, injected))


def text(host: str, names: c.Sequence[str]) -> str:
    """Return the message about the foreign facts of a host, an empty text when there are none."""
    if not names:
        return ""
    shown = ", ".join(f'"{one_line(name, 60)}"' for name in names[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (
        f"container {host}: got the facts {shown}{more}, which a container must not set: they would outrank the "
        "inventory's variables. Expected only what Ansible's own fact modules find. Nothing is done with them. Run "
        "again with --flush-cache. If they come back, a role caches them (set_fact with cacheable, a fact module of "
        "another collection), or somebody has taken over the container."
    )


def is_container(variables: c.Mapping[str, t.Any]) -> bool:
    """Return whether variables are a container's. Its groups are Ansible's own variable, which no fact outranks."""
    return "phoenix_ctid" in variables and "hypervisors" not in (variables.get("group_names") or ())


def check(variables: c.Mapping[str, t.Any]) -> None:
    """Raise ForeignFactsError when these are the variables of a container with facts that are not a container's."""
    # Most have no facts, and to ask for the groups of each of a fleet takes long.
    if variables.get("ansible_facts") and is_container(variables):
        found = fault(str(variables.get("inventory_hostname", "")), variables)
        if found:
            raise ForeignFactsError(found)


def of_host(hostvars: c.Mapping[str, t.Any], host: str) -> c.Mapping[str, t.Any]:
    """Return the variables of a host, checked. Raises ForeignFactsError."""
    variables: c.Mapping[str, t.Any] = hostvars[host]
    check(variables)
    return variables


def of_task(task_vars: c.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return a task's variables, with who its host is and what that is to be from the inventory alone.

    Raises ForeignFactsError for a container with foreign facts.
    """
    check(task_vars)
    hostvars, host = task_vars.get("hostvars"), task_vars.get("inventory_hostname")
    if not is_container(task_vars) or hostvars is None or host not in hostvars:
        return dict(task_vars)
    own = of_host(hostvars, str(host))
    return {**task_vars, **{name: own[name] for name in IDENTITY if name in own}}
