"""Orientation from EXIF and XMP, compared with Pillow's `exif_transpose`."""

import io
import struct
import warnings

import made_files as made
import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from keras_cabvit.data import decode_rgb

SAMPLING = [(2, 2), (1, 1), (1, 1)]
SIZE = (20, 35)
PIXELS = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)

decode = tf.function(decode_rgb, input_signature=[tf.TensorSpec((), tf.string)], autograph=False)


def by_pillow(file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about entries that it passes over
        return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(file))).convert("RGB"))


def different(files):
    """Returns the keys of files that are not decoded to Pillow's pixels."""
    return [
        kind for kind, file in files.items() if not np.array_equal(decode(file), by_pillow(file))
    ]


def jpeg(*segments):
    return made.jpeg(SIZE, SAMPLING, segments=b"".join(segments))


def xmp(value, form='<rdf tiff:Orientation="%d"/>'):
    return (form % value).encode()


def png(**places):
    return made.png(SIZE, 2, 8, **places)


def webp(**metadata):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "WEBP", lossless=True, **metadata)
    return file.getvalue()


def test_every_orientation_is_applied_in_every_format_that_states_it():
    files = {}
    for value in range(10):
        text = xmp(value)
        for order in "<>":
            exif = made.oriented(value, order)
            files["JPEG", value, order] = jpeg(made.app1(exif))
            files["PNG", value, order] = png(before=made.chunk(b"eXIf", exif))
            files["WebP", value, order] = webp(exif=exif)
        packet = made.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + text)
        files["JPEG", value, "XMP"] = jpeg(made.app1(xmp=text))
        files["PNG", value, "XMP"] = png(before=packet)
        element = xmp(value, "<tiff:Orientation>%d</tiff:Orientation>")
        files["WebP", value, "XMP"] = webp(xmp=element)
    assert different(files) == []


def test_a_quarter_turn_is_to_the_right():
    file = webp(exif=made.oriented(6))

    np.testing.assert_array_equal(decode(file), np.rot90(PIXELS, -1))


def entry(kind, *values, tag=0x0112, order="<"):
    content = struct.pack(order + {1: "B", 3: "H", 4: "L"}[kind] * len(values), *values)
    return (tag, kind, len(values), content.ljust(4, b"\0"))


def elsewhere(kind, content, order="<", count=1):
    """Returns EXIF whose Orientation is behind the directory."""
    place = struct.pack(order + "L", 8 + 2 + 12)
    return made.tiff((0x0112, kind, count, place), order=order) + content


SIX, THREE = made.oriented(6), made.oriented(3)
ODD_EXIF = {
    "empty": b"",
    "no TIFF header": b"II*",
    "another header": b"XX" + SIX[2:],
    "BigTIFF": made.tiff(entry(3, 6), magic=43),
    "header with the order of the other": b"II\0*" + SIX[4:],
    "prefix twice": b"Exif\0\0" + SIX,
    "directory further on": made.tiff(entry(3, 6), offset=30),
    "directory beyond the end": made.tiff(entry(3, 6), offset=30)[:20],
    "no entries": made.tiff(),
    "fewer entries than stated": made.tiff(entry(3, 6), count=9),
    "more entries than stated": made.tiff(entry(3, 1, tag=0x0100), entry(3, 6), count=1),
    "entry cut short": SIX[:-3],
    "two, of which the first counts": made.tiff(entry(3, 6), entry(3, 3)),
    "first of no values": made.tiff((0x0112, 3, 0, b"\6\0\0\0"), entry(3, 3)),
    "first of an unknown type": made.tiff((0x0112, 14, 1, b"\6\0\0\0"), entry(3, 3)),
    "two values": made.tiff(entry(3, 6, 3)),
    "BYTE": made.tiff(entry(1, 6)),
    "ASCII": made.tiff((0x0112, 2, 2, b"6\0\0\0")),
    "LONG": made.oriented(6, ">", 4),
    "signed": made.oriented(6, ">", 8),
    "negative": made.tiff((0x0112, 9, 1, b"\xff" * 4)),
    "RATIONAL": elsewhere(5, struct.pack("<LL", 12, 2)),
    "RATIONAL, no whole number": elsewhere(5, struct.pack("<LL", 13, 2)),
    "RATIONAL over 0": elsewhere(5, struct.pack("<LL", 6, 0)),
    "SRATIONAL": elsewhere(10, struct.pack(">ll", -12, -2), ">"),
    "FLOAT": made.tiff((0x0112, 11, 1, struct.pack(">f", 6)), order=">"),
    "DOUBLE": elsewhere(12, struct.pack("<d", 8)),
    "LONG8": elsewhere(16, struct.pack(">Q", 8), ">"),
    "LONG8, huge": elsewhere(16, struct.pack("<Q", 2**63 + 6)),
    "three values": elsewhere(3, struct.pack("<HHH", 6, 3, 1), count=3),
    "value beyond the end": elsewhere(3, b"\6\0", count=3),
    "more values than there are octets": elsewhere(3, struct.pack("<HHH", 6, 3, 1), count=99),
    "behind a value cut short": made.tiff((0x0100, 2, 9, b"\x20\0\0\0"), entry(3, 6)),
    "behind a value larger than all": made.tiff((0x0100, 2, 2**31, b"\x20\0\0\0"), entry(3, 6)),
}


