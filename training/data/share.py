"""The part of the images that one of several processes reads."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """Every `count`-th image, beginning with number `index`.

    Attributes:
        index: integer, the number of this process, from 0.
        count: integer, the number of processes that share every batch.
    """

    index: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.index == 0

    def size_of(self, images: int) -> int:
        """Returns how many of a number of images belong to this share."""
        return len(range(self.index, images, self.count))

    def of_batch(self, batch_size: int) -> int:
        """Returns the images per batch that belong to this share.

        Args:
            batch_size: integer, images per batch in all processes together.

        Raises:
            ValueError: `batch_size` does not divide by the processes.
        """
        if batch_size < 1 or batch_size % self.count:
            raise ValueError(
                "`batch_size` must be a positive multiple of the number of processes, which share "
                f"a batch. Received: batch_size={batch_size} for {self.count} processes"
            )
        return batch_size // self.count


# The share of a process that trains alone.
WHOLE = Share()
