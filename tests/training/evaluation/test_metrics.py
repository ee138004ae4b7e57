import keras
import numpy as np
import pytest

from training.evaluation.metrics import score_predictions

# Four images of three classes, worked out by hand.
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.1, 0.8, 0.1], [0.0, 0.3, 0.7]])
LABELS = np.array([0, 1, 1, 0])


def random_predictions(images, classes, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    logits = rng.normal(size=(images, classes)) + 2 * np.eye(classes)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities.astype("float32"), labels


def test_hand_computed_scores():
    scores = score_predictions(PROBABILITIES, LABELS)

    assert (scores.images, scores.classes, scores.top1, scores.top5) == (4, 3, 0.5, 1.0)
    assert scores.top1_standard_error == 0.25
    # The probability 0 of the last image counts as 1e-7.
    expected = -(np.log(0.7) + np.log(0.4) + np.log(0.8) + np.log(1e-7)) / 4
    assert scores.cross_entropy == pytest.approx(expected)
    assert scores.confusion.tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]


def test_cross_entropy_of_certain_and_right_answers_is_zero_without_a_sign():
    scores = score_predictions(np.eye(3, dtype="float32"), np.arange(3))

    assert f"{scores.cross_entropy:.4f}" == "0.0000"


def test_hand_computed_scores_of_classes():
    scores = score_predictions(PROBABILITIES, LABELS)

    np.testing.assert_array_equal(scores.support, [2, 2, 0])
    np.testing.assert_allclose(scores.precision, [1 / 2, 1, 0])
    np.testing.assert_allclose(scores.recall, [1 / 2, 1 / 2, np.nan])
    np.testing.assert_allclose(scores.f1, [1 / 2, 2 / 3, 0])


def test_hand_computed_means_over_classes():
    scores = score_predictions(PROBABILITIES, LABELS)

    # The third class has no images, though one is put into it.
    assert scores.balanced_accuracy == pytest.approx(1 / 2)
    assert scores.macro_precision == pytest.approx((1 / 2 + 1) / 2)
    assert scores.macro_f1 == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert scores.majority_baseline == 0.5
    # Two recalls of 1/2, of two images each: sqrt(1/8 + 1/8) / 2.
    assert scores.balanced_accuracy_standard_error == pytest.approx(0.25)


def test_rare_class_counts_as_much_as_a_common_one():
    # All of 90 images of the first class are found, and none of 10 of the second.
    scores = score_predictions(np.tile([0.9, 0.1], (100, 1)), np.repeat([0, 1], [90, 10]))

    assert scores.top1 == scores.majority_baseline == 0.9
    assert scores.balanced_accuracy == 0.5
    # The second class is never predicted, which counts as a precision of 0.
    assert scores.macro_precision == pytest.approx(0.9 / 2)
    assert scores.macro_f1 == pytest.approx((2 * 0.9 / 1.9) / 2)
    assert scores.balanced_accuracy_standard_error == 0


def test_standard_error_of_balanced_accuracy_is_that_of_repeated_draws():
    rng = np.random.default_rng(0)
    recall, support = np.array([0.9, 0.6, 0.3]), np.array([200, 50, 20])
    draws = rng.binomial(support, recall, (4000, 3)) / support
    labels = np.repeat(range(3), support)
    right = np.concatenate(
        [np.arange(count) < share * count for share, count in zip(recall, support, strict=True)]
    )
    scores = score_predictions(np.eye(3)[np.where(right, labels, (labels + 1) % 3)], labels)

    assert scores.balanced_accuracy == pytest.approx(0.6)
    expected = draws.mean(axis=1).std()
    assert scores.balanced_accuracy_standard_error == pytest.approx(expected, rel=0.05)


def test_absent_class_has_no_scores():
    scores = score_predictions(np.eye(3)[[0, 1]], np.array([0, 1]))

    assert np.isnan([scores.precision[2], scores.recall[2], scores.f1[2]]).all()


def test_scores_equal_those_of_keras_and_of_a_loop():
    probabilities, labels = random_predictions(400, 12)
    scores = score_predictions(probabilities, labels)

    metrics = (
        (scores.top1, keras.metrics.SparseCategoricalAccuracy()),
        (scores.top5, keras.metrics.SparseTopKCategoricalAccuracy(5)),
        (scores.cross_entropy, keras.metrics.SparseCategoricalCrossentropy()),
    )
    for score, metric in metrics:
        metric.update_state(labels, probabilities)
        assert score == pytest.approx(float(metric.result()), rel=1e-5)
    confusion = np.zeros((12, 12), int)
    for label, row in zip(labels, probabilities, strict=True):
        confusion[label, max(range(12), key=lambda index: row[index])] += 1
    np.testing.assert_array_equal(scores.confusion, confusion)