def test_odd_exif_is_understood_as_by_pillow():
    files = {kind: jpeg(made.app1(exif)) for kind, exif in ODD_EXIF.items()}
    with_xmp = made.app1(xmp=xmp(3))

    assert different(files) == []
    assert different({kind: file[:2] + with_xmp + file[2:] for kind, file in files.items()}) == []


JFIF = made.segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
SEVERAL = {
    "XMP first": [made.app1(xmp=xmp(3)), made.app1(SIX)],
    "XMP and EXIF without one": [made.app1(xmp=xmp(3)), made.app1(made.tiff())],
    "two XMP": [made.app1(xmp=xmp(3)), made.app1(xmp=xmp(8))],
    "two EXIF are one": [made.app1(SIX), made.app1(THREE)],
    "EXIF in two parts": [made.app1(SIX[:12]), made.app1(SIX[12:])],
    "another APP1": [made.segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0"), made.app1(SIX)],
    "after JFIF, a comment and a profile": [
        JFIF,
        made.segment(0xFE, b'tiff:Orientation="3" \xff\xda\0\x0c\3'),
        made.segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(2000)),
        made.app1(SIX),
    ],
    "EXIF, a profile and XMP": [
        *(made.app1(made.tiff()), made.segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(2000))),
        made.app1(xmp=xmp(3)),
    ],
    "EXIF, a profile and EXIF": [
        made.app1(SIX[:12]),
        made.segment(0xE2, b"ICC_PROFILE\0\1\1"),
        made.app1(SIX[12:]),
    ],
    "a profile alone": [made.segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(2000))],
    "a profile and EXIF": [made.segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(2000)), made.app1(SIX)],
    "a profile and XMP": [made.segment(0xE2, b"ICC_PROFILE\0\1\1"), made.app1(xmp=xmp(3))],
    "an APP1 that is not EXIF's, and a profile": [
        made.segment(0xE1, b"Exix\0\0" + SIX),
        made.segment(0xE2, b"ICC_PROFILE\0\1\1"),
        made.app1(THREE),
    ],
    "a long EXIF behind JFIF": [
        JFIF,
        made.app1(SIX + bytes(5000) + b"\xff\xda\0\x0c"),
    ],
    "an EXIF segment too short for its name": [b"\xff\xe1\0\6Exif", made.app1(SIX)],
    "filled up": [b"\xff\xff\xff" + made.app1(SIX)],
    "other octets before EXIF": [JFIF, b"\0\1\2", made.app1(SIX)],
    "many other octets": [JFIF, b"\n" * 1000, made.app1(SIX), b"\0" * 200, made.app1(xmp=xmp(3))],
    "FF and zero before EXIF": [JFIF, b"\xff\0", made.app1(SIX)],
    "other octets between two EXIF": [made.app1(SIX[:12]), b"x", made.app1(SIX[12:])],
}


def test_several_segments_are_understood_as_by_pillow():
    assert different({kind: jpeg(*segments) for kind, segments in SEVERAL.items()}) == []


def test_exif_behind_the_tables_of_a_jpeg_file_counts():
    file = jpeg()
    scan = file.index(b"\xff\xda")
    file = file[:scan] + made.app1(SIX) + file[scan:]

    assert decode(file).shape == (35, 20, 3)
    np.testing.assert_array_equal(decode(file).numpy(), by_pillow(file))


OTHERS = {
    "PNG, after the pixels": png(after=made.chunk(b"eXIf", SIX)),
    "PNG, the last counts": png(before=made.chunk(b"eXIf", SIX), after=made.chunk(b"eXIf", THREE)),
    "PNG, named in a comment": png(before=made.chunk(b"tEXt", b"Comment\0eXIf" + SIX)),
    "PNG, after the end": png() + made.chunk(b"eXIf", SIX),
    "WebP, not in the header": made.webp_extended(SIZE, 0, *made.chunks_of(webp()), (b"EXIF", SIX)),
    "WebP, the first counts": made.webp_extended(
        SIZE, 8, *made.chunks_of(webp()), (b"EXIF", SIX), (b"EXIF", THREE)
    ),
    "WebP, XMP not in the header": made.webp_extended(
        SIZE, 0, *made.chunks_of(webp()), (b"XMP ", xmp(3))
    ),
    "WebP, the first XMP counts": made.webp_extended(
        SIZE, 4, *made.chunks_of(webp()), (b"XMP ", xmp(6)), (b"XMP ", xmp(3))
    ),
}


def test_chunks_are_understood_as_by_pillow():
    assert different(OTHERS) == []
