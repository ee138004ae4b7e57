"""The time `import keras_cabvit` takes beyond `import keras`.

usage: python -m benchmarks.import_time [--rounds 9]

Both imports run in turns, each in a process of its own, on the backend of KERAS_BACKEND, so that
other load on the machine affects both alike.
"""

import argparse
import json
import statistics
import subprocess
import sys

from keras_cabvit.terminal import output_that_never_fails

_PROGRAM = (
    "import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
)


def measure(rounds):
    """Returns the median seconds of each import, and of their difference within a round."""
    seconds = {"keras": [], "keras_cabvit": []}
    for _ in range(rounds):
        for module, measured in seconds.items():
            command = [sys.executable, "-c", _PROGRAM.format(module=module)]
            process = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
            measured.append(float(process.stdout.splitlines()[-1]))
    differences = [
        ours - theirs
        for theirs, ours in zip(seconds["keras"], seconds["keras_cabvit"], strict=True)
    ]
    result = {f"import {module}": statistics.median(times) for module, times in seconds.items()}
    return {
        **result,
        "median difference": statistics.median(differences),
        "smallest difference": min(differences),
        "largest difference": max(differences),
    }


def main():
    """Prints the measurement as JSON, in seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    print(json.dumps(measure(parser.parse_args().rounds), indent=2))


if __name__ == "__main__":
    with output_that_never_fails():
        main()
