"""The real pipeline in a world that is made of a seed: virtual time, a misbehaving API, a journal, crashes.

`history.py` tells one history from beginning to end and checks it; read it first.
"""
