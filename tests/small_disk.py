"""A disk that is soon full."""

import contextlib
import resource


@contextlib.contextmanager
def files_of_at_most(size):
    """Makes this process fail to write beyond `size` bytes of a file, as on a full disk."""
    earlier = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, earlier[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, earlier)
