"""The hybrid model with its head, as a KerasHub task."""

import keras
import keras_hub

from keras_cabvit.hub.backbone import CabViTBackbone
from keras_cabvit.hub.preprocessing import CabViTImageClassifierPreprocessor

_POOLINGS = {
    "avg": keras.layers.GlobalAveragePooling2D,
    "max": keras.layers.GlobalMaxPooling2D,
}


@keras.saving.register_keras_serializable(package="keras_cabvit")
class CabViTImageClassifier(keras_hub.models.ImageClassifier):
    """Image classifier with CabViT-H's head: pooling, LayerNorm, and a Dense layer.

    KerasHub's own head has no LayerNorm. With the same weights the outputs are those of
    `keras_cabvit.CabViTH`.

    Args:
        backbone: `CabViTBackbone`.
        num_classes: integer, the number of classes.
        preprocessor: `CabViTImageClassifierPreprocessor` that `fit`, `predict` and `evaluate` apply
            to images in [0, 255]. None, the default, applies none: images must be normalised.
        pooling: "avg", the default, or "max".
        activation: activation of the Dense layer. None, the default, gives logits.
        dropout: float, rate of the dropout before the Dense layer. Defaults to 0.
        head_dtype: dtype policy of the Dense layer, or its name. None, the default, is the
            backbone's variable dtype: in half precision, probabilities would have ties.
        **kwargs: `name`, and `compile`, whether to compile with KerasHub's defaults.

    Raises:
        ValueError: `backbone` is no `CabViTBackbone`, or `pooling` is neither "avg" nor "max".

    Example:
        >>> from keras_cabvit.hub import CabViTImageClassifier
        >>> classifier = CabViTImageClassifier.from_preset("cabvit_h_t_tiny_imagenet")
        >>> classifier.predict(np.zeros((2, 80, 100, 3), "uint8"), verbose=0).shape
        (2, 200)
    """

    backbone_cls = CabViTBackbone
    preprocessor_cls = CabViTImageClassifierPreprocessor

    def __init__(
        self,
        backbone,
        num_classes,
        preprocessor=None,
        pooling="avg",
        activation=None,
        dropout=0.0,
        head_dtype=None,
        **kwargs,
    ):
        if not isinstance(backbone, CabViTBackbone):
            raise ValueError(
                "`backbone` must be a keras_cabvit.hub.CabViTBackbone. "
                f"Received: backbone of type {type(backbone).__name__}"
            )
        if pooling not in _POOLINGS:
            raise ValueError(f'`pooling` must be "avg" or "max". Received: pooling={pooling!r}')
        policy = backbone.dtype_policy

        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.pooler = _POOLINGS[pooling](
            data_format="channels_last", dtype=policy, name=f"{pooling}_pool"
        )
        self.head_norm = keras.layers.LayerNormalization(
            epsilon=1e-5, dtype=policy, name="head_norm"
        )
        self.output_dropout = keras.layers.Dropout(dropout, dtype=policy, name="head_dropout")
        self.output_dense = keras.layers.Dense(
            num_classes,
            activation=activation,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
            dtype=policy.variable_dtype if head_dtype is None else head_dtype,
            name="predictions",
        )

        # === Config ===
        # Before the constructor below, which compiles with the loss for this activation.
        self.num_classes = num_classes
        self.pooling = pooling
        self.activation = activation
        self.dropout = dropout
        self.head_dtype = head_dtype

        # === Functional model ===
        images = backbone.input
        x = self.head_norm(self.pooler(backbone(images)))
        outputs = self.output_dense(self.output_dropout(x))
        # The constructor of ImageClassifier would build a head without the LayerNorm.
        keras_hub.models.Task.__init__(self, inputs=images, outputs=outputs, **kwargs)

    def get_config(self):
        """Returns the constructor's arguments; a quantised Dense layer's policy as `head_dtype`."""
        head_dtype = self.head_dtype
        if self.output_dense.quantization_mode is not None:
            head_dtype = self.output_dense.dtype_policy
        if head_dtype is not None:
            head_dtype = keras.dtype_policies.serialize(keras.dtype_policies.get(head_dtype))
        return {**super().get_config(), "head_dtype": head_dtype}
