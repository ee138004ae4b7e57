"""A disk that is soon full."""

import contextlib
import resource
import sys


@contextlib.contextmanager
def files_of_at_most(size):
    """Makes this process fail to write beyond `size` bytes of a file, as on a full disk.

    Python would cut off the compiled modules that it stores meanwhile, unnoticed until they are
    imported again.
    """
    earlier, stores_none = resource.getrlimit(resource.RLIMIT_FSIZE), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, earlier[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, earlier)
        sys.dont_write_bytecode = stores_none
