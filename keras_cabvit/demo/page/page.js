// The page: takes a photograph, by choosing, dropping or pasting, and shows what is found in it.

import {open} from "./classifier.js";
import {draw} from "./heat.js";
import {fillMaps} from "./maps.js";

const part = id => document.getElementById(id);
const [file, result, predictions] = ["file", "result", "predictions"].map(part);
let classifier = null;
let latest = 0; // the number of the latest photograph or class: nothing is said of earlier ones
let explained = 0; // that of the latest one that is shown: maps of others are dropped

function say(text, wrong = false) {
  part("status").textContent = text;
  part("status").classList.toggle("wrong", wrong);
}

function show(image, view) {
  draw(part("view"), image, 512, view.heat, view.highest);
  part("caption").textContent = view.caption;
  part("legend").hidden = !view.heat;
  part("most").textContent = view.most ?? "";
}

function predictionItem({number, name, probability}, choose) {
  const item = document.createElement("li");
  const row = item.appendChild(document.createElement(choose ? "button" : "div"));
  row.className = "prediction";
  const label = row.appendChild(document.createElement("b"));
  label.textContent = name;
  const share = row.appendChild(document.createElement("output"));
  share.textContent = `${(100 * probability).toFixed(1)} %`;
  const bar = row.appendChild(document.createElement("progress"));
  bar.value = probability;
  bar.setAttribute("aria-hidden", "true");
  if (choose) {
    row.type = "button";
    row.dataset.number = number;
    row.addEventListener("click", () => choose(number));
  }
  return item;
}

async function explain(turn, photograph, image, number) {
  explained = turn;
  for (const row of predictions.querySelectorAll("button")) {
    row.setAttribute("aria-pressed", row.dataset.number === String(number));
  }
  say("Computing the maps …");
  const found = await classifier.explain(photograph, number);
  if (turn !== explained) return;
  part("looks").hidden = false;
  fillMaps(found, image, view => show(image, view), {
    thumbnails: part("thumbnails"), tables: part("tables"), digests: part("digests"),
  });
  if (turn === latest) say("");
}

async function take([photograph, ...others]) {
  if (!classifier) return;
  if (!photograph) {
    return say("That is not a file. Save or copy the image, then drop or paste it here.", true);
  }
  const turn = ++latest;
  const most = classifier.model.mostBytes;
  say("Classifying …");
  try {
    if (!photograph.size) throw new Error("The file is empty.");
    if (photograph.size > most) {
      throw new Error(
        `The file has ${Math.round(photograph.size / 1e6).toLocaleString("en")} MB, more than an ` +
          `image of ${most / 8e6} million pixels can have.`,
      );
    }
    await new Promise(done => setTimeout(done, 20)); // shows the status first
    const found = await classifier.predict(photograph);
    if (turn !== latest) return;
    const {image} = found;
    const choose = classifier.explain && (number => {
      const chosen = ++latest;
      explain(chosen, photograph, image, number).catch(error => chosen === latest && failed(error));
    });
    predictions.replaceChildren(...found.predictions.map(each => predictionItem(each, choose)));
    document.body.classList.add("shown");
    part("looks").hidden = part("digests").hidden = true;
    result.hidden = false;
    show(image, {caption: `Input: ${image.height}×${image.width} pixels, as the model takes it.`});
    const [best] = found.predictions;
    const heard = `${photograph.name}: ${best.name}, ${(100 * best.probability).toFixed(1)} %` +
      (others.length ? `. The first of ${others.length + 1} files, as one is taken at a time.` : "");
    say(heard);
    if (choose) await explain(turn, photograph, image, best.number);
    if (turn === latest) say(heard);
  } catch (error) {
    if (turn === latest) failed(error, photograph.name);
  }
}

function failed(error, name = "") {
  say(name ? `${name}: ${error.message}` : error.message, true);
}

function listen() {
  file.addEventListener("change", () => {
    take(file.files);
    file.value = ""; // so that the same file can be chosen again
  });
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, event => {
      event.preventDefault();
      document.body.classList.add("over");
    });
  }
  document.addEventListener("dragleave", event => {
    if (!event.relatedTarget) document.body.classList.remove("over");
  });
  document.addEventListener("drop", event => {
    event.preventDefault();
    document.body.classList.remove("over");
    take(event.dataTransfer.files);
  });
  document.addEventListener("paste", event => take(event.clipboardData.files));
}

listen();
try {
  classifier = await open();
  const {model} = classifier;
  for (const each of document.querySelectorAll(".maps-only")) each.hidden ||= !model.maps;
  part("name").textContent = document.title = model.name;
  part("facts").textContent =
    `CabViT · ${model.classes} classes · ${model.imageSize.join("×")} pixels · ` +
    (model.crop === 1 ? "whole image" : `centre crop ${model.crop}`);
  part("privacy").textContent = model.maps
    ? "It goes only to the program on this computer, which stores nothing."
    : "It never leaves this browser.";
  file.disabled = false;
  document.body.dataset.ready = "true";
} catch (error) {
  part("facts").textContent = "";
  failed(error);
}
