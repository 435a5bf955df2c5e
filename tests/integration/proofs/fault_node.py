# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node whose control plane plays faults, and what a user sees of them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aiohttp import web
from fake_node import LAYERS, MUTATING, TEMPLATE, FakeNode
from token_node import TokenNode, without_notes
from transports import SSH, TOKEN

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.work import Feature
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.model import Wanted
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.executor import Executor
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.outcome import StepError, on_container
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import local_client
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.client import PveError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.store import StoreError
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote import api_client

DISK = "local:950/vm-950-disk-0.raw"
FEATURES = (Feature("one", "d1"),)
NET = {"name": "eth0", "bridge": "vmbr0", "ip": "manual"}


def wanted(ctid: int = 950, target: str = "completed", **config: Any) -> Wanted:
    """A container as the inventory gives it; a value None takes the key away."""
    base = {"name": "web", "template": TEMPLATE, "storage_pool": "local", "storage_size_gb": 4, "memory_mb": 1024}
    merged = {key: value for key, value in {**base, "network_config": NET, **config}.items() if value is not None}
    return Wanted(ctid, "pve", merged, FEATURES, None, target, destroy_confirmed=target == "absent")


def layered(want: Wanted, ctid: int = 0) -> Wanted:
    """The same with layers on, and a feature that a layer can have. ``ctid``: as another container."""
    features = tuple(dataclasses.replace(each, rest={"layer": True}) for each in want.features)
    return dataclasses.replace(want, ctid=ctid or want.ctid, features=features, layers=LAYERS, run="run-1")


