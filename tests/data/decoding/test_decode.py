import io
import re

import made_files as made
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_cabvit.data import decode_rgb
from keras_cabvit.data.decoding.image_header import image_size

SIZE = (20, 30)
PIXELS = np.random.default_rng(0).integers(0, 256, (*SIZE, 4), dtype=np.uint8)
NOISE = np.random.default_rng(1).bytes
RGB = Image.fromarray(PIXELS[..., :3])
RGBA = Image.fromarray(PIXELS)
GREY = Image.fromarray(PIXELS[..., 0])
NEGATIVE = Image.fromarray(255 - PIXELS[..., :3])
HALF, FULL = [(2, 2), (1, 1), (1, 1)], [(1, 1)] * 3


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def animated(*frames, form, **options):
    return encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)


LOSSY = encoded(RGB, "WEBP")
PALETTE, FOUR_COLOURS = NOISE(768), NOISE(12)
GREY_PALETTE = bytes(level for level in range(256) for _ in range(3))

JPEG = {
    "colours at half the resolution": encoded(RGB, "JPEG"),
    "fine colours": encoded(RGB, "JPEG", subsampling=0, quality=95),
    "progressive": encoded(RGB, "JPEG", progressive=True),
    "grey": encoded(GREY, "JPEG"),
    "4:2:2": made.jpeg(SIZE, [(2, 1), (1, 1), (1, 1)]),
    "4:1:1": made.jpeg(SIZE, [(4, 1), (1, 1), (1, 1)]),
    "4:4:0": made.jpeg(SIZE, [(1, 2), (1, 1), (1, 1)]),
    "4:1:0": made.jpeg(SIZE, [(4, 2), (1, 1), (1, 1)]),
    "uneven": made.jpeg(SIZE, [(2, 2), (2, 1), (1, 2)]),
    "RGB, by Adobe's segment": made.jpeg(SIZE, FULL, adobe=0),
    "RGB, by its names": made.jpeg(SIZE, FULL, ids=b"RGB"),
    "restart markers": made.jpeg(SIZE, HALF, restart=2),
    "extended": made.jpeg(SIZE, HALF, kind=0xC1),
    "arithmetic coding": made.jpeg(SIZE, HALF, kind=0xC9),
}
CMYK = {
    "without Adobe's segment": made.jpeg(SIZE, [(1, 1)] * 4),
    "with it": made.jpeg(SIZE, [(1, 1)] * 4, adobe=0),
    "with one cut short": made.jpeg(
        SIZE, [(1, 1)] * 4, segments=made.segment(0xEE, b"Adobe\0\x64\0\0")
    ),
    "YCCK": made.jpeg(SIZE, [*HALF, (2, 2)], adobe=2),
    "by Pillow": encoded(RGB.convert("CMYK"), "JPEG"),
}
PNG = {
    f"colour type {colour}, {depth} bits, {interlaced=}": made.png(
        SIZE, colour, depth, interlaced=interlaced
    )
    for colour, depths in {
        0: (1, 2, 4, 8),
        2: (8, 16),
        3: (1, 2, 4, 8),
        4: (8, 16),
        6: (8, 16),
    }.items()
    for depth in depths
    for interlaced in (False, True)
}
PNG |= {
    f"transparency, colour type {colour}": made.png(
        SIZE, colour, 8, before=made.chunk(b"tRNS", values)
    )
    for colour, values in {0: b"\0\7", 2: b"\0\1\0\2\0\3", 3: b"\xff\0"}.items()
}
PNG["gamma"] = made.png(SIZE, 2, 8, before=made.chunk(b"gAMA", b"\0\0\x10\0"))
WEBP = {
    "lossy": LOSSY,
    "lossless": encoded(RGB, "WEBP", lossless=True),
    "alpha": encoded(RGBA, "WEBP", exact=True),
    "lossless with alpha": encoded(RGBA, "WEBP", lossless=True, exact=True),
    "extended": made.webp_extended(SIZE, 0, *made.chunks_of(LOSSY)),
    "animated": animated(RGB, NEGATIVE, form="WEBP", lossless=True),
    "animated with alpha": animated(RGBA, RGBA, form="WEBP", lossless=True, exact=True),
    "a first frame smaller than the canvas": made.webp_animation(
        (40, 50), [(LOSSY, (2, 4), 0), (LOSSY, (0, 0), 0)], background=(1, 2, 3, 255)
    ),
}
GIF = {
    "by Pillow": encoded(RGB.convert("P"), "GIF"),
    "animated": animated(RGB.convert("P"), NEGATIVE.convert("P"), form="GIF"),
    "87a": made.gif(SIZE, made.gif_frame(SIZE), palette=PALETTE, version=b"87a"),
    "own palette": made.gif(SIZE, made.gif_frame(SIZE, palette=PALETTE), palette=FOUR_COLOURS),
    "no palette": made.gif(SIZE, made.gif_frame(SIZE)),
    "colours beyond the palette": made.gif(SIZE, made.gif_frame(SIZE), palette=FOUR_COLOURS),
    "grey palette": made.gif(SIZE, made.gif_frame(SIZE), palette=GREY_PALETTE[:48]),
    "interlaced": made.gif(SIZE, made.gif_frame(SIZE, interlaced=True), palette=PALETTE),
    "two statements of transparency": made.gif(
        *(SIZE, made.graphic_control(3), made.graphic_control(), made.gif_frame((5, 6))),
        palette=PALETTE,
    ),
    "comments and applications": made.gif(
        *(SIZE, b"!\xfe\3abc\0", b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0", made.gif_frame(SIZE)),
        palette=PALETTE,
    ),
    "octets between blocks": made.gif(SIZE, b"\0\0x", made.gif_frame(SIZE), palette=PALETTE),
}
for index in (None, 0, 7, 255):
    for screen, frame in ((SIZE, SIZE), (SIZE, (5, 6)), ((3, 4), (5, 6))):
        place = (0, 0) if frame == SIZE else (3, 2)
        blocks = [made.graphic_control(index), made.gif_frame(frame, place)]
        GIF[f"transparent {index}, {frame} on {screen}"] = made.gif(
            screen, *blocks, palette=PALETTE, background=9
        )
BMP = {
    "alpha": encoded(RGBA, "BMP"),
    "grey": encoded(GREY, "BMP"),
    "top-down": made.bmp(SIZE, 24, top_down=True),
    "a gap before the pixels": made.bmp(SIZE, 8, gap=6),
    "last padding missing": made.bmp((20, 31), 24)[:-3],
    "octets behind the pixels": made.bmp(SIZE, 24) + b"xx",
    "colours beyond the palette": made.bmp(SIZE, 8, colours=5),
    "24 bits with masks": made.bmp(SIZE, 24, masks=(0xFF0000, 0xFF00, 0xFF, 0)),
}
for size in (12, 40, 52, 56, 64, 108, 124):
    for bits in (1, 4, 8, 16, 24, 32):
        BMP[f"{bits} bits, header of {size}"] = made.bmp(SIZE, bits, header=size)
for size in (40, 52, 56, 108, 124):
    for masks in ((0xF800, 0x7E0, 0x1F, 0), (0x7C00, 0x3E0, 0x1F, 0x8000)):
        BMP[f"masks {masks}, header of {size}"] = made.bmp(SIZE, 16, header=size, masks=masks)
    for masks in (
        *((0xFF0000, 0xFF00, 0xFF, 0), (0xFF000000, 0xFF0000, 0xFF00, 0), (0, 0, 0, 0)),
        (0xFF000000, 0xFF00, 0xFF, 0),
    ):
        BMP[f"masks {masks}, header of {size}"] = made.bmp(SIZE, 32, header=size, masks=masks)
for kind in ("8 bits, header of 40", "24 bits with masks"):
    file = BMP[kind]
    BMP[f"{kind}, no place of the pixels"] = file[:10] + bytes(4) + file[14:]
BMP["red in the lowest octet"] = made.bmp(
    SIZE, 32, header=124, masks=(0xFF, 0xFF00, 0xFF0000, 0xFF000000)
)
FORMATS = {"JPEG": JPEG, "PNG": PNG, "WebP": WEBP, "GIF": GIF, "BMP": BMP}

decode = tf.function(decode_rgb, input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
stated_size = tf.function(
    image_size, input_signature=[tf.TensorSpec((), tf.string)], autograph=False
)


def by_pillow(file):
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


@pytest.mark.parametrize("form", FORMATS)
def test_files_of_every_kind_are_decoded_as_pillow_does(form):
    files = FORMATS[form]

    different = [
        k for k, file in files.items() if not np.array_equal(decode(file), by_pillow(file))
    ]
    assert different == []
    sizes = {kind: stated_size(file).numpy().tolist() for kind, file in files.items()}
    assert sizes == {kind: list(by_pillow(file).shape[:2]) for kind, file in files.items()}


def test_cmyk_is_within_one_level_of_pillow():
    for file in CMYK.values():
        assert np.abs(decode(file).numpy().astype(int) - by_pillow(file)).max() <= 1


def test_16_bit_pixels_keep_their_upper_eight_bits():
    # Pillow clips values above 255 instead.
    deep = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 256 + 77)

    pixels = decode(encoded(deep, "PNG")).numpy()
    np.testing.assert_array_equal(pixels, np.repeat(PIXELS[..., :1], 3, axis=-1))


def test_black_and_white_are_read_from_bmp_files_of_more_than_one_bit():
    # Pillow takes the pixels for single bits.
    indices = np.random.default_rng(0).integers(0, 2, SIZE).astype(np.uint8)
    data = np.pad(indices, ((0, 0), (0, 2))).tobytes()
    file = made.bmp(SIZE, 8, colours=2, palette=b"\0\0\0\0\xff\xff\xff\0", data=data)

    np.testing.assert_array_equal(decode(file)[..., 0], 255 * indices[::-1])


def test_a_grey_palette_of_a_gif_frame_counts_beside_one_for_all_frames():
    # Pillow takes the palette for all frames.
    frame = made.gif_frame(SIZE, palette=GREY_PALETTE)

    expected = by_pillow(made.gif(SIZE, frame))
    np.testing.assert_array_equal(decode(made.gif(SIZE, frame, palette=PALETTE)), expected)


REFUSED = {
    "Run-length encoded BMP files": made.bmp(SIZE, 8, compression=1),
    "BMP files that hold a JPEG or PNG file": made.bmp(SIZE, 24, compression=4),
    "BMP files of this compression": made.bmp(SIZE, 32, compression=6),
    "BMP files of other than 1, 4, 8, 16, 24 or 32 bits": made.bmp(SIZE, 2),
    "BMP files with a header of this size": made.bmp(SIZE, 24, header=16),
    "BMP files with these colour masks": made.bmp(SIZE, 16, masks=(0xF00, 0xF0, 0xF, 0)),
    "Lossless JPEG files": made.jpeg(SIZE, FULL, kind=0xC3),
    "Hierarchical JPEG files": made.jpeg(SIZE, FULL, kind=0xC5),
    "JPEG files of more or less than 8 bits": made.jpeg(SIZE, FULL, kind=0xC1).replace(
        b"\xff\xc1\0\x11\x08", b"\xff\xc1\0\x11\x0c"
    ),
}


def test_kinds_that_are_not_read_are_named():
    for kind, file in REFUSED.items():
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"{kind} are not read"):
            decode(file)


