// The orientation of a WebP file, which Chromium leaves out and Safari applies.

const ORIENTATION = 0x0112;
const HAS_EXIF = 8; // a flag of the extended header

// Takes the bytes of a file; returns them without EXIF, and its orientation from 1 to 8.
export function withoutOrientation(bytes) {
  const text = (start, length) => String.fromCharCode(...bytes.subarray(start, start + length));
  if (text(12, 4) !== "VP8X" || !(bytes[20] & HAS_EXIF)) return {bytes, orientation: 1};
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const without = bytes.slice();
  without[20] &= ~HAS_EXIF;
  let orientation;
  for (let place = 12; place + 8 <= bytes.length;) {
    const length = view.getUint32(place + 4, true);
    if (text(place, 4) === "EXIF") {
      orientation ??= orientationOf(bytes.subarray(place + 8, place + 8 + length));
      without.set([88, 88, 88, 88], place); // no chunk that is known
    }
    place += 8 + length + length % 2;
  }
  return {bytes: without, orientation: orientation ?? 1};
}

function orientationOf(exif) {
  const start = String.fromCharCode(...exif.subarray(0, 6)) === "Exif\0\0" ? 6 : 0;
  const view = new DataView(exif.buffer, exif.byteOffset + start, exif.byteLength - start);
  try {
    const little = view.getUint16(0) === 0x4949;
    const directory = view.getUint32(4, little);
    const count = view.getUint16(directory, little);
    for (let entry = 0; entry < count; entry++) {
      const place = directory + 2 + 12 * entry;
      if (view.getUint16(place, little) !== ORIENTATION) continue;
      const value = view.getUint16(place + 8, little);
      return value >= 1 && value <= 8 ? value : 1;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // cut short: there is none
  }
  return 1;
}

// Takes RGBA pixels {data, height, width}; returns them the right way up.
export function turned({data, height, width}, orientation) {
  if (orientation === 1) return {data, height, width};
  const from = new Uint32Array(data.buffer, data.byteOffset, height * width);
  const [rows, columns] = orientation > 4 ? [width, height] : [height, width];
  const to = new Uint32Array(rows * columns);
  // As EXIF counts them: where the top row and the left column of the scene are stored.
  const fromRight = [2, 3, 7, 8].includes(orientation);
  const fromBottom = [3, 4, 6, 7].includes(orientation);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const [y, x] = orientation > 4 ? [column, row] : [row, column];
      to[row * columns + column] =
        from[(fromBottom ? height - 1 - y : y) * width + (fromRight ? width - 1 - x : x)];
    }
  }
  return {data: new Uint8Array(to.buffer), height: rows, width: columns};
}
