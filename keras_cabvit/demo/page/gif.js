// Transparent pixels of a GIF file, which browsers make black: they get the palette's colours.

const SCREEN_FLAGS = 10;
const AFTER_SCREEN = 13;
const EXTENSION = 0x21, GRAPHIC_CONTROL = 0xf9, FRAME = 0x2c, END = 0x3b;

// Takes the flags before a palette; returns the length of the palette in octets.
const paletteLength = flags => flags & 128 ? 3 << (flags & 7) + 1 : 0;

// Takes the bytes of a file; returns them with the first frame opaque, and the colour, [red, green,
// blue], of what a frame that is smaller than the screen leaves transparent: the transparent colour
// of the palette, or without one its first.
export function withoutTransparency(bytes) {
  const opaque = bytes.slice();
  let place = AFTER_SCREEN + paletteLength(bytes[SCREEN_FLAGS]);
  let palette = bytes.subarray(AFTER_SCREEN, place);
  let index = 0;
  while (place < bytes.length && bytes[place] !== FRAME && bytes[place] !== END) {
    if (bytes[place] === EXTENSION) {
      if (bytes[place + 1] === GRAPHIC_CONTROL && bytes[place + 3] & 1) {
        index = bytes[place + 6];
        opaque[place + 3] &= ~1;
      }
      place += 2;
      while (bytes[place]) place += 1 + bytes[place];
    }
    place += 1;
  }
  const own = paletteLength(bytes[place + 9]);
  if (own) palette = bytes.subarray(place + 10, place + 10 + own);
  const colour = palette.subarray(3 * index, 3 * index + 3);
  return {bytes: opaque, beside: colour.length === 3 ? colour : [0, 0, 0]};
}
