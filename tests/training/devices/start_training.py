"""Runs `python -m training train` commands in processes, on devices that a test chooses.

Their models have two layers, which JAX compiles in a fraction of a CabViT's time.

Argument: JSON, a list with an object for each process:
    log: path without suffix of the files for its standard output and standard error;
    devices: the number of devices into which JAX divides the processor;
    commands: lists of arguments, started one after the other;
    frozen: whether BatchNorm keeps its initial statistics;
    stop_at: batch of the first command after which this process gets SIGTERM;
    watched: folder whose writes are reported;
    unscored: numbers of the commands that train but write neither model nor report.
Each prints, as its last line, JSON with the commands' exit statuses, what each wrote to standard
error, and the paths in the watched folder that were written to. They are forks of one process,
because importing TensorFlow and JAX takes longer than their training.
"""

import contextlib
import importlib
import io
import json
import os
import signal
import sys
import time

import keras
import pytest
import tensorflow as tf
from png_decoder import read_png_only
from report_text import leave_out_pictures
from two_layers import replace_models

import training.run.run
from training.__main__ import main
from training.recipes.model import build_model


def split_cpu(count):
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
    )


def freeze_batch_norm():
    def frozen(*arguments):
        model = build_model(*arguments)
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
        return model

    training.run.run.build_model = frozen


def stop_this_process_at(step):
    class Killed(training.run.run.LossGuard):
        seen = 0

        def on_train_batch_end(self, batch, logs=None):
            Killed.seen += 1
            if Killed.seen == step:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(3)  # while the processes agree on where to stop

    training.run.run.LossGuard = Killed


def leave_out_results(self, *_):
    """Skips model and report, whose many small operations JAX would compile one by one."""


def watch(folder):
    """Returns a list that grows with every path in `folder` that this process writes to."""
    written = []

    def hook(event, arguments):
        if event == "open":
            writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        else:
            writes = event in ("os.mkdir", "os.rename", "os.remove")
        if writes and str(arguments[0]).startswith(folder):
            written.append(str(arguments[0]))

    sys.addaudithook(hook)
    return written


def run(settings):
    """Runs the commands, and returns what a test compares."""
    replace_models(pytest.MonkeyPatch())
    read_png_only(pytest.MonkeyPatch())
    leave_out_pictures(pytest.MonkeyPatch())
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if settings.get("frozen"):
        freeze_batch_norm()
    if "stop_at" in settings:
        stop_this_process_at(settings["stop_at"])
    written = watch(settings["watched"]) if "watched" in settings else []
    statuses, errors = [], []
    write_results = training.run.run.Run._write_results
    for number, command in enumerate(settings["commands"]):
        unscored = number in settings.get("unscored", ())
        training.run.run.Run._write_results = leave_out_results if unscored else write_results
        with contextlib.redirect_stderr(io.StringIO()) as stderr:
            statuses.append(main(["train", *command]))
        errors.append(stderr.getvalue())
        sys.stderr.write(stderr.getvalue())
    return {"statuses": statuses, "errors": errors, "written": written}


def forked(settings):
    """Starts a process that runs the commands, and returns its number."""
    process = os.fork()
    if process:
        return process
    for number, suffix in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(settings["log"] + suffix, os.O_WRONLY | os.O_CREAT), number)
    if "devices" in settings:
        import jax

        jax.config.update("jax_num_cpu_devices", settings["devices"])
    print(json.dumps(run(settings)), flush=True)
    sys.exit()


def import_commands():
    """Imports what the forks would import, each for itself."""
    for module in ("commands.train", "data.folder", "evaluate", "report.page"):
        importlib.import_module(f"training.{module}")


if __name__ == "__main__":
    import_commands()
    processes = [forked(settings) for settings in json.loads(sys.argv[1])]
    statuses = [os.waitpid(process, 0)[1] for process in processes]
    sys.exit(any(statuses))
