"""Trains on two mirrored devices.

Argument: JSON with
    momenta: of the averages, for `mirrored_copies.trained`;
    training: settings of `start_training.run`.
Prints, as its last line, JSON with the results of both.
"""

import json
import sys

import start_training
from mirrored_copies import trained

if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    start_training.split_cpu(2)
    outcome = start_training.run(settings["training"])
    copies = [trained(momentum) for momentum in settings["momenta"]]
    print(json.dumps({"copies": copies, "training": outcome}), flush=True)
