# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait for a service ends with its first answer, with its failure, or with the time."""

from __future__ import annotations

import threading
import typing as t
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system import readiness
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system.readiness import (
    FAILED,
    HEALTHY,
    LOADING,
    Unit,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.waiting import Clock, Deadline


class PausedClock(Clock):
    """Time that only pauses move."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.mark.parametrize(
    ("answers", "units", "expected"),
    [
        ([True], [], (HEALTHY, 0)),
        ([False, False, True], [Unit(0), Unit(1)], (HEALTHY, 1)),
        ([False], [Unit(2)], (FAILED, 2)),
        ([False, False], [Unit(1), Unit(3)], (FAILED, 3)),
        ([False], [Unit(0, given_up=True)], (FAILED, 0)),
    ],
)
def test_it_ends_with_what_is_certain(answers: list[bool], units: list[Unit], expected: tuple[str, int]) -> None:
    ready, look = iter(answers), iter(units)
    status, seen = readiness.wait(lambda: next(ready), lambda: next(look), 2, Deadline(60, clock=PausedClock()))
    assert (status, seen.restarts) == expected
    assert (list(ready), list(look)) == ([], [])


def test_it_ends_with_the_time() -> None:
    clock = PausedClock()
    assert readiness.wait(lambda: False, Unit, 2, Deadline(30, clock=clock))[0] == LOADING
    assert 29 <= clock.time <= 31


@pytest.fixture
def server() -> t.Iterator[HTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 503)
            self.end_headers()

        def log_message(self, *_words: t.Any) -> None:
            """Keep the output of the tests clean."""

    made = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_success_alone_is_an_answer(server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    address = f"http://127.0.0.1:{server.server_port}"
    assert readiness.answers(f"{address}/health")
    assert not readiness.answers(f"{address}/loading")


def test_a_closed_port_is_no_answer() -> None:
    assert not readiness.answers("http://127.0.0.1:1/health")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("NRestarts=3\nActiveState=activating\n", Unit(3)),
        ("ActiveState=failed\nNRestarts=0\n", Unit(0, given_up=True)),
        ("", Unit()),
    ],
)
def test_systemd_tells_of_restarts_and_failure(
    shown: str, expected: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "systemctl"
    program.write_text(f"#!/bin/sh\n[ $4 = vllm.service ] && printf '%s' '{shown}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert readiness.unit("vllm.service") == expected
