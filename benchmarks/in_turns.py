"""Takes the times of many models in turns, whatever framework runs them.

The computer may have other work, which comes and goes. In every round each model has its turn, so
that it meets all of them alike, and figures are ratios of the times of one round.
"""

import contextlib
import multiprocessing
import os
import random
import statistics
import time
import traceback

from benchmarks.contenders import Models
from benchmarks.tensor_memory import peak_tensor_bytes

# Threads of a framework look for further work for some milliseconds before they sleep.
_UNTIL_THREADS_SLEEP = 0.02


def measure(contenders, rounds):
    """Runs all contenders in turns.

    Args:
        contenders: list of `Contender`.
        rounds: integer, how often each runs; once more before, which may compile it.

    Returns:
        A dict from each contender that could be built to its list of seconds, and one to the
        operations of a run. Those that could not are named on standard output.
    """
    seconds, operations = {}, {}
    with contextlib.ExitStack() as opened:
        processes = {}
        for contender in contenders:
            if contender.framework not in processes:
                processes[contender.framework] = opened.enter_context(
                    FrameworkProcess(contender.framework)
                )
            process = processes[contender.framework]
            try:
                operations[contender] = process.ask("prepare", contender)
            except ChildProcessError as error:
                print(f"left out: {contender}: {error}", flush=True)
                continue
            seconds[contender] = []
            print(f"ready: {contender}", flush=True)
        order = list(seconds)
        for turn in range(rounds):
            random.Random(turn).shuffle(order)
            for contender in order:
                time.sleep(_UNTIL_THREADS_SLEEP)
                taken = processes[contender.framework].ask("run", contender)
                seconds[contender].append(taken)
            print(f"round {turn + 1} of {rounds}", flush=True)
    return seconds, operations


def peak_memory(contender):
    """Returns the bytes that the tensors of a run take at most, besides the model itself.

    In a process of its own, which has run it once before.

    Args:
        contender: `Contender` on TensorFlow, which has oneDNN switched on.
    """
    with _environment(TF_ENABLE_ONEDNN_OPTS="1"), FrameworkProcess(contender.framework) as process:
        return process.ask("memory", contender)


def ratios(numerator, denominator):
    """Returns the median of two lists of seconds' ratios, round by round, and the quartiles."""
    of_rounds = [one / other for one, other in zip(numerator, denominator, strict=True)]
    lower, median, upper = (
        statistics.quantiles(of_rounds, n=4, method="inclusive")
        if len(of_rounds) > 1
        else of_rounds * 3
    )
    return {"median": median, "lower quartile": lower, "upper quartile": upper}


class FrameworkProcess:
    """A process that runs the models of one framework when it is told to. A context manager."""

    def __init__(self, framework):
        # Not forked: the frameworks' threads would be lost.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        # The process has it from its beginning, because Keras takes its backend at its import.
        with _environment(KERAS_BACKEND="torch" if framework == "timm" else framework):
            self._process.start()
        theirs.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()
        self._process.join()

    def ask(self, task, contender):
        """Returns what a task of `_Tasks` gives for a contender.

        Raises:
            ChildProcessError: it failed there; the message is the error's.
        """
        self._connection.send((task, contender))
        try:
            answer, error = self._connection.recv()
        except EOFError:
            self._process.join()
            raise ChildProcessError(
                f"the process ended with status {self._process.exitcode}"
            ) from None
        if error is not None:
            raise ChildProcessError(error)
        return answer


@contextlib.contextmanager
def _environment(**variables):
    """Changes the environment that processes inherit, until the block ends."""
    before = dict(os.environ)
    os.environ.update(variables)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # On a GPU JAX would take most of its memory at once, which the others need too.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _serve(connection):
    """Answers until the other end is closed."""
    tasks = _Tasks()
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            task, contender = connection.recv()
            try:
                connection.send((getattr(tasks, task)(contender), None))
            except Exception as error:
                traceback.print_exc()
                connection.send((None, f"{type(error).__name__}: {error}".splitlines()[0]))


class _Tasks:
    def __init__(self):
        self._models = Models()
        self._runners = {}

    def prepare(self, contender):
        """Builds it, runs it once, and returns the operations of a run."""
        runner, operations = self._models.runner(contender)
        runner()
        self._runners[contender] = runner
        return operations

    def run(self, contender):
        """Returns the seconds of a run, the second of two.

        Before the first, caches and threads are at another model's.
        """
        runner = self._runners[contender]
        runner()
        start = time.perf_counter()
        runner()
        return time.perf_counter() - start

    def memory(self, contender):
        """Returns the bytes that the tensors of a run take at most, besides those before."""
        runner, _ = self._models.runner(contender)
        runner()
        return peak_tensor_bytes(runner)
