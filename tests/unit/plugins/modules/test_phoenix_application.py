# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module in a process of its own, with real scripts."""

from __future__ import annotations

import json
import os
import pathlib
import select
import signal
import stat
import subprocess
import sys

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import application_run as node

ROOT = str(pathlib.Path(os.path.abspath(node.__file__)).parents[7])

DRIVER = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import application_run as node
from ansible_collections.phoenix.hypervisor.plugins.modules import phoenix_application as module
module.PATHS = node.Paths(*sys.argv[1:4])
node.GRACE = 0.3
module.core.BASE["HOME"] = sys.argv[4]
with patch_module_args(json.load(sys.stdin)):
    module.main()
"""


class Container:
    """Stands for a container: folders of its own, and the module run in them."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.paths = node.Paths(
            str(folder / "var" / "application"), str(folder / "log" / "app.log"), str(folder / "lock")
        )

    def script(self, text: str, name: str = "serve.sh") -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def start(self, **args) -> subprocess.Popen:
        args.setdefault("ctid", 950)
        args.setdefault("timeout", 30)
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, *self.paths, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([ROOT, *sys.path])},
        )
        process.stdin.write(json.dumps(args))
        process.stdin.close()
        return process

    def finish(self, process: subprocess.Popen) -> dict:
        with process:
            output = process.stdout.read()
        return json.loads(output)

    def kill(self, process: subprocess.Popen) -> None:
        with process:
            os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL

    def run(self, **args) -> dict:
        return self.finish(self.start(**args))

    def counted(self) -> int:
        count = self.folder / "count"
        return len(count.read_text().splitlines()) if count.exists() else 0


@pytest.fixture
def container(tmp_path):
    return Container(tmp_path)


def test_runs_delivers_and_reports(container):
    result = container.run(script=container.script("#!/bin/sh\necho out; echo err >&2\n"))
    assert result["changed"] is True
    assert result["script"]["rc"] == 0
    assert result["script"]["adopted"] is False
    assert result["script"]["stdout_tail"] == "out\nerr\n"
    installed = os.path.join(container.paths.folder, result["script"]["name"])
    assert result["script"]["name"].endswith("-serve.sh")
    assert stat.S_IMODE(os.stat(installed).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(container.paths.log).st_mode) == 0o600
    assert pathlib.Path(container.paths.log).read_text() == "out\nerr\n"


def test_environment_is_clean_and_holds_the_configuration(container, monkeypatch):
    monkeypatch.setenv("LEAK", "from the session")
    config = {"memory_mb": 2048, "vllm_port": 8000, "gpu": None, "start_at_boot": True, "features": ["a", "b"]}
    config.update(vllm_args=["--x", "two words"], network_config={"ip": "10.0.0.5/24"})
    script = container.script('#!/bin/sh\nenv\ncat "$PHOENIX_CONFIG"; cat; ps -o sid= -p $$ | tr -d " "; echo $$\n')
    result = container.run(script=script, config=config, container="web", node="pve", environment={"OWN": "x y"})
    lines = result["script"]["stdout_tail"].splitlines()
    names = {line.partition("=")[0] for line in lines}
    for line in (
        "PHOENIX_CTID=950", "PHOENIX_NAME=web", "PHOENIX_NODE=pve", "PHOENIX_IP=10.0.0.5", "PHOENIX_MEMORY_MB=2048",
        "PHOENIX_FEATURES=a b", "PHOENIX_VLLM_PORT=8000", "PHOENIX_START_AT_BOOT=true", "OWN=x y",
        "PHOENIX_VLLM_ARGS=--x 'two words'", f"PHOENIX_CONFIG={container.paths.config}",
    ):  # fmt: skip  # laid out to be read
        assert line in lines
    assert not {"LEAK", "PHOENIX_GPU", "PYTHONPATH"} & names
    assert json.loads(pathlib.Path(container.paths.config).read_text()) == config
    assert stat.S_IMODE(os.stat(container.paths.config).st_mode) == 0o600
    assert lines[-1] == lines[-2], "the script leads a session of its own"


def test_secrets_are_blotted_out_of_output_and_invocation(container):
    script = container.script('#!/bin/sh\necho "token is $TOKEN on port $PORT"\nexit 1\n')
    result = container.run(
        script=script, environment={"TOKEN": "hunter2-secret", "PORT": "8"}, config={"hf": "other-secret"}
    )
    assert "hunter2-secret" not in json.dumps(result)
    assert "other-secret" not in json.dumps(result)
    assert result["script"]["stdout_tail"].endswith("on port 8\n")
    assert result["failed"] is True


def test_exit_code_is_obeyed(container):
    result = container.run(
        script=container.script("#!/bin/sh\necho why; exit 7\n"), health_check={"command": "touch checked"}
    )
    assert result["failed"] is True
    assert (result["stage"], result["rc"], result["script"]["rc"]) == ("script", 7, 7)
    assert "exit code 7" in result["msg"]
    assert "why" in result["msg"]
    assert not (container.folder / "checked").exists()


