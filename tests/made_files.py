"""Image files of kinds that Pillow reads but does not write, and EXIF with any entries."""

import struct
import zlib

import numpy as np


def tiff(*entries, order="<", magic=42, offset=8, count=None):
    """Returns a TIFF header and directory.

    Args:
        entries: (tag, type, number of values, four octets).
        order: "<" or ">", that of the octets.
        magic, offset: the header's two numbers.
        count: number of entries that the directory states; by default, theirs.
    """
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "HL", magic, offset)
    body = b"".join(struct.pack(order + "HHL", *entry[:3]) + entry[3] for entry in entries)
    count = len(entries) if count is None else count
    return start + b"\0" * (offset - 8) + struct.pack(order + "H", count) + body


def oriented(value, order="<", kind=3):
    """Returns EXIF whose second entry is an Orientation of this value, a SHORT by default."""
    value = struct.pack(
        order + ("HH" if kind in (3, 8) else "L"), *[value, 0][: 1 + (kind in (3, 8))]
    )
    width = (0x0100, 3, 1, struct.pack(order + "HH", 30, 0))
    return tiff(width, (0x0112, kind, 1, value), order=order)


def segment(kind, content):
    """Returns a segment of a JPEG file."""
    return bytes([0xFF, kind]) + struct.pack(">H", len(content) + 2) + content


def app1(exif=None, xmp=None):
    """Returns a segment of EXIF or XMP."""
    if xmp is not None:
        return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp)
    return segment(0xE1, b"Exif\0\0" + exif)


