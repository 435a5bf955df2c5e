# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The child processes of the kill proofs: the product's own modules, run as the play runs them, in a process to kill.

Started once, it loads everything; then each line of JSON on its input is one run, in a process forked for it. Only the
edges of this machine are others: where the node's files lie, Perl's ticket, and lxc-attach, whose scripts run in a
folder that stands for the guest. A run can be made to die, by SIGKILL, at the n-th thing that it does to a file.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.testing import patch_module_args

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import ledger
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import audit, store
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container import lease
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf import conf_edit, observe
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import application_run, bounded, guest
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.layers import leaving, shelf
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import local_client
from ansible_collections.phoenix.hypervisor.plugins.modules import (
    phoenix_application,
    phoenix_feature,
    phoenix_lxc_state,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.access import ApiAccess
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.by_token import TokenNode

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "os.symlink", "os.link")


class Deadly:
    """Counts what this process does to files under a folder, and kills it at the chosen one."""

    def __init__(self, folder: str, at: int | None, log: str) -> None:
        self._folder, self._at, self._log, self._pid = folder, at, log, os.getpid()
        self.count = 0
        self._sync = os.fsync
        os.fsync = self._fsync  # written, not yet safe: the audit events don't have it
        sys.addaudithook(self._event)

    def _fsync(self, handle: int) -> None:
        self._happens("fsync")
        self._sync(handle)

    def _event(self, event: str, args: Any) -> None:
        if event == "open":
            path, _mode, flags = args
            if isinstance(path, str) and path.startswith(self._folder) and isinstance(flags, int) and flags & WRITING:
                self._happens(f"open {path}")
        elif event in CHANGES and isinstance(args[0], str) and args[0].startswith(self._folder):
            self._happens(f"{event} {args[0]}")
        elif event == "subprocess.Popen":
            self._happens("process")

    def _happens(self, what: str) -> None:
        if os.getpid() != self._pid:
            return  # a worker of ours, which an interrupted run leaves behind
        self.count += 1
        if self._at == self.count:
            os.kill(self._pid, signal.SIGKILL)


def settle_edges(task: dict[str, Any]) -> None:
    """Point the product to the folders of this node."""
    root = Path(task["folder"])
    pve, state, run = str(root / "pve"), str(root / "state"), str(root / "run")
    observe.Observer.__init__.__defaults__ = (
        pve,
        True,
        functools.partial(observe.running_ctids, str(root / "sockets")),
    )
    observe.node_name.__defaults__ = observe.read_conf.__defaults__ = (pve,)
    store.Store.__init__.__defaults__ = (state,)
    lease.Leases.__init__.__defaults__ = (state, run)
    audit.Audit.__init__.__defaults__ = (False, str(root / "log"))
    shelf.Shelf.__init__.__defaults__ = (state, f"{run}/layers")
    leaving.Leaving.__init__.__defaults__ = (str(root / "vzdump.conf"),)
    local_client.mint_ticket = lambda **_how: tuple(task["ticket"])
    local_client.pinned_fingerprint = lambda: task["fingerprint"]
    phoenix_lxc_state.open_client = lambda: local_client.LocalClient(port=task["port"])
    edges: dict[str, Any] = {"locks": str(root / "lock"), "turns": run}
    phoenix_lxc_state.Executor = functools.partial(phoenix_lxc_state.Executor, **edges)
    os.environ["PATH"] = f"{root / 'bin'}:{os.environ['PATH']}"
    inside = root / "guests" / str(task["ctid"])

    def attach(
        ctid: int,
        script: str,
        text: str | None = None,
        timeout: float = 15.0,
        limit: int = 1 << 20,
        way: object = None,
    ) -> Any:
        home = root / "guests" / str(ctid)
        script = script.replace(ledger.PATH, str(home / "ledger.json"))
        script = script.replace("/etc/", f"{home}/etc/").replace("/var/lib/dbus", f"{home}/dbus")
        data = None if text is None else text.encode()
        return bounded.run(["/bin/sh", "-c", script], timeout, data=data or b"", limit=limit)

    if task["transport"] == "ssh":
        guest.attach = attach
    phoenix_application.PATHS = application_run.Paths(
        str(inside / "application"), str(inside / "application.log"), str(inside / "lock")
    )
    conf_edit.LOCKS = str(root / "lock")


def module(which: Any, **options: Any) -> dict[str, Any]:
    """One module, with its result as Ansible reads it."""
    output = io.StringIO()
    with patch_module_args(options), contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        which.main()
    # Each module is a process of its own elsewhere: what one leaves open must not be closed in the midst of the next.
    gc.collect()
    result: dict[str, Any] = json.loads(output.getvalue().strip().splitlines()[-1])
    if result.get("failed"):
        raise RuntimeError(result["msg"])
    return result


