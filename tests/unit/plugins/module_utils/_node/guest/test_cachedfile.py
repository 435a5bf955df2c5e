# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that is downloaded once for a node: never another one than the expected, never twice."""

from __future__ import annotations

import hashlib
import io
import threading
from pathlib import Path

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import cachedfile

URL = "https://example.org/drivers/tool-1.2.run"
CONTENT = b"#!/bin/sh\n" + bytes(3 * cachedfile.CHUNK)
SUM = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """Answers with the content, and counts. ``gate`` keeps the first download from ending."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.asked: list[str] = []
        self.started = threading.Event()
        self.gate: threading.Event | None = None

    def __call__(self, url: str) -> io.BytesIO:
        self.asked.append(url)
        self.started.set()
        if self.gate is not None:
            assert self.gate.wait(20)
        return io.BytesIO(self.content)


def test_it_is_downloaded_once_and_kept(tmp_path: Path) -> None:
    server, path = Server(), tmp_path / "cache" / "tool-1.2.run"
    assert cachedfile.fetch(URL, SUM, str(path), server)
    assert not cachedfile.fetch(URL, SUM, str(path), server)
    assert (server.asked, path.read_bytes()) == ([URL], CONTENT)


def test_who_comes_meanwhile_waits_and_takes_the_same_file(tmp_path: Path) -> None:
    server, path = Server(), tmp_path / "tool-1.2.run"
    server.gate = threading.Event()
    made: list[bool] = []
    threads = [
        threading.Thread(target=lambda: made.append(cachedfile.fetch(URL, SUM, str(path), server)))
        for _number in range(4)
    ]
    for thread in threads:
        thread.start()
    assert server.started.wait(20)
    server.gate.set()
    for thread in threads:
        thread.join(20)
    assert (sorted(made), server.asked) == ([False, False, False, True], [URL])


def test_another_content_is_neither_kept_nor_left_half(tmp_path: Path) -> None:
    path = tmp_path / "tool-1.2.run"
    with pytest.raises(cachedfile.FileError, match=f"has the SHA-256 .*, and {SUM} is expected; it is not kept"):
        cachedfile.fetch(URL, SUM, str(path), Server(b"something else"))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["tool-1.2.run.lock"]


def test_one_that_was_changed_on_the_node_is_fetched_anew(tmp_path: Path) -> None:
    server, path = Server(), tmp_path / "tool-1.2.run"
    path.write_bytes(b"changed")
    assert cachedfile.fetch(URL, SUM, str(path), server)
    assert path.read_bytes() == CONTENT


def test_a_server_that_breaks_off(tmp_path: Path) -> None:
    def broken(_url: str) -> io.BytesIO:
        raise ConnectionResetError("reset by peer")

    with pytest.raises(cachedfile.FileError, match=r"can't be downloaded to .*: reset by peer"):
        cachedfile.fetch(URL, SUM, str(tmp_path / "tool-1.2.run"), broken)


@pytest.mark.parametrize(
    "text",
    [
        f"{SUM}  tool-1.2.run\n",
        f"{SUM} *tool-1.2.run\n",
        f"{SUM.upper()}\n",
        f"{'0' * 64}  other\n{SUM}  ./tool-1.2.run\n",
    ],
)
def test_a_published_checksum(text: str) -> None:
    """As sha256sum writes it, or alone."""
    assert cachedfile.published_sum(URL + ".sha256sum", "tool-1.2.run", Server(text.encode())) == SUM


@pytest.mark.parametrize("text", ["", "<html>not found</html>", f"{'0' * 64}  other\n", f"{'0' * 63}  tool-1.2.run\n"])
def test_no_published_checksum_is_an_error(text: str) -> None:
    """A file that nobody can verify is not taken."""
    with pytest.raises(
        cachedfile.FileError, match=r"the checksum .* can't be had: there is no SHA-256 of tool-1.2.run"
    ):
        cachedfile.published_sum(URL + ".sha256sum", "tool-1.2.run", Server(text.encode()))


@pytest.mark.parametrize(
    "url", ["https://example.org/", "https://example.org/a/..", "https://h/%2e%2e", "https://h/a b"]
)
def test_an_address_that_names_no_file(url: str) -> None:
    """What is kept is called as in the address, and can be nowhere else."""
    with pytest.raises(cachedfile.FileError, match="doesn't end in the name of a file"):
        cachedfile.name_of(url)


def test_the_name_of_an_address() -> None:
    assert cachedfile.name_of("https://example.org/a/tool-1.2%2B3.run?x=/y") == "tool-1.2+3.run"
