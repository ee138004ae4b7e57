"""Trains on two mirrored devices.

Argument: JSON, a list of objects, each with one of
    momenta: of the averages, for `mirrored_copies.trained`;
    training: settings of `start_training.run`.
Prints, as its last line, JSON with the list of results. A process trains models of one kind alone,
because TensorFlow numbers the collective operations of each anew and may take one for another:
each object has a fork of this one, as importing TensorFlow takes longer than its training.
"""

import json
import multiprocessing
import sys

import start_training
from mirrored_copies import trained


def outcome(settings):
    start_training.split_cpu(2)
    if "training" in settings:
        return start_training.run(settings["training"])
    return [trained(momentum) for momentum in settings["momenta"]]


if __name__ == "__main__":
    start_training.import_commands()
    settings = json.loads(sys.argv[1])
    with multiprocessing.get_context("fork").Pool(len(settings), maxtasksperchild=1) as pool:
        outcomes = pool.map(outcome, settings, chunksize=1)
    print(json.dumps(outcomes), flush=True)