def jpeg(size, sampling, seed=0, kind=0xC0, ids=None, adobe=None, segments=b"", restart=0):
    """Returns a JPEG file with random coefficients.

    Args:
        size: (height, width).
        sampling: list of (horizontal, vertical) sampling factors, one per component.
        seed: integer.
        kind: second octet of the marker that begins the frame. 0xC0 and 0xC1 are coded as they
            should be; for other kinds the same octets follow. An arithmetic decoder (0xC9) makes
            an image of any octets.
        ids: names of the components; 1, 2, ... by default.
        adobe: colour transform of an Adobe segment; None for no such segment.
        segments: octets put after the file's first two.
        restart: number of units between restart markers; 0 for none.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    ids = ids or range(1, len(sampling) + 1)
    table = b"\0" + bytes([16]) + bytes(rng.integers(1, 24, 63).tolist())
    parts = [(name, h << 4 | v, 0) for name, (h, v) in zip(ids, sampling, strict=True)]
    frame = struct.pack(">BHHB", 8, height, width, len(parts)) + b"".join(map(bytes, parts))
    # All codes of a table are equally long: 4 bits for the size of a DC difference, 8 for AC.
    dc, ac = list(range(12)), [run << 4 | bits for run in range(16) for bits in range(1, 7)] + [0]
    tables = [b"\0" + bytes([0] * 3 + [len(dc)] + [0] * 12) + bytes(dc)]
    tables.append(b"\x10" + bytes([0] * 7 + [len(ac)] + [0] * 8) + bytes(ac))
    scan = bytes([len(parts)]) + b"".join(bytes([part[0], 0]) for part in parts) + b"\0\x3f\0"
    start = b"\xff\xd8" + segments
    if adobe is not None:
        start += segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([adobe]))
    start += segment(0xDB, table) + segment(kind, frame)
    start += b"".join(segment(0xC4, content) for content in tables)
    if restart:
        start += segment(0xDD, struct.pack(">H", restart))
    # A file of one component is not divided into units, whatever its sampling.
    sampling = sampling if len(sampling) > 1 else [(1, 1)]
    across, down = (max(axis) for axis in zip(*sampling, strict=True))
    units = -(-width // (8 * across)) * -(-height // (8 * down))
    data, bits = b"", []

    def number(value, code, code_length):
        size = abs(value).bit_length()
        bits.append(f"{code(size):0{code_length}b}")
        bits.append(f"{value if value >= 0 else value + 2**size - 1:0{size}b}" if size else "")

    def octets():
        text = "".join(bits)
        text += "1" * (-len(text) % 8)
        bits.clear()
        whole = bytes(int(text[place : place + 8], 2) for place in range(0, len(text), 8))
        return whole.replace(b"\xff", b"\xff\0")

    levels = [0] * len(parts)
    for unit in range(units):
        for index, (h, v) in enumerate(sampling):
            for _ in range(h * v):
                level = int(rng.integers(-60, 61))
                number(level - levels[index], lambda size: size, 4)
                levels[index] = level
                for run, value in zip(rng.integers(0, 6, 6), rng.integers(1, 5, 6), strict=True):
                    value = int(value) if rng.random() < 0.5 else -int(value)
                    number(value, lambda size, run=run: ac.index(int(run) << 4 | size), 8)
                bits.append(f"{ac.index(0):08b}")
        if restart and (unit + 1) % restart == 0 and unit + 1 < units:
            data += octets() + bytes([0xFF, 0xD0 + unit // restart % 8])
            levels = [0] * len(parts)
    return start + segment(0xDA, scan) + data + octets() + b"\xff\xd9"


def chunk(name, content):
    """Returns a chunk of a PNG file."""
    checksum = zlib.crc32(name + content)
    return struct.pack(">L", len(content)) + name + content + struct.pack(">L", checksum)


def png(size, colour, depth, seed=0, interlaced=False, before=b"", after=b""):
    """Returns a PNG file of noise.

    Args:
        size: (height, width).
        colour: colour type of the header: 0 grey, 2 RGB, 3 palette, 4 grey and 6 RGB with alpha.
        depth: bits per sample.
        seed: integer.
        interlaced: whether the pixels come in Adam7's seven passes.
        before, after: chunks put before and after the pixels.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)]
        passes += [(0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b""
    for left, top, across, down in passes:
        columns, lines = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0:
            for _ in range(max(lines, 0)):
                rows += bytes([rng.integers(0, 5)]) + rng.bytes((columns * bits + 7) // 8)
    header = struct.pack(">LLBBBBB", width, height, depth, colour, 0, 0, interlaced)
    palette = chunk(b"PLTE", rng.bytes(3 * 2**depth)) if colour == 3 else b""
    pixels = zlib.compress(rows)
    half = len(pixels) // 2
    return b"".join(
        [
            *(b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), palette, before),
            *(chunk(b"IDAT", pixels[:half]), chunk(b"IDAT", pixels[half:])),
            *(after, chunk(b"IEND", b"")),
        ]
    )


def bmp(
    size,
    bits,
    seed=0,
    header=40,
    masks=None,
    top_down=False,
    colours=0,
    palette=None,
    compression=None,
    data=None,
    gap=0,
):
    """Returns a BMP file of noise.

    Args:
        size: (height, width).
        bits: per pixel.
        seed: integer.
        header: octets of the second header: 12 is OS/2's, 40 to 124 are Windows'.
        masks: of red, green, blue and alpha; they make the compression BI_BITFIELDS.
        top_down: whether the first row is the top one.
        colours: number of colours that the header states; 0 stands for all.
        palette: octets; noise by default.
        compression: number; by default as `masks` demand.
        data: octets of the pixels; noise by default.
        gap: octets between palette and pixels.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    row = (width * bits + 31) // 32 * 4
    if compression is None:
        compression = 3 if masks else 0
    if header == 12:
        second = struct.pack("<LHHHH", 12, width, height, 1, bits)
    else:
        second = struct.pack(
            "<LlLHHL",
            header,
            width,
            (-height if top_down else height) % 2**32,
            1,
            bits,
            compression,
        )
        second += struct.pack("<LLLLL", row * height, 2835, 2835, colours, 0)
        second += struct.pack("<LLLL", *(masks or (0, 0, 0, 0)))[: 12 if header < 56 else 16]
        second = second[:40] if header == 40 and not masks else second
        second = second.ljust(header, b"\0")[: header + (12 if header == 40 and masks else 0)]
    if palette is None:
        count = (colours or 2**bits) if bits <= 8 else 0
        palette = rng.bytes(count * (3 if header == 12 else 4))
    data = rng.bytes(row * height) if data is None else data
    place = 14 + len(second) + len(palette) + gap
    first = b"BM" + struct.pack("<LHHL", place + len(data), 0, 0, place)
    return first + second + palette + b"\0" * gap + data


def gif_frame(size, place=(0, 0), seed=0, interlaced=False, palette=None, indices=256):
    """Returns a frame of a GIF file, of noise; `palette` is its own, of 2, 4, ... 256 colours."""
    rng = np.random.default_rng(seed)
    (height, width), (top, left) = size, place
    flags = 0x40 * interlaced
    if palette:
        flags |= 0x80 | (len(palette) // 3).bit_length() - 2
    # Codes of 9 bits stay as long if the table of strings is cleared often enough.
    codes = []
    for number, index in enumerate(rng.integers(0, indices, height * width)):
        codes += [256] * (number % 200 == 0) + [int(index)]
    value = sum(code << 9 * number for number, code in enumerate([*codes, 257]))
    data = value.to_bytes((9 * len(codes) + 9 + 7) // 8, "little")
    parts = [data[start : start + 255] for start in range(0, len(data), 255)]
    blocks = b"".join(bytes([len(part)]) + part for part in parts) + b"\0"
    return (
        b","
        + struct.pack("<HHHHB", left, top, width, height, flags)
        + (palette or b"")
        + b"\x08"
        + blocks
    )


def graphic_control(transparent=None, disposal=0):
    """Returns the block of a GIF file that states the transparent index of the next frame."""
    flags = disposal << 2 | (transparent is not None)
    return b"!\xf9\x04" + bytes([flags, 5, 0, transparent or 0]) + b"\0"


def gif(screen, *blocks, palette=None, background=0, version=b"89a"):
    """Returns a GIF file; `palette`, of 2, 4, ... 256 colours, is for all frames."""
    flags = 0x80 | (len(palette) // 3).bit_length() - 2 if palette else 0
    header = struct.pack("<HHBBB", screen[1], screen[0], flags, background, 0)
    return b"GIF" + version + header + (palette or b"") + b"".join(blocks) + b";"


def riff(*chunks):
    """Returns a WebP file of (name, content) pairs."""
    body = b"WEBP"
    for name, content in chunks:
        body += name + struct.pack("<L", len(content)) + content + b"\0" * (len(content) % 2)
    return b"RIFF" + struct.pack("<L", len(body)) + body


def webp_extended(canvas, flags, *chunks):
    """Returns a WebP file with an extended header of this size and these flags."""
    sides = b"".join(struct.pack("<L", side - 1)[:3] for side in (canvas[1], canvas[0]))
    return riff((b"VP8X", struct.pack("<L", flags) + sides), *chunks)


def webp_animation(canvas, frames, alpha=False, background=(0, 0, 0, 0)):
    """Returns an animated WebP file; frames are (still WebP file, (top, left), flags)."""
    chunks = [(b"ANIM", bytes(background) + b"\0\0")]
    for still, (top, left), flags in frames:
        pixels = still[12:]
        if pixels[:4] == b"VP8X":
            pixels = pixels[18:]
        width, height = _webp_size(still)
        numbers = (left // 2, top // 2, width - 1, height - 1, 100)
        head = b"".join(struct.pack("<L", number)[:3] for number in numbers)
        chunks.append((b"ANMF", head + bytes([flags]) + pixels))
    return webp_extended(canvas, 2 | 0x10 * alpha, *chunks)


def _webp_size(file):
    from io import BytesIO

    from PIL import Image

    return Image.open(BytesIO(file)).size


def chunks_of(file):
    """Returns the chunk of a WebP file that has one, as `riff` takes it."""
    (length,) = struct.unpack("<L", file[16:20])
    return [(file[12:16], file[20 : 20 + length])]
