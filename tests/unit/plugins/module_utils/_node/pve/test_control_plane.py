# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control plane's answers: PVE's words reach the user, tasks are waited for, locks are waited out."""

from __future__ import annotations

import json

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf import observe
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import guest
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import tasks
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.client import (
    AlreadyRunningError,
    LockedError,
    MissingError,
    NotRunningError,
    PveError,
    StaleConfigError,
    call_text,
    form_value,
    refused,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.local_client import decode

UPID = "UPID:pve:00000DA9:00029BDE:6B048305:vzstart:950:root@pam:"


def test_a_plain_failure_carries_pves_words_and_the_call():
    """Recorded: set on a locked CT."""
    body = '{"message":"CT is locked (backup)\\n"}'
    with pytest.raises(PveError) as caught:
        decode("PUT /nodes/pve/lxc/100/config with memory", 500, "CT is locked (backup)", body)
    assert str(caught.value) == "CT is locked (backup) [PUT /nodes/pve/lxc/100/config with memory (500)]"
    assert caught.value.__class__ is LockedError


def test_a_refused_parameter_is_named():
    """Recorded: set, wrong type."""
    errors = {"memory": "type check ('integer') failed - got 'abc'"}
    body = json.dumps({"message": "Parameter verification failed.\n", "errors": errors})
    with pytest.raises(PveError, match="memory: type check"):
        decode("PUT x", 400, "Parameter verification failed.", body)


@pytest.mark.parametrize(
    ("status", "reason", "body"),
    [(401, "No ticket", ""), (501, "method 'PATCH' not available", ""), (596, "Connection timed out", "<html>")],
)
def test_an_answer_without_json_keeps_its_status_line(status, reason, body):
    with pytest.raises(PveError, match=reason):
        decode("GET x", status, reason, body)


def test_values_never_stand_in_an_error():
    assert call_text("POST", "/x", {"password": "hunter2", "vmid": 1}) == "POST /x with password, vmid"


def test_booleans_are_digits():
    """PVE facts, 'HTTP answers': true, yes and 2 are refused."""
    assert [form_value(value) for value in (True, False, 5, "yes")] == ["1", "0", "5", "yes"]


class Scripted:
    """A control plane that answers from a list."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []

    def request(self, method, path, params=None):
        self.calls.append((method, path))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_task_that_fails_shows_the_tail_of_its_log():
    log = [{"n": 1, "t": "extracting archive"}, {"n": 2, "t": "TASK ERROR: no space left"}]
    client = Scripted({"status": "running"}, {"status": "stopped", "exitstatus": "no space left"}, log)
    with pytest.raises(PveError) as caught:
        tasks.wait_task(client, "pve", UPID, "POST /nodes/pve/lxc", 5)
    assert "task failed: no space left [POST /nodes/pve/lxc" in str(caught.value)
    assert "extracting archive | TASK ERROR" in str(caught.value)


def test_warnings_are_a_success_that_is_shown():
    client = Scripted(
        {"status": "stopped", "exitstatus": "WARNINGS: 1"}, [{"t": "WARN: old systemd"}, {"t": "TASK WARNINGS: 1"}]
    )
    assert tasks.wait_task(client, "pve", UPID, "c", 5) == ["WARN: old systemd", "TASK WARNINGS: 1"]


def test_a_task_that_outlasts_its_time_is_left_to_the_node_and_told():
    client = Scripted({"status": "running"}, {"status": "running"}, [{"t": "still at it"}])
    with pytest.raises(PveError, match="continues on the node"):
        tasks.wait_task(client, "pve", UPID, "c", 0)


def test_a_lock_is_waited_out_and_nothing_else_is():
    answers = [refused("c", 500, "CT is locked (disk)"), "done"]

    def act():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert tasks.with_lock_wait(act, 10) == "done"
    answers[:] = [refused("c", 500, "storage 'x' does not exist")]
    with pytest.raises(PveError):
        tasks.with_lock_wait(act, 10)
    answers[:] = [refused("c", 500, "CT is locked (backup)")]
    with pytest.raises(PveError, match="locked"):
        tasks.with_lock_wait(act, 0)


def test_upids():
    assert tasks.is_upid(UPID)
    assert not tasks.is_upid(None)
    assert not tasks.is_upid("UPID:pve:bogus")


def test_running_containers_are_those_whose_command_socket_exists(tmp_path):
    sockets = tmp_path / "unix"
    sockets.write_text(
        "Num RefCount Protocol Flags Type St Inode Path\n"
        "0: 00000002 00000000 00010000 0001 01 1 @/var/lib/lxc/950/command\n"
        "0: 00000002 00000000 00010000 0001 01 2 @/var/lib/lxc/951/commandx\n"
        "0: 00000002 00000000 00010000 0001 01 3 /run/systemd/notify\n"
    )
    assert observe.running_ctids(str(sockets)) == {950}


def test_a_machine_that_is_no_node_is_told_so(tmp_path):
    with pytest.raises(observe.ObserveError, match="not a Proxmox VE node"):
        observe.node_name(str(tmp_path))


def test_the_address_is_read_from_the_kernels_table():
    table = (
        "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.1.0.0\n        /24 link UNICAST\n     |-- 127.0.0.1\n"
        "        /32 host LOCAL\n     |-- 10.1.0.7\n        /32 host LOCAL\n"
    )
    assert guest._address(table) == "10.1.0.7"
    assert guest._address("") is None


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (LockedError, "CT is locked (create)"),
        (LockedError, "task failed: can't lock file '/run/lock/lxc/pve-config-950.lock' - got timeout"),
        (LockedError, "Failed to obtain guest migration lock - replication in progress?"),
        (StaleConfigError, "detected modified configuration - file changed by other user? Try again."),
        (AlreadyRunningError, "CT 950 already running"),
        (NotRunningError, "CT 950 not running"),
        (MissingError, "Configuration file 'nodes/pve/lxc/950.conf' does not exist"),
        (PveError, "unable to shrink disk size"),
        (PveError, "Permission check failed (/vms/950, VM.Config.Disk)"),
    ],
)
def test_pves_sentences_become_kinds_of_errors(kind, words):
    """One function knows the sentences; what acts on a failure catches its kind."""
    error = refused("PUT x", 500, words)
    assert error.__class__ is kind
    assert error.reason == words


def test_the_words_of_a_parameter_count_and_those_of_a_log_do_not():
    assert refused("c", 400, "Parameter verification failed.", {"vmid": "CT is locked (disk)"}).__class__ is LockedError
    assert refused("c", 200, "task failed: unexpected status", log=["CT is locked (disk)"]).__class__ is PveError
