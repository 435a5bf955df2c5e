# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tasks inside an LXC container of a Proxmox VE node, through that node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pct
short_description: Run tasks inside an LXC container through its Proxmox VE node
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Runs every command of a task inside a container, by C(lxc-attach) or C(pct exec) on the node that the container
    is on.
  - The node is reached over OpenSSH with all options of P(ansible.builtin.ssh#connection), or is the machine that
    Ansible runs on. Nothing needs to run in the container, no SSH server and no network.
  - With O(transport=guest) OpenSSH leads into the container itself, for nodes that are reached by an API token.
  - All containers of a node share one SSH connection with the node itself.
  - A container that is stopped or missing is unreachable, and the message says which of the two.
options:
  ctid:
    description: The container's CTID.
    type: int
    required: true
    vars:
      - name: phoenix_ctid
  node:
    description: The node's name, for messages. Without it, messages name the address.
    type: str
    vars:
      - name: phoenix_node
  transport:
    description: How the node is reached.
    type: str
    default: ssh
    choices:
      ssh: Over OpenSSH.
      local: Ansible runs on the node itself.
      guest: Not at all; the container is reached over OpenSSH, with the host key that a run has put on record.
    vars:
      - name: phoenix_pct_transport
  guest_ssh:
    description: How a container is reached with O(transport=guest).
    type: dict
    vars:
      - name: phoenix_guest_ssh
  method:
    description: How a command enters the container.
    type: str
    default: lxc-attach
    choices:
      lxc-attach: Directly, in a few milliseconds.
      pct: By C(pct exec), which checks the container's configuration first and takes about half a second.
    vars:
      - name: phoenix_pct_method
  node_become:
    description:
      - Whether to become root on the node by C(sudo -n), which must not ask for a password.
      - Without a value, this is done when the remote user is set and is not V(root); with O(transport=local), when
        Ansible does not run as root.
      - Tasks in the container run as its root either way; C(become) changes the user inside the container.
    type: bool
    vars:
      - name: phoenix_pct_node_become
  busy_dir:
    description: Directory on the node for the files whose locks tell that a container is being worked on.
    type: str
    default: /run/phoenix_hypervisor
    vars:
      - name: phoenix_busy_dir
  busy_timeout:
    description: How many seconds to wait while another run has the container to itself.
    type: int
    default: 300
    vars:
      - name: phoenix_busy_timeout
  command_timeout:
    description:
      - Seconds after which a command in the container is ended, with all that it started there.
      - The task then fails. It is terminated first, and killed five seconds later.
    type: int
    default: 7200
    vars:
      - name: phoenix_command_timeout
  output_limit_mb:
    description:
      - Mebibytes that a command in the container may write on each of its streams, since the controller keeps them in
        memory. One that writes more is ended, and its task fails.
      - Fetched and copied files don't count, whatever their size.
    type: int
    default: 64
    vars:
      - name: phoenix_output_limit_mb
  warm_interpreter:
    description:
      - Whether modules run in a Python that stays in the container between the tasks of a run, with Ansible's library
        imported. Each runs in a process of its own, so that no task leaves anything to the next.
      - It ends half a minute after its last task. Modules with C(become), C(async) or C(environment),
        P(ansible.builtin.raw#module) and file transfers start as without it.
    type: bool
    default: true
    env:
      - name: PHOENIX_WARM_INTERPRETER
    ini:
      - section: phoenix_pct_connection
        key: warm_interpreter
    vars:
      - name: phoenix_warm_interpreter
  facts:
    description:
      - The container's facts. While they hold more than Ansible's own fact modules find, nothing is run in the
        container, because such facts outrank the variables of the inventory.
      - Ansible fills in this option by itself.
    type: raw
    vars:
      - name: ansible_facts
extends_documentation_fragment:
  - phoenix.hypervisor.pct_ssh
notes:
  - The login shell of the user on the node must be a POSIX shell.
  - Commands start with a clean environment in the home directory of root, with C.UTF-8 as locale.
"""

EXAMPLES = r"""
# The inventory plugin phoenix.hypervisor.phoenix sets these variables for every container.
- name: Look inside a container
  hosts: "950"
  vars:
    ansible_connection: phoenix.hypervisor.pct
    ansible_host: pve.example.org
    ansible_user: root
    phoenix_node: pve
    phoenix_ctid: 950
  tasks:
    - name: Ask inside the container
      ansible.builtin.command: hostname
      changed_when: false # it only prints
"""

import collections.abc as c
import contextlib
import os
import secrets
import typing as t

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.text.converters import to_bytes, to_native
from ansible.plugins.connection.ssh import Connection as SSHConnection
from ansible.utils.display import Display

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.kept.packing import Packing
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.open_ssh.guarding import Guarding
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.open_ssh.pct_input import NoInput
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct.pct_direct import Direct, UnknownPlaceError, find
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct.pct_warm import warm
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct.pct_wrapper import (
    LOCAL,
    NodeAnswer,
    NodeCall,
    fetch_command,
    put_command,
    read_answer,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import lineage
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run.run_identity import run_identity
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted.guest_answer import checked_answer
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted.guest_facts import foreign_facts
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted.own_variables import ForeignFactsError, text
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.untrusted.shown_text import one_line, printable

display = Display()

_Result = tuple[int, bytes, bytes]
NAMES = 5  # so many refused names are printed
SAID = 4000  # and so many characters of what a container or a node wrote to standard error


class Connection(Packing, Guarding, SSHConnection):
    """The ssh plugin's connection to the node, with every command carried on into a container."""

    transport = "phoenix.hypervisor.pct"

    _addressing_node = False
    _direct: Direct | None = None

    # -- The command's way into the container ------------------------------------------------------------------------

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> _Result:
        """Run a command inside the container. Returns its exit code, its output and its error output."""
        answer, stdout = self._run_inside(cmd, in_data=in_data or NoInput(), sudoable=sudoable)
        self.keep_packed()
        return t.cast(int, answer.rc), self._checked(stdout), answer.stderr

    def _checked(self, stdout: bytes) -> bytes:
        """Return a command's output without what a container has not to say, and print a warning about that."""
        try:
            answer = checked_answer(stdout)
        except ValueError as error:
            raise AnsibleConnectionFailure(f"container {self._container()}: {error}") from None
        if answer.refused:
            names = ", ".join(one_line(name, 60) for name in answer.refused[:NAMES])
            more = f" and {len(answer.refused) - NAMES} more" if len(answer.refused) > NAMES else ""
            display.warning(
                f"Container {self._container()} answered with what a container must not set: {names}{more}. "
                "It is ignored. Unless a module of a role returns it (docs/connection.md), somebody has taken over the "
                "container."
            )
        return answer.stdout

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the controller into the container, without holding it in memory."""
        source = to_bytes(in_path, errors="surrogate_or_strict")
        display.vvv(f"PUT {in_path} TO {out_path}", host=self._container())
        if not os.path.exists(source):
            raise AnsibleFileNotFound(f"file or module does not exist: {to_native(in_path)}")
        self._transfer(put_command(out_path), b"<", source, f"failed to transfer file {in_path} to {out_path}")

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the container to the controller, without holding it in memory.

        An existing file is replaced only when all has arrived.
        """
        target = os.path.realpath(to_bytes(out_path, errors="surrogate_or_strict"))
        display.vvv(f"FETCH {in_path} TO {out_path}", host=self._container())
        partial = target
        if os.path.isfile(target) or not os.path.exists(target):
            partial = target + b".part-" + secrets.token_hex(8).encode()
        try:
            self._transfer(fetch_command(in_path), b">", partial, f"failed to fetch file {in_path} to {out_path}")
            if partial != target:
                os.replace(partial, target)
        finally:
            if partial != target:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(partial)

    def _transfer(self, command: str, operator: bytes, local_path: bytes, failure: str) -> None:
        answer, stdout = self._run_inside(command, in_data=NoInput(), sudoable=False, redirect=(operator, local_path))
        if answer.rc != 0:
            said = printable(to_native(answer.stderr or stdout).strip(), SAID)
            raise AnsibleError(f"{failure}: {said} (exit code {answer.rc})")

    def _run_inside(
        self, command: str, in_data: bytes, sudoable: bool, redirect: tuple[bytes, bytes] | None = None
    ) -> tuple[NodeAnswer, bytes]:
        """Run a command inside the container; when that fails, hint it to the containers that are cloned from it."""
        try:
            return self._attempt_inside(command, in_data, sudoable, redirect)
        except AnsibleConnectionFailure:
            lineage.hint(str(self.get_option("ctid")))
            raise

    def _attempt_inside(
        self, command: str, in_data: bytes, sudoable: bool, redirect: tuple[bytes, bytes] | None
    ) -> tuple[NodeAnswer, bytes]:
        """Run a command inside the container, and turn the node's verdict on failures into a connection failure."""
        self._refuse_foreign_facts()
        self._connect()
        self.host = self._address()
        limit = max(1, self.get_option("output_limit_mb")) << 20
        call = NodeCall(
            ctid=self.get_option("ctid"),
            nonce=secrets.token_hex(16),
            command=command,
            method=self.get_option("method"),
            busy_dir=self.get_option("busy_dir"),
            busy_timeout=self.get_option("busy_timeout"),
            run=run_identity()["id"],
            output_limit=0 if redirect is not None else limit,
            error_limit=limit,
            seconds=self.get_option("command_timeout"),
            warm=warm(command, in_data)
            if self.get_option("warm_interpreter") and redirect is None and not self._direct
            else None,
        )
        by_guard = self.by_guard(call, in_data, self._way())
        answer, stdout = by_guard or self.by_command(call, in_data, sudoable, redirect)
        ended = answer.ended(call, self._node())
        if ended is not None:
            raise AnsibleError(ended)
        trouble = answer.trouble(call.ctid, self._node())
        if trouble is not None:
            raise AnsibleConnectionFailure(trouble)
        return answer, stdout

    def by_command(
        self, call: NodeCall, in_data: bytes, sudoable: bool = False, redirect: tuple[bytes, bytes] | None = None
    ) -> tuple[NodeAnswer, bytes]:
        """Run a command on the node. Returns its answer and its output."""
        argv = self._node_argv(call) if redirect is None else self._redirected(self._node_argv(call), *redirect)
        rc, stdout, stderr = self._run(argv, in_data, sudoable=sudoable, checkrc=False)
        answer = read_answer(stderr, call.nonce)
        if answer is None or rc != 0:
            raise AnsibleConnectionFailure(self._no_answer(rc, stderr if answer is None else answer.stderr))
        self.note_guard(call, answer, argv, self._way())
        return answer, stdout

    def _way(self) -> list[object]:
        """What tells the connection to this node from others; nothing where no guard of the node can be reached."""
        is_other = self._is_local() or self._is_guest() or self._node_become()
        return [] if is_other else [self.host, super().get_option("remote_user")]

    def _refuse_foreign_facts(self) -> None:
        """Refuse to work with variables that the container has set, whichever way they came to be facts."""
        facts = self.get_option("facts")
        found = foreign_facts(facts, {}) if isinstance(facts, c.Mapping) else []
        if found:
            raise ForeignFactsError(text(str(self.get_option("ctid")), found))

    def _address(self) -> str:
        """Whom ssh is to reach: the node, or the container itself where a run by a token has found it."""
        if not self._is_guest():
            return self.get_option("host") or self._play_context.remote_addr
        try:
            self._direct = find(self.get_option("ctid"), str((self.get_option("guest_ssh") or {}).get("ident") or ""))
        except UnknownPlaceError as error:
            raise AnsibleConnectionFailure(f"container {self._container()}: {error}") from None
        return self._direct.address

    def _node_argv(self, call: NodeCall) -> list[bytes]:
        ssh = self.get_option("ssh_executable")
        if self._direct is not None:
            return self._direct.argv(call, self._build_command(ssh, "ssh", "-T", self.host, self._direct.line(call)))
        if self._is_local():
            # Named like ssh, because the parent looks for that word in the arguments before it awaits become's prompts.
            argv = [*LOCAL, *call.argv(name=ssh, become=self._node_become())]
            return [to_bytes(arg, errors="surrogate_or_strict") for arg in argv]
        # -T last: a terminal, whoever asks for it, would merge the two streams.
        line = to_bytes(call.command_line(become=self._node_become()), errors="surrogate_or_strict")
        return self._build_command(ssh, "ssh", "-T", self.host, line)

    def _redirected(self, argv: list[bytes], operator: bytes, path: bytes) -> list[bytes]:
        """Let a local shell connect a file with the command's standard input or output.

        What stands before ssh, an sshpass, keeps its place.
        """
        start = 0 if self._is_local() or self._is_guest() else argv.index(to_bytes(self.get_option("ssh_executable")))
        shell = [b"/bin/sh", b"-c", b'path=$1; shift; exec "$@" ' + operator + b'"$path"', b"phoenix-pct", path]
        return argv[:start] + shell + argv[start:]

    def _no_answer(self, rc: int, stderr: bytes) -> str:
        detail = printable(to_native(stderr).strip(), SAID)
        if self._node_become() and detail.startswith("sudo:"):
            return f"cannot become root on node {self._node()} without a password: {detail}"
        container = self.get_option("ctid")
        if self._direct is not None:
            return self._direct.trouble(detail)
        return f"node {self._node()} did not run the command in container {container} (exit code {rc}): {detail}"

    # -- Small answers -----------------------------------------------------------------------------------------------

    def _is_guest(self) -> bool:
        return self.get_option("transport") == "guest"

    def _is_local(self) -> bool:
        return self.get_option("transport") == "local"

    def _node(self) -> str:
        return self.get_option("node") or self.get_option("host")

    def _container(self) -> str:
        return f"{self._node()}/{self.get_option('ctid')}"

    def _node_become(self) -> bool:
        wanted = self.get_option("node_become")
        if wanted is not None:
            return wanted
        if self._is_local():
            return os.geteuid() != 0
        return (super().get_option("remote_user") or "root") != "root"

    # -- What the parent does differently ----------------------------------------------------------------------------

    def get_option(self, option: str, hostvars: dict[str, t.Any] | None = None) -> t.Any:
        """Return an option; to all but ssh, the remote user is the one who runs the commands: the container's root.

        Ansible decides by it how files become readable to an ordinary user.
        """
        if option == "remote_user" and not self._addressing_node:
            return "root"
        return super().get_option(option, hostvars=hostvars)

    def _build_command(self, binary: str, subsystem: str, *other_args: bytes | str) -> list[bytes]:
        self._addressing_node = True
        try:
            command = super()._build_command(binary, subsystem, *other_args)
            first = command.index(to_bytes(binary)) + 1
            own = self._direct.options() if self._direct is not None else []
            return [*command[:first], *map(to_bytes, own), *command[first:]]
        finally:
            self._addressing_node = False

    def reset(self) -> None:
        """Close the connection to the node, which all its containers share; the next command opens a new one."""
        if self._is_local():
            self.close()
        else:
            self.host = self._address()
            super().reset()
