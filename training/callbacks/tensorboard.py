"""Logs for TensorBoard."""

import keras


class TensorBoard(keras.callbacks.TensorBoard):
    """Writes the scores of every epoch for TensorBoard; comes after `History`.

    Of several processes only the first has it, so it computes nothing on their devices: Keras'
    would compute the learning rate, which `History` has added to the scores already.
    """

    def _collect_learning_rate(self, logs):
        return logs
