"""EXIF as some programs write it."""

import struct


def odd_exif(orientation):
    """Returns EXIF with an orientation, and a tag that Pillow reads and cannot write.

    It is XResolution, as text instead of a fraction.
    """
    entries = struct.pack("<HHII", 0x0112, 3, 1, orientation)
    entries += struct.pack("<HHI4s", 0x011A, 2, 3, b"72")
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
