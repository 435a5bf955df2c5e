# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node whose product runs in processes of its own, which are killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fake_node import TEMPLATE, FakeNode, book_in
from token_node import KEPT, SECRET, USER, grant, without_notes
from transports import SSH, TOKEN

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.remote import notes
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import parse_conf

CHILD = Path(__file__).with_name("proof_child.py")
SOURCE, CTID = 900, 950
FEATURES = [{"name": "one", "digest": "d1", "role": "r"}, {"name": "two", "digest": "d2", "role": "r"}]
CONFIG = {
    "name": "web",
    "clone_from_ctid": SOURCE,
    "memory_mb": 1024,
    "cores": 2,
    "storage_size_gb": 6,
    "lxc_options": ["lxc.environment: A=1"],
    "network_config": {"name": "eth0", "bridge": "vmbr0", "ip": "manual"},
}
# Of a record, what differs from run to run.
OF_A_RUN = ("ledger", "raw_boot", "instance", "set_by", "host_key")
SCRIPT = """#!/bin/sh
echo run >> "$COUNT"
[ ! -e "$HOLD" ] || { : > "$STARTED"; while [ -e "$HOLD" ]; do sleep 0.05; done; }
"""
# Stands for ssh and for the servers of all guests: an address names its guest, whose folder stands for what is inside.
SSH_PROGRAM = """#!/bin/sh
while [ $# -gt 2 ]; do
  case "$1" in
    UserKnownHostsFile=*) known="${{1#*=}}" ;;
    HostKeyAlias=*) name="${{1#*=}}" ;;
    StrictHostKeyChecking=*) strict="${{1#*=}}" ;;
  esac
  shift
done
ctid="{hundreds}${{1##*.}}"
home="{folder}/guests/$ctid"
fail() {{ echo "ssh: $1" >&2; exit 255; }}
draw() {{ echo "ssh-ed25519 $(od -An -N16 -tx1 /dev/urandom | tr -d ' \\n')" > "$home/host-key"; }}
grep -q "/$ctid/command" "{folder}/sockets" || fail "Connection refused"
[ -e "$home/host-key" ] || draw
line="$name $(cat "$home/host-key")"
if ! grep -qxF "$line" "$known"; then
  [ "$strict" = accept-new ] && ! grep -q "^$name " "$known" || fail "Host key verification failed."
  echo "$line" >> "$known"
fi
case "$2" in *systemd-machine-id-setup*) draw; exit 0 ;; esac
exec sh -c "$(printf %s "$2" | sed "s#/var/lib/phoenix_hypervisor#$home#g; s#/etc/#$home/etc/#g")"
"""
SOURCE_CONF = "hostname: base\nmemory: 512\nswap: 512\nrootfs: local:900/vm-900-disk-0.raw,size=4G\nunprivileged: 1\n"


def drawn_by_chance(text: str) -> str:
    """A config without what is another value in each run."""
    return re.sub(r"PHOENIX_INSTANCE=\S+", "PHOENIX_INSTANCE=*", re.sub(r"hwaddr=\S+?,", "", text))


