"""Images as the backbone takes them: resized, and normalised as in its training."""

import keras
import keras_hub

from keras_cabvit.hub.backbone import CabViTBackbone
from keras_cabvit.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD

# (pixel / 255 - mean) / std, as KerasHub computes it: pixel * scale + offset.
_SCALE = tuple(1 / (255 * std) for std in IMAGENET_STD)
_OFFSET = tuple(-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True))


@keras.saving.register_keras_serializable(package="keras_cabvit")
class CabViTImageConverter(keras_hub.layers.ImageConverter):
    """Resizes images and normalises their pixels for `CabViTBackbone`.

    Images are channels last whatever `keras.json` says. The other converters of KerasHub's
    detectors and segmenters can be replaced by this one.

    Args:
        image_size: (height, width) in pixels; None, the default, leaves the size as it is.
        scale: factor per channel. Defaults to 1 / (255 * std) of ImageNet's pixels.
        offset: number per channel, added after scaling. Defaults to -mean / std.
        interpolation: string. Defaults to "bicubic", as the models are evaluated.
        antialias: whether to filter before reducing an image. Defaults to True.
        data_format: string. Defaults to "channels_last".
        **kwargs: further arguments of `keras_hub.layers.ImageConverter`.

    Input: pixels in [0, 255], (height, width, 3) or (batch, height, width, 3).
    Output: normalised pixels, of the compute dtype.

    Example:
        >>> from keras_cabvit.hub import CabViTImageConverter
        >>> images = CabViTImageConverter(image_size=(64, 64))(np.zeros((2, 100, 100, 3)))
        >>> tuple(images.shape), round(float(images[0, 0, 0, 0]), 4)
        ((2, 64, 64, 3), -2.1179)
    """

    backbone_cls = CabViTBackbone

    def __init__(
        self,
        image_size=None,
        scale=_SCALE,
        offset=_OFFSET,
        interpolation="bicubic",
        antialias=True,
        data_format="channels_last",
        **kwargs,
    ):
        super().__init__(
            image_size=image_size,
            scale=scale,
            offset=offset,
            interpolation=interpolation,
            antialias=antialias,
            data_format=data_format,
            **kwargs,
        )
        # It has no weights; `quantize` of a task refuses layers that are not built.
        self.resizing.built = True


@keras.saving.register_keras_serializable(package="keras_cabvit")
class CabViTImageClassifierPreprocessor(keras_hub.models.ImageClassifierPreprocessor):
    """Applies a `CabViTImageConverter` to the images of (images, labels, sample weights).

    Args:
        image_converter: `CabViTImageConverter`, or None to leave images as they are.
        **kwargs: `name` and the like.
    """

    backbone_cls = CabViTBackbone
    image_converter_cls = CabViTImageConverter
