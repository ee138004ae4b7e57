"""The inference form of a model: fewer operations, the same outputs."""

import functools

import keras

from keras_cabvit import ops
from keras_cabvit.inference.adapted_layers import (
    check_quantization,
    copy_weights,
    plain_class,
    plain_config,
    plain_policy,
)
from keras_cabvit.inference.channel_mixing import FusedChannelMixing
from keras_cabvit.inference.convnext_block import FusedConvNeXtBlock
from keras_cabvit.inference.convolution import FusedConvolution, FusedConvolutions
from keras_cabvit.inference.cross_block_attention import (
    FusedCrossBlockAttention,
    FusedCrossBlockAttentionComputedBias,
)
from keras_cabvit.inference.layer_normalization import FusedLayerNormalization
from keras_cabvit.inference.token_merge_enhancement import FusedTokenMergeEnhancement
from keras_cabvit.layers import (
    ChannelMixing,
    ConvNeXtBlock,
    ConvolutionalStem,
    ConvolutionNorm,
    CrossBlockAttention,
    PatchMerging,
    TokenMergeEnhancement,
)
from keras_cabvit.layers.composite import Composite
from keras_cabvit.layers.flatten_layers import flatten_layers
from keras_cabvit.layers.not_compiled import models_in, not_compiled
from keras_cabvit.layers.own_call import check_no_own_call

INFERENCE_CLASSES = {
    ChannelMixing: FusedChannelMixing,
    ConvNeXtBlock: FusedConvNeXtBlock,
    ConvolutionalStem: FusedConvolutions,
    ConvolutionNorm: FusedConvolution,
    CrossBlockAttention: FusedCrossBlockAttention,
    PatchMerging: FusedConvolutions,
    TokenMergeEnhancement: FusedTokenMergeEnhancement,
}
_ATTENTION = {
    "stored": FusedCrossBlockAttention,
    "computed": FusedCrossBlockAttentionComputedBias,
}
ATTENTION_BIASES = tuple(_ATTENTION)
"""The values of `attention_bias` that `fuse` accepts."""


def fuse(model, attention_bias="stored", dtype=None, inference_classes=None):
    """Creates a model for inference, with per-channel scales and shifts folded into kernels.

    BatchNorm is folded into its convolution; LayerScale, the scale of the queries, and the scale
    and shift of the LayerNorm before an MLP into the adjacent dense layers; the scale factors of
    digest tokens into the LayerNorm that follows. LoRA is merged into the kernels. Layers of other
    libraries are copied unchanged.

    The kernels of quantised dense layers (int8, int4, float8) are dequantised: the new model has
    the same weights, in floating point. Keras also rounds the inputs of int8 and float8 layers in
    every call, and this is left out. Outputs therefore differ from the quantised model's, relative
    to the largest: by up to 1e-5 with int4, whose inputs are not rounded, 0.03 with int8, and 0.1
    with float8.

    Args:
        model: model with layers of this library, on any backend. It is not changed.
        attention_bias: "stored", the default, stores the biases of the attention maps expanded,
            which is faster and takes up to 0.8 bytes per parameter more in float32 at 224x224;
            "computed" expands the smaller learned tables in every call.
        dtype: Keras dtype policy of the new layers, used for everything except pixels and scores,
            which are computed in float32 if `model` computes them in float64.
            "bfloat16" also stores the weights in bfloat16, in half the bytes; a policy such as
            "mixed_bfloat16" rounds all of them again in every call. LayerNorm, softmax and the
            biases added before it are computed in float32 regardless. Defaults to None: as in
            `model`.
        inference_classes: dict from trainable classes to the inference classes that a runtime
            needs instead of the standard ones. Every such class has `from_trained(layer, forms)`;
            `forms` makes its parts, see `fusing.Forms`. Defaults to None.

    Returns:
        A new model with the same inputs and outputs, not trainable. Its weights are copies.

    Raises:
        ValueError: `model` is neither functional nor sequential, so its layers cannot be seen, or
            its class has a `call` of its own;
            a layer is quantised that is no dense layer, or in a mode other than these;
            `attention_bias` is neither of the two; or Keras knows no `dtype` of that name.

    Example:
        >>> model = keras_cabvit.CabViTH(
        ...     embed_dims=(8, 16, 32, 64), depths=(1, 1, 2, 1), num_heads=(1, 2),
        ...     input_shape=(64, 64, 3), classes=10)
        >>> fused = keras_cabvit.inference.fuse(model)
        >>> images = np.full((1, 64, 64, 3), 99.0, "float32")
        >>> bool(np.allclose(*(m.predict(images, verbose=0) for m in (fused, model)), atol=1e-5))
        True
    """
    if not (isinstance(model, keras.Sequential) or hasattr(model, "operations")):
        raise ValueError(
            "`model` must be a functional or a sequential model, because only then can its layers "
            f"be seen and fused. Received: '{model.name}' of type {type(model).__name__}"
        )
    for each in models_in(model):
        check_no_own_call(each)
    if attention_bias not in ATTENTION_BIASES:
        raise ValueError(
            f"`attention_bias` must be one of {ATTENTION_BIASES}. "
            f"Received: attention_bias={attention_bias!r}"
        )
    forms = Forms(
        {
            **INFERENCE_CLASSES,
            CrossBlockAttention: _ATTENTION[attention_bias],
            keras.layers.LayerNormalization: FusedLayerNormalization,
            **(inference_classes or {}),
        },
        None if dtype is None else keras.dtype_policies.get(dtype),
    )
    with not_compiled(model):
        fused = keras.models.clone_model(model, clone_function=forms, recursive=True)
    forms.copy_weights()
    fused.trainable = False
    return fused


