# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warm interpreter of a container that an attacker controls, and Ansible's library in it."""

from __future__ import annotations

import base64
import collections.abc as c
import io
import pathlib
import sys
import tempfile
import zipfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from warm_node import NONCE, Node, standing

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.pct.pct_verdict import Ending


@pytest.fixture(params=["command", "guard"])
def node(request: pytest.FixtureRequest) -> c.Iterator[Node]:
    """Each module comes as a command, or goes to the guard where one takes it."""
    # Short enough for the path of a socket.
    with tempfile.TemporaryDirectory(prefix="warm") as folder, standing(pathlib.Path(folder)) as made:
        made.by_guard = request.param == "guard"
        yield made


# -- A container that an attacker controls -------------------------------------------------------------------------

SERVE = "import os, struct, sys\nline = os.read(0, 140).split()[0]\n"
FORGED = {
    "says nothing": "import time\ntime.sleep(600)\n",
    "ends": "",
    "another token": "import os\nos.read(0, 140)\nos.write(1, b'0' * 32 + b' ok\\n')\n",
    "an answer ahead": "import os\nos.write(1, b'0' * 32 + b' ok\\nx\\0\\0\\0\\0z\\0\\0\\0\\0')\nos.read(0, 140)\n",
    "garbage": "import os\nwhile True: os.write(1, os.urandom(4096))\n",
}
BROKEN = {
    "ends": "",
    "unknown frame": "b'q\\0\\0\\0\\0'",
    "large frame": "b'o\\0\\1\\0\\1'",
    "empty frame": "b'o\\0\\0\\0\\0'",
    "large code": "b'x\\0\\0\\1\\0'",
    "two codes": "b'x\\0\\0\\0\\0x\\0\\0\\0\\0'",
    "closed before the end": "b'z\\0\\0\\0\\0'",
    "more after the end": "b'x\\0\\0\\0\\0z\\0\\0\\0\\0x\\0\\0\\0\\0'",
    "an end without the module": "b'x\\0\\0\\0\\0z\\0\\0\\0\\0'",
}


@pytest.mark.parametrize("how", FORGED)
def test_a_helper_that_does_not_answer_is_done_without(node: Node, how: str) -> None:
    node.program = FORGED[how]
    node.changes["asked(10)"] = "asked(1)"
    done = node.run("print(1)")
    assert (done.rc, done.stdout, done.stderr, done.ending) == (0, b"1\n", b"", Ending.RAN)
    assert node.guards() == []


@pytest.mark.parametrize("how", BROKEN)
def test_a_helper_that_breaks_the_rules_is_ended(node: Node, how: str) -> None:
    take = "" if "without" in how else "os.read(0, 100)\n"
    write = f"os.write(1, {BROKEN[how]})\n" if BROKEN[how] else "sys.exit()\n"
    node.program = f"{SERVE}os.write(1, line + b' ok\\n')\n{take}{write}import time; time.sleep(600)\n"
    size = "# " + "x" * (1 << 20) if "without" in how else ""
    done = node.run("print(1)" + size, seconds=20)
    assert done.ending is Ending.RAN
    assert (done.stdout, done.rc) in ((b"", 137), (b"", 0))
    assert node.guards() == []
    node.program = None
    assert node.run("print(1)").stdout == b"1\n"


def test_a_helper_that_takes_a_task_and_stays_silent_is_late(node: Node) -> None:
    node.program = f"{SERVE}os.write(1, line + b' ok\\n')\nimport time; time.sleep(600)\n"
    done = node.run("print(1)" + "# " + "x" * (1 << 20), seconds=2)
    assert (done.rc, done.ending) == (137, Ending.LATE)


def test_a_helper_cannot_claim_to_be_stopped_nor_see_the_nonce(node: Node) -> None:
    node.program = None
    says = f"import sys\nprint('\\n{'0' * 32} 0 state STOPPED', file=sys.stderr)\n"
    done = node.run(f"{says}print(open('/proc/self/cmdline').read())\n")
    assert done.ending is Ending.RAN
    assert NONCE.encode() not in done.stdout


# -- Ansible's library -----------------------------------------------------------------------------------------------


def ansiballz(files: dict[str, str], main: str) -> bytes:
    """A module as Ansible sends it, as far as the helper looks at it."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in {"ansible/__init__.py": "", "ansible/module_utils/__init__.py": "", **files}.items():
            archive.writestr(name, text)
    text = base64.b64encode(data.getvalue()).decode()
    return f"""_ANSIBALLZ_WRAPPER = True
def run(zip_data):
    import base64, os, shutil, sys, tempfile
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "task.zip")
    open(path, "wb").write(base64.b64decode(zip_data))
    sys.path.insert(0, path)
    try:
        exec({main!r}, dict(archive=path))
    finally:
        shutil.rmtree(folder)
run(
zip_data={text!r},
)
""".encode()


BASIC = """
import os, pathlib
MADE = os.getpid()
HERE = pathlib.Path(__file__).parents[2]
from ansible.module_utils import common
def __getattr__(name):
    raise AttributeError(__file__ + name)
