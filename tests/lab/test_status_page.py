# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the status in a browser: at the width of a phone and of a desk, without JavaScript, alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.browser import Browser, program

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'collections'))  # a plain clone finds itself by its name there

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.status.fleet_status import document
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.status.page import page

EVIL = '<script src="http://192.0.2.1/x.js">alert(1)</script>\'"><img src="http://192.0.2.1/y.png" onerror="alert(2)">'
LONG = 'a' * 300
WIDTHS = ((360, 740), (1280, 800))


def seen(name: str, **more: object) -> dict[str, object]:
    """A container as a node shows it."""
    return {'exists': True, 'ours': True, 'running': True, 'state': 'completed', 'hostname': name, **more}


FLEET = {
    '900': seen('base', template=True, unsaved=['/srv/data']),
    '950': seen(EVIL, state='created', plan={'steps': [{'kind': 'configure', 'reason': EVIL}], 'waiting': ['mp0']}),
    '951': seen(
        'db', plan={'notes': [LONG, EVIL]}, applied=[{'name': 'docker', 'digest': 'd' * 64, 'at': 'T', 'run': 'R'}]
    ),
    **{str(ctid): seen(f'web-{ctid}', address='10.0.0.5') for ctid in range(960, 980)},
}


@pytest.fixture(name='browser', scope='module')
def fixture_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The browser of this machine."""
    if program() is None:
        pytest.skip('needs a browser: apt-get install --no-install-recommends chromium')
    one = Browser(tmp_path_factory.mktemp('browser'))
    yield one
    one.close()


@pytest.mark.parametrize('size', WIDTHS, ids=('phone', 'desk'))
def test_the_page_is_readable(browser: Browser, tmp_path: Path, size: tuple[int, int]) -> None:
    known = {ctid: {'source': '900', 'node': 'pve', 'gpus': '0', 'share': 0.4} for ctid in FLEET if ctid != '900'}
    status = document('2026-11-28T12:00:00+00:00', [{'phoenix_observed': FLEET}], ['977'], known)
    path = tmp_path / 'status.html'
    path.write_text(page(status), encoding='utf-8')
    browser.show(path, *size)
    content, window = browser.widths()
    assert window == size[0]
    assert content <= window, 'the page is wider than the window'
    assert browser.requests() == [path.as_uri()]
    assert browser.elements('script, img, [onerror], link, iframe') == []
    text = browser.text()
    for words in (
        'Status of the fleet',
        'created (running, 1 change due)',
        'web-979',
        '10.0.0.5',
        'docker',
        '/srv/data',
    ):
        assert words in text
    assert EVIL in text
    cells = browser.elements('td')
    assert cells
    right = max(box['border'][2] for cell in cells[:60] if (box := browser.box(cell)))
    assert right <= window, 'a cell lies outside of the window'
