"""Which version of the engine this is."""

from __future__ import annotations

VERSION = "0.1.0"
"""As in `pyproject.toml`; asking the installation for it would take longer than `--help` may."""
