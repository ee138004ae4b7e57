"""A small image file that is huge once decoded, and a measure of peak memory."""

import struct
import zlib

SIDE = 12_000
# Decoding takes twice as much; what else a process reserves, a fraction of it.
HALF_DECODED_BYTES = SIDE * SIDE * 3 // 2


def huge_png():
    """Returns a PNG file of 12,000x12,000 black pixels: 0.4 MB, and 432 MB when it is decoded."""
    # A hundred rows are compressed once: after a full flush, compressed bytes can be repeated.
    rows = zlib.compressobj(6, wbits=-zlib.MAX_WBITS)
    hundred = rows.compress(bytes(100 * (1 + 3 * SIDE))) + rows.flush(zlib.Z_FULL_FLUSH)
    size = SIDE * (1 + 3 * SIDE)
    checksum = (size % 65_521 << 16) + 1  # Adler-32 of zeros
    content = b"\x78\x9c" + SIDE // 100 * hundred + rows.flush() + checksum.to_bytes(4, "big")
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", content), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def peak_growth(function):
    """Returns the peak growth of this process's memory, in bytes, while a function runs."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # resets the peak
    before = _status("VmRSS")
    function()
    return _status("VmHWM") - before


def _status(name):
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(name))
    return 1024 * int(line.split()[1])