class KillNode(FakeNode):
    """The node, its guests as folders, and the processes of the product."""

    transport = SSH
    base = CONFIG

    def __init__(self, directory: Path, version: int) -> None:
        super().__init__(directory, version, time_scale=0.005)
        self.at_call: tuple[int | str, bool] | None = None
        self.calls = 0
        self.victim: int | None = None
        self._begun = threading.Event()
        self.dead: list[str] = []
        self._runs = 0
        bin_folder = directory / "bin"
        bin_folder.mkdir()
        pct = bin_folder / "pct"
        pct.write_text(f'#!/bin/sh\n[ "$1" = unlock ] && sed -i "/^lock:/d" "{self.conf_dir}/$2.conf"\n')
        pct.chmod(0o755)
        (directory / "script.sh").write_text(SCRIPT)
        self.backend.changed = self._sockets
        self.backend.copied = self._guest
        self.backend.book = self._book
        self.pve.around = self._around
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self._stderr = open(directory / "stderr", "w", encoding="utf-8")  # noqa: SIM115  # closed with the process
        self._zygote = subprocess.Popen(
            [sys.executable, str(CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env=environment,
        )
        assert self._zygote.stdin
        assert self._zygote.stdout
        self._to_zygote, self._from_zygote = self._zygote.stdin, self._zygote.stdout

    def close(self) -> None:
        """End the processes too."""
        self._to_zygote.close()
        self._zygote.wait(20)
        self._from_zygote.close()
        self._stderr.close()
        super().close()

    def fresh(self) -> None:
        """A node with the clone source on it, as another user made it."""
        self.at_call, self.victim, self.calls, self.dead = None, None, 0, []
        self.wipe()
        for name in ("guests", "run", "lock"):
            shutil.rmtree(self.directory / name, ignore_errors=True)  # not there the first time
            (self.directory / name).mkdir(mode=0o750)
        (self.directory / "guests" / str(SOURCE) / "etc" / "ssh").mkdir(parents=True)
        self.place(SOURCE, SOURCE_CONF)
        self._sockets()

    def _guest(self, ctid: int, source: int | None) -> None:
        """A guest's file system: a copy of another one's, or a new one."""
        home = self.directory / "guests" / str(ctid)
        shutil.rmtree(home, ignore_errors=True)  # there only after an earlier case
        if source is None:
            (home / "etc" / "ssh").mkdir(parents=True)
            book = book_in(str(self.backend.calls[-1][2]))
            if book is not None:
                (home / "ledger.json").write_text(json.dumps(book))
        else:
            shutil.copytree(self.directory / "guests" / str(source), home)

    def _book(self, ctid: int) -> dict[str, Any] | None:
        """The ledger of a guest."""
        path = self.directory / "guests" / str(ctid) / "ledger.json"
        return json.loads(path.read_text()) if path.exists() else None

    def _sockets(self) -> None:
        """The kernel's list of sockets, of which each running container has one."""
        lines = [
            f"0000: 00000002 00000000 00010000 0001 01 1 @/var/lib/lxc/{ctid}/command" for ctid in self.backend.running
        ]
        path = self.directory / "sockets"
        path.with_suffix(".new").write_text("".join(f"{line}\n" for line in lines))
        path.with_suffix(".new").rename(path)

    def _around(self, after: bool) -> None:
        """Called before and after each request is answered: the place to kill who sent it.

        ``at_call``: its number, or method and end of the path.
        """
        if not after:
            self.calls += 1
        method, path = self.pve.doing
        names = (self.calls, f"{method} {path.rpartition('/')[2]}")
        if self.at_call in [(name, after) for name in names]:
            # The run's first call may come before this process has read its number.
            assert self._begun.wait(60)
            assert self.victim is not None
            os.kill(self.victim, signal.SIGKILL)

    def start(self, kill: int | None = None, **changes: Any) -> Callable[[], dict[str, Any]]:
        """Begin a run. What comes back waits for its end, and gives its result ({} when it was killed)."""
        self._runs += 1
        run = f"run-{self._runs}"
        result = self.directory / "result.json"
        result.unlink(missing_ok=True)
        inside = self.directory / "guests" / str(CTID)
        task = {
            "folder": str(self.directory),
            "result": str(result),
            "port": self.pve.port,
            "api": {"user": USER, "token_id": "phoenix", "token_secret": SECRET},
            "ticket": self.pve.mint_ticket("root@pam"),
            "fingerprint": self.fingerprint,
            "run": run,
            "dead": list(self.dead),
            "kill": kill,
            "ctid": CTID,
            "config": self.base,
            "features": FEATURES,
            "application": {"name": "serve", "digest": "a1"},
            "transport": self.transport,
            "script": str(self.directory / "script.sh"),
            "environment": {name.upper(): str(inside / name) for name in ("count", "hold", "started")},
            **changes,
        }
        self.calls = 0
        self._begun.clear()
        self._to_zygote.write(json.dumps(task) + "\n")
        self._to_zygote.flush()
        self.victim = int(self._from_zygote.readline())
        self._begun.set()

        def finish() -> dict[str, Any]:
            code = int(self._from_zygote.readline())
            self.victim, self.at_call = None, None
            self.dead.append(run)
            if code == -signal.SIGKILL:
                return {}
            assert code == 0, (self.directory / "stderr").read_text()
            answer: dict[str, Any] = json.loads(result.read_text())
            return answer

        return finish

    def run_once(self, kill: int | None = None, **changes: Any) -> dict[str, Any]:
        """A whole run."""
        return self.start(kill, **changes)()

    # ------------------------------------------------------------------ the node
    def counted(self) -> dict[str, int]:
        """How often each feature and the application's script ran."""
        inside = self.directory / "guests" / str(CTID)
        found = {"one": 0, "two": 0, "run": 0}
        for name in ("features.log", "count"):
            path = inside / name
            for word in path.read_text().split() if path.exists() else ():
                found[word] += 1
        return found

    def application(self) -> dict[str, Any]:
        """What the application's supervisor has recorded, {} for nothing yet."""
        path = self.directory / "guests" / str(CTID) / "application" / "result.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def ledger(self) -> dict[str, str]:
        """Status and digest of what the guest's ledger has."""
        path = self.directory / "guests" / str(CTID) / "ledger.json"
        try:
            book = json.loads(path.read_text())
        except (OSError, ValueError):
            return {}
        entries = {**book["features"], "application": book["application"]}
        return {name: f"{entry['status']} {entry['digest']}" for name, entry in entries.items() if entry}

    def kept(self) -> dict[str, Any]:
        """What runs keep of the container: its record, its word, whether a run has it, and whether it is recognized."""
        state = self.directory / "state"
        record = json.loads((state / "records" / f"{CTID}.json").read_text())
        return {
            "record": record,
            "word": (state / "state" / f"{CTID}.state").read_text(),
            "leases": sorted(path.name for path in (state / "leases").glob("*.json")),
            "recognized": record["instance"]["id"] in (self.conf(CTID) or ""),
        }

    def end_state(self) -> dict[str, Any]:
        """What two runs that came to the same end have in common."""
        conf = {ctid: drawn_by_chance(self.conf(ctid) or "") for ctid in self.ctids()}
        kept = self.kept()
        record = kept["record"]
        return {
            **kept,
            "configs": conf,
            "running": sorted(self.backend.running),
            "volumes": sorted(self.backend.volumes),
            "snapshots": sorted(self.backend.snapshots),
            "record": {key: value for key, value in record.items() if key not in OF_A_RUN},
            "set_by": sorted(record.get("set_by") or ()),  # which run, and when, is another with each run
            "recognized": kept["recognized"] and bool(record["instance"]["rootfs"]),
            "ledger": self.ledger(),
            "left": sorted(path.name for path in (self.directory / "state").rglob("*") if path.is_file()),
        }

    def ctids(self) -> list[int]:
        """The containers of the node."""
        return sorted(int(path.stem) for path in self.conf_dir.glob("*.conf"))


class KillTokenNode(KillNode):
    """The same, whose runs have a token, and enter its containers by what stands for ssh."""

    transport = TOKEN
    base = {key: value for key, value in CONFIG.items() if key != "lxc_options"} | {
        "network_config": {"name": "eth0", "bridge": "vmbr0", "ip": f"10.0.0.{CTID % 100}/24"}
    }

    def __init__(self, directory: Path, version: int) -> None:
        super().__init__(directory, version)
        ssh = directory / "bin" / "ssh"
        ssh.write_text(SSH_PROGRAM.format(folder=directory, hundreds=CTID // 100))
        ssh.chmod(0o755)

    def wipe(self) -> None:
        """A new node, and a controller that has seen nothing of it."""
        super().wipe()
        shutil.rmtree(self.directory / "home", ignore_errors=True)  # not there the first time
        grant(self.pve)

    def conf(self, ctid: int) -> str | None:
        """The text of a container's config without what runs keep in it."""
        text = super().conf(ctid)
        return None if text is None else KEPT.sub("", text)

    def mutations(self) -> list[tuple[str, str, dict[str, str]]]:
        """What the control plane was asked to change, without what runs keep in descriptions."""
        return without_notes(super().mutations())

    def kept(self) -> dict[str, Any]:
        """What the description has."""
        data = notes.split(parse_conf(super().conf(CTID) or "").head.get("description"))[1]
        leases = [data["lease"]["id"]] if "lease" in data else []
        is_ours = data["ctid"] == CTID and bool(data["record"]["instance"]["id"])
        return {"record": data["record"], "word": data["word"], "leases": leases, "recognized": is_ours}


__all__ = ["CONFIG", "CTID", "FEATURES", "SOURCE", "SOURCE_CONF", "TEMPLATE", "KillNode", "KillTokenNode"]
