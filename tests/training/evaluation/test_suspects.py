import numpy as np

from training.evaluation.suspects import Suspect, suspected_labels, suspects_as_csv


def of_second(*probabilities):
    """Returns probabilities (images, 2), given those of the second class."""
    return np.array([[1 - probability, probability] for probability in probabilities])


def test_hand_computed_suspects():
    # Labelled with the second class: 0.9, 0.8, 0.1, so its self-confidence is 0.6. With the first:
    # 0.95, 0.35, 0.45, 0.9 of the first class, so its self-confidence is 0.6625.
    probabilities = of_second(0.9, 0.8, 0.1, 0.05, 0.65, 0.55, 0.1)
    labels = np.array([1, 1, 1, 0, 0, 0, 0])

    # Number 2 has 0.9 of the first class, above 0.6625; number 4 has 0.65 of the second, above 0.6;
    # number 5 is misclassified, but with 0.55 not as surely as images of the second class are.
    assert suspected_labels(probabilities, labels).tolist() == [2, 4]


def test_changed_labels_are_found_first():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 500)
    logits = rng.normal(size=(500, 5)) + 4 * np.eye(5)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = truth.copy()
    swapped = rng.choice(500, 20, replace=False)
    labels[swapped] = (labels[swapped] + 1) % 5

    found = suspected_labels(probabilities, labels)
    # About half of them are above their class's mean confidence, by its definition.
    assert len({*found} & {*swapped}) >= 10
    assert {*found[:10]} <= {*swapped}
    assert len(found) < 20


def test_no_image_is_suspected_to_be_of_a_class_without_images():
    probabilities = np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])

    assert suspected_labels(probabilities, np.array([0, 1])).tolist() == [1]


def test_names_with_commas_and_quotes_are_quoted():
    table = suspects_as_csv([Suspect('a,"b".jpg', 0, 1, 0.75, 0.125)], ("x", "y,z"))

    assert table.splitlines()[1] == '"a,""b"".jpg",x,"y,z",0.7500,0.1250'
