"""What the plugins share on the controller"""

from __future__ import annotations

from .kept import compiled

compiled.install()
