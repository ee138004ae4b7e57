"""Trains on two mirrored devices.

Argument: JSON with one of
    momenta: of the averages, for `mirrored_copies.trained`;
    training: settings of `start_training.run`.
Prints, as its last line, JSON with the result. A process trains models of one kind alone, because
TensorFlow numbers the collective operations of each anew and may take one for another.
"""

import json
import sys

import start_training
from mirrored_copies import trained

if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    start_training.split_cpu(2)
    if "training" in settings:
        outcome = start_training.run(settings["training"])
    else:
        outcome = [trained(momentum) for momentum in settings["momenta"]]
    print(json.dumps(outcome), flush=True)
