"""A pytest plugin: the accelerator that is tried is the file that `INSTRUMENTED_SCAN` names, built in another way."""

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location

NAME = "engine.sources.ndjson._scan"

_spec = spec_from_file_location(NAME, os.environ["INSTRUMENTED_SCAN"])
assert _spec
assert _spec.loader
_module = module_from_spec(_spec)
_spec.loader.exec_module(_module)
sys.modules[NAME] = _module
