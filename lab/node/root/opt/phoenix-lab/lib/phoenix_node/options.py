# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PVE's command line convention: --name value, -name value, --name=value; the rest are arguments."""

from __future__ import annotations

import re


def parse(words: list[str], flags: tuple[str, ...] = ()) -> tuple[list[str], dict[str, str]]:
    """(arguments, options). A name in flags may stand without a value; a list option given twice is joined."""
    arguments: list[str] = []
    options: dict[str, str] = {}
    index = 0
    while index < len(words):
        word = words[index]
        found = re.fullmatch(r'--?([a-zA-Z][\w.-]*)(?:=(.*))?', word, re.DOTALL)
        if not found:
            arguments.append(word)
        else:
            name, value = found.group(1), found.group(2)
            following = words[index + 1] if index + 1 < len(words) else None
            if value is None:
                bare = following is None or re.match(r'--?[a-zA-Z]', following)
                if name in flags and (bare or following not in ('0', '1', 'yes', 'no', 'true', 'false', 'on', 'off')):
                    value = '1'
                elif following is None:
                    raise ValueError(f'Option {name} requires an argument')
                else:
                    value = following
                    index += 1
            options[name] = value
        index += 1
    return arguments, options