"""
COMMON = "WORD = 'first'\n"
FILES = {"ansible/module_utils/basic.py": BASIC, "ansible/module_utils/common/__init__.py": COMMON}
ASK = """
import os
from ansible.module_utils import basic
import ansible.module_utils.common as common
assert str(basic.HERE) == archive and basic.__file__ == basic.__spec__.origin, basic.__file__
assert basic.__file__.startswith(archive), basic.__file__
assert basic.__loader__ is basic.__spec__.loader and basic.__loader__.archive == archive, basic.__loader__
assert common.__path__ == [archive + "/ansible/module_utils/common"] and basic.common is common, common.__path__
print(basic.MADE == os.getpid(), common.WORD)
"""
READ = """
import importlib.util, inspect, pkgutil, zipimport
from ansible.module_utils import basic
loader = basic.__loader__
assert isinstance(sys.path_importer_cache[archive], zipimport.zipimporter)
assert inspect.getsource(basic).startswith("\\nimport os, pathlib"), inspect.getsource(basic)
assert pkgutil.get_data("ansible.module_utils", "basic.py") == loader.get_data(basic.__file__)
assert loader.get_filename("ansible.module_utils.basic") == basic.__file__
assert loader.find_spec("ansible.module_utils.basic").origin == basic.__file__
assert not loader.is_package("ansible.module_utils.basic") and loader.find_spec("ansible.module_utils.none") is None
assert importlib.util.find_spec("ansible.module_utils.none") is None
assert [one.name for one in pkgutil.iter_modules([archive + "/ansible/module_utils"])] == ["basic", "common"]
print("read")
"""


def test_the_library_is_imported_once_and_placed_in_the_tasks_archive(node: Node) -> None:
    for _time in range(2):
        done = node.run(ansiballz(FILES, ASK))
        assert (done.stdout, done.stderr) == (b"False first\n", b"")


def test_the_archive_can_be_read_as_ever(node: Node) -> None:
    for _time in range(3):
        done = node.run(ansiballz(FILES, f"import sys\n{READ}"))
        assert (done.stdout, done.stderr) == (b"read\n", b"")


def test_what_a_module_imports_of_pythons_library_is_loaded_ahead(node: Node) -> None:
    module = "import wave\ndef late():\n    import sndhdr\n"
    files = {**FILES, "ansible/modules/__init__.py": "", "ansible/modules/mine.py": module}
    done = node.run(ansiballz(files, "import sys\nprint('wave' in sys.modules, 'sndhdr' in sys.modules)\n"))
    assert (done.stdout, done.stderr) == (b"True False\n", b"")


def test_a_module_with_another_library_gets_its_own(node: Node) -> None:
    node.run(ansiballz(FILES, ASK))
    other = {**FILES, "ansible/module_utils/common/__init__.py": "WORD = 'other'\n"}
    done = node.run(ansiballz(other, ASK))
    assert (done.stdout, done.stderr) == (b"True other\n", b"")
    assert node.run(ansiballz(FILES, ASK)).stdout == b"False first\n"


def test_more_of_the_library_is_imported_when_a_module_brings_it(node: Node) -> None:
    node.run(ansiballz(FILES, ASK))
    more = {
        **FILES,
        "ansible/module_utils/urls.py": "from ansible.module_utils.basic import MADE\nimport os\nMINE = os.getpid()\n",
    }
    ask = f"{ASK}from ansible.module_utils import urls\nprint(urls.MINE == basic.MADE == urls.MADE)\n"
    for _time in range(2):
        done = node.run(ansiballz(more, ask))
        assert (done.stdout, done.stderr) == (b"False first\nTrue\n", b"")
    assert node.run(ansiballz(FILES, "import ansible.module_utils.urls")).rc == 1


def test_what_a_role_brings_is_never_kept(node: Node) -> None:
    files = {**FILES, "ansible/module_utils/of_a_role.py": "import os\nMADE = os.getpid()\n"}
    ask = "import os\nfrom ansible.module_utils import of_a_role\nprint(of_a_role.MADE == os.getpid())\n"
    for _time in range(2):
        assert node.run(ansiballz(files, ask)).stdout == b"True\n"


def test_this_collections_library_is_kept_whatever_else_each_module_brings(node: Node) -> None:
    package = "ansible_collections/phoenix/hypervisor/plugins/module_utils"
    folders = package.split("/")
    own = {"/".join([*folders[:depth], "__init__.py"]): "" for depth in range(1, len(folders) + 1)}
    own |= {f"{package}/failure.py": "import os\nMADE = os.getpid()\n", **FILES}
    ask = (
        "import ansible, os\nfrom ansible_collections.phoenix.hypervisor.plugins.module_utils import failure\n"
        "print(failure.MADE == os.getpid(), ansible.NAME)\n"
    )
    for name in ("one", "two", "one"):
        done = node.run(ansiballz({**own, "ansible/__init__.py": f"NAME = {name!r}\n"}, ask))
        assert (done.stdout, done.stderr) == (f"False {name}\n".encode(), b"")
