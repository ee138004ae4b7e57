// The classifier of the page on this computer: the program that serves it.

import {drawnImage} from "./heat.js";

async function asked(address, file) {
  let body;
  try {
    body = await file.arrayBuffer();
  } catch {
    throw new Error("It cannot be read: it may be a folder, or have been changed or moved since.");
  }
  let response;
  try {
    response = await fetch(address, {
      method: "POST",
      headers: {"Content-Type": "application/octet-stream"},
      body,
    });
  } catch {
    throw new Error("`cabvit demo` does not answer: start it again.");
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

export async function open() {
  const model = await (await fetch("model.json")).json();
  return {
    model,
    async predict(file) {
      const {image, predictions} = await asked("predictions", file);
      return {image: await drawnImage(image), predictions};
    },
    explain: (file, number) => asked(`maps?class=${number}`, file),
  };
}
