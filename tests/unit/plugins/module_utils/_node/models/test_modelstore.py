# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of models against a hub that speaks HTTP, on this machine."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.host.storage.model_files import (
    Model,
    ModelError,
)
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node import waiting
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.models import model_store
from ansible_collections.phoenix.hypervisor.plugins.modules import phoenix_model_store
from ansible_collections.phoenix.hypervisor.tests.lab.support import tiny_hub

NAME = "acme/tiny"
MODEL = Model(NAME, "main")
WEIGHTS = bytes(range(256)) * 4096  # a megabyte
FILES = {"config.json": b"{}", "1_Pooling/config.json": b"[]", "model.safetensors": WEIGHTS, "model.bin": b"old"}
WANTED = ["1_Pooling/config.json", "config.json", "model.safetensors"]


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@pytest.fixture(name="hub")
def _hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tiny_hub.Hub:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(waiting.time, "sleep", lambda _seconds: None)
    write(tmp_path / "hub" / NAME, FILES)
    return tiny_hub.Hub(tmp_path / "hub")


@pytest.fixture(name="endpoint")
def _endpoint(hub: tiny_hub.Hub) -> Iterator[str]:
    server, address = tiny_hub.started(hub)
    yield address
    server.shutdown()
    server.server_close()


@pytest.fixture(name="run")
def _run(tmp_path: Path, endpoint: str) -> Any:
    """The module's work, as a run does it."""

    def run(check: bool = False, model: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        items = [{"name": NAME, **(model or {})}]
        params = {"path": str(tmp_path / "store"), "models": items, "endpoint": endpoint, "token": ""}
        params.update({"update": False, "verify": False, "lock_timeout": 1}, **more)
        return phoenix_model_store.keep(params, check)

    return run


def there(tmp_path: Path) -> dict[str, bytes]:
    folder = tmp_path / "store" / NAME
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_model_is_fetched_once(tmp_path: Path, hub: tiny_hub.Hub, run: Any) -> None:
    """Checked, readable for all, and for nothing when it is whole. A dry run tells it all and writes nothing."""
    before = run(check=True)
    assert not (tmp_path / "store").exists()
    done = run()
    assert {**done, "diff": 0} == {**before, "diff": 0}
    assert (done["models"][0]["reason"], done["models"][0]["files"]) == ("not in the store", 3)
    assert done["models"][0]["bytes"] == len(WEIGHTS) + 4
    assert there(tmp_path) == {name: FILES[name] for name in WANTED}
    for path in [tmp_path / "store", *(tmp_path / "store" / "acme").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path
    assert stat.S_IMODE((tmp_path / "store/.phoenix").stat().st_mode) == 0o700
    asked = len(hub.asked)
    assert run()["changed"] is False
    assert len(hub.asked) == asked


def test_a_broken_transfer_is_gone_on_with(tmp_path: Path, hub: tiny_hub.Hub, run: Any) -> None:
    """From the byte that it had come to, in the same run and in the next one."""
    hub.ends_after = [10, 2, 400_000, 100, *[0] * 5]
    with pytest.raises(ModelError, match="given up after 6 attempts, the next run continues"):
        run()
    assert there(tmp_path) == {}
    hub.ends_after = []
    assert run()["models"][0]["bytes"] == len(WEIGHTS) - 400_100
    assert there(tmp_path)["model.safetensors"] == WEIGHTS
    ranges = [item["range"] for item in hub.asked if item["path"].startswith("/elsewhere")]
    assert ranges == ["", "bytes=400000-", *["bytes=400100-"] * 6]


def test_a_server_without_ranges_begins_anew(tmp_path: Path, hub: tiny_hub.Hub, run: Any) -> None:
    hub.ranges, hub.ends_after = False, [10, 2, 500_000]
    run()
    assert there(tmp_path)["model.safetensors"] == WEIGHTS


@pytest.mark.parametrize("damaged", [1, 2])
def test_what_came_in_wrong_is_fetched_again_once(tmp_path: Path, hub: tiny_hub.Hub, run: Any, damaged: int) -> None:
    """A file of git by its blob's id; nothing that is wrong is ever seen in the store."""
    hub.damaged = damaged
    if damaged == 2:
        with pytest.raises(ModelError, match=r"1_Pooling/config\.json came in wrong twice: its git id is"):
            run()
        assert there(tmp_path) == {}
    else:
        run()
        assert sorted(there(tmp_path)) == WANTED


def test_the_token_goes_to_the_hub_alone(hub: tiny_hub.Hub, run: Any) -> None:
    """Not to where it redirects to; and a hub that wants one leads to a message that says how to give it."""
    hub.token = "hf_secret"
    with pytest.raises(ModelError, match=r"401.*no token was given.*hypervisor_models_hf_token.*license at"):
        run()
    with pytest.raises(ModelError, match="its token has no access to this model"):
        run(token="hf_other")
    hub.asked.clear()
    run(token="hf_secret")
    tokens = {item["path"].split("/")[1]: item["token"] for item in hub.asked}
    assert tokens == {"api": "Bearer hf_secret", "acme": "Bearer hf_secret", "elsewhere": ""}


def test_no_token_in_clear_text(run: Any) -> None:
    with pytest.raises(ModelError, match="clear text"):
        run(endpoint="http://hub.example.com", token="hf_secret")


def test_no_model_without_encryption(run: Any) -> None:
    """The hub's checksums come the same way as the files."""
    with pytest.raises(ModelError, match="checksums prove nothing: use https"):
        run(endpoint="http://hub.example.com")


def test_another_commit_takes_only_what_differs(tmp_path: Path, hub: tiny_hub.Hub, run: Any) -> None:
    """A branch is asked for again on demand only. Weights that stay are not transferred."""
    run()
    hub.commit = "d" * 40
    write(hub.folder / NAME, {"config.json": b'{"a": 1}'})
    assert run()["changed"] is False
    hub.asked.clear()
    found = run(update=True)["models"][0]
    assert found["reason"] == "main is another commit than cccccccccccc"
    assert [item for item in hub.asked if item["path"].endswith(".safetensors")] == []
    assert there(tmp_path)["config.json"] == b'{"a": 1}'
    assert run(update=True)["changed"] is False
    hub.asked.clear()
    assert run(model={"revision": "v2"})["models"][0]["reason"] == "revision changed (main -> v2)"
    assert hub.asked[0]["path"] == f"/api/models/{NAME}/revision/v2"


def test_damage_is_found_and_mended(tmp_path: Path, run: Any) -> None:
    run()
    weights = tmp_path / "store" / NAME / "model.safetensors"
    weights.write_bytes(WEIGHTS[:-1] + b"x")
    assert run()["changed"] is False
    assert run(verify=True)["models"][0]["reason"] == "model.safetensors is not what was fetched"
    assert there(tmp_path)["model.safetensors"] == WEIGHTS
    assert run(verify=True)["changed"] is False
    weights.unlink()
    assert run()["models"][0]["reason"] == "model.safetensors is missing"
    assert there(tmp_path)["model.safetensors"] == WEIGHTS


def test_what_was_put_there_by_hand_is_kept_when_it_is_right(tmp_path: Path, hub: tiny_hub.Hub, run: Any) -> None:
    """Sixty gigabytes are not fetched again; what isn't the model's stops the run before anything is moved."""
    folder = tmp_path / "store" / NAME
    write(folder, {"model.safetensors": WEIGHTS, "config.json": b"of another version", "adapter/mine": b"mine"})
    with pytest.raises(ModelError, match=r"files that don't belong to acme/tiny \(adapter/mine\); move them away"):
        run()
    assert there(tmp_path)["adapter/mine"] == b"mine"
    (folder / "adapter/mine").unlink()
    hub.asked.clear()
    run()
    assert there(tmp_path) == {name: FILES[name] for name in WANTED}
    assert [item for item in hub.asked if item["path"].endswith(".safetensors")] == []


def test_a_folder_of_the_node(tmp_path: Path, run: Any) -> None:
    """No hub is asked; links are followed, and hidden files left."""
    disk = tmp_path / "disk"
    write(disk, {**FILES, ".cache/x": b"x"})
    (disk / "model.safetensors").rename(disk / "blob.bin")
    (disk / "model.safetensors").symlink_to("blob.bin")
    source = {"source": str(disk)}
    assert run(model=source, endpoint="http://127.0.0.1:9")["models"][0]["files"] == 3
    assert there(tmp_path) == {name: FILES[name] for name in WANTED}
    assert run(model=source)["changed"] is False
    (disk / "config.json").write_bytes(b"{ }")
    assert run(model=source)["changed"] is False
    assert run(model=source, update=True)["changed"] is True
    assert there(tmp_path)["config.json"] == b"{ }"
    with pytest.raises(ModelError, match=r"nowhere: No such file"):
        run(model={"source": str(tmp_path / "nowhere")})


def test_too_little_room_is_told_before_the_first_byte(
    tmp_path: Path, hub: tiny_hub.Hub, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = os.statvfs(tmp_path)
    small = os.statvfs_result((*found[:4], 100_000 // found.f_frsize, *found[5:10]))
    monkeypatch.setattr(model_store.os, "statvfs", lambda _path: small)
    with pytest.raises(ModelError, match=r"98.3 kB free, and 1.0 MB are to be fetched \(acme/tiny 1.0 MB\)"):
        run()
    assert [item["path"] for item in hub.asked] == [f"/api/models/{NAME}/revision/main"]


def test_one_run_at_a_time(tmp_path: Path, run: Any) -> None:
    (tmp_path / "store/.phoenix").mkdir(parents=True)
    with open(tmp_path / "store/.phoenix/lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ModelError, match="another run has been fetching"):
            run(lock_timeout=-1)


def test_what_nobody_lists_is_kept_and_told(tmp_path: Path, run: Any) -> None:
    run()
    assert run(models=[])["unlisted"] == [NAME]
    assert sorted(there(tmp_path)) == WANTED


@pytest.mark.parametrize(
    ("answers", "model", "words"),
    [
        ([404], {}, "there is no model acme/tiny, or it has no revision main"),
        ([418], {}, "418"),
        ([503] * 3, {}, "503"),
        ([], {"include": ["*.gguf"]}, "none of the 4 files of .* is wanted"),
        ([], {"name": "acme/other"}, "there is no model acme/other"),
    ],
)
def test_what_a_hub_refuses(hub: tiny_hub.Hub, run: Any, answers: list[int], model: dict[str, Any], words: str) -> None:
    hub.answers = answers
    with pytest.raises(ModelError, match=words):
        run(model=model)


def test_a_busy_hub_is_asked_again(tmp_path: Path, hub: tiny_hub.Hub, run: Any) -> None:
    hub.answers = [503, 429]
    run()
    assert sorted(there(tmp_path)) == WANTED


def test_a_planted_link_leads_nowhere(tmp_path: Path, run: Any) -> None:
    """The folder is the node's own; whoever could write there is not trusted anyway."""
    part = tmp_path / "store/.phoenix/incoming/acme--tiny" / ("c" * 40)
    part.mkdir(parents=True)
    (part / "config.json.part").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="Too many levels"):
        run()
    assert not (tmp_path / "victim").exists()


class Killed(BaseException):
    """As if the process had been ended there."""


@pytest.mark.parametrize("after", range(6))
def test_a_kill_at_any_rename_is_mended_by_the_next_run(
    tmp_path: Path, hub: tiny_hub.Hub, run: Any, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """A model is replaced by renames: of each fetched file, of the old folder, of the new one, of the manifest."""
    run()
    hub.commit = "d" * 40
    write(hub.folder / NAME, {"config.json": b"new", "model.safetensors": WEIGHTS[::-1]})
    rename, left = os.rename, [after]

    def killed(source: str, target: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", killed)
        with pytest.raises(Killed):
            run(update=True)
    # Which of the two is seen meanwhile, it is whole, or gone for the time of one rename.
    assert there(tmp_path).get("config.json") in (b"{}", b"new", None)
    run(update=True)
    assert there(tmp_path) == {name: (hub.folder / NAME / name).read_bytes() for name in WANTED}
    assert run(update=True)["changed"] is False
    assert sorted(os.listdir(tmp_path / "store/.phoenix")) == ["acme--tiny.json", "incoming", "lock"]
    assert os.listdir(tmp_path / "store/.phoenix/incoming") == []


def test_a_folder_with_content_keeps_its_mode(tmp_path: Path, run: Any) -> None:
    store, other = tmp_path / "store", tmp_path / "store/acme"
    other.mkdir(parents=True)
    (other / "mine").write_text("somebody's")
    for folder, mode in ((store, 0o1777), (other, 0o2775)):
        folder.chmod(mode)
    run()
    assert [oct(stat.S_IMODE(folder.stat().st_mode)) for folder in (store, other)] == ["0o1777", "0o2775"]
    store.chmod(0o700)
    for check in (True, False):
        with pytest.raises(ModelError, match=r"keeps unprivileged containers out.*chmod o\+rx"):
            run(check)
    assert stat.S_IMODE(store.stat().st_mode) == 0o700


def test_an_empty_folder_gets_its_mode(tmp_path: Path, run: Any) -> None:
    (tmp_path / "store").mkdir(mode=0o700)
    run()
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o755
