# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ansible.builtin.ssh, for the connection plugins that are built on it.

They are read from the installed ansible-core rather than repeated, because they differ from version to version and
the parent class asks for every one of them.
"""

from __future__ import annotations

import functools
import json
import typing as t

import yaml
from ansible.plugins.connection.ssh import DOCUMENTATION as SSH_DOCUMENTATION
from ansible.plugins.doc_fragments.connection_pipelining import ModuleDocFragment as PipeliningFragment

# The C parser is ten times faster, and not everywhere.
_Loader: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _without_versions(value: t.Any) -> t.Any:
    """Drop version_added and the like: they are ansible-core's versions, not this collection's."""
    if isinstance(value, dict):
        return {
            key: _without_versions(item) for key, item in value.items() if key not in ("version_added", "deprecated")
        }
    if isinstance(value, list):
        return [_without_versions(item) for item in value]
    return value


def _options_of(documentation: str) -> dict[str, t.Any]:
    documented = yaml.load(documentation, Loader=_Loader)  # noqa: S506 - it is a safe loader
    options: dict[str, t.Any] = _without_versions(documented["options"])
    return options


@functools.cache
def _ssh_options() -> dict[str, t.Any]:
    """Return the options of ansible.builtin.ssh, with pipelining on."""
    options = _options_of(SSH_DOCUMENTATION)
    pipelining = _options_of(PipeliningFragment.DOCUMENTATION)["pipelining"]
    options["pipelining"] = {**pipelining, **options.get("pipelining", {}), "default": True}
    return options


def _options() -> dict[str, t.Any]:
    own: dict[str, dict[str, t.Any]] = {
        # Files go through the same command as everything else, and a terminal would merge the two streams.
        "ssh_transfer_method": {
            "description": "Not used: files are always piped through a command in the container.",
        },
        "use_tty": {"description": "Not used: a terminal is never allocated.", "default": False},
    }
    options = _ssh_options()
    return {**options, **{name: {**options[name], **keys} for name, keys in own.items()}}


_MADE: dict[str, t.Callable[[], dict[str, t.Any]]] = {"DOCUMENTATION": _options, "NODE": _ssh_options}


class ModuleDocFragment:
    """Doc fragments C(phoenix.hypervisor.pct_ssh), and C(phoenix.hypervisor.pct_ssh.node) for the node itself.

    Each is made when Ansible reads it: a run without work reads that of the nodes alone.
    """

    def __getattr__(self, name: str) -> str:
        if name not in _MADE:
            raise AttributeError(name)
        # JSON is YAML, and quicker to write and to read.
        return json.dumps({"options": _MADE[name]()})
