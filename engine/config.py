"""The settings, for users of the library: read from a file, or made of tables."""

from engine.settings import Settings as Settings, from_tables as from_tables, load as load
