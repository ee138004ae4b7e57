"""The time `import keras_cabvit` takes beyond `import keras`, and `cabvit client` takes to start.

usage: python -m benchmarks.import_time [--rounds 9]

All run in turns, each in a process of its own, on the backend of KERAS_BACKEND, so that other load
on the machine affects them alike.
"""

import argparse
import json
import statistics
import subprocess
import sys

from keras_cabvit.commands.arguments import positive
from keras_cabvit.terminal import output_that_never_fails

_PROGRAM = (
    "import time; start = time.perf_counter(); {statements}; print(time.perf_counter() - start)"
)
_STATEMENTS = {
    "import keras": "import keras",
    "import keras_cabvit": "import keras_cabvit",
    "start cabvit client": "import cabvit_program, requests; "
    "from keras_cabvit import cli; from keras_cabvit.commands import client",
}


def measure(rounds):
    """Returns the median seconds of each, and of the imports' difference within a round."""
    seconds = {name: [] for name in _STATEMENTS}
    for _ in range(rounds):
        for name, statements in _STATEMENTS.items():
            command = [sys.executable, "-c", _PROGRAM.format(statements=statements)]
            process = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
            seconds[name].append(float(process.stdout.splitlines()[-1]))
    differences = [
        ours - theirs
        for theirs, ours in zip(
            seconds["import keras"], seconds["import keras_cabvit"], strict=True
        )
    ]
    return {
        **{name: statistics.median(times) for name, times in seconds.items()},
        "median difference": statistics.median(differences),
        "smallest difference": min(differences),
        "largest difference": max(differences),
    }


def main():
    """Prints the measurement as JSON, in seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=positive, default=9)
    print(json.dumps(measure(parser.parse_args().rounds), indent=2))


if __name__ == "__main__":
    with output_that_never_fails():
        main()
