// Decoding an image file to the pixels that keras_cabvit/data/decoding gives: upright, colours as
// stored without a colour profile, transparency dropped, the first frame of an animation.

import {withoutTransparency} from "./gif.js";
import {turned, withoutOrientation} from "./webp.js";

export class Refused extends Error {}

const NO_IMAGE = "The bytes are not a JPEG, PNG, WebP, GIF or BMP file.";
const HEIF = "HEIC and AVIF files are not read; `cabvit convert-images` makes JPEG files of them.";
const DAMAGED = "The file is damaged or cut short.";

async function kindOf(file) {
  const bytes = new Uint8Array(await file.slice(0, 16).arrayBuffer());
  const text = String.fromCharCode(...bytes);
  if (text.slice(4, 8) === "ftyp") throw new Refused(HEIF);
  if (text.startsWith("\xff\xd8\xff")) return "jpeg";
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return "webp";
  if (text.startsWith("GIF8")) return "gif";
  if (text.startsWith("BM")) return "bmp";
  throw new Refused(NO_IMAGE);
}

// A 2D canvas multiplies colours by transparency and cannot undo it; WebGL does not multiply.
function withTransparencyDropped(bitmap) {
  const {width, height} = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext("webgl");
  if (!gl || Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) return null;
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  const texture = gl.getParameter(gl.TEXTURE_BINDING_2D);
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  const data = new Uint8Array(4 * width * height);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data);
  const failed = gl.getError() !== gl.NO_ERROR;
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return failed ? null : {data, width, height};
}

function fillTransparent(data, colour) {
  for (let place = 0; place < data.length; place += 4) {
    if (data[place + 3] === 0) data.set(colour, place);
  }
}

// Takes a File and the limit on pixels; returns RGBA pixels {data, height, width}.
export async function decoded(file, mostPixels) {
  const kind = await kindOf(file);
  let [source, orientation, beside] = [file, 1, null];
  if (kind === "webp" || kind === "gif") {
    let bytes = new Uint8Array(await file.arrayBuffer());
    if (kind === "gif") ({bytes, beside} = withoutTransparency(bytes));
    else ({bytes, orientation} = withoutOrientation(bytes));
    source = new Blob([bytes]);
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(source, {
      colorSpaceConversion: "none",
      imageOrientation: "from-image",
      premultiplyAlpha: "none",
    });
  } catch {
    throw new Refused(DAMAGED);
  }
  const {width, height} = bitmap;
  try {
    if (width * height > mostPixels) {
      throw new Refused(
        `The image has ${width}x${height} pixels, and at most ${mostPixels / 1e6} million are ` +
          "decoded.",
      );
    }
    const pixels = kind === "jpeg" ? null : withTransparencyDropped(bitmap);
    if (pixels && beside) fillTransparent(pixels.data, beside);
    if (pixels) return turned(pixels, orientation);
    const context = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
    context.drawImage(bitmap, 0, 0);
    return turned(context.getImageData(0, 0, width, height), orientation);
  } finally {
    bitmap.close();
  }
}
