"""Callbacks around the training steps: checkpoints, checks, history and progress."""

from training.run.callbacks.averaged_evaluation import AveragedEvaluation
from training.run.callbacks.callback_list import CallbackList
from training.run.callbacks.checkpointing import Checkpointing, CheckpointOptions
from training.run.callbacks.early_stopping import EarlyStopping
from training.run.callbacks.history import History
from training.run.callbacks.loss_guard import Diverged, LossGuard
from training.run.callbacks.progress import Progress

__all__ = [
    "AveragedEvaluation",
    "CallbackList",
    "CheckpointOptions",
    "Checkpointing",
    "Diverged",
    "EarlyStopping",
    "History",
    "LossGuard",
    "Progress",
]
