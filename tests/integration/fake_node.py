# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fake node: the lab's control plane over TLS in this process, and the product's own pieces on it.

Guests exist on paper: a ledger each, and a start. A node serves many cases: everything on it can be wiped.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import importlib.util
import io
import json
import re
import shutil
import ssl
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO / "lab")]
if importlib.util.find_spec("ansible_collections") is None:
    # A plain clone finds its own name through a folder of its own; a copy that lies as Ansible wants it, by its place.
    placed = REPO.parts[-3:] == ("ansible_collections", "phoenix", "hypervisor")
    sys.path[:0] = [str(REPO.parents[2] if placed else REPO / "collections")]

pytest.importorskip("fakepve", reason="needs the PyPI package fakepve")

from controlplane.api.wire import bare_path
from controlplane.lxc.backend import NullBackend
from controlplane.pve import LabPve, local_storage
from fakepve.certs import make_cert

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import ledger as ledgers
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import Feature
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.pve.conffile import parse_conf
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.audit import Audit
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.conf.observe import Observer
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.executor import Executor
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import guest
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.layers import layer_use
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.layers.leaving import Leaving
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.layers.shelf import Shelf
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.preflight.node_survey import Gatherer, Places
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import local_client
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.store import Store

TEMPLATE = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
MUTATING = ("POST", "PUT", "DELETE")
MAC = re.compile(r"hwaddr=[0-9A-Fa-f:]{17}")
FEATURES = (Feature("one", "d1"), Feature("two", "d2"))
BOOK = "./ledger.json"
LAYERS = {"storage": "local"}


class Cut(BaseException):
    """The run is killed here: nothing of it may catch this."""


