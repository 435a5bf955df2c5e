# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A browser without a window, asked over two pipes by DevTools messages: JSON, and a NUL after each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROGRAMS = ('chromium', 'chromium-browser', 'google-chrome')
PATIENCE = 60.0
# As root there is no sandbox to be had; the pages are our own. Nothing that a browser does by itself belongs here.
SWITCHES = (
    *('--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-pipe'),
    *('--no-first-run', '--no-default-browser-check', '--disable-extensions', '--disable-background-networking'),
    *('--disable-component-update', '--disable-sync', '--mute-audio', '--hide-scrollbars', '--single-process'),
)


def program() -> str | None:
    """The browser of this machine."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Browser:
    """One browser with one page."""

    def __init__(self, home: Path) -> None:
        ours, theirs = os.pipe(), os.pipe()
        self.events: list[dict[str, Any]] = []
        self._to, self._from = ours[1], theirs[0]
        self._number = 0
        self._left = b''
        # It reads descriptor 3 and writes to 4.
        placed = f'exec "$@" 3<&{ours[0]} 4>&{theirs[1]}'
        command = [str(program()), *SWITCHES, f'--user-data-dir={home}', 'about:blank']
        self._child = subprocess.Popen(
            ['/bin/bash', '-c', placed, 'browser', *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, 'HOME': str(home)},
            pass_fds=(ours[0], theirs[1]),
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._session = ''
        (target,) = [one for one in self.ask('Target.getTargets')['targetInfos'] if one['type'] == 'page']
        attached = self.ask('Target.attachToTarget', targetId=target['targetId'], flatten=True)
        self._session = attached['sessionId']
        for domain in ('Page', 'Network', 'Runtime', 'DOM'):
            self.ask(f'{domain}.enable')

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """One command and its answer; events that come before it are kept."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {'id': number, 'method': method, 'params': params}
        if self._session:
            message['sessionId'] = self._session
        os.write(self._to, json.dumps(message).encode() + b'\0')
        while True:
            answer = self._next()
            if answer.get('id') == number:
                assert 'error' not in answer, (method, answer)
                return dict(answer['result'])
            self.events.append(answer)

    def until(self, method: str) -> None:
        """Wait for an event, unless it has come."""
        while not any(event.get('method') == method for event in self.events):
            self.events.append(self._next())

    def _next(self) -> dict[str, Any]:
        while b'\0' not in self._left:
            data = os.read(self._from, 1 << 20)
            assert data, 'the browser has ended'
            self._left += data
        text, _mark, self._left = self._left.partition(b'\0')
        return dict(json.loads(text))

    def show(self, path: Path, width: int, height: int) -> None:
        """Load a page in a window of this size, as a phone shows it below 600 pixels, without JavaScript."""
        self.ask('Emulation.setScriptExecutionDisabled', value=True)
        size = {'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': width < 600}
        self.ask('Emulation.setDeviceMetricsOverride', **size)
        self.events.clear()
        self.ask('Page.navigate', url=path.as_uri())
        self.until('Page.loadEventFired')

    def requests(self) -> list[str]:
        """What the page has asked for since it was shown."""
        return [
            str(event['params']['request']['url'])
            for event in self.events
            if event.get('method') == 'Network.requestWillBeSent'
        ]

    def widths(self) -> tuple[int, int]:
        """How wide the content is, and the window."""
        found = self.ask('Page.getLayoutMetrics')
        return int(found['cssContentSize']['width']), int(found['cssLayoutViewport']['clientWidth'])

    def elements(self, selector: str) -> Sequence[int]:
        """The elements of the loaded page that a selector finds."""
        root = self.ask('DOM.getDocument')['root']['nodeId']
        return list(self.ask('DOM.querySelectorAll', nodeId=root, selector=selector)['nodeIds'])

    def box(self, node: int) -> dict[str, Any] | None:
        """Where an element is drawn; None for one that is not."""
        try:
            return dict(self.ask('DOM.getBoxModel', nodeId=node)['model'])
        except AssertionError:
            return None

    def text(self) -> str:
        """The texts that a person, or a screen reader, finds on the page."""
        nodes = self.ask('Accessibility.getFullAXTree')['nodes']
        return '\n'.join(
            str(node['name']['value']) for node in nodes if node.get('role', {}).get('value') == 'StaticText'
        )

    def close(self) -> None:
        """End it."""
        os.close(self._to)
        os.close(self._from)
        try:
            self._child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