def test_hand_computed_calibration():
    # Bins are a fifteenth wide: 0.7 is in the 11th; 0.8 ends the 12th and is in it.
    probabilities = np.array([[0.7, 0.3], [0.69, 0.31], [0.8, 0.2], [0.2, 0.8], [1.0, 0.0]])
    calibration = score_predictions(probabilities, np.array([0, 1, 0, 1, 0])).calibration

    assert np.flatnonzero(calibration.images).tolist() == [10, 11, 14]
    np.testing.assert_allclose(calibration.images[[10, 11, 14]], [2, 2, 1])
    np.testing.assert_allclose(calibration.confidence[[10, 11, 14]], [0.695, 0.8, 1])
    np.testing.assert_allclose(calibration.accuracy[[10, 11, 14]], [0.5, 1, 1])
    assert calibration.error == pytest.approx((2 * 0.195 + 2 * 0.2) / 5)


def test_calibration_error_equals_that_of_a_loop_over_bins():
    probabilities, labels = random_predictions(500, 7)
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    error = 0
    for number in range(15):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        if inside.any():
            right = np.mean(predicted[inside] == labels[inside])
            error += np.mean(inside) * abs(right - confidence[inside].mean())

    assert score_predictions(probabilities, labels).calibration_error == pytest.approx(error)


def test_calibrated_predictions_have_no_calibration_error():
    # Of ten images with probability 0.8 eight are right, of ten with 0.6 six.
    probabilities = np.array([[0.8, 0.2]] * 10 + [[0.4, 0.6]] * 10)
    labels = np.array([0] * 8 + [1] * 2 + [1] * 6 + [0] * 4)

    assert score_predictions(probabilities, labels).calibration_error == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("images", [20, 372])
def test_calibration_error_by_chance_is_that_of_simulated_calibrated_models(images):
    rng = np.random.default_rng(0)
    errors, by_chance = [], []
    for _ in range(200):
        probabilities = rng.dirichlet(np.full(5, 0.4), images)
        labels = (probabilities.cumsum(axis=1) > rng.random((images, 1))).argmax(axis=1)
        calibration = score_predictions(probabilities, labels).calibration
        errors.append(calibration.error)
        by_chance.append(calibration.error_by_chance)

    assert np.mean(by_chance) == pytest.approx(np.mean(errors), rel=0.05)


def test_certain_predictions_have_no_calibration_error_by_chance():
    assert score_predictions(np.eye(4), np.arange(4)).calibration.error_by_chance == 0


def test_of_equal_probabilities_the_first_class_is_the_prediction():
    scores = score_predictions(np.full((8, 8), 1 / 8), np.arange(8))

    assert scores.top1 == 1 / 8
    assert scores.top5 == 5 / 8
    np.testing.assert_array_equal(scores.confusion[:, 0], np.ones(8))


@pytest.mark.parametrize(
    ("probabilities", "labels", "sentence"),
    [
        (np.ones(3), [0], r"`probabilities` must be of shape .* Received: shape \(3,\)"),
        (np.ones((2, 1)), [0, 0], "two classes"),
        (np.ones((0, 3)), [], "at least one image"),
        (np.eye(3), [0, 1], r"`labels` must be integers of shape \(3,\).*shape \(2,\)"),
        (np.eye(3), [0.0, 1.0, 2.0], "`labels` must be integers.*float64"),
        (np.eye(3), [0, 1, 3], r"`labels` must be in 0\.\.2.*Received: 0\.\.3"),
        (np.eye(3), [-1, 1, 2], r"Received: -1\.\.2"),
        (2 * np.eye(3), [0, 1, 2], "sum to 1 in every row. Received: row 0 .*sum 2"),
        (np.array([[1.0, 0], [1.5, -0.5]]), [0, 1], "row 1 with smallest value -0.5"),
        (np.array([[1.0, 0], [np.nan, 1]]), [0, 1], "row 1 .*nan"),
    ],
)
def test_unusable_predictions_give_a_clear_error(probabilities, labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        score_predictions(probabilities, np.array(labels))
