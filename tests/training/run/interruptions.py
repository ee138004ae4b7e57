"""Signals that a run sends to its own process, at chosen places."""

import dataclasses
import io
import os
import signal

import numpy as np
import pytest
import tensorflow as tf
from png_decoder import read_png_only
from report_text import leave_out_pictures
from two_layers import replace_models

from training.run.callbacks import AveragedEvaluation, Checkpointing


@dataclasses.dataclass(frozen=True)
class Interruption:
    """Prepares a process: its models have two layers, and a signal reaches it at one place.

    Attributes:
        place: "step", after the checkpoint of a step; "checkpoint", when half of one is written;
            "validation", when the scoring of the validation images begins; or None.
        count: the step, or which validation of this process.
        signal: the signal's number.
    """

    place: str | None = None
    count: int = 0
    signal: int = signal.SIGKILL

    def __call__(self):
        """Prepares this process."""
        replace_models(pytest.MonkeyPatch())
        read_png_only(pytest.MonkeyPatch())
        leave_out_pictures(pytest.MonkeyPatch())
        # TensorFlow would optimise graphs for longer than it runs them.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        if self.place is not None:
            getattr(self, f"_in_{self.place}")()

    def _send(self):
        os.kill(os.getpid(), self.signal)

    def _in_step(self):
        end = Checkpointing.on_train_batch_end

        def end_and_stop(callback, batch, logs=None):
            end(callback, batch, logs)
            if callback.step == self.count:
                self._send()

        Checkpointing.on_train_batch_end = end_and_stop

    def _in_checkpoint(self):
        write, savez = Checkpointing._write, np.savez
        step = None

        def remember_step(callback):
            nonlocal step
            step = callback.step
            write(callback)

        def save_half(path, **arrays):
            if step != self.count:
                return savez(path, **arrays)
            whole = io.BytesIO()
            savez(whole, **arrays)
            with open(path, "wb") as file:
                file.write(whole.getvalue()[: whole.tell() // 2])
            self._send()

        Checkpointing._write, np.savez = remember_step, save_half

    def _in_validation(self):
        begin = AveragedEvaluation.on_test_begin
        begun = []

        def begin_and_stop(callback, logs=None):
            begin(callback, logs)
            begun.append(None)
            if len(begun) == self.count:
                self._send()

        AveragedEvaluation.on_test_begin = begin_and_stop
