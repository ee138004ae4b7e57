"""The hybrid model without its head, as a KerasHub backbone with a feature pyramid."""

import keras
import keras_hub

from keras_cabvit.models import CabViTH
from keras_cabvit.models.variants import VARIANTS
from keras_cabvit.weights import load_weights
from keras_cabvit.weights.files import check_image_size

# Pixels per token of the last stage.
_STRIDE = 32


@keras.saving.register_keras_serializable(package="keras_cabvit")
class CabViTBackbone(keras_hub.models.FeaturePyramidBackbone):
    """CabViT-H without its head, for KerasHub's classifiers, detectors and segmenters.

    `pyramid_outputs` has the last feature map of each stage: "P2" to "P5", with strides 4, 8, 16
    and 32. The output is "P5". The backbone takes normalised pixels, channels last whatever
    `keras.json` says: `CabViTImageConverter` normalises them.

    The plain model, CabViT-P, has no feature pyramid and therefore no backbone here.

    Args:
        embed_dims: four integers, channels per stage.
        depths: four integers, blocks per stage.
        num_heads: two integers, attention heads of the third and fourth stages.
        max_digests: integer, the number of earlier blocks whose digest tokens a block attends to; 0
            switches digest tokens off. Defaults to 12.
        enhance: whether blocks enhance their tokens with a depthwise convolution. Defaults to True.
        scale_digests: whether digest tokens are multiplied by learned scale factors. Defaults to
            True.
        mlp_ratio: float, MLP hidden width as a multiple of the channel count. Defaults to 4.
        layer_scale_init: float, initial value of the LayerScale factors, or None for no LayerScale.
            Defaults to 1e-6.
        drop_rate: float, rate of the dropout after projections. Defaults to 0.
        attention_drop_rate: float, rate of the dropout on the attention maps. Defaults to 0.
        drop_path_rate: float, stochastic depth rate of the last block; the rate rises linearly from
            0 over all blocks. Defaults to 0.
        image_shape: (height, width, channels). Height and width are multiples of 32, or None, the
            default, for images of any such size.
        windowed: whether attention, digest tokens and convolutions of the last two stages stay
            inside windows. None, the default, means if a side of `image_shape` is None, which is
            possible only in windows.
        window_size: integer, the side in pixels of the square images whose token grid is one
            window: those that the weights were trained on. Defaults to 224.
        dtype: Keras dtype policy of the layers, or its name. None, the default, is the global one.
        **kwargs: `name` and `trainable`, for `keras.Model`.

    Raises:
        ValueError: an argument is wrong or two are incompatible; the message names it and says what
            would be right.

    Example:
        >>> from keras_cabvit.hub import CabViTBackbone
        >>> backbone = CabViTBackbone(
        ...     embed_dims=(8, 16, 32, 64), depths=(1, 1, 2, 1), num_heads=(1, 2))
        >>> {level: map.shape[-1] for level, map in backbone.pyramid_outputs.items()}
        {'P2': 8, 'P3': 16, 'P4': 32, 'P5': 64}
        >>> tuple(backbone(np.ones((1, 96, 160, 3), "float32")).shape)
        (1, 3, 5, 64)
    """

    def __init__(
        self,
        embed_dims,
        depths,
        num_heads,
        max_digests=12,
        enhance=True,
        scale_digests=True,
        mlp_ratio=4.0,
        layer_scale_init=1e-6,
        drop_rate=0.0,
        attention_drop_rate=0.0,
        drop_path_rate=0.0,
        image_shape=(None, None, 3),
        windowed=None,
        window_size=224,
        dtype=None,
        **kwargs,
    ):
        arguments = {
            "embed_dims": embed_dims,
            "depths": depths,
            "num_heads": num_heads,
            "max_digests": max_digests,
            "enhance": enhance,
            "scale_digests": scale_digests,
            "mlp_ratio": mlp_ratio,
            "layer_scale_init": layer_scale_init,
            "drop_rate": drop_rate,
            "attention_drop_rate": attention_drop_rate,
            "drop_path_rate": drop_path_rate,
        }
        image_shape = tuple(image_shape)
        in_windows = None in image_shape[:2] if windowed is None else windowed
        _check_sizes(image_shape, in_windows, window_size)

        # === Layers and functional model ===
        images = keras.Input(image_shape, name="images")
        model = CabViTH(
            **arguments,
            include_top=False,
            input_tensor=images,
            include_preprocessing=False,
            windowed=window_size if in_windows else False,
            dtype=dtype,
        )
        ends = (*(f"stage_{stage}_block_{depths[stage] - 1}" for stage in (0, 1)), "stage_2")
        maps = [*(model.get_layer(name).output for name in ends), model.output]
        super().__init__(inputs=images, outputs=model.output, dtype=dtype, **kwargs)

        # === Config ===
        self.arguments = arguments
        self.image_shape = image_shape
        self.windowed = windowed
        self.window_size = window_size
        self.data_format = "channels_last"
        self.pyramid_outputs = {f"P{level}": each for level, each in enumerate(maps, start=2)}

    @classmethod
    def from_variant(cls, variant, **arguments):
        """Builds the backbone of a named variant, with random weights.

        Args:
            variant: string, one of the hybrid models of `keras_cabvit.list_models()`.
            **arguments: arguments of the class, such as `image_shape`.

        Raises:
            ValueError: there is no such variant, or it is a plain one; or an argument is wrong.

        Example:
            >>> from keras_cabvit.hub import CabViTBackbone
            >>> CabViTBackbone.from_variant("CabViTH_T", image_shape=(64, 64, 3)).output_shape
            (None, 2, 2, 320)
        """
        hybrids = [name for name, each in VARIANTS.items() if each.family == "hybrid"]
        if variant not in hybrids:
            plain = (
                f" {variant} is a plain model: all its blocks work at one resolution, so it has no "
                "feature pyramid."
                if variant in VARIANTS
                else ""
            )
            raise ValueError(
                f"`variant` must be one of {', '.join(hybrids)}.{plain} "
                f"Received: variant={variant!r}"
            )
        return cls(**{**VARIANTS[variant].arguments, **arguments})

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        """Loads the weights of a backbone or of a hybrid model with the same arguments.

        This is `keras_cabvit.weights.load_weights`: weights of another image size, or window, are
        resampled, and a model's head is left out.

        Args:
            filepath: path of a `.weights.h5` or `.keras` file.
            skip_mismatch: whether layers of other shapes keep their values, as in
                `keras.Model.load_weights`, for weights of the same image size. Defaults to False.
            **kwargs: further arguments of `keras.Model.load_weights`, for weights of the same size.

        Raises:
            ValueError: the file is damaged, or belongs to another model; or there are further
                arguments and it has weights of another image size.
        """
        is_sharded = str(filepath).endswith(".json")  # only a huge backbone is saved in shards
        if is_sharded or skip_mismatch or kwargs:
            check_image_size(self, filepath)
            return super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)
        # The same layers as a model of Keras, which can be built for the file's image size.
        load_weights(keras.Model(self.inputs, self.outputs, name=self.name), filepath)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            **self.arguments,
            "image_shape": self.image_shape,
            "windowed": self.windowed,
            "window_size": self.window_size,
        }


def _check_sizes(image_shape, in_windows, window_size):
    """Raises a ValueError if the sizes are not those of images that the backbone can take."""
    sides = image_shape[:2]
    known = [side for side in (*sides, window_size) if side is not None]
    if len(image_shape) != 3 or any(side % _STRIDE for side in known if isinstance(side, int)):
        raise ValueError(
            "`image_shape` must be (height, width, channels), and its height and width, unless "
            f"None, and `window_size` multiples of {_STRIDE}. "
            f"Received: image_shape={image_shape}, window_size={window_size}"
        )
    if None in sides and not in_windows:
        raise ValueError(
            "`windowed` must be True or None for images of any size: without windows the backbone "
            "learns one value per position of the whole image. "
            f"Received: windowed=False, image_shape={image_shape}"
        )
