// Transparent pixels of a GIF file, which browsers make black: they get the palette's colour.

// Takes the bytes of a file; returns them with the first frame opaque.
export function withoutTransparency(bytes) {
  const table = flags => flags & 128 ? 3 << (flags & 7) + 1 : 0; // octets of a palette
  const opaque = bytes.slice();
  let place = 13 + table(bytes[10]);
  while (bytes[place] === 0x21) { // an extension
    if (bytes[place + 1] === 0xf9) opaque[place + 3] &= ~1; // the graphic control's transparency
    place += 2;
    while (bytes[place]) place += 1 + bytes[place];
    place += 1;
  }
  return opaque;
}