class RecordingPve(LabPve):
    """The control plane, with the calls that it answered kept in memory. ``around`` sees each before and after."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asked: list[tuple[str, str, dict[str, str], int]] = []
        self.around: Callable[[bool], None] = lambda _after: None
        self.doing = ("", "")  # the request that is being answered

    async def _refusal(self, request: Any) -> Any:
        self.doing = (request.method, bare_path(request.path))
        self.around(False)
        return await super()._refusal(request)

    async def record(self, request: Any, response: Any) -> None:
        """Every request, whoever sent it, before its answer goes out."""
        self.around(True)
        params = {key: str(value) for key, value in (await self._shown(request)).items() if key != "digest"}
        self.asked.append((request.method, bare_path(request.path), params, response.status))


class PaperGuests(NullBackend):
    """Guests on paper. What is recorded inside one is copied with its file system, and gone with it."""

    def __init__(self, books: dict[int, dict[str, Any]]) -> None:
        super().__init__(bridges=("vmbr0", "vmbr1", "vmbr9"))
        self.books = books
        self.book: Callable[[int], dict[str, Any] | None] = books.get
        self.changed: Callable[[], None] = lambda: None
        self.copied: Callable[[int, int | None], None] = lambda _ctid, _source: None

    async def create(self, vmid: int, *rest: Any) -> None:
        """An empty guest."""
        await super().create(vmid, *rest)
        self.books.pop(vmid, None)
        book = book_in(str(rest[1]))
        if book is not None:
            self.books[vmid] = book
        self.copied(vmid, None)

    async def backup(self, vmid: int, *rest: Any) -> None:
        """A copy in an archive, its ledger included."""
        await super().backup(vmid, *rest)
        book = json.dumps(self.book(vmid) or ledgers.empty())
        with tarfile.open(str(rest[2]), "a") as archive:
            for name, text in ((BOOK, book), ("./etc/os-release", "ID=debian\n")):
                entry = tarfile.TarInfo(name)
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))

    async def clone(self, src: int, dst: int, *rest: Any) -> None:
        """A copy, its ledger included."""
        await super().clone(src, dst, *rest)
        self.books[dst] = copy.deepcopy(self.books.get(src, ledgers.empty()))
        self.copied(dst, src)

    async def destroy(self, vmid: int, config: Any) -> None:
        """Nothing is left of it."""
        await super().destroy(vmid, config)
        self.books.pop(vmid, None)
        self.changed()

    async def start(self, vmid: int, config: Any) -> Any:
        """It runs."""
        warnings = await super().start(vmid, config)
        self.changed()
        return warnings

    async def stop(self, vmid: int) -> None:
        """It runs no more."""
        await super().stop(vmid)
        self.changed()

    async def shutdown(self, vmid: int, *rest: Any) -> None:
        """It runs no more."""
        await super().shutdown(vmid, *rest)
        self.changed()


def book_in(archive: str) -> dict[str, Any] | None:
    """The ledger in an archive of a guest; None for a template."""
    try:
        with tarfile.open(archive) as file:
            data = file.extractfile(BOOK)
            return json.loads(data.read()) if data else None
    except (OSError, tarfile.TarError, KeyError):
        return None


def two_storages(path: str) -> dict[str, dict[str, Any]]:
    """A folder, and a pool that takes snapshots and links clones."""
    pool = {"type": "zfspool", "pool": "tank", "content": "rootdir,images", "active": 1, "shared": 0}
    return {**local_storage(path), "tank": pool}


class FakeNode:
    """One node, and the product's pieces on it.

    ``renews``: whether a run renews the identity of a copy, which it does inside.
    """

    renews = True

    def __init__(
        self,
        directory: Path,
        version: int,
        time_scale: float = 0.0,
        control_plane: type[RecordingPve] = RecordingPve,
        storages: Callable[[str], dict[str, dict[str, Any]]] = two_storages,
    ) -> None:
        self.directory = directory
        self.pve_dir = directory / "pve"
        self.conf_dir = self.pve_dir / "nodes" / "pve" / "lxc"
        self.conf_dir.mkdir(parents=True)
        (self.pve_dir / "local").symlink_to("nodes/pve")
        images = directory / "vz"
        (images / "template" / "cache").mkdir(parents=True)
        (images / "template" / "cache" / TEMPLATE.rpartition("/")[2]).write_bytes(b"template")
        (self.pve_dir / "storage.cfg").write_text(
            f"dir: local\n\tpath {images}\n\tcontent backup,images,rootdir,vztmpl\n\nzfspool: tank\n\tpool tank\n"
        )
        self.books: dict[int, dict[str, Any]] = {}
        self.backend = PaperGuests(self.books)
        self.pve = control_plane(
            self.backend,
            self.conf_dir,
            directory / "lock",
            pve_version=version,
            storages=storages(str(images)),
            port=0,
        )
        self.pve.time_scale = time_scale
        self.pve.access_dir = self.pve_dir  # where pools are kept, too
        cert, key, _der = make_cert(str(directory))
        self.fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(Path(cert).read_text(encoding="ascii"))).hexdigest()
        self.identities: list[int] = []
        self.leaders: dict[str, int] = {}
        self.warnings: list[str] = []
        self.leaving_waits = (1.0, 30.0)  # for a lock, for a task
        self.killed = False
        self.password = ""
        self._client: local_client.LocalClient | None = None
        self._clients: list[local_client.LocalClient] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.run(self.pve.start(cert, key))

    # ------------------------------------------------------------------ the node
    def run(self, coroutine: Any) -> Any:
        """Run a coroutine on the control plane's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def close(self) -> None:
        """Stop serving."""
        self.forget_clients()
        self.run(self.pve.settled())
        self.run(self.pve.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def wipe(self) -> None:
        """A new node: no containers, no state, no record."""
        self.run(self.pve.settled())
        for path in self.conf_dir.glob("*.conf"):
            path.unlink()
        for name in ("state", "log", "run", "busy", "pve/firewall", "pve/ha"):
            shutil.rmtree(self.directory / name, ignore_errors=True)  # not there the first time
        for kept in (self.backend.running, self.backend.volumes, self.backend.snapshots, self.backend.failures):
            kept.clear()
        self.backend.calls.clear()
        # It tells files apart by time, inode and size, and a new file may get all three of one that is gone.
        self.pve._stamps.clear()
        self.pve.cts.clear()
        self.pve.tasks.clear()
        self.pve.tasklog.clear()
        self.pve.asked.clear()
        self.pve.requests.clear()
        self.pve.pools.clear()
        (self.pve_dir / "user.cfg").unlink(missing_ok=True)
        self.books.clear()
        self.identities.clear()
        self.leaders.clear()
        self.warnings.clear()
        for archive in self.archives():
            archive.unlink()
        self.killed = False
        self.forget_clients()

    def place(self, ctid: int, text: str, running: bool = False) -> None:
        """A container as another user left it: its config file, its volumes, its power state."""
        (self.conf_dir / f"{ctid}.conf").write_text(text, encoding="utf-8")
        for volume in re.findall(r"^(?:rootfs|mp\d+|unused\d+): ([a-z]+:[^,\n]+)", text, re.MULTILINE):
            self.backend.volumes[volume] = 1
        if running:
            self.backend.running[ctid] = ctid

    def call(self, method: str, path: str, params: Any = None) -> Any:
        """A call of another user, and the end of its task. It is not part of the record."""
        before = list(self.pve.asked)
        answer = self.connect().request(method, path, params)
        self.run(self.pve.settled())
        self.pve.asked[:] = before
        return answer

    def conf(self, ctid: int) -> str | None:
        """The text of a container's config."""
        path = self.conf_dir / f"{ctid}.conf"
        return path.read_text(encoding="utf-8") if path.exists() else None

    def able(self, config: dict[str, Any]) -> dict[str, Any]:
        """The part of a config that runs can apply."""
        return config

    def retold(self, _ctid: int, text: str) -> str:
        """The description of a container whose text somebody replaces."""
        return text

    def ident(self, ctid: int) -> str | None:
        """The instance id that a container carries."""
        return parse_conf(self.conf(ctid) or "").instance

    def mutations(self) -> list[tuple[str, str, dict[str, str]]]:
        """What the control plane was asked to change: (method, path, params without digest)."""
        return [(method, path, params) for method, path, params, _status in self.pve.asked if method in MUTATING]

    def settled_calls(self) -> list[Any]:
        """What a run without anything to do must not have called: nothing at all, the files tell enough."""
        return list(self.pve.asked)

    def forget_requests(self) -> None:
        """Begin the record again."""
        self.pve.asked.clear()

    def files(self) -> dict[str, tuple[int, bytes]]:
        """Everything on the node that the product could have made or changed: mode, and a file's content."""
        found = {}
        for root in (self.pve_dir, self.directory / "state", self.directory / "log", self.directory / "lock"):
            for path in sorted(root.rglob("*")):
                text = path.read_bytes() if path.is_file() else b""
                found[str(path.relative_to(self.directory))] = (path.stat().st_mode & 0o7777, text)
        return found

    # --------------------------------------------------------------- the product
    @property
    def store(self) -> Store:
        """The product's state directory."""
        return Store(str(self.directory / "state"))

    def lose_record(self, ctid: int) -> None:
        """Remove what runs keep of a container."""
        self.store.forget(ctid)

    def connect(self) -> local_client.LocalClient:
        """A connection as the product makes it, which the node closes in the end."""
        self._clients.append(local_client.LocalClient(port=self.pve.port))
        return self._clients[-1]

    def client(self) -> local_client.LocalClient:
        """One that is kept for many calls."""
        if self._client is None:
            self._client = self.connect()
        return self._client

    def forget_clients(self) -> None:
        """Close all connections: the next call opens one of its own."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        self._client = None

    @property
    def shelf(self) -> Shelf:
        """The layers of the node."""
        return Shelf("pve", str(self.pve_dir), str(self.directory / "state"), str(self.directory / "busy" / "layers"))

    @property
    def cache(self) -> Path:
        """The folder of its templates."""
        return self.directory / "vz" / "template" / "cache"

    def archives(self) -> list[Path]:
        """The archives of its layers, and what looks like one."""
        return sorted(self.cache.glob("phoenix-layer-*"))

    def leave(self, wanted: Wanted, executor: Executor, client: Any = None) -> tuple[list[dict[str, Any]], list[str]]:
        """Leave the layer of a container, as its module does: (the journal, warnings)."""
        audit = Audit(wanted.run, directory=str(self.directory / "log"))
        waits = self.leaving_waits
        leaving = Leaving(self.shelf, lambda: client or self.client(), audit, lambda: None, waits, "/nowhere")
        return leaving.leave(wanted, *executor.look(wanted))

    def gatherer(self, client: Any = None) -> Gatherer:
        """The product's preflight, as its module makes it; bridges are folders of the test."""
        places = Places(str(self.pve_dir), str(self.directory / "net"), str(self.directory / "zone.tab"))
        return Gatherer(client or self.client, places, self.store)

    def executor(self, check: bool = False, client: Any = None, run: str = "run-1", **options: Any) -> Executor:
        """The product's executor, as its module makes it."""
        observer = Observer(str(self.pve_dir), running=lambda: set(self.backend.running))
        audit = Audit(run, quiet=check, directory=str(self.directory / "log"))
        settings = {"lock_wait": 1.0, "ready_timeout": 2.0, "locks": str(self.directory / "lock"), **options}
        settings.setdefault("turns", str(self.directory / "busy"))
        settings.setdefault("password", self.password)
        settings.setdefault("layers", layer_use.Layers(self.shelf, self.leaders, not check))
        return Executor(observer, self.store, audit, client or self.client, run, **settings)

    def check(self, wanted: Wanted) -> Any:
        """Check mode."""
        return self.executor(check=True).run(wanted, check=True)

    def drive(self, wanted: Wanted, client: Any = None, **options: Any) -> tuple[list[dict[str, Any]], Any]:
        """A whole run for one container, the play's part done on paper: (journal, last outcome).

        What leaving a layer warns of is kept.
        """
        executor = self.executor(client=client, **options)
        return self.driven(wanted, lambda _left: executor.run(wanted), executor)

    def driven(self, wanted: Wanted, act: Any, executor: Any = None) -> tuple[list[dict[str, Any]], Any]:
        """The turns of a run: the module's (``act``), and the play's.

        ``act`` gets the steps of the play that are left after its turn, None for those that it finds itself.
        """
        outcome = act(None)
        journal = list(outcome.journal)
        for _turn in range(20):
            step = outcome.last.steps[0] if outcome.last.steps else None
            if outcome.last.error or step is None or not step.by_play:
                break
            journal += [entry.as_dict() for entry in step.entries]
            self.play(wanted, step)
            if [after.kind for after in outcome.last.steps[1:2]] == ["layer"]:
                left, warnings = self.leave(wanted, executor)
                journal += left
                self.warnings += warnings
            outcome = act([after for after in outcome.last.steps[1:] if after.by_play])
            journal += outcome.journal
        return journal, outcome

    def apply(self, wanted: Wanted, check: bool = False, client: Any = None) -> Any:
        """A run of the module as its lease has it, which resumes after one that was killed; the last outcome."""
        executor = self.executor(check, client or self.connect, run=wanted.run or "run-1")
        try:
            outcome = executor.run(wanted, check=check, resumes=self.killed and not check)
        except Cut:
            self.killed = True
            raise
        self.killed = self.killed and check
        if not check and not outcome.last.error and outcome.last.due_features:
            for step in outcome.last.steps:
                if step.by_play:
                    self.play(wanted, step)
            outcome = executor.run(wanted)
        return outcome

    def play(self, wanted: Wanted, step: Any) -> None:
        """What the play and the modules inside the container do for a step: the state word, the ledger."""
        if self.store.load(wanted.ctid).word != "customizing" and step.entries:
            self.store.write_word(wanted.ctid, "customizing")
        book = self.books.setdefault(wanted.ctid, ledgers.empty())
        if step.kind == "feature":
            feature = next(item for item in wanted.features if item.name == step.name)
            components = {"files": "", "variables": {}, "under": []}
            book["features"][step.name] = {"status": "applied", "digest": feature.digest, "components": components}
        elif step.kind == "application" and wanted.application:
            own = {"status": "applied", "digest": wanted.application.digest, "ctid": wanted.ctid}
            book["application"] = {**own, "boot": f"b{self.backend.running[wanted.ctid]}"}
        self.store.update_record(wanted.ctid, ledger=json.loads(json.dumps(book)))
        guarding = self.store.read_record(wanted.ctid).get("guarding")
        if step.kind in ("application", "health") and guarding:
            self.store.update_record(wanted.ctid, guarding={**guarding, "stage": "proved"})
        if step.kind == "health":
            self.store.update_record(wanted.ctid, checked_boot=f"b{self.backend.running[wanted.ctid]}")


def wanted(ctid: int = 950, target: str = "completed", features: Any = FEATURES, **config: Any) -> Wanted:
    """A container as the inventory gives it; a value None takes a key away."""
    base = {"name": "web", "template": TEMPLATE, "storage_pool": "local", "storage_size_gb": 4}
    merged = {key: value for key, value in {**base, **config}.items() if value is not None}
    return Wanted(ctid, "pve", merged, features, None, target, destroy_confirmed=target == "absent")


def edges(node: FakeNode, patch: pytest.MonkeyPatch) -> None:
    """Perl's ticket and lxc-attach are what this machine may lack; all else is the product's own."""
    patch.setattr(local_client, "mint_ticket", lambda **_how: node.pve.mint_ticket("root@pam"))
    patch.setattr(local_client, "pinned_fingerprint", lambda: node.fingerprint)

    def look(ctid: int, _node_boot: str = "", way: Any = None) -> guest.GuestView:
        if ctid not in node.backend.running:
            return guest.GuestView(error="not running")
        book = node.books.get(ctid)
        text = ledgers.dump(book) if book else None
        return guest.GuestView(boot=f"b{node.backend.running[ctid]}", address="10.0.0.9", ledger_text=text)

    patch.setattr(guest, "look", look)
    patch.setattr(guest, "renew_identity", lambda ctid, way=None: node.identities.append(ctid))
    patch.setattr(guest, "write_ledger", lambda ctid, text, way=None: node.books.update({ctid: ledgers.parse(text)}))


def pve_calls(entries: Any) -> list[tuple[str, str, dict[str, str]]]:
    """The API calls among journal entries, in the shape of the control plane's record."""
    calls = []
    for entry in entries:
        if entry["op"] == "pve":
            method, path = entry["what"].split(" ")
            calls.append((method, path, {key: str(value) for key, value in entry["params"].items()}))
    return calls


def normal(calls: Any) -> str:
    """Calls as a text that can be compared: MACs are drawn by chance."""
    ordered = [(method, path, sorted(params.items())) for method, path, params in calls]
    return MAC.sub("hwaddr=MAC", repr(ordered)).replace("hwaddr=MAC", "hwaddr=*")


def predicted(plan: Any) -> list[dict[str, Any]]:
    """What a plan says that a real run will journal."""
    return [entry.as_dict() for step in plan.steps for entry in step.entries]
