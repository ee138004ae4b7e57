import keras

from training.run.callbacks import CallbackList


class Score:
    """A number that a device computes; converting it waits."""

    def __init__(self, step, asked):
        self.step = step
        self.asked = asked

    def __float__(self):
        self.asked.append(self.step)
        return 0.5


class Remembering(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(logs["loss"].step)


def test_a_step_begins_before_the_previous_one_is_finished():
    callback, asked = Remembering(), []
    callbacks = CallbackList([callback])
    waited_for = []
    for step in range(4):
        callbacks.on_train_batch_end(step, {"loss": Score(step, asked)})
        waited_for.append(list(asked))

    # After each step, all but the latest are finished, so that images do not pile up.
    assert waited_for == [[], [0], [0, 1], [0, 1, 2]]
    assert callback.seen == [0, 1, 2, 3]
