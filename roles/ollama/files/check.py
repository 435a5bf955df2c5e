# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ends with 0 while Ollama answers and has the models that it is meant to have. Changes nothing."""

import json
import sys
import urllib.request

EXPECTED = "/etc/ollama/expected.json"


def main() -> None:
    """Compare the answers of the API with the file that the role wrote."""
    with open(EXPECTED, encoding="utf-8") as file:
        expected = json.load(file)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(expected["api"] + "/version", timeout=10) as answer:
            version = json.load(answer)["version"]
        with opener.open(expected["api"] + "/tags", timeout=10) as answer:
            names = [model["name"] for model in json.load(answer)["models"] or ()]
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"Ollama does not answer at {expected['api']}: {error}")
    if missing := [name for name in expected["models"] if name not in names]:
        sys.exit(f"Ollama {version} lacks the models {', '.join(missing)}; it has {', '.join(names) or 'none'}")


if __name__ == "__main__":
    main()
