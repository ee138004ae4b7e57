"""Runs `python -m training` with several lists of arguments, one after the other, in one process.

Argument: JSON list of lists; "on-full-disk" before a command lets no file grow beyond 2 kB. Prints,
as its last line, JSON with the exit status and the standard error of each.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

from training.__main__ import main

sys.path.append(str(Path(__file__).parents[2]))
from small_disk import files_of_at_most

outcomes = []
for arguments in json.loads(sys.argv[1]):
    disk = contextlib.nullcontext()
    if arguments[0] == "on-full-disk":
        disk, arguments = files_of_at_most(2000), arguments[1:]
    with disk, contextlib.redirect_stderr(io.StringIO()) as errors:
        status = main(arguments)
    outcomes.append((status, errors.getvalue()))
print(json.dumps(outcomes))
