"""Several splits of a data set as one."""

import tensorflow as tf

from training.data.share import WHOLE, Share
from training.data.split import Example, Split, checksum_of


class JoinedSplit(Split):
    """The images of several splits, one split after the other.

    Args:
        splits: list of `Split`s of one data set.
    """

    def __init__(self, splits: list[Split]):
        first = splits[0]
        super().__init__(sum(split.size for split in splits), first.class_names, first.has_pixels)
        self._splits = splits

    def examples(
        self, seed: int, epoch: int | tf.Tensor, start: int | tf.Tensor, share: Share = WHOLE
    ) -> tf.data.Dataset:
        """Returns the examples of each split in its shuffled order of one epoch."""
        joined = self._joined([split.examples(seed, epoch, 0) for split in self._splits])
        return joined.skip(start).shard(share.count, share.index)

    def in_order(self) -> tf.data.Dataset:
        """Returns the examples of each split in their stored order."""
        return self._joined([split.in_order() for split in self._splits])

    def checksum(self) -> str:
        """Returns the checksum of all splits."""
        return checksum_of(*(split.checksum().encode() for split in self._splits))

    def image(self, example: Example) -> tf.Tensor:
        """Returns an example's image, as read by its split."""
        example = dict(example)
        return tf.switch_case(
            example.pop("split"),
            [lambda split=split: split.image(example) for split in self._splits],
        )

    def _joined(self, parts: list[tf.data.Dataset]) -> tf.data.Dataset:
        marked = [
            part.map(lambda example, number=number: {**example, "split": number})
            for number, part in enumerate(parts)
        ]
        joined = marked[0]
        for part in marked[1:]:
            joined = joined.concatenate(part)
        return joined
