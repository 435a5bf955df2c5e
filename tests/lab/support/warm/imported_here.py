# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that has imported ansible-playbook and the plugins, and becomes a run for each line of its standard input.

Answers the number of the process that is the run, and its exit code when it has ended.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

PLUGINS = Path(__file__).resolve().parents[4] / 'plugins'
result = 0


@atexit.register
def end() -> None:
    """Registered before those of the imports below, so called after them, as the last.

    Taking the process apart would copy all that it has in common with this one.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(result)


from ansible import constants
from ansible.cli import playbook
from ansible.plugins import loader
from ansible.utils.path import cleanup_tmp_file


def import_plugins() -> None:
    """Import the collection's plugins for the controller, with what they import."""
    loader.init_plugin_loader()
    warnings.filterwarnings('ignore', 'AnsibleCollectionFinder has already been configured')  # a run does so again
    for kind in ('action', 'callback', 'connection', 'filter', 'inventory', 'lookup'):
        for path in sorted((PLUGINS / kind).glob('[!_]*.py')):
            importlib.import_module(f'ansible_collections.phoenix.hypervisor.plugins.{kind}.{path.stem}')


def become(run: dict[str, Any]) -> None:
    """What a new process has of its own: files, variables, arguments, and a folder for temporary files."""
    # In the order of their numbers.
    os.close(0)
    os.open(os.devnull, os.O_RDONLY)
    os.close(1)
    os.open(run['output'], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(1, 2)
    os.environ.update(run['variables'])
    sys.argv[:] = run['words']
    atexit.unregister(cleanup_tmp_file)  # the folder that it would remove is this process's parent's
    constants.DEFAULT_LOCAL_TMP = constants.config.get_config_value('DEFAULT_LOCAL_TMP', variables=vars(constants))


def wait_for_runs() -> bool:
    """Return True in a new process for each run; False when there are no more."""
    import_plugins()
    gc.freeze()  # what is here is no garbage, and looking for some would copy it
    while line := sys.stdin.readline():
        pid = os.fork()
        if not pid:
            become(json.loads(line))
            return True
        os.write(1, f'{pid}\n'.encode())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(1, f'{code}\n'.encode())
    return False


if __name__ == '__main__' and wait_for_runs():
    result = 1
    try:
        playbook.main()
    except SystemExit as ended:
        result = ended.code if isinstance(ended.code, int) else 0
