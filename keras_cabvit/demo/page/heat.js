// Drawing maps of tokens over an image.

// "inferno" of matplotlib, at equal distances.
const STOPS = [
  [0, 0, 4], [12, 8, 38], [36, 12, 79], [66, 10, 104], [93, 18, 110], [120, 28, 109],
  [147, 38, 103], [174, 48, 92], [199, 62, 76], [221, 81, 58], [237, 105, 37], [248, 133, 15],
  [252, 165, 10], [250, 198, 45], [242, 230, 97], [252, 255, 164],
];
const SCALE = new Uint8Array(3 * 256);
for (let level = 0; level < 256; level++) {
  const place = (level / 255) * (STOPS.length - 1);
  const below = Math.min(Math.floor(place), STOPS.length - 2);
  for (let channel = 0; channel < 3; channel++) {
    const [a, b] = [STOPS[below][channel], STOPS[below + 1][channel]];
    SCALE[3 * level + channel] = a + (b - a) * (place - below);
  }
}
const OPACITY = 0.72;
// Smaller grids are drawn as cells: colours that pass smoothly would suggest more places.
const FEW = 6;

export function colour(share) {
  const level = 3 * Math.round(255 * Math.min(Math.max(share, 0), 1));
  return [SCALE[level], SCALE[level + 1], SCALE[level + 2]];
}

// Decodes the address of a PNG file to an ImageData.
export async function drawnImage(address) {
  const picture = new Image();
  picture.src = address;
  await picture.decode();
  const canvas = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

// Places in a row of `count` tokens of each of `length` pixels: two tokens and the share of the second.
function between(length, count, smooth) {
  return Array.from({length}, (_, pixel) => {
    const place = ((pixel + 0.5) * count) / length - 0.5;
    if (!smooth) return [Math.floor(place + 0.5), Math.floor(place + 0.5), 0];
    const first = Math.min(Math.max(Math.floor(place), 0), count - 1);
    const second = Math.min(Math.max(Math.floor(place) + 1, 0), count - 1);
    return [first, second, place - Math.floor(place)];
  });
}

// An ImageData, smoothly enlarged by a whole number.
function enlarged(image, times) {
  const source = new OffscreenCanvas(image.width, image.height);
  source.getContext("2d").putImageData(image, 0, 0);
  const target = new OffscreenCanvas(times * image.width, times * image.height);
  const context = target.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, target.width, target.height);
  return context.getImageData(0, 0, target.width, target.height);
}

// Draws an ImageData on a canvas, at least `least` pixels wide; over it, in grey, `heat`: nested
// lists of values of which `highest` has the brightest colour.
export function draw(canvas, image, least, heat = null, highest = 1) {
  const drawn = enlarged(image, Math.max(Math.ceil(least / image.width), 1));
  const {data, width, height} = drawn;
  canvas.width = width;
  canvas.height = height;
  if (heat) {
    const smooth = Math.max(heat.length, heat[0].length) >= FEW;
    const columns = between(width, heat[0].length, smooth);
    between(height, heat.length, smooth).forEach(([top, bottom, down], y) => {
      columns.forEach(([left, right, across], x) => {
        const upper = heat[top][left] * (1 - across) + heat[top][right] * across;
        const lower = heat[bottom][left] * (1 - across) + heat[bottom][right] * across;
        const mixed = colour((upper * (1 - down) + lower * down) / highest);
        const at = 4 * (y * width + x);
        const grey = (data[at] + data[at + 1] + data[at + 2]) / 3;
        for (let channel = 0; channel < 3; channel++) {
          data[at + channel] = OPACITY * mixed[channel] + (1 - OPACITY) * grey;
        }
      });
    });
  }
  canvas.getContext("2d").putImageData(drawn, 0, 0);
}