def test_truncated_files_raise_an_error():
    kinds = [encoded(RGB, form) for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP")]
    for file in (*kinds, WEBP["animated"], BMP["8 bits, header of 40"]):
        for length in (0, 1, 11, 25, -100, -5):
            with pytest.raises(tf.errors.InvalidArgumentError):
                decode(file[:length])


def test_truncated_gif_and_bmp_files_are_named_as_such():
    sentences = {"GIF": "The GIF file has no whole frame", "BMP": "The BMP file is cut short"}
    for form, sentence in sentences.items():
        file = encoded(RGB, form)
        for length in (-4, -100, 60):
            with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
                decode(file[:length])


@pytest.mark.parametrize("content", [b"text", b"<svg/>", b"RIFF1234WAVE" + b"\0" * 40])
def test_other_files_raise_an_error_that_says_so(content):
    sentence = re.escape("The bytes are not a JPEG, PNG, WebP, GIF or BMP file.")
    with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
        decode(content)


def test_the_part_of_an_image_has_the_pixels_of_the_whole():
    def from_the_other_corner(box):
        return lambda shape: tf.unstack(tf.concat([shape - box[:2], box[2:]], axis=0))

    part = tf.function(
        lambda file, box: decode_rgb(file, from_the_other_corner(box)),
        input_signature=[tf.TensorSpec((), tf.string), tf.TensorSpec((4,), tf.int32)],
    )
    turned = {
        value: made.jpeg((45, 70), HALF, segments=made.app1(made.oriented(value)))
        for value in range(1, 9)
    }
    rng = np.random.default_rng(0)
    for file in (*turned.values(), *JPEG.values(), *CMYK.values(), GIF["87a"]):
        whole = decode(file).numpy()
        for _ in range(12):
            size = rng.integers(1, [side + 1 for side in whole.shape[:2]])
            (top, left), (height, width) = rng.integers(0, whole.shape[:2] - size + 1), size
            # Only the shape of the upright image tells where that is.
            found = part(file, [*(np.array(whole.shape[:2]) - (top, left)), height, width])
            np.testing.assert_array_equal(found, whole[top : top + height, left : left + width])
