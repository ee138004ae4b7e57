// The classifier of the static page: the .tflite file, run in this browser by MediaPipe.

import {evaluationImage} from "./evaluation.js";
import {decoded, Refused} from "./photograph.js";

const TOP = 5;

async function loaded() {
  const {FilesetResolver, ImageClassifier} = await import("./tasks-vision/vision_bundle.mjs");
  if (!(await FilesetResolver.isSimdSupported())) {
    throw new Refused("This browser has no WebAssembly SIMD, which the page needs: update it.");
  }
  const fileset = await FilesetResolver.forVisionTasks(new URL("tasks-vision/wasm", document.baseURI).href);
  return ImageClassifier.createFromOptions(fileset, {
    baseOptions: {modelAssetPath: new URL("model.tflite", document.baseURI).href, delegate: "CPU"},
    maxResults: -1,
  });
}

// As keras_cabvit/runtimes/probabilities.py.
function probabilitiesOf(scores, areProbabilities) {
  if (scores.length === 1) return [1 - scores[0], scores[0]];
  const largest = Math.max(...scores);
  const values = areProbabilities ? scores : scores.map(score => Math.exp(score - largest));
  const total = values.reduce((sum, value) => sum + value, 0);
  return values.map(value => total ? value / total : 1 / values.length);
}

export async function open() {
  const model = await (await fetch("model.json")).json();
  const classifier = await loaded();

  async function predict(file) {
    const pixels = await decoded(file, model.mostPixels);
    const image = evaluationImage(pixels, model.imageSize, model.crop);
    const {categories} = classifier.classify(image).classifications[0];
    const scores = new Array(categories.length).fill(0);
    for (const {index, score} of categories) scores[index] = score;
    const probabilities = probabilitiesOf(scores, model.probabilities);
    const best = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
    return {
      image,
      predictions: best.slice(0, TOP).map(number => ({
        number,
        name: model.labels?.[number] ?? String(number),
        probability: probabilities[number],
      })),
    };
  }

  return {model, predict};
}