class FaultNode(FakeNode):
    """The node, its faults and their end. ``wire``: the module of the product that speaks to the control plane."""

    wire: Any = local_client
    transport = SSH

    def __init__(self, directory: Path, version: int, time_scale: float = 0.005) -> None:
        super().__init__(directory, version, time_scale)
        self._who = "root@pam"
        self.minted = 0
        self.warnings: list[str] = []
        self._start = self.backend.start
        self.start_warnings: list[str] = []
        self.backend.start = self._started  # type: ignore[method-assign]  # only here
        self._peace = {name: getattr(self.pve, name) for name in ("ticket_ttl", "ha_delay", "acl", "around")}
        self._drops = False

    async def _started(self, vmid: int, config: Any) -> Any:
        return await self._start(vmid, config) or list(self.start_warnings)

    def mint(self, **_how: bool) -> tuple[str, str]:
        """A ticket of whoever the product runs as."""
        self.minted += 1
        return self.pve.mint_ticket(self._who)

    @contextlib.contextmanager
    def user(self, who: str) -> Iterator[None]:
        """Let the product's calls come from another user than root@pam."""
        self._who = who
        self.forget_clients()
        try:
            yield
        finally:
            self._who = "root@pam"
            self.forget_clients()

    # ------------------------------------------------------------------ faults
    def calm(self) -> None:
        """All faults end."""
        for name, value in self._peace.items():
            setattr(self.pve, name, value)
        self.leaving_waits = (1.0, 30.0)
        for kept in (self.pve.failures, self.backend.failures):
            kept.clear()
        self.start_warnings = []
        self.pve.regain_quorum()
        self.pve.set_node_offline("pve", False)
        self.pve.slow_network(0.0)
        self.pve.flaky_network()
        self.run(self.pve.clear_delays())
        for ct in self.pve.cts:
            ct.ha_state = None
            ct.shutdown_secs = 0
            if ct.lock_holder == "scenario":
                self.run(self._release(ct.vmid))
        self.run(self.pve.settled())

    async def _release(self, ctid: int) -> None:
        self.pve.release_config_lock(ctid)

    def fresh(self) -> None:
        """A new node in peace."""
        self.calm()
        self.forget_clients()
        self.warnings.clear()
        self.wipe()

    def edit(self, ctid: int, change: Callable[[str], str]) -> None:
        """Somebody edits a config file on the node."""
        path = self.conf_dir / f"{ctid}.conf"
        if path.exists():
            path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")

    def proxy_down(self, seconds: float) -> None:
        """pveproxy restarts: for a while nothing listens at its port."""
        runner, port = self.pve.runner, self.pve.port

        async def down() -> None:
            (site,) = list(runner.sites)
            context = site._ssl_context
            await site.stop()
            for connection in list(runner.server.connections):
                connection.transport.close()

            def up() -> None:
                again = web.TCPSite(runner, self.pve.host, port, ssl_context=context, reuse_address=True)
                self._loop.create_task(again.start())

            self._loop.call_later(seconds, up)

        self.run(down())

    def lose_answer(self, method: str, path: str) -> None:
        """The next such call is carried out, and the connection ends before its answer."""

        def lose(after: bool) -> None:
            if after and self.pve.doing == (method, path):
                self.pve.around = lambda _after: None
                for connection in list(self.pve.runner.server.connections):
                    if connection.transport:  # None: it has ended already
                        connection.transport.close()

        self.pve.around = lose

    def close_idle_connections(self) -> None:
        """What pveproxy does after 5 seconds."""

        async def close() -> None:
            for connection in list(self.pve.runner.server.connections):
                connection.transport.close()

        self.run(close())

    # ------------------------------------------------------------- what a user sees
    def attempt(self, want: Wanted, resumes: bool = False, **options: Any) -> str | None:
        """A whole run: None when it came to its end, else what the module says."""
        try:
            with on_container(want.ctid):
                if resumes:
                    self.resume(want, **options)
                _journal, outcome = self.drive(want, **options)
        except (StepError, PveError, StoreError) as error:
            text = str(error)
            assert text.count(f"container {want.ctid}: ") == 1, text
            assert text.count("Run it again to resume from there") <= 1, text
            return text
        refused: str | None = outcome.last.error
        return refused

    def resume(self, want: Wanted, **options: Any) -> None:
        """What a run begins with that knows of one that was killed."""
        self.executor(**options).run(want, resumes=True)

    def executor(self, check: bool = False, client: Any = None, run: str = "run-1", **options: Any) -> Executor:
        """The product's, with its warnings kept."""
        made = super().executor(check, client, run, **{"task_timeout": 20.0, **options})
        original = made.run

        def kept(*args: Any, **more: Any) -> Any:
            outcome = original(*args, **more)
            self.warnings += outcome.warnings
            return outcome

        made.run = kept  # type: ignore[method-assign]  # only here
        return made

    def settled(self, want: Wanted) -> None:
        """The end is that of a run without faults: one container, one volume, nothing more to do."""
        gone = want.target == "absent"
        before = len(self.mutations())
        journal, outcome = self.drive(want)
        assert journal == [], journal
        assert len(self.mutations()) == before
        assert outcome.last.state == want.target
        assert sum(f"-{want.ctid}-disk-" in volume for volume in self.backend.volumes) == (not gone)
        assert (self.conf(want.ctid) is None) == gone
        assert "lock:" not in (self.conf(want.ctid) or "")

    def mutations_done(self) -> list[tuple[str, str]]:
        """The calls that changed something and were answered with 200."""
        calls = [tuple(call[:3]) for call in self.pve.asked if call[0] in MUTATING and call[3] == 200]
        return [(method, path) for method, path, _params in self.changing(calls)]

    def changing(self, calls: list[Any]) -> list[Any]:
        """The calls that change something else than what runs keep of a container."""
        return calls

    def made(self, call: str) -> int:
        """How often a call was carried out."""
        return [f"{method} {path}" for method, path in self.mutations_done()].count(call)


class FaultTokenNode(TokenNode, FaultNode):
    """The same, asked by a token."""

    wire = api_client
    transport = TOKEN

    def drive(self, wanted: Wanted, client: Any = None, **options: Any) -> tuple[list[dict[str, Any]], Any]:
        """A whole run, each with an id of its own."""
        self._number = getattr(self, "_number", 0) + 1
        options = {"task_timeout": 20.0, "run": f"run-{self._number}", **options}
        return super().drive(wanted, client, **options)

    def resume(self, want: Wanted, **options: Any) -> None:
        """A run knows a killed one by its lease."""

    def changing(self, calls: list[Any]) -> list[Any]:
        """Those that write more than the record and the lease."""
        return without_notes(calls)
