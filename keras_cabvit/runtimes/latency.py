"""Latency per image of several models, measured in turns."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def median_latencies(
    predictors: Sequence[Callable[[np.ndarray], Any]],
    images: Sequence[np.ndarray],
    rounds: int = 50,
) -> list[float]:
    """Times models on single images.

    The models take turns, image by image, so that other load on the computer affects them equally:
    compare the times with each other, not with those of another run.

    Args:
        predictors: functions from images (1, height, width, channels) to scores.
        images: arrays (count, height, width, channels), one per predictor.
        rounds: integer, number of images timed per model. Each model first runs one more image,
            because the first call with a shape may compile. Defaults to 50.

    Returns:
        A list of median seconds, one per predictor.

    Raises:
        ValueError: `rounds` is below 1.
    """
    if rounds < 1:
        raise ValueError(f"`rounds` must be at least 1. Received: rounds={rounds}")
    seconds: list[list[float]] = [[] for _ in predictors]
    for predict, of_predictor in zip(predictors, images, strict=True):
        predict(of_predictor[:1])
    for turn in range(rounds):
        for predict, of_predictor, taken in zip(predictors, images, seconds, strict=True):
            index = turn % len(of_predictor)
            image = of_predictor[index : index + 1]
            start = time.perf_counter()
            predict(image)
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in seconds]
