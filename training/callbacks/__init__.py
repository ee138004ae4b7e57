"""What happens beside the training steps: checkpoints, checks, logs and progress."""

from training.callbacks.averaged_evaluation import AveragedEvaluation
from training.callbacks.callback_list import CallbackList
from training.callbacks.checkpointing import Checkpointing
from training.callbacks.history import History
from training.callbacks.loss_guard import Diverged, LossGuard
from training.callbacks.progress import Progress
from training.callbacks.tensorboard import TensorBoard

__all__ = [
    "AveragedEvaluation",
    "CallbackList",
    "Checkpointing",
    "Diverged",
    "History",
    "LossGuard",
    "Progress",
    "TensorBoard",
]