@pytest.mark.parametrize(
    ("text", "rc"),
    [
        ("echo no shebang; exit 3\n", 3),
        ("#!/nonexistent/interpreter\n", 127),
        ("#!/bin/sh\nkill -KILL $$\n", -9),
        ("", 0),
    ],
)
def test_odd_scripts(container, text, rc):
    result = container.run(script=container.script(text))
    assert result["script"]["rc"] == rc
    assert result.get("failed", False) is (rc != 0)


def test_name_with_spaces_and_signs(container):
    result = container.run(script=container.script("echo $0\n", name="x"), name="my app;$(id) 'v2'.sh")
    assert result["script"]["name"].endswith("-my_app___id___v2_.sh")
    assert result["script"]["stdout_tail"].strip() == os.path.join(container.paths.folder, result["script"]["name"])


def test_megabytes_of_output(container):
    script = container.script("#!/bin/sh\nhead -c 5000000 /dev/zero | tr '\\0' x\necho\necho last\n")
    result = container.run(script=script)["script"]
    assert result["stdout_bytes"] == 5000006
    assert result["stdout_tail"].endswith("last\n")
    assert len(result["stdout_tail"].encode()) <= node.TAIL_BYTES
    assert os.stat(container.paths.log).st_size == 5000006


def test_binary_output(container):
    script = container.script(
        "#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' '\\377'; printf '\\000\\033[31m\\303\\251\\n'\n"
    )
    result = container.run(script=script)["script"]
    assert len(result["stdout_tail"].encode()) <= node.TAIL_BYTES
    assert result["stdout_tail"].endswith("�\ufffd[31mé\n")


def test_time_out_ends_the_whole_group(container):
    script = container.script("#!/bin/sh\ntrap '' TERM\nsh -c 'echo $$; exec sleep 600' &\nwhile :; do wait; done\n")
    for seconds in (1, 10, 60):  # on a busy machine one is too short to say its number
        result = container.run(script=script, timeout=seconds)
        assert result["failed"] is True
        assert result["script"]["timed_out"] is True
        assert f"within {seconds} s" in result["msg"]
        if result["script"]["stdout_tail"]:
            break
    assert node.start_time(int(result["script"]["stdout_tail"])) is None


def test_what_stays_in_the_background_neither_delays_nor_locks(container):
    script = container.script("#!/bin/sh\nsleep 600 &\necho $!\n")
    first = container.run(script=script, timeout=30)
    second = container.run(script=script, timeout=30)
    for result in (first, second):
        os.kill(int(result["script"]["stdout_tail"]), signal.SIGKILL)
        assert result["script"]["seconds"] < 30
    assert second["script"]["adopted"] is False


class Gate:
    """Two FIFOs: the script says that it runs, and waits to be let on."""

    def __init__(self, container: Container):
        self.started, self.go = (str(container.folder / name) for name in ("started", "go"))
        os.mkfifo(self.started)
        os.mkfifo(self.go)
        # Open for both, so that neither end ever waits for the other to come.
        self.ends = [os.open(path, os.O_RDWR) for path in (self.started, self.go)]
        self.text = f"#!/bin/sh\necho x >> {container.folder}/count\necho up > {self.started}\nread word < {self.go}\n"

    def await_start(self) -> None:
        assert select.select([self.ends[0]], [], [], 30)[0], "the script did not start"
        assert os.read(self.ends[0], 3) == b"up\n"

    def release(self) -> None:
        os.write(self.ends[1], b"go\n")


def test_killed_module_then_adopted(container):
    gate = Gate(container)
    script = container.script(gate.text + "echo done\n")
    first = container.start(script=script)
    gate.await_start()
    container.kill(first)
    waiting = container.run(script=script, timeout=1)
    assert waiting["failed"] is True
    assert "still runs" in waiting["msg"]
    gate.release()
    adopted = container.run(script=script)
    assert adopted["script"]["adopted"] is True
    assert adopted["script"]["rc"] == 0
    assert adopted["script"]["stdout_tail"] == "done\n"
    assert container.counted() == 1


def test_result_that_nobody_heard_is_adopted(container):
    gate = Gate(container)
    script = container.script(gate.text)
    first = container.start(script=script)
    gate.await_start()
    first.stdout.close()
    gate.release()
    assert first.wait() != 0
    assert container.run(script=script)["script"]["adopted"] is True
    assert container.counted() == 1
    assert node.read_result(container.paths)["told"] is True


@pytest.mark.parametrize("change", [{"digest": "other"}, {"ctid": 951}])
def test_result_of_other_work_is_not_adopted(container, change):
    gate = Gate(container)
    script = container.script(gate.text)
    first = container.start(script=script)
    gate.await_start()
    container.kill(first)
    gate.release()
    gate.release()
    assert container.run(script=script, **change)["script"]["adopted"] is False
    assert container.counted() == 2


