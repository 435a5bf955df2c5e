# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of a plan or a journal on the controller: written whole or not at all, and read with its schema."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).resolve().parent / "schemas" / "phoenix_plan.schema.json"


class PlanFileError(ValueError):
    """A file is no plan and no journal: which file, and why."""


@cache
def schema() -> dict[str, Any]:
    """Return the schema of the document. Raises OSError when the collection is incomplete."""
    loaded: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return loaded


def problem(path: str) -> str:
    """Return why a plan can't be written to a path, '' when it can. Nothing is left there."""
    path = os.path.expanduser(path)
    folder = os.path.dirname(os.path.abspath(path))
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            return "it is not a plain file"
    try:
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".phoenix-plan-")
    except OSError as error:
        return str(error.strerror or error)
    os.close(handle)
    os.unlink(temporary)
    return ""


def write(path: str, data: Mapping[str, Any], mode: int) -> None:
    """Replace the file by one with this document and this mode. Raises OSError; then the old file is still there."""
    path = os.path.abspath(os.path.expanduser(path))
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".phoenix-plan-")  # 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(data, stream, indent=2, ensure_ascii=True)
            stream.write("\n")
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def read(path: str) -> dict[str, Any]:
    """Return the document of a file. Raises PlanFileError when it is missing or has another form."""
    import jsonschema

    try:
        file = Path(path).expanduser()
        if file.exists() and not file.is_file():
            raise PlanFileError(f"{path}: it is not a plain file")  # a pipe would be waited for
        data = json.loads(file.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema()).validate(data)
    except PlanFileError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise PlanFileError(f"{path}: {error}") from None
    except jsonschema.ValidationError as error:
        raise PlanFileError(f"{path}: {error.json_path}: {error.message}") from None
    result: dict[str, Any] = data
    return result
