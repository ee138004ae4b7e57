import time

import numpy as np
import pytest

from keras_cabvit.runtimes.latency import median_latencies


def test_latency_is_the_median_time_per_image_without_the_first_call(monkeypatch):
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)

    def model(times):
        times = iter(times)

        def predict(images):
            nonlocal now
            assert len(images) == 1
            now += next(times)

        return predict

    images = [np.zeros((2, 4, 4, 3)), np.zeros((5, 8, 8, 3))]
    slow, quick = median_latencies([model([99, 7, 5, 9]), model([99, 2, 1, 80])], images, rounds=3)

    assert (slow, quick) == (7, 2)


def test_models_take_turns():
    order = []
    predictors = [lambda images, name=name: order.append(name) for name in "ab"]
    median_latencies(predictors, [np.zeros((1, 1))] * 2, rounds=3)

    assert "".join(order) == "ab" + "ababab"


def test_no_rounds_give_a_clear_error():
    with pytest.raises(ValueError, match=r"`rounds` must be at least 1\. Received: rounds=0"):
        median_latencies([], [], rounds=0)
