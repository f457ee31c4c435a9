"""What the stand-in knows and decides, without a socket: limits, faults, its truth, its replies."""
