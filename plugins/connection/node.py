# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run modules on a Proxmox VE node over SSH, in one Python for the tasks of a run."""

from __future__ import annotations

DOCUMENTATION = r"""
name: node
short_description: Run modules on a Proxmox VE node over SSH, in a Python that waits
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Is P(ansible.builtin.ssh#connection) with all its options, and pipelining by default.
  - From the second module of a run on, or from the first one where the configuration is new, one Python on the node
    imports Ansible's library once and forks for each module. All else goes the way of
    P(ansible.builtin.ssh#connection), such as files, and modules with C(become), C(async) or C(environment).
  - The inventory plugin sets it for nodes that have no connection of their own.
options:
  warm_interpreter:
    description:
      - Whether to keep a Python on the node for the modules of a run. It ends half a minute after its last module.
      - For root only, and never in check mode.
    type: bool
    default: true
    env:
      - name: PHOENIX_WARM_INTERPRETER
    ini:
      - section: phoenix_pct_connection
        key: warm_interpreter
    vars:
      - name: phoenix_warm_interpreter
  check_mode:
    description: Whether this is a dry run. Ansible fills in this option by itself.
    type: bool
    default: false
    vars:
      - name: ansible_check_mode
extends_documentation_fragment:
  - phoenix.hypervisor.pct_ssh.node
notes:
  - The login shell of the user on the node must be a POSIX shell.
"""

EXAMPLES = r"""
# The inventory plugin phoenix.hypervisor.phoenix sets this variable for every node.
- name: Look at a node
  hosts: pve
  vars:
    ansible_connection: phoenix.hypervisor.node
    ansible_host: pve.example.org
    ansible_user: root
  tasks:
    - name: Look at its containers
      phoenix.hypervisor.phoenix_lxc_info:
        containers: []
"""

import contextlib
import hashlib
import os
import time

from ansible import constants
from ansible.plugins.connection.ssh import Connection as SSHConnection

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept import valid
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.on_node.node_relay import START, WAIT, warm_command
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.open_ssh.sharing import Sharing
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct.pct_warm import warm
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.run_identity import run_identity

# The first module of a run goes alone: one would not be worth a start. Where no earlier run has judged the
# configuration, more will come, and what starts with the first serves all that come at once after it. Of modules that
# come at once, one starts the interpreter, and no other for so many seconds.
AGAIN = 10


class Connection(Sharing, SSHConnection):
    """The ssh plugin's connection, with modules handed to a Python that waits on the node."""

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command on the node. Returns its exit code, its output and its error output."""
        with contextlib.ExitStack() as starting:
            if in_data and self._is_wanted() and warm(cmd, in_data) is not None and self._is_worth_it():
                note, otherwise = self._note("starting"), ""
                if self._is_turn("start", again=AGAIN):
                    otherwise = START
                    starting.callback(_removed, _written(note))
                elif os.path.exists(note):
                    otherwise = WAIT
                cmd = warm_command(cmd, in_data, run_identity()["id"], otherwise) or cmd
            return super().exec_command(cmd, in_data=in_data, sudoable=sudoable)

    def _is_wanted(self) -> bool:
        return self.get_option("warm_interpreter") and not self.get_option("check_mode")

    def _is_worth_it(self) -> bool:
        """Return whether further modules come: this is not the first one, or the configuration has changed."""
        return not self._is_turn("first") or valid.are_new()

    def _is_turn(self, what: str, again: float = float("inf")) -> bool:
        """Return whether no process of this run has asked this for the node, or none for so many seconds."""
        path = self._note(what)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            if time.time() - os.stat(path).st_mtime < again:
                return False
            os.utime(path)
        except OSError:  # no place to note it: as Ansible would go
            return True
        return True

    def _note(self, what: str) -> str:
        """Return the path of a file by which the processes of this run agree on the node."""
        address = "\0".join(str(self.get_option(name)) for name in ("host", "port", "remote_user"))
        name = f"phoenix-{what}-{hashlib.sha256(address.encode()).hexdigest()[:16]}"
        return os.path.join(constants.DEFAULT_LOCAL_TMP, name)


def _written(path: str) -> str:
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    return path


def _removed(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
