# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In ansible-playbook: what it makes of the same text in every run, made once.

Its own tables are 500 KB of YAML, and for each skipped task it looks up the lines of source of its stack, which nobody
reads.
"""

from __future__ import annotations

import _imp
import gc
import inspect
import marshal
import os
import sys
from collections.abc import Callable
from typing import Any


def kept(name: str, text: bytes | str, make: Callable[[], Any]) -> Any:
    """What an earlier run has made of this text, or what is made now."""
    data = text.encode() if isinstance(text, str) else text
    path = os.path.join(FOLDER, f'{name}-{len(data)}-{_imp.source_hash(0, data).hex()}')
    try:
        with open(path, 'rb') as file:
            return marshal.loads(file.read())  # noqa: S302 - nobody else writes here
    except FileNotFoundError:
        pass  # the first run
    made = make()
    building = f'{path}.{os.getpid()}'
    with open(building, 'wb') as file:
        marshal.dump(made, file)
    os.replace(building, path)
    return made


def warm() -> None:
    """Replace what does so."""
    import yaml
    from ansible.utils.collection_loader import _collection_finder

    meta, load, stack = _collection_finder._meta_yml_to_dict, yaml.load, inspect.stack

    def routing(text: str | bytes, content: Any) -> Any:
        return kept('routing', text, lambda: meta(text, content))

    def loaded(stream: Any, Loader: Any) -> Any:  # noqa: N803 - the library's name for it
        name = getattr(stream, 'name', '')
        if isinstance(name, str | bytes) and os.fsencode(name).endswith(b'/ansible/config/base.yml'):
            text = stream.read()
            return kept(f'base.yml-{Loader.__name__}', text, lambda: load(text, Loader))
        return load(stream, Loader)

    def frames(context: int = 1) -> list[inspect.FrameInfo]:
        return stack(min(context, 0))

    _collection_finder._meta_yml_to_dict = routing
    yaml.load = loaded
    inspect.stack = frames


def is_run(words: list[str]) -> bool:
    """Whether this is a run of a playbook. A process that it starts inherits the variables, but is none."""
    return any(os.path.basename(word) == 'ansible-playbook' for word in words) or words[2:4] == ['ansible', 'playbook']


if 'LAB_WARM' in os.environ and is_run(sys.orig_argv):
    FOLDER = os.path.join(os.environ['LAB_WARM'], 'tables')
    # A run of seconds has no use for the collector's rounds: a tenth of its work.
    gc.disable()
    warm()
