"""Records from a cluster: its tasks keep their partitions as parts, of which one run is made where the job was begun.

Nothing is sent by the tasks. No engine that runs tasks apart from one another can promise that the versions of an id
are all in one partition, or that an attempt which is thought dead is dead; so the tasks do the work that many machines
are good for, reading and encoding, and what needs one view of the whole is done in one place: the order per id, the
rate, the guards, and the accounts.
"""
