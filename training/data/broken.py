"""Image files that cannot be read: training continues without them and lists their names."""

import threading
from collections.abc import Iterable

from keras_cabvit.data.folders.unreadable import FEW, RULE, most_unreadable


class TooManyBrokenImages(ValueError):
    """So many images are broken that something is wrong with the data as a whole."""


class BrokenImages:
    """The names of the broken images of a data set.

    One in a hundred may be broken, and up to three of a small data set: no more than one in ten,
    and fewer than it has validation images. Of these some must be readable in any case.

    Args:
        size: integer, the number of images.
        validation_size: integer, the number of validation images among them; None if unknown.
    """

    def __init__(self, size: int, validation_size: int | None = None):
        self.size = size
        few = FEW if validation_size is None else min(FEW, max(0, validation_size - 1))
        self.most = most_unreadable(size, few)
        self.validation_size = validation_size
        self._found: set[str] = set()
        self._of_validation: set[str] = set()
        self._earlier: set[str] = set()
        self._lock = threading.Lock()

    def record(self, name: str) -> None:
        """Adds a name. Safe to call from several threads at once, and repeatedly with one name."""
        with self._lock:
            self._found.add(name)

    def record_validation(self, name: str) -> None:
        """Adds the name of a validation image, as `record` does."""
        with self._lock:
            self._found.add(name)
            self._of_validation.add(name)

    def remember(self, names: Iterable[str]) -> None:
        """Adds names that an earlier process of the same run recorded.

        These images may have been replaced since, so they count as broken only when they are
        recorded again.
        """
        self._earlier.update(names)

    @property
    def found(self) -> list[str]:
        """The sorted names that were recorded, each once."""
        with self._lock:
            return sorted(self._found)

    @property
    def names(self) -> list[str]:
        """The sorted names that were recorded or remembered, each once."""
        return sorted({*self.found, *self._earlier})

    def check(self) -> None:
        """Raises TooManyBrokenImages if more images are broken than allowed."""
        names = self.found
        # Of several processes, each knows only the images that it has read.
        none_is_left = len(self._of_validation) == self.validation_size
        if len(names) > self.most or (names and none_is_left):
            shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            raise TooManyBrokenImages(
                f"At least {len(names):,} of {self.size:,} images ({len(names) / self.size:.1%}) "
                f"cannot be read, and at most {self.most:,} may be broken ({RULE}, and not all "
                f"validation images): {shown}. Replace or remove them, and start in another folder."
            )
