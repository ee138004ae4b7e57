// The evaluation transform of keras_cabvit/data/evaluation_transform.py: bicubic resizing with
// antialiasing, and the centre crop. A canvas resizes in another way, which differs per browser.

const float = Math.fround; // TensorFlow computes places in 32 bits

// Height and width at which an image just covers `size / crop`.
function covering([rows, columns], size, crop) {
  const [height, width] = size.map(side => Math.floor(side / crop + 1e-6));
  return rows * width >= columns * height
    ? [Math.floor((rows * width) / columns), width]
    : [height, Math.floor((columns * height) / rows)];
}

function roundHalfToEven(value) {
  const below = Math.floor(value);
  const half = value - below === 0.5;
  return half ? below + (below % 2) : Math.round(value);
}

// Keys' kernel with a = -0.5.
function bicubic(x) {
  if (x >= 2) return 0;
  return x >= 1 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : (1.5 * x - 2.5) * x * x + 1;
}

// For each of `length` outputs: the first input, and the weights of it and its successors.
function spans(inputs, whole, length, corner) {
  const inverse = float(1 / float(float(whole) / float(inputs)));
  const shift = float(inverse * corner);
  const stretch = Math.max(inverse, 1);
  return Array.from({length}, (_, output) => {
    const centre = float(float((output + 0.5) * inverse) + shift);
    const first = Math.max(Math.ceil(centre - 2 * stretch - 0.5), 0);
    const last = Math.min(Math.floor(centre + 2 * stretch - 0.5), inputs - 1);
    const weights = [];
    for (let place = first; place <= last; place++) {
      weights.push(bicubic(Math.abs(place + 0.5 - centre) / stretch));
    }
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return {first, weights: weights.map(weight => weight / total)};
  });
}

// Takes RGBA pixels {data, height, width}; returns an ImageData of size [height, width].
export function evaluationImage({data, height, width}, size, crop) {
  const whole = crop === 1 ? size : covering([height, width], size, crop);
  const corner = whole.map((side, axis) => roundHalfToEven((side - size[axis]) / 2));
  const down = spans(height, whole[0], size[0], corner[0]);
  const across = spans(width, whole[1], size[1], corner[1]);
  const left = across[0].first;
  const end = across[size[1] - 1].first + across[size[1] - 1].weights.length;
  const row = new Float32Array(4 * (end - left));
  const image = new ImageData(size[1], size[0]);
  down.forEach(({first, weights}, y) => {
    row.fill(0);
    weights.forEach((weight, place) => {
      const start = 4 * ((first + place) * width + left);
      for (let index = 0; index < row.length; index++) row[index] += weight * data[start + index];
    });
    across.forEach(({first: column, weights: beside}, x) => {
      let red = 0;
      let green = 0;
      let blue = 0;
      let from = 4 * (column - left);
      for (const weight of beside) {
        red += weight * row[from];
        green += weight * row[from + 1];
        blue += weight * row[from + 2];
        from += 4;
      }
      // A clamped array rounds half to even, as TensorFlow does, and clips.
      image.data.set([red, green, blue, 255], 4 * (y * size[1] + x));
    });
  });
  return image;
}
