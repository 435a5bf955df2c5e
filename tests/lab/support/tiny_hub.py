# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model hub in one file: the two paths that are asked of one, over a folder with ORGANIZATION/NAME below it.

As a real hub it sends files of weights elsewhere (to the host name `localhost` instead of 127.0.0.1), asks for a token
where it is set to, and tells each file's hash. It can break connections off. As a script: FOLDER PORT.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LARGE = '.safetensors'


@dataclass
class Hub:
    """What it serves, how it misbehaves, and what it was asked."""

    folder: Path
    token: str = ''
    commit: str = 'c' * 40
    ends_after: list[int] = field(default_factory=list)
    """The next files end after so many bytes, one item a request."""
    answers: list[int] = field(default_factory=list)
    """The next requests get these statuses instead of an answer."""
    damaged: int = 0
    """So many of the next files have a wrong first byte."""
    ranges: bool = True
    asked: list[dict[str, Any]] = field(default_factory=list)
    log: Path | None = None

    def note(self, **what: Any) -> None:
        """Remember a request."""
        self.asked.append(what)
        if self.log:
            with open(self.log, 'a', encoding='utf-8') as out:
                out.write(json.dumps(what) + '\n')

    def listing(self, name: str) -> dict[str, Any]:
        """A model's files, as a hub tells them."""
        siblings = []
        for path in sorted((self.folder / name).rglob('*')):
            if path.is_file():
                data = path.read_bytes()
                blob = hashlib.sha1(b'blob %d\0' % len(data) + data, usedforsecurity=False).hexdigest()
                entry = {'rfilename': str(path.relative_to(self.folder / name)), 'size': len(data), 'blobId': blob}
                if path.suffix == LARGE:
                    entry['lfs'] = {'sha256': hashlib.sha256(data).hexdigest(), 'size': len(data), 'pointerSize': 130}
                siblings.append(entry)
        return {'id': name, 'sha': self.commit, 'siblings': siblings}


class Handler(BaseHTTPRequestHandler):
    """Answers for the hub of its server."""

    protocol_version = 'HTTP/1.1'
    hub: Hub

    def do_GET(self) -> None:
        """Any request."""
        hub, path = self.hub, urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        token = self.headers.get('Authorization', '')
        hub.note(path=path, host=self.headers['Host'], token=token, range=self.headers.get('Range', ''))
        first, *rest = path.strip('/').split('/')
        if hub.answers:
            self._say(hub.answers.pop(0), b'')
        elif first == 'elsewhere':
            self._send(hub.folder / '/'.join(rest))
        elif hub.token and token != f'Bearer {hub.token}':
            self._say(401, b'{"error":"Invalid credentials"}')
        elif first == 'api':
            self._list('/'.join(rest[1:3]))
        else:
            self._resolve(first, *rest)

    def _list(self, name: str) -> None:
        if (self.hub.folder / name).is_dir():
            self._say(200, json.dumps(self.hub.listing(name)).encode())
        else:
            self._say(404, b'{"error":"Repository not found"}')

    def _resolve(self, organization: str, name: str, _resolve: str, _commit: str, *file: str) -> None:
        path = self.hub.folder / organization / name / '/'.join(file)
        if path.suffix == LARGE:
            port = self.headers['Host'].rpartition(':')[2]
            target = urllib.parse.quote(str(path.relative_to(self.hub.folder)))
            self._say(302, b'', Location=f'http://localhost:{port}/elsewhere/{target}?signature=x')
        else:
            self._send(path)

    def _say(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in {**headers, 'Content-Length': str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _send(self, path: Path) -> None:
        hub, data = self.hub, path.read_bytes()
        if hub.damaged:
            hub.damaged -= 1
            data = b'\xff' + data[1:]
        words = self.headers.get('Range', '').removeprefix('bytes=').split('-')
        begin = int(words[0]) if words[0] and hub.ranges else 0
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header('Content-Range', f'bytes {begin}-{len(data) - 1}/{len(data)}')
        self.send_header('Content-Length', str(len(data) - begin))
        self.end_headers()
        end = begin + hub.ends_after.pop(0) if hub.ends_after else len(data)
        self.wfile.write(data[begin:end])
        self.close_connection = end < len(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: see Hub.note."""


def server(hub: Hub, address: tuple[str, int] = ('127.0.0.1', 0)) -> ThreadingHTTPServer:
    """It listens; serve_forever() is the caller's."""
    return ThreadingHTTPServer(address, type('HubHandler', (Handler,), {'hub': hub}))


def started(hub: Hub) -> tuple[ThreadingHTTPServer, str]:
    """(the server, its address); shutdown() ends it."""
    running = server(hub)
    # shutdown() waits for as long as the server looks away.
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    return running, f'http://127.0.0.1:{running.server_address[1]}'


def main() -> None:
    """Serve until killed. Token and faults come from the file FOLDER/.faults, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument('folder', type=Path)
    parser.add_argument('port', type=int)
    options = parser.parse_args()
    hub = Hub(options.folder, log=options.folder / '.asked')
    faults = options.folder / '.faults'
    if faults.exists():
        for name, value in json.loads(faults.read_text(encoding='utf-8')).items():
            setattr(hub, name, value)
    os.umask(0o077)
    server(hub, ('127.0.0.1', options.port)).serve_forever()


if __name__ == '__main__':
    main()
