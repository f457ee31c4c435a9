"""What every test has: randomised tests are the same every time, unless fresh seeds are asked for.

`python -m pytest --hypothesis-profile=fresh` draws them, and prints how to repeat a failure.
"""

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("fresh", deadline=None, print_blob=True, max_examples=500)
settings.load_profile("same")
