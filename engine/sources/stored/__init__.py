"""Where files lie and how they are stored: found, opened, decompressed, cut into lines, fingerprinted."""
