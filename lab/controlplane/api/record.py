# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control plane's own record of what it was asked: pveproxy's access log, and one JSON object a line for tests."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path
from typing import Any

from aiohttp import web
from fakepve.server import SECRET_KEYS, USER, FakePve

from .wire import bare_path

_SECRET = frozenset(SECRET_KEYS) | {'token', 'secret'}
# Set by the root socket on the requests it passes on: they never went through pveproxy.
SOURCE_HEADER = 'X-Lab-Source'
MUTATING = ('POST', 'PUT', 'DELETE')


class Record(FakePve):
    """Part of LabPve. requests.jsonl has time, method, path, params, user, status, reason and source."""

    access_log: Path | None
    request_log: Path | None

    async def record(self, request: web.Request, response: web.StreamResponse) -> None:
        """Append one request to both logs."""
        try:
            user = request[USER]
        except KeyError:
            user = None
        source = request.headers.get(SOURCE_HEADER, 'https')
        now = time.time()
        if self.request_log is not None:
            line = {
                'time': datetime.datetime.fromtimestamp(now, datetime.UTC).isoformat(),
                'method': request.method,
                'path': bare_path(request.path),
                'params': await self._shown(request),
                'user': user,
                'status': response.status,
                'reason': response.reason,
                'source': source,
            }
            self._append(self.request_log, json.dumps(line, sort_keys=True, default=str))
        if self.access_log is not None and source == 'https':
            stamp = time.strftime('%d/%m/%Y:%H:%M:%S +0000', time.gmtime(now))
            body = response.body if isinstance(response, web.Response) else None
            size = len(body) if isinstance(body, (bytes, bytearray)) else 0
            self._append(
                self.access_log,
                '::ffff:{} - {} [{}] "{} {} HTTP/1.1" {} {}'.format(
                    request.remote or '127.0.0.1',
                    user or '-',
                    stamp,
                    request.method,
                    request.path_qs,
                    response.status,
                    size or '-',
                ),
            )

    async def _shown(self, request: web.Request) -> dict[str, Any]:
        try:
            values = await self.read_params(request)
        except ValueError:
            return {}
        return {key: '***' if key in _SECRET else value for key, value in values.items()}

    @staticmethod
    def _append(path: Path, line: str) -> None:
        with path.open('a', encoding='utf-8') as out:
            out.write(line + '\n')
