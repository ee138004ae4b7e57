"""`python -m training` in forks of one process that has imported everything already.

Importing TensorFlow takes longer than the work of these tests.
"""

import contextlib
import multiprocessing
import os
import signal
import sys

import pytest
from backend_process import backend_environment

# Forks must not inherit threads, which OpenMP and BLAS would start when imported.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "PYTHONPATH": backend_environment("tensorflow")["PYTHONPATH"],
}
_IMPORTS = [
    "training.commands.quickstart",
    "training.commands.train",
    "training.data.folder",
    "training.evaluate",
    "training.report.page",
]


class Command:
    """A process that runs a command of `python -m training`.

    Args:
        arguments: arguments, beginning with the command's name.
        log: path without suffix of the files for standard output and standard error.
        prepare: function that the process calls before the command; or None. It is pickled.
    """

    def __init__(self, arguments, log, prepare=None):
        self._log = log
        with _environment():
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(_IMPORTS)
            arguments = (list(map(str, arguments)), str(log), prepare)
            self.process = context.Process(target=_run, args=arguments)
            self.process.start()

    @property
    def output(self):
        """The text that it has printed so far; empty before it has begun."""
        file = self._log.with_suffix(".out")
        return file.read_text() if file.exists() else ""

    def finish(self, timeout=600):
        """Returns the exit status, standard output and standard error.

        Args:
            timeout: seconds after which the process is killed.
        """
        self.process.join(timeout)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        return self.process.exitcode, self.output, self._log.with_suffix(".err").read_text()


@contextlib.contextmanager
def _environment():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


def _run(arguments, log, prepare):
    # A shell makes background processes ignore Ctrl-C, and what they start inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, suffix in ((1, ".out"), (2, ".err")):
        file = os.open(log + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    sys.stdout.reconfigure(line_buffering=True)
    from training.__main__ import main

    if prepare is not None:
        prepare()
    sys.exit(main(arguments))