class OnNode:
    """The modules that a play runs on the node."""

    def state(self, **options: Any) -> dict[str, Any]:
        """The one that brings a container to its state."""
        return module(phoenix_lxc_state, **options)

    def feature(self, **options: Any) -> dict[str, Any]:
        """The one that keeps the ledger."""
        return module(phoenix_feature, **options)


class ByToken(OnNode):
    """What their action plugins do on the controller instead, which finds out who the run is, and which are dead."""

    def __init__(self, task: dict[str, Any]) -> None:
        at = ApiAccess("pve", "127.0.0.1", port=task["port"], fingerprint=task["fingerprint"], **task["api"])
        self._made: Callable[[], Any] = functools.partial(TokenNode, at, {"ident": "pve-1", "port": 22})
        os.environ["ANSIBLE_HOME"] = f"{task['folder']}/home"

    def state(self, **options: Any) -> dict[str, Any]:
        """Each task has a connection of its own."""
        return self._answer(self._made().drive(options))

    def feature(self, **options: Any) -> dict[str, Any]:
        """The same."""
        return self._answer(self._made().operate(options, False))

    @staticmethod
    def _answer(result: dict[str, Any]) -> dict[str, Any]:
        if result.get("failed"):
            raise RuntimeError(result["msg"])
        return result


def play(task: dict[str, Any], count: Callable[[], int]) -> dict[str, Any]:
    """One container, in the order of playbooks/tasks/container.yml and change.yml.

    ``count``: how many changes of files there were; the result has it for the beginning and the end of leaving a layer.
    """
    way = ByToken(task) if task["transport"] == "token" else OnNode()
    who = {"run": {"id": task["run"], "user": "u", "controller": "c", "pid": 1}, "dead_runs": task["dead"]}
    ctid = task["ctid"]
    wanted: dict[str, Any] = {key: task[key] for key in ("config", "features", "application", "layers") if key in task}
    wanted = {"ctid": ctid, "lock_wait": 10, "ready_timeout": 1, **wanted, **who}
    step = way.state(enter=True, **wanted)
    journal = list(step["journal"])
    left = list(step["due_features"])
    while left:
        due = left.pop(0)
        with open(f"{task['folder']}/guests/{ctid}/features.log", "a", encoding="utf-8") as file:
            file.write(f"{due['name']}\n")
        then = {"begin": left[0]} if left else {"release": not step["application_due"]}
        if due["name"] == step["leaves_layer_after"]:
            journal += way.state(record=due, **wanted)["journal"]
            began = count()
            journal += way.state(leave_layer=True, **wanted)["journal"]
            step["leaving"] = [began, count()]
            end = way.state(**then, **wanted)
        else:
            end = way.state(record=due, **then, **wanted)
        journal += end["journal"]
        step["state"] = end.get("state", step["state"])
    if step["application_due"]:
        work = step["application"]
        this = {"ctid": ctid, "kind": "application", "name": work["name"], "digest": work["digest"], **who}
        begun = way.feature(operation="begin", **this)
        journal += begun["journal"]
        own = {
            "script": task["script"],
            "digest": work["digest"],
            "config": task["config"],
            "attempt": begun["attempt"],
        }
        result = module(phoenix_application, ctid=ctid, environment=task["environment"], **own)
        step["adopted"] = result["script"]["adopted"]
        done = {"kind": "application", "name": work["name"], "digest": work["digest"]}
        end = way.state(record=done, release=True, **wanted)
        journal += end["journal"]
        step["state"] = end["state"]
    kept = {"adopted": step.get("adopted"), "leaving": step.get("leaving")}
    return {"journal": journal, "state": step["state"], **kept}


def one_run(task: dict[str, Any]) -> None:
    """The forked process: a run, and how it ended in a file."""
    settle_edges(task)
    deadly = Deadly(task["folder"] + "/", task.get("kill"), task["folder"])
    try:
        result: dict[str, Any] = play(task, lambda: deadly.count)
    except RuntimeError as error:
        result = {"failed": str(error)}
    result["events"] = deadly.count
    deadly._at = None
    Path(task["result"]).write_text(json.dumps(result), encoding="utf-8")


def main() -> None:
    """Fork a process for each line, say its PID, then how it ended."""
    for line in sys.stdin:
        task = json.loads(line)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os.setsid()
            status = 1
            try:
                one_run(task)
                status = 0
            except BaseException:
                import traceback

                traceback.print_exc()
                raise
            finally:
                os._exit(status)
        print(pid, flush=True)  # noqa: T201  # the answer on the pipe
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)  # noqa: T201  # the answer on the pipe


if __name__ == "__main__":
    main()
