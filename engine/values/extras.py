"""What is not installed with the engine itself: extras, which pip installs by name."""

from __future__ import annotations

from engine.values.errors import ConfigError


def missing_extra(what: str, extra: str) -> ConfigError:
    """Return the error that says that `what` needs an extra, and how to install it."""
    return ConfigError(f"{what} needs more than is installed: pip install 'bulk-sync-engine[{extra}]'")