def _copied_lambda(layer, options):
    """Returns a copy of a Lambda layer, which Keras would refuse to make of its config."""
    return keras.layers.Lambda(
        layer.function,
        output_shape=layer._output_shape,
        mask=layer.mask,
        arguments=layer.arguments,
        **options,
    )


def can_be_fused(model):
    """Returns whether a model has layers that `fuse` would replace."""
    return any(type(layer) in INFERENCE_CLASSES for layer in flatten_layers(model))


class Forms:
    """Creates the inference form of each layer, and copies the weights once the model is built.

    Args:
        inference_classes: dict from trainable classes to inference classes.
        policy: Keras dtype policy of the new layers, or None for that of the trainable ones.
    """

    def __init__(self, inference_classes, policy):
        self._inference_classes = inference_classes
        self._policy = policy
        self._inside = False  # inside a layer of this library, all parts of which get the policy
        self._weights = []  # pairs of a function that copies a layer's weights, and the layer

    def __call__(self, layer):
        """Returns the inference form of a layer, without weights yet."""
        check_quantization(layer)
        outside = self._inside
        self._inside |= type(layer) in INFERENCE_CLASSES or isinstance(layer, Composite)
        try:
            inference_class = self._inference_classes.get(type(layer))
            if inference_class is not None:
                fused = inference_class.from_trained(layer, self)
                if hasattr(fused, "fold"):
                    self._weights.append((fused.fold, layer))
                return fused
            if isinstance(layer, Composite):  # only its parts may have another form
                fused = layer.with_parts(self)
                self._weights.append((fused.copy_own_weights, layer))
                return fused
            return self.copy(layer)
        finally:
            self._inside = outside

    def copy(self, layer, inference_class=None):
        """Returns a layer with the same config, of the same or another class.

        Args:
            layer: any Keras layer.
            inference_class: class that takes the same config; None for the layer's own class.
        """
        if isinstance(layer, keras.layers.Lambda):
            return _copied_lambda(layer, self.options(layer))
        config = plain_config(layer)
        # A user's own layer may have no such arguments, and neither has Keras' Pipeline.
        config |= {name: value for name, value in self.options(layer).items() if name in config}
        new = (inference_class or plain_class(layer)).from_config(config)
        # No weights to copy: an operation, such as slicing, or a layer that gets folded weights.
        if getattr(layer, "weights", None):
            self._weights.append((functools.partial(copy_weights, new), layer))
        return new

    def product(self, layer, **changes):
        """Returns the form, with a bias, of a dense layer or convolution that gets folded weights.

        Args:
            layer: `keras.layers.Dense` or a convolution.
            **changes: changes to its config.
        """
        check_quantization(layer)
        config = plain_config(layer) | changes | {"use_bias": True}
        return self(plain_class(layer).from_config(config))

    def options(self, layer):
        """Returns the arguments for a layer's form that all Keras layers take."""
        if not isinstance(layer, keras.layers.Layer):
            return {}  # an operation, such as slicing
        policy = plain_policy(layer)
        if self._policy is not None:
            if self._inside or ops.is_half(layer.compute_dtype):
                policy = self._policy
            elif layer.compute_dtype == "float64" and self._policy.compute_dtype != "float64":
                policy = keras.DTypePolicy("float32")  # pixels and scores
        return {"name": layer.name, "dtype": policy}

    def copy_weights(self):
        """Copies to the built forms the weights of their source layers."""
        for take, layer in self._weights:
            take(layer)
