"""Runs `python -m training` with several lists of arguments, one after the other, in one process.

Argument: JSON list of lists. Prints, as its last line, JSON with the exit status and the standard
error of each.
"""

import contextlib
import io
import json
import sys

from training.__main__ import main

outcomes = []
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        status = main(arguments)
    outcomes.append((status, errors.getvalue()))
print(json.dumps(outcomes))
