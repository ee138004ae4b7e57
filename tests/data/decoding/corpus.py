"""A seeded corpus of image files: formats, kinds, orientations, truncations and damage."""

import io
import struct

import made_files as made
import numpy as np
from PIL import Image

FORMATS = ("JPEG", "PNG", "WebP", "GIF", "BMP")
SIZES = [(1, 1), (3, 17), (20, 30), (33, 16), (48, 50)]


def corpus(count, seed):
    """Yields (format, file, damage) of `count` files; damage is "", "cut" or "flipped"."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        form = FORMATS[number % len(FORMATS)]
        file = _KINDS[form](rng)
        damage = rng.choice(["", "", "", "cut", "flipped"])
        if damage == "cut":
            file = file[: rng.integers(1, len(file))]
        elif damage == "flipped":
            octets = bytearray(file)
            for place in rng.integers(0, len(octets), rng.integers(1, 4)):
                octets[place] = rng.integers(0, 256)
            file = bytes(octets)
        yield form, file, str(damage)


def _picture(rng, mode="RGB"):
    """Returns a smooth picture with noise; file formats treat both differently."""
    size = SIZES[rng.integers(len(SIZES))]
    rough = rng.integers(0, 256, (3, 3, 4), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(rough).resize(size[::-1]), int)
    noisy = (smooth + rng.integers(-20, 20, smooth.shape)).clip(0, 255).astype("uint8")
    return Image.fromarray(noisy).convert(mode)


def _saved(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _exif(rng):
    """Returns EXIF as cameras write it, or nearly."""
    order, value = rng.choice(["<", ">"]), int(rng.integers(0, 10))
    kind = int(rng.choice([3, 3, 3, 3, 1, 2, 4, 6, 7, 8, 9, 13, 14]))
    exif = made.oriented(value, order, kind)
    choice = rng.integers(0, 8)
    if choice == 0:
        exif = exif[: rng.integers(0, len(exif))]
    if choice == 1:
        octets = bytearray(exif)
        octets[rng.integers(0, len(octets))] = rng.integers(0, 256)
        exif = bytes(octets)
    if choice == 2:
        word = struct.pack(order + "HH", value, 0)
        numbers = [int(rng.choice([0x0112, 0x0112, 0x0100])) for _ in range(3)]
        entries = [(tag, kind, int(rng.integers(0, 6)), word) for tag in numbers]
        exif = made.tiff(*entries, order=order, offset=int(rng.choice([8, 20])))
        exif += struct.pack(order + "4H", *rng.integers(0, 10, 4))
    return exif


def _xmp(rng):
    value = int(rng.integers(0, 10))
    form = rng.choice(['tiff:Orientation="%d"', "<tiff:Orientation>%d</tiff:Orientation>"])
    return b"<x:xmpmeta \xc3\xa9 " + (form % value).encode() + b"/>"


def _jpeg(rng):
    segments = b""
    for choice in rng.integers(0, 10, rng.integers(0, 4)):
        segments += [
            *(lambda: made.app1(_exif(rng)),) * 4,
            lambda: made.app1(xmp=_xmp(rng)),
            lambda: made.segment(0xFE, rng.bytes(30)),
            lambda: made.segment(0xE2, b"ICC_PROFILE\0\1\1" + rng.bytes(40)),
            lambda: made.segment(0xE0, b"JFIF\0\1\1\1\0\x48\0\x48\0\0"),
            lambda: b"\xff" * 3 + made.segment(0xED, b"x" * 20),
            lambda: made.segment(0xFE, b"") + rng.choice([b"\0", b"abc", b"\xff\0", b"-" * 90]),
        ][choice]()
    if rng.random() < 0.5:
        mode = rng.choice(["RGB", "RGB", "L", "CMYK"])
        options = {"quality": int(rng.integers(5, 100)), "progressive": bool(rng.integers(2))}
        if mode == "RGB":
            options["subsampling"] = int(rng.integers(0, 3))
        if rng.random() < 0.2:
            options["restart_marker_blocks"] = 2
        file = _saved(_picture(rng, mode), "JPEG", **options)
        return file[:2] + segments + file[2:]
    sampling = [
        *(
            [(1, 1)] * 3,
            [(2, 1), (1, 1), (1, 1)],
            [(2, 2), (1, 1), (1, 1)],
            [(4, 1), (1, 1), (1, 1)],
        ),
        *([(1, 2), (1, 1), (1, 1)], [(2, 2), (2, 1), (1, 2)], [(1, 1)], [(2, 2)], [(1, 1)] * 4),
        [(2, 2), (1, 1), (1, 1), (2, 2)],
    ][rng.integers(10)]
    return made.jpeg(
        SIZES[rng.integers(len(SIZES))],
        sampling,
        seed=rng,
        kind=int(rng.choice([0xC0, 0xC0, 0xC0, 0xC1, 0xC9])),
        ids=b"RGB" if len(sampling) == 3 and rng.random() < 0.2 else None,
        adobe=[None, 0, 1, 2][rng.integers(4)] if len(sampling) > 1 else None,
        segments=segments,
        restart=int(rng.choice([0, 0, 1, 3])),
    )


def _png(rng):
    colour, depths = [
        (0, (1, 2, 4, 8)),
        (2, (8, 16)),
        (3, (1, 2, 4, 8)),
        (4, (8, 16)),
        (6, (8, 16)),
    ][rng.integers(5)]
    first, either = [], []
    if colour in (0, 2, 3) and rng.random() < 0.3:
        first = [made.chunk(b"tRNS", rng.bytes({0: 2, 2: 6, 3: 2}[colour]))]
    if rng.random() < 0.2:
        first.insert(0, made.chunk(b"gAMA", struct.pack(">L", 45455)))
    for choice in rng.integers(0, 4, rng.integers(0, 3)):
        exif = made.oriented(int(rng.integers(0, 10)), rng.choice(["<", ">"]))
        either += [
            *[made.chunk(b"eXIf", exif)] * 2,
            made.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + _xmp(rng)),
            made.chunk(b"tEXt", b"Comment\0eXIf"),
        ][choice : choice + 1]
    half = int(rng.integers(0, len(either) + 1))
    return made.png(
        SIZES[rng.integers(len(SIZES))],
        colour,
        int(rng.choice(depths)),
        seed=rng,
        interlaced=bool(rng.integers(2)),
        before=b"".join(first + either[:half]),
        after=b"".join(either[half:]),
    )


def _webp(rng):
    options = {"quality": int(rng.integers(0, 100)), "method": 0, "exact": True}
    options["lossless"] = bool(rng.integers(2))
    if rng.random() < 0.4:
        options["exif"] = made.oriented(int(rng.integers(0, 10)), rng.choice(["<", ">"]))
    if rng.random() < 0.3:
        options["xmp"] = _xmp(rng)
    image = _picture(rng, rng.choice(["RGB", "RGBA"]))
    if rng.random() < 0.2:
        others = [Image.fromarray(255 - np.asarray(image))]
        return _saved(image, "WEBP", save_all=True, append_images=others, **options)
    still = _saved(image, "WEBP", **options)
    if rng.random() < 0.2:
        height, width = image.size[1] + int(rng.integers(4)), image.size[0] + int(rng.integers(4))
        place = (0, 0) if rng.random() < 0.5 or min(image.size) < 2 else (0, 2)
        frames = [(_saved(image, "WEBP", lossless=True), place, int(rng.integers(4)))]
        return made.webp_animation((height, width + 2), frames, alpha=bool(rng.integers(2)))
    return still


def _gif(rng):
    if rng.random() < 0.3:
        image = _picture(rng).quantize(int(rng.choice([2, 7, 256])))
        options = {"transparency": int(rng.integers(0, 4))} if rng.random() < 0.5 else {}
        others = [_picture(rng).quantize(16)] if rng.random() < 0.5 else []
        return _saved(image, "GIF", save_all=True, append_images=others, **options)
    screen, frame = SIZES[rng.integers(len(SIZES))], SIZES[rng.integers(len(SIZES))]
    colours = int(rng.choice([2, 4, 16, 256]))
    palettes = [None, rng.bytes(3 * colours)]
    overall = palettes[rng.integers(2)]
    blocks = [
        made.gif_frame(
            frame,
            tuple(rng.integers(0, 5, 2).tolist()),
            seed=rng,
            interlaced=bool(rng.integers(2)),
            palette=palettes[rng.integers(2)],
            indices=int(rng.choice([2, colours, 256])),
        )
    ]
    if rng.random() < 0.5:
        transparent = [None, 0, 3, 200][rng.integers(4)]
        blocks.insert(0, made.graphic_control(transparent, int(rng.integers(4))))
    if rng.random() < 0.3:
        blocks = [b"!\xfe\3abc\0", b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0", *blocks]
    if rng.random() < 0.3:
        blocks += [made.graphic_control(1, 2), made.gif_frame((2, 2))]
    version = b"87a" if len(blocks) == 1 else b"89a"
    return made.gif(
        screen, *blocks, palette=overall, background=int(rng.integers(4)), version=version
    )


def _bmp(rng):
    bits = int(rng.choice([1, 4, 8, 16, 24, 32]))
    header = int(rng.choice([12, 40, 52, 56, 64, 108, 124])) if bits in (1, 4, 8, 24) else 40
    masks = None
    if bits in (16, 32) and rng.random() < 0.6:
        header = int(rng.choice([40, 52, 56, 108, 124]))
        masks = {
            16: [(0xF800, 0x7E0, 0x1F, 0), (0x7C00, 0x3E0, 0x1F, 0)],
            32: [
                *((0xFF0000, 0xFF00, 0xFF, 0), (0xFF000000, 0xFF0000, 0xFF00, 0)),
                *((0xFF000000, 0xFF00, 0xFF, 0), (0, 0, 0, 0)),
            ]
            + [(0xFF, 0xFF00, 0xFF0000, 0xFF000000), (0xFF0000, 0xFF00, 0xFF, 0xFF000000)]
            * (header >= 56),
        }[bits]
        masks = masks[rng.integers(len(masks))]
    colours = int(rng.choice([0, 0, 2, 5])) if bits in (4, 8) and header != 12 else 0
    return made.bmp(
        SIZES[rng.integers(len(SIZES))],
        bits,
        seed=rng,
        header=header,
        masks=masks,
        top_down=header != 12 and bool(rng.integers(2)),
        colours=colours,
        gap=int(rng.choice([0, 0, 8])),
    )


_KINDS = {"JPEG": _jpeg, "PNG": _png, "WebP": _webp, "GIF": _gif, "BMP": _bmp}
