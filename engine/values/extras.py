"""What is not installed with the engine itself: extras, which pip installs by name."""

from __future__ import annotations

from engine.values.errors import ConfigError


def missing_extra(what: str, extra: str) -> ConfigError:
    """Return the error that says `what` is missing, and how to install the extra that brings it."""
    return ConfigError(f"{what}: pip install 'bulk-sync-engine[{extra}]'")
