# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last line of a terminal, which shows what is under way while a run goes on."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator

EVERY = 0.5
"""Seconds between two looks."""
_CLEAR = "\r\x1b[2K"


class LiveLine:
    """Draws a line below what is printed, and only at a terminal. Its thread draws, and nothing else."""

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._drawn = False

    def start(self) -> None:
        """Begin to draw, where a person sees it."""
        if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
            self._thread = threading.Thread(target=self._draw_again, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Draw no more."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        with self.silenced():
            self._thread = None

    @contextlib.contextmanager
    def silenced(self) -> Iterator[None]:
        """Nothing is drawn while lines are printed."""
        with self._lock:
            if self._drawn:
                self._drawn = False
                _write(_CLEAR)
            yield
            sys.stdout.flush()

    def _draw_again(self) -> None:
        while not self._stopped.wait(EVERY):
            with self._lock:
                text = self._text()
                width = shutil.get_terminal_size().columns - 1
                shown = text if len(text) <= width else text[: width - 1] + "…"
                if shown or self._drawn:
                    _write(f"{_CLEAR}{shown}")
                    self._drawn = bool(shown)


def _write(text: str) -> None:
    # Past Python's buffers, whose locks a worker that is forked at this moment would inherit.
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), text.encode())
