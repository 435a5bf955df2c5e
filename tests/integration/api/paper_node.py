# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node on this machine: the lab's control plane over TLS, its config files, and guests that exist on paper."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
import ssl
import sys
import threading
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(REPO / "lab")]
if importlib.util.find_spec("ansible_collections") is None:
    sys.path[:0] = [str(REPO / "collections")]  # a plain clone resolves its own name through this folder

pytest.importorskip("fakepve", reason="needs the PyPI package fakepve")

from controlplane.backend import NullBackend
from controlplane.pve import LabPve, local_storage
from fakepve.certs import make_cert

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import ledger as ledgers
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.audit import Audit
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.executor import Executor
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.observe import Observer
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.preflight.node_survey import Gatherer, Places
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import local_client
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.store import Store

TEMPLATE = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
FEATURES = ({"name": "one", "digest": "d1"}, {"name": "two", "digest": "d2"})


class Cut(BaseException):
    """The run is killed here: nothing of it may catch this."""


class Node:
    """One node and the product's pieces on it."""

    def __init__(self, directory: Path, version: int) -> None:
        self.directory = directory
        self.pve_dir = directory / "pve"
        self.conf_dir = self.pve_dir / "nodes" / "pve" / "lxc"
        self.conf_dir.mkdir(parents=True)
        (self.pve_dir / "local").symlink_to("nodes/pve")
        images = directory / "vz"
        (images / "template" / "cache").mkdir(parents=True)
        (images / "template" / "cache" / TEMPLATE.rpartition("/")[2]).write_bytes(b"template")
        self.backend = NullBackend(bridges=("vmbr0", "vmbr1"))
        self.requests = directory / "requests.jsonl"
        self.pve = LabPve(
            self.backend,
            self.conf_dir,
            directory / "lock",
            pve_version=version,
            storages=local_storage(str(images)),
            port=0,
            request_log=self.requests,
        )
        self.pve.time_scale = 0.005
        cert, key, _der = make_cert(str(directory))
        self.fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(Path(cert).read_text(encoding="ascii"))).hexdigest()
        self.books: dict[int, dict] = {}
        self.boots: dict[int, str] = {}
        self.killed = False
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.run(self.pve.start(cert, key))

    def run(self, coroutine):
        """Run a coroutine on the control plane's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def close(self):
        """Stop serving."""
        self.run(self.pve.settled())
        self.run(self.pve.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)

    def call(self, method, path, params=None):
        """A call of somebody else."""
        answer = local_client.LocalClient(port=self.pve.port).request(method, path, params)
        self.run(self.pve.settled())
        return answer

    def mutations(self):
        """The control plane's own record of calls that change something: (method, path, params without digest)."""
        lines = self.requests.read_text(encoding="utf-8").splitlines() if self.requests.exists() else []
        entries = (json.loads(line) for line in lines)
        return [
            (entry["method"], entry["path"], {k: str(v) for k, v in entry["params"].items() if k != "digest"})
            for entry in entries
            if entry["method"] != "GET"
        ]

    def forget_requests(self):
        """Start the record again."""
        self.requests.write_text("", encoding="utf-8")

    def executor(self, client=None, check=False, run="run-1"):
        """The product's executor, as the module makes it."""
        observer = Observer(str(self.pve_dir), running=lambda: set(self.backend.running))
        audit = Audit(run, quiet=check, directory=str(self.directory / "log"))
        connect = client or (lambda: local_client.LocalClient(port=self.pve.port))
        return Executor(
            observer,
            Store(str(self.directory / "state")),
            audit,
            connect,
            run,
            lock_wait=1.0,
            locks=str(self.directory / "lock"),
            turns=str(self.directory / "run"),
        )

    def gatherer(self, client=None):
        """The product's preflight, as the module makes it; bridges are folders of the test."""
        places = Places(str(self.pve_dir), str(self.directory / "net"))
        connect = client or (lambda: local_client.LocalClient(port=self.pve.port))
        return Gatherer(connect, places, Store(str(self.directory / "state")))

    def drive(self, wanted, check=False, client=None):
        """One run of the module, with the play's part (features, application) done on paper."""
        executor = self.executor(client, check, wanted.run or "run-1")
        try:
            outcome = executor.run(wanted, check=check, resumes=self.killed and not check)
        except Cut:
            self.killed = True  # as the lease would tell the next run
            raise
        self.killed = self.killed and check
        if not check and not outcome.last.error:
            book = self.books.setdefault(wanted.ctid, ledgers.empty())
            for item in outcome.last.due_features:
                digest = next(feature["digest"] for feature in wanted.features if feature["name"] == item["name"])
                book["features"][item["name"]] = {"status": "applied", "digest": digest}
            if outcome.last.due_features:
                Store(str(self.directory / "state")).update_record(wanted.ctid, ledger=book)
                outcome = executor.run(wanted)
        return outcome

    def conf(self, ctid):
        """The text of a container's config."""
        path = self.conf_dir / f"{ctid}.conf"
        return path.read_text(encoding="utf-8") if path.exists() else None


def wanted(ctid=950, target="completed", features=FEATURES, **config):
    """A container as the inventory would give it."""
    base = {"name": "web", "template": TEMPLATE, "storage_pool": "local", "storage_size_gb": 4}
    merged = {key: value for key, value in {**base, **config}.items() if value is not None}
    return Wanted(ctid, "pve", merged, features, None, target, destroy_confirmed=target == "absent")
