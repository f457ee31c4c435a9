"""What every test has: randomised tests are the same every time, unless fresh seeds are asked for.

`python -m pytest --hypothesis-profile=fresh` draws them, and prints how to repeat a failure.
"""

import os
import signal
import time

from hypothesis import HealthCheck, settings

ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
"""No test fails because the machine is busy."""

settings.register_profile("same", ANY_SPEED, derandomize=True)
settings.register_profile("fresh", ANY_SPEED, max_examples=500)
settings.load_profile("same")

os.environ["TZ"] = "UTC"  # what is local is the same everywhere
time.tzset()

for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        # In the background, or under nohup. Ignored as before, but not by the processes that tests start and signal.
        signal.signal(number, lambda *_: None)