def test_script_that_lost_its_supervisor_is_awaited_and_run_again(container):
    gate = Gate(container)
    script = container.script(gate.text)
    first = container.start(script=script)
    gate.await_start()
    running = {}
    while "pid" not in running:
        running = node.read_result(container.paths)
    supervisor = int(pathlib.Path(f"/proc/{running['pid']}/stat").read_text().rpartition(")")[2].split()[1])
    container.kill(first)
    os.kill(supervisor, signal.SIGKILL)
    assert "process " + str(running["pid"]) in container.run(script=script, timeout=1)["msg"]
    gate.release()
    second = container.start(script=script)
    gate.await_start()
    gate.release()
    assert container.finish(second)["script"]["adopted"] is False
    assert container.counted() == 2


def test_a_reported_success_is_run_again_unless_it_is_the_same_attempt(container):
    script = container.script(f"#!/bin/sh\necho x >> {container.folder}/count\n")
    assert container.run(script=script, attempt="one")["script"]["adopted"] is False
    assert container.run(script=script, attempt="one")["script"]["adopted"] is True
    assert container.counted() == 1
    assert container.run(script=script, attempt="two")["script"]["adopted"] is False
    assert container.run(script=script)["script"]["adopted"] is False
    assert container.counted() == 3


def test_a_success_whose_health_check_failed_is_run_again_in_the_same_attempt(container):
    script = container.script(f"#!/bin/sh\necho x >> {container.folder}/count\n")
    check = {"command": f"test -e {container.folder}/healthy", "retries": 0}
    job = {"script": script, "attempt": "one", "health_check": check}
    assert container.run(**job)["stage"] == "health_check"
    (container.folder / "healthy").touch()
    assert container.run(**job)["script"]["adopted"] is False
    assert container.run(**job)["script"]["adopted"] is True
    assert container.counted() == 2


def test_a_success_that_nobody_heard_belongs_to_its_attempt(container):
    """Its entry was forgotten meanwhile, so that the script is to run again."""
    gate = Gate(container)
    script = container.script(gate.text)
    first = container.start(script=script, attempt="one")
    gate.await_start()
    first.stdout.close()
    gate.release()
    assert first.wait() != 0
    second = container.start(script=script, attempt="two")
    gate.await_start()
    gate.release()
    assert container.finish(second)["script"]["adopted"] is False
    assert container.counted() == 2


def test_a_failure_is_run_again(container):
    script = container.script(f"#!/bin/sh\necho x >> {container.folder}/count\nexit 1\n")
    for count in (1, 2):
        assert container.run(script=script, attempt="one")["script"]["adopted"] is False
        assert container.counted() == count


def test_earlier_scripts_are_removed(container):
    container.run(script=container.script("echo one\n", name="one"))
    result = container.run(script=container.script("echo two\n", name="two"))
    assert sorted(os.listdir(container.paths.folder)) == sorted(
        [result["script"]["name"], "config.json", "result.json"]
    )


def test_check_mode_runs_nothing(container):
    result = container.run(
        script=container.script("touch ran\n"), health_check={"command": "touch ran"}, _ansible_check_mode=True
    )
    assert result["changed"] is True
    assert result["would_run"] == "serve.sh"
    assert sorted(path.name for path in container.folder.iterdir()) == ["serve.sh"]


def test_health_check_alone_and_its_retries(container):
    command = 'echo x >> count; echo "try $(wc -l < count)"; test $(wc -l < count) -ge 3'
    result = container.run(health_check={"command": command, "retries": 5, "interval": 0})
    assert result["changed"] is False
    assert "script" not in result
    assert (result["health"]["rc"], result["health"]["attempts"], result["health"]["output"]) == (0, 3, "try 3\n")


def test_health_check_that_fails(container):
    result = container.run(
        script=container.script("true\n"),
        health_check={"command": "echo $PHOENIX_CTID; exit 4", "retries": 1, "interval": 0},
    )
    assert result["failed"] is True
    assert (result["stage"], result["rc"], result["health"]["attempts"]) == ("health_check", 4, 2)
    assert result["script"]["rc"] == 0
    assert "950" in result["msg"]


def test_health_check_that_hangs(container):
    command = "sleep 600 & echo hanging; wait"
    result = container.run(health_check={"command": command, "retries": 0, "timeout": 0.5})
    assert result["failed"] is True
    assert result["health"]["timed_out"] is True
    assert "hanging" in result["health"]["output"]


@pytest.mark.parametrize("name", ["A B", "1A", "A=B", ""])
def test_bad_environment_names_are_refused(container, name):
    result = container.run(script=container.script("true\n"), environment={name: "x"})
    assert result["failed"] is True
    assert "environment" in result["msg"]


def test_a_failure_counts_only_from_a_script_that_was_seen_running():
    job = node.Job("s", "d", 950, "", {}, 1, "t")
    ended = {"state": "finished", "digest": "d", "ctid": 950, "rc": 1, "told": False}
    assert node._is_ours(ended, job, waited=True)
    assert not node._is_ours(ended, job, waited=False)
    assert not node._is_ours({**ended, "rc": 0, "told": True}, job, waited=False)
    assert node._is_ours({**ended, "rc": 0}, job, waited=False)
