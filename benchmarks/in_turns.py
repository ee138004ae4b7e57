"""Times many models in turns, whatever framework runs them.

Other load on the computer comes and goes. In every round each model has its turn, so that the load
affects all alike, and figures are ratios of times of one round.
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

# A framework's threads spin for some milliseconds, waiting for work, before they sleep.
_UNTIL_THREADS_SLEEP = 0.02


def measure(contenders, rounds):
    """Runs all contenders in turns.

    Args:
        contenders: list of `Contender`.
        rounds: integer, the number of timed runs of each; an untimed one before them may compile.

    Returns:
        Two dicts, from each contender to its list of seconds and to the operations of a run.
        Contenders that could not be built, or failed in a round, are in neither, and named on
        standard output; so are the others of a framework whose process ended.
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
                _say_left_out(contender, error)
                continue
            seconds[contender] = []
            print(f"ready: {contender}", flush=True)
        order = list(seconds)
        for turn in range(rounds):
            random.Random(turn).shuffle(order)
            for contender in tuple(order):
                time.sleep(_UNTIL_THREADS_SLEEP)
                try:
                    taken = processes[contender.framework].ask("run", contender)
                except ChildProcessError as error:
                    _say_left_out(contender, error)
                    order.remove(contender)
                    del seconds[contender], operations[contender]
                    continue
                seconds[contender].append(taken)
            print(f"round {turn + 1} of {rounds}", flush=True)
    return seconds, operations


def _say_left_out(contender, error):
    print(f"left out: {contender}: {error}", flush=True)


def peak_memory(contender):
    """Returns the peak memory of a run's tensors in bytes, without the model itself.

    The run is the second one of a process of its own.

    Args:
        contender: `Contender` on TensorFlow, with oneDNN switched on.
    """
    with _environment(TF_ENABLE_ONEDNN_OPTS="1"), FrameworkProcess(contender.framework) as process:
        return process.ask("memory", contender)


def ratios(numerator, denominator):
    """Returns the median and quartiles of the ratios of two lists of seconds, round by round."""
    of_rounds = [one / other for one, other in zip(numerator, denominator, strict=True)]
    lower, median, upper = (
        statistics.quantiles(of_rounds, n=4, method="inclusive")
        if len(of_rounds) > 1
        else of_rounds * 3
    )
    return {"median": median, "lower quartile": lower, "upper quartile": upper}


class FrameworkProcess:
    """A process that runs the models of one framework on request. A context manager."""

    def __init__(self, framework):
        # Not forked: the frameworks' threads would be lost.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        # Set before the process starts, because Keras chooses its backend when it is imported.
        with _environment(KERAS_BACKEND="torch" if framework == "timm" else framework):
            self._process.start()
        theirs.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()
        self._process.join()

    def ask(self, task, contender):
        """Returns the result of a task of `_Tasks` for a contender.

        Raises:
            ChildProcessError: the task failed; the message is that of its error. Or the process
                has ended, in this task or in an earlier one.
        """
        try:
            self._connection.send((task, contender))
            answer, error = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            raise ChildProcessError(
                f"the process ended with status {self._process.exitcode}"
            ) from None
        if error is not None:
            raise ChildProcessError(error)
        return answer


@contextlib.contextmanager
def _environment(**variables):
    """Changes the environment that child processes inherit, until the block ends."""
    before = dict(os.environ)
    os.environ.update(variables)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # JAX would reserve most of a GPU's memory at once, which the others need too.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _serve(connection):
    """Answers requests until the other end is closed."""
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
        """Builds a contender, runs it once, and returns the operations of a run."""
        runner, operations = self._models.runner(contender)
        runner()
        self._runners[contender] = runner
        return operations

    def run(self, contender):
        """Returns the seconds of the second of two runs.

        The first one warms caches and threads, which served another model before.
        """
        runner = self._runners[contender]
        runner()
        start = time.perf_counter()
        runner()
        return time.perf_counter() - start

    def memory(self, contender):
        """Returns the peak memory in bytes that a run's tensors add."""
        runner, _ = self._models.runner(contender)
        runner()
        return peak_tensor_bytes(runner)
