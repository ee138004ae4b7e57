"""How long one image takes."""

import statistics
import time


def median_latencies(predictors, images, rounds=50):
    """Times models on one image at a time.

    The models take turns, image after image, so that whatever else the computer does meets all of
    them alike: compare the times with each other, not with another run's.

    Args:
        predictors: list of functions from images (1, height, width, channels) to scores.
        images: list of arrays (count, height, width, channels), one for each of them.
        rounds: integer, how many images are timed. Each model sees one more before, because the
            first call of a shape may compile it. Defaults to 50.

    Returns:
        A list of the median seconds, one for each of the predictors.
    """
    seconds = [[] for _ in predictors]
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
