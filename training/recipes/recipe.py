"""What a recipe says."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """A model and how it is trained.

    Attributes:
        model: arguments of `keras_cabvit.CabViTH`.
        epochs: passes over the training images.
        batch_size: images a step; a last, smaller batch is dropped.
        learning_rate: peak of the schedule.
        warmup_epochs: epochs in which the learning rate rises linearly to the peak; after them it
            falls to `final_learning_rate` as a cosine.
        final_learning_rate: at the end of the schedule.
        weight_decay: of AdamW, for the parameters that decay.
        label_smoothing: share of the target that is spread over all classes.
        validation_images: how many training images are held out, evenly by class.
    """

    model: dict[str, Any] = field(repr=False)
    epochs: int
    batch_size: int
    learning_rate: float
    warmup_epochs: int
    final_learning_rate: float = 1e-6
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    validation_images: int = 500
