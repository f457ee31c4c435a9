"""What can be run: the source of the settings, given records, or what an earlier run could not deliver."""
