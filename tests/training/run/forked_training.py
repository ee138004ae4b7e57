"""`python -m training train` in forks of one process that has imported everything already.

Importing TensorFlow takes longer than the training of these tests.
"""

import multiprocessing
import os
import sys

# Forks must not inherit threads, which OpenMP and BLAS would start when imported.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}
_IMPORTS = [
    "training.commands.train",
    "training.data.folder",
    "training.evaluate",
    "training.report.page",
]


class Training:
    """A process that runs `train`.

    Args:
        arguments: arguments of the command.
        log: path without suffix of the files for standard output and standard error.
        stop: (signal, n): the process gets the signal when its n-th validation begins; or None.
    """

    def __init__(self, arguments, log, stop=None):
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_IMPORTS)
        self._log = log
        self.process = context.Process(target=_train, args=(arguments, str(log), stop))
        self.process.start()

    def finish(self):
        """Returns the exit status, standard output and standard error."""
        self.process.join(timeout=600)
        texts = [self._log.with_suffix(suffix).read_text() for suffix in (".out", ".err")]
        return (self.process.exitcode, *texts)


def _train(arguments, log, stop):
    for number, suffix in ((1, ".out"), (2, ".err")):
        file = os.open(log + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    from training.__main__ import main

    if stop is not None:
        _stop_in_validation(*stop)
    sys.exit(main(["train", *arguments]))


def _stop_in_validation(number, validations):
    from training.run.callbacks import AveragedEvaluation

    begin = AveragedEvaluation.on_test_begin
    begun = []

    def begin_and_stop(self, logs=None):
        begin(self, logs)
        begun.append(None)
        if len(begun) == validations:
            os.kill(os.getpid(), number)

    AveragedEvaluation.on_test_begin = begin_and_stop
