"""The size and work of a model, counted by walking the model itself."""

import contextlib
import math
import re
from dataclasses import dataclass

import keras

from keras_cabvit.inference import FusedCrossBlockAttention, FusedCrossBlockAttentionComputedBias
from keras_cabvit.layers import CrossBlockAttention
from keras_cabvit.layers.flatten_layers import flatten_layers
from keras_cabvit.ops import definitions


@dataclass(frozen=True)
class PartComplexity:
    """Size and work of one part of a model.

    Attributes:
        name: name of the part, such as "stage_2".
        output_shape: shape of its last layer's output, without the batch dimension.
        parameters: number of trainable parameters.
        macs: multiply-accumulates per image, in convolutions, dense layers, the matrix products of
            attention, and normalisations.
    """

    name: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int


def count_complexity(model):
    """Counts parameters and multiply-accumulates of each part of a model, in order.

    The model is traced on the shape of one image without computing anything, and every layer that
    runs is counted with the shapes it runs on. Normalisations are counted as in fvcore, the usual
    source of published figures (5 operations per element for LayerNorm, 4 without scale and shift,
    2 for BatchNorm; together less than 1 %). Activations, softmax, sums and the expansion of
    position biases are not counted.

    Args:
        model: a Keras model with one image input of known size.

    Returns:
        A list of `PartComplexity`: stem, stages, the patch mergings between them, head.

    Raises:
        ValueError: the model takes images of any size, on which its work depends.

    Example:
        >>> parts = keras_cabvit.models.count_complexity(keras_cabvit.CabViTH_T())
        >>> sum(part.parameters for part in parts)
        6187560
    """
    if None in model.input_shape[1:]:
        raise ValueError(
            f"Model '{model.name}' takes images of any size, and its work depends on the size: "
            "count a model with the same arguments and a known input_shape. Received: input shape "
            f"{model.input_shape[1:]}"
        )
    macs = _traced_macs(model)
    parts = {}
    for layer in model.layers:
        name = _part_name(layer.name)
        parameters = sum(math.prod(weight.shape) for weight in layer.trainable_weights)
        before = parts.get(name, PartComplexity(name, (), 0, 0))
        parts[name] = PartComplexity(
            name,
            _output_shape(layer),
            before.parameters + parameters,
            before.macs + macs[layer.name],
        )
    return [part for part in parts.values() if part.parameters or part.macs]


def _output_shape(layer):
    """Returns the shape of a layer's output, or of a stage's last tokens, without the batch."""
    # Of a stage with intermediates these are its tokens, or end in them.
    return tuple(keras.tree.flatten(layer.output)[-1].shape[1:])


def _part_name(layer_name):
    if layer_name in ("head_norm", "predictions"):
        return "head"
    return re.sub(r"_block_\d+$", "", layer_name)  # "stage_0_block_1" belongs to "stage_0"


def _traced_macs(model):
    """Returns a dict from the names of the model's own layers to their multiply-accumulates."""
    macs = dict.fromkeys((layer.name for layer in model.layers), 0)
    with contextlib.ExitStack() as observed:
        for owner in model.layers:
            for layer in flatten_layers(owner):
                count = _count_of(layer)
                if count is not None:
                    observed.enter_context(_observed_calls(layer, count, macs, owner.name))
        image = keras.KerasTensor((1, *model.input_shape[1:]), dtype=model.inputs[0].dtype)
        # With the plain definitions no layer is bypassed, so all backends count the same.
        observed.enter_context(definitions())
        _Inference(model, macs).symbolic_call(image)
    return macs


def _count_of(layer):
    """Returns the function that counts a call of a layer, or None if it is not counted."""
    return next((count for kind, count in _COUNTS.items() if isinstance(layer, kind)), None)


class _Inference(keras.Operation):
    """A model as one operation, so that Keras traces it as a whole, on any backend."""

    def __init__(self, model, macs):
        super().__init__()
        self.model = model
        self.macs = macs

    def call(self, images):
        # On PyTorch, Keras first traces without data, and again with data if that fails.
        self.macs.update(dict.fromkeys(self.macs, 0))
        return self.model(images, training=False)


@contextlib.contextmanager
def _observed_calls(layer, count, macs, owner):
    """Adds the operations of each call of `layer` to `macs[owner]`, inside the `with` block."""
    # Keras calls a quantised layer by another method.
    method = "call" if getattr(layer, "quantization_mode", None) is None else "quantized_call"
    original = getattr(layer, method)

    def observed(*args, **kwargs):
        outputs = original(*args, **kwargs)
        macs[owner] += count(layer, outputs, *args)
        return outputs

    setattr(layer, method, observed)
    try:
        yield
    finally:
        delattr(layer, method)  # the class's own method is visible again


def _kernel_macs(layer, outputs, *_):
    # A kernel holds the factors of one output position, for all filters.
    positions = math.prod(outputs.shape[:-1])
    return positions * math.prod(layer.kernel.shape)


def _attention_macs(layer, outputs, inputs, digests=None, *_):
    # Queries by keys, and maps by values; the dense layers inside are counted on their own.
    tokens = layer.layout.tokens
    sources = tokens + (0 if digests is None else digests.shape[1])
    windows = inputs.shape[0]  # of the one image
    return 2 * windows * tokens * sources * layer.num_heads * layer.head_dim


def _layer_norm_macs(layer, outputs, *_):
    return (4 + (layer.gamma is not None)) * math.prod(outputs.shape)


def _batch_norm_macs(layer, outputs, *_):
    return 2 * math.prod(outputs.shape)


_COUNTS = {
    keras.layers.Dense: _kernel_macs,
    keras.layers.Conv2D: _kernel_macs,
    keras.layers.DepthwiseConv2D: _kernel_macs,
    keras.layers.LayerNormalization: _layer_norm_macs,
    keras.layers.BatchNormalization: _batch_norm_macs,
    CrossBlockAttention: _attention_macs,
    FusedCrossBlockAttention: _attention_macs,
    FusedCrossBlockAttentionComputedBias: _attention_macs,
}
