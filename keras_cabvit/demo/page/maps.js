// The maps of a photograph: thumbnails to choose from, and tables of attention to digest tokens.

import {colour, draw} from "./heat.js";

// The upper end of the scale of multiples of a mean, as in the picture of `cabvit explain`.
const MOST = 4;

const sum = rows => rows.flat().reduce((total, value) => total + value, 0);
const percent = share => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
const grid = rows => `${rows.length}×${rows[0].length} tokens`;

// Shares of places as multiples of their mean.
function relative(rows) {
  const mean = sum(rows) / rows.flat().length || 1;
  return rows.map(row => row.map(value => value / mean));
}

function viewOf(title, detail, caption, heat, highest, most) {
  return {title, detail, caption, heat, highest, most};
}

function firstViews(found, image) {
  const cam = found.gradCam;
  const largest = Math.max(...cam.flat());
  const target = found.classToken ? "the class token" : "the output";
  const camNote = largest
    ? `Grad-CAM: the places that raise the score of ${found.explained.name}.`
    : `Grad-CAM: no place raises the score of ${found.explained.name}.`;
  return [
    viewOf("Input", "", `Input: ${image.height}×${image.width} pixels, as the model takes it.`),
    viewOf("Grad-CAM", found.explained.name, camNote, cam, largest || 1, "largest value"),
    viewOf(
      "Attention rollout",
      grid(found.rollout),
      `Attention rollout: the shares in which ${target} is made of the places, by attention alone.`,
      relative(found.rollout), MOST, `${MOST} × mean`,
    ),
  ];
}

function blockView({name, places, digests}, classToken) {
  const share = digests.reduce((total, each) => total + sum(each.places), 0);
  const origin = classToken ? "of the class token" : "of all its tokens";
  const rest = digests.length ? ` ${percent(share)} of its attention goes to digest tokens.` : "";
  return viewOf(
    name, digests.length ? `${percent(share)} to digests` : grid(places),
    `${name}: attention ${origin} to the ${grid(places)} of its own map.${rest}`,
    relative(places), MOST, `${MOST} × mean`,
  );
}

function digestView(block, {source, places}) {
  const highest = Math.max(...block.digests.map(each => Math.max(...each.places.flat())), 1e-9);
  return viewOf(
    "", "",
    `${block.name}: ${percent(sum(places))} of its attention goes to the digest tokens of ${source}, at these places.`,
    places, highest, `${(100 * highest).toFixed(1)} % per token`,
  );
}

function thumbnail(view, image, show) {
  const item = document.createElement("li");
  const button = item.appendChild(document.createElement("button"));
  button.type = "button";
  const canvas = button.appendChild(document.createElement("canvas"));
  draw(canvas, image, 220, view.heat, view.highest);
  button.append(view.title);
  const small = button.appendChild(document.createElement("small"));
  small.textContent = view.detail;
  show.by(button, view);
  return item;
}

function tableOf(stage, blocks, highest, show) {
  const table = document.createElement("table");
  table.createCaption().textContent = stage;
  const sources = blocks.map(block => block.name)
    .filter(name => blocks.some(block => block.digests.some(each => each.source === name)));
  const short = name => name.slice(name.lastIndexOf("/") + 1);
  const head = table.createTHead().insertRow();
  for (const text of ["", "own", ...sources.map(short)]) {
    const cell = head.appendChild(document.createElement("th"));
    cell.scope = "col";
    cell.textContent = text;
  }
  const body = table.createTBody();
  for (const block of blocks) {
    const row = body.insertRow();
    const name = row.appendChild(document.createElement("th"));
    name.scope = "row";
    name.textContent = short(block.name);
    const own = row.insertCell();
    own.className = "own";
    const total = block.digests.reduce((shares, each) => shares + sum(each.places), 0);
    own.textContent = percent(1 - total).replace(" %", "");
    for (const source of sources) {
      const cell = row.insertCell();
      const each = block.digests.find(digest => digest.source === source);
      if (!each) continue;
      const share = sum(each.places);
      const button = cell.appendChild(document.createElement("button"));
      button.type = "button";
      button.textContent = percent(share).replace(" %", "");
      button.setAttribute("aria-label", `${short(block.name)} to ${short(source)}: ${percent(share)}`);
      const place = 0.12 + 0.78 * (share / highest);
      const [red, green, blue] = colour(place);
      button.style.setProperty("--heat", `rgb(${red} ${green} ${blue})`);
      button.style.setProperty("--on-heat", place > 0.62 ? "#1b2030" : "#fff");
      show.by(button, digestView(block, each));
    }
  }
  return table;
}

// Fills the page with what was found; `show(view)` draws a view large.
export function fillMaps(found, image, show, {thumbnails, tables, digests}) {
  const buttons = new Map();
  const choose = button => {
    for (const other of buttons.keys()) other.setAttribute("aria-pressed", other === button);
    show(buttons.get(button));
  };
  const chooser = {
    by(button, view) {
      buttons.set(button, view);
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => choose(button));
    },
  };
  const views = [
    ...firstViews(found, image),
    ...found.blocks.map(block => blockView(block, found.classToken)),
  ];
  thumbnails.replaceChildren(...views.map(view => thumbnail(view, image, chooser)));
  const shares = found.blocks.flatMap(block => block.digests.map(each => sum(each.places)));
  digests.hidden = !shares.length;
  const stages = Map.groupBy
    ? Map.groupBy(found.blocks, ({name}) => name.slice(0, name.lastIndexOf("/")))
    : new Map([["", found.blocks]]);
  const withDigests = [...stages].filter(([, blocks]) => blocks.some(each => each.digests.length));
  const highest = Math.max(...shares, 1e-9);
  tables.replaceChildren(
    ...withDigests.map(([stage, blocks]) => tableOf(stage, blocks, highest, chooser)),
  );
  choose(thumbnails.querySelectorAll("button")[1]);
}
