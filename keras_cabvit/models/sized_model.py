"""The class of the models: weights of another image size are never skipped silently."""

import keras

from keras_cabvit.weights.files import check_image_size


@keras.saving.register_keras_serializable(package="keras_cabvit")
class CabViTModel(keras.Model):
    """A functional model that refuses to load weights of another image size as they are stored.

    `keras_cabvit.weights.load_weights` loads them. A fused model refuses all but those of a model
    fused alike.
    """

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        """Loads weights as `keras.Model` does.

        Args:
            filepath: path of the file.
            skip_mismatch: whether layers of other shapes keep their values. Weights of another
                image size are refused all the same: with random position biases a model is useless.
            **kwargs: the other arguments of `keras.Model.load_weights`.

        Raises:
            ValueError: the weights were saved at another image size, or do not fit. In the first
                case the model is unchanged.
        """
        check_image_size(self, filepath)
        super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)
