# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the connection by a token makes of answers that are none of Proxmox VE, and of none: one error each."""

from __future__ import annotations

import socket
import threading

import pytest

pytest.importorskip("proxmoxer", reason="reads answers as the controller does")

import requests

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve.client import (
    LostAnswerError,
    NoAnswerError,
    PveError,
)
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote import api_client
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.remote.access import ApiAccess

SECRET = "b4c9a7d2-only-in-the-source"
PLACE = "https://192.0.2.1:8006"
HTML, JSON = "text/html", "application/json;charset=UTF-8"


class Answers(requests.adapters.BaseAdapter):
    """Gives each request the same answer, or raises it."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.asked = answer, 0

    def send(self, request, **_options):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        status, reason, kind, text = self.answer
        response = requests.Response()
        response.status_code, response.reason, response.request, response.url = status, reason, request, request.url
        response.headers["Content-Type"] = kind
        response._content = text.encode()
        return response

    def close(self):
        """Nothing is open."""


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(api_client, "RETRIES", (0.0, 0.0))


def client(**options):
    at = {"node": "pve", "host": "192.0.2.1", "user": "automation@pve", "token_id": "phoenix", "token_secret": SECRET}
    return api_client.ApiClient(ApiAccess(**{**at, **options}))


def asked(answer, method="GET", path="/version"):
    """The error of one call."""
    made = client()
    answers = Answers(answer)
    made._session.mount("https://", answers)
    with pytest.raises(NodeError) as caught:
        made.request(method, path, {})
    assert SECRET not in str(caught.value)
    return caught.value, answers.asked


PAGE = "<html><body>Bad Gateway</body></html>"


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_proxy_without_anybody_behind_it_is_no_answer(method):
    error, times = asked((502, "Bad Gateway", HTML, PAGE), method)
    assert type(error) in ((NoAnswerError,) if method == "GET" else (LostAnswerError,))
    assert f"Bad Gateway from {PLACE}, but not from Proxmox VE (text/html): check what is in between" in str(error)
    assert times == (3 if method == "GET" else 1)


def test_the_time_out_of_pveproxy_is_one_of_proxmox_ve():
    error, _times = asked((596, "Broken pipe", JSON, '{"data":null}'))
    assert "not from Proxmox VE" not in str(error)
    assert f"from {PLACE}" in str(error)


@pytest.mark.parametrize(
    ("kind", "text"),
    [(HTML, "<html>sign in</html>"), (JSON, "[]"), (JSON, '{"other": 1}'), (JSON, "<html>"), (HTML, "")],
)
def test_a_page_in_place_of_an_answer_is_named(kind, text):
    error, times = asked((200, "OK", kind, text))
    assert f"node pve: {PLACE} does not answer as Proxmox VE does (status 200, " in str(error)
    assert "check host and port of the entry api" in str(error)
    assert times == 1


def test_a_refusal_keeps_all_of_its_words():
    error, _times = asked((403, "Permission check failed (/vms/950, VM.Audit)", JSON, '{"data":null}'))
    assert (type(error), error.status) == (PveError, 403)
    assert error.reason == "Permission check failed (/vms/950, VM.Audit)"
    error, _times = asked((500, "first line", JSON, '{"data":null,"message":"first line\\nsecond line\\n"}'))
    assert error.reason == "first line\nsecond line"


def test_an_expired_token_is_named_without_its_secret():
    error, _times = asked((401, "no such token 'phoenix' for user 'automation@pve'", "", ""))
    assert "token automation@pve!phoenix: its secret, or the time at which it or its user expires" in str(error)


def test_a_node_that_is_too_slow_is_no_answer():
    error, times = asked(requests.exceptions.ReadTimeout("Read timed out. (read timeout=60)"))
    assert f"no answer from {PLACE}: Read timed out" in str(error)
    assert times == 3
    error, times = asked(requests.exceptions.ReadTimeout("Read timed out."), "POST", "/nodes/pve/lxc")
    assert isinstance(error, LostAnswerError)
    assert times == 1


def test_a_port_without_tls_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            for _attempt in range(2):
                with server.accept()[0] as connection:
                    connection.recv(1024)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        made = client(host="127.0.0.1", port=server.getsockname()[1], fingerprint="ab" * 32)
        with pytest.raises(NodeError, match=r"agrees on no encrypted connection.*pveproxy listens at port 8006"):
            made.request("GET", "/version")


def test_a_port_where_nobody_listens_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NoAnswerError, match=rf"no answer from https://127\.0\.0\.1:{port}: .*refused"):
        client(host="127.0.0.1", port=port).request("GET", "/version")


def test_a_file_of_an_authority_that_is_missing_is_named(tmp_path):
    with pytest.raises(NodeError, match=r"\(ca\) can't be used: .*nowhere\.pem.*PEM form"):
        client(ca=str(tmp_path / "nowhere.pem")).request("GET", "/version")
