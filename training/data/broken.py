"""Image files that cannot be read: training goes on without them, and says which they are."""

import threading


class TooManyBrokenImages(ValueError):
    """So many images are broken that something is wrong with the data as a whole."""


class BrokenImages:
    """The names of the broken images of a data set.

    Args:
        size: integer, how many images there are.
        limit: share of them that may be broken. Defaults to 1 %.
    """

    def __init__(self, size, limit=0.01):
        self.size = size
        self.limit = limit
        self._names = set()
        self._lock = threading.Lock()

    def record(self, name):
        """Adds a name. Several threads may do so at once, and as often as they like."""
        with self._lock:
            self._names.add(name)

    @property
    def names(self):
        """The sorted names, each once."""
        with self._lock:
            return sorted(self._names)

    def check(self):
        """Raises TooManyBrokenImages if more images are broken than may be."""
        names = self.names
        if len(names) > self.limit * self.size:
            shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            raise TooManyBrokenImages(
                f"At least {len(names):,} of {self.size:,} images ({len(names) / self.size:.1%}) "
                f"cannot be read, and at most {self.limit:.0%} may be broken. Replace them and go "
                f"on, or remove them and begin in another folder: {shown}"
            )
