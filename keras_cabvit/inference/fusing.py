"""The form of a model for inference: fewer operations, the same outputs."""

import keras

from keras_cabvit.inference.folding import take_over
from keras_cabvit.inference.layer_normalization import FusedLayerNormalization
from keras_cabvit.ops.precision import computes_in_half


def fuse(model, store_bias=True, kernel_rows=None, dtype=None):
    """Makes a model for inference, with what multiplies and shifts channels folded into kernels.

    BatchNorm goes into its convolution; LayerScale, the factor of the queries, and the scale and
    shift of the LayerNorm before an MLP go into the dense layers beside them; the scale factors of
    digest tokens go into the LayerNorm behind them; position biases are gathered once. Layers of
    other libraries stay as they are.

    Args:
        model: with layers of this library, on any backend. It stays as it is.
        store_bias: whether the biases of the attention maps are stored as they are added, which is
            faster and takes up to 0.8 bytes a parameter more in float32 at 224x224, or gathered
            from the smaller learned tables in every call. Defaults to True.
        kernel_rows: integer, 2 or more: at most so many rows of the 7x7 depthwise kernels are
            computed at a time, which is faster where no kernel has so many taps: in TFLite.
            Defaults to None: all at once.
        dtype: Keras dtype policy of the new layers, in which all but pixels and scores is computed.
            "bfloat16" also stores the weights so, in half the bytes, where a policy such as
            "mixed_bfloat16" rounds each of them again in every call. LayerNorm, softmax and what
            is added before it are in float32 all the same. Defaults to None: as in `model`.

    Returns:
        A new model of the same inputs and outputs, not trainable. Its weights are copies.

    Raises:
        ValueError: `model` is no functional or sequential model, whose layers can be seen,
            `kernel_rows` is below 2, or Keras knows no `dtype` of that name.

    Example:
        >>> model = keras_cabvit.CabViTH_T(input_shape=(64, 64, 3), classes=10)
        >>> fused = keras_cabvit.export.fuse(model)
        >>> images = np.full((1, 64, 64, 3), 99.0, "float32")
        >>> bool(np.allclose(*(m.predict(images, verbose=0) for m in (fused, model)), atol=1e-5))
        True
    """
    if not (isinstance(model, keras.Sequential) or hasattr(model, "operations")):
        raise ValueError(
            "`model` must be a functional or a sequential model, whose layers can be seen, to be "
            f"fused. Received: '{model.name}' of type {type(model).__name__}"
        )
    if kernel_rows is not None and kernel_rows < 2:
        raise ValueError(f"`kernel_rows` must be 2 or more. Received: kernel_rows={kernel_rows}")
    policy = None if dtype is None else keras.dtype_policies.get(dtype)
    copies = []

    def copy(layer):
        config = layer.get_config()
        if _can_be_fused(layer):
            options = {"fused": True, "store_bias": store_bias, "kernel_rows": kernel_rows}
            config |= {name: value for name, value in options.items() if name in config}
        if policy is not None and (_can_be_fused(layer) or _is_half(layer)):
            config["dtype"] = policy
        form = FusedLayerNormalization if _is_over_channels(layer) else type(layer)
        copies.append((layer, form.from_config(config)))
        return copies[-1][1]

    fused = keras.models.clone_model(model, clone_function=copy, recursive=True)
    for layer, twin in copies:
        if _can_be_fused(layer):
            twin.fuse_from(layer)
        elif getattr(layer, "weights", None):  # an operation, such as slicing, has none
            take_over(twin, layer)
    fused.trainable = False
    return fused


def can_be_fused(model):
    """Returns whether a model has layers that can be fused."""
    return any(map(_can_be_fused, model._flatten_layers()))


def _can_be_fused(layer):
    return hasattr(layer, "fuse_from") and not layer.fused


def _is_half(layer):
    """Returns whether a layer, and no operation such as slicing, computes in half precision."""
    return isinstance(layer, keras.layers.Layer) and computes_in_half(layer)


def _is_over_channels(layer):
    """Returns whether a layer is Keras' own LayerNormalization of the last axis."""
    if type(layer) is not keras.layers.LayerNormalization or layer.rms_scaling:
        return False
    return layer.axis in (-1, [-1])
