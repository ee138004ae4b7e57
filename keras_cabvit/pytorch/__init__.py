"""Reading and converting the authors' PyTorch checkpoints."""

from keras_cabvit.pytorch.checkpoint import read_torch_checkpoint
from keras_cabvit.pytorch.conversion import convert_torch_checkpoint
from keras_cabvit.pytorch.state_dict import load_torch_state_dict

__all__ = ["convert_torch_checkpoint", "load_torch_state_dict", "read_torch_checkpoint"]
