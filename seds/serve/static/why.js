// When each word is signed: a row per word, coloured by the model's weight over time, with the best moment outlined. For
// videos that sign alike the words are pieces of time of the video searched with, such as "0.4-0.8 s".
import { seconds } from "./net.js";

const SVG = "http://www.w3.org/2000/svg";

export function heatMap(alignment, player) {
  const element = document.getElementById("why").content.cloneNode(true).firstElementChild;
  const rows = element.querySelector(".rows");
  if (alignment.alike) {
    const title = "Which seconds are alike";
    element.setAttribute("aria-label", title);
    element.querySelector("h3").textContent = title;
    element.querySelector(".hint").textContent =
      "Each row is a piece of the video searched with. Click one to play what is most like it (outlined). The stronger the colour, the more alike.";
  }
  const maxWeight = Math.max(1e-9, ...alignment.weights.flat());
  const heads = [];
  alignment.words.forEach((word, i) => {
    const { start, end, score } = alignment.moments[i];
    const row = document.createElement("div");
    row.className = "row";
    const button = document.createElement("button");
    button.type = "button";
    const name = document.createElement("bdi");
    name.textContent = word;
    const when = document.createElement("small");
    when.textContent = score > 0 ? `${start.toFixed(1)}–${seconds(end)}` : "skipped";
    button.append(name, " ", when);
    button.disabled = !(score > 0);
    button.setAttribute(
      "aria-label",
      score > 0 ? `Play ${word}: ${start.toFixed(1)} to ${end.toFixed(1)} seconds` : `${word}: skipped, the sentence is too long for the model`,
    );
    const play = (from, to) => {
      for (const other of rows.children) other.classList.toggle("now", other === row);
      player.moment(from, to);
    };
    button.addEventListener("click", () => play(start, end));
    const strip = document.createElement("div");
    strip.className = "strip";
    strip.append(drawing(alignment.weights[i], alignment.edges, maxWeight, alignment.seconds, score > 0 ? [start, end] : null, word));
    // For the mouse only; with a keyboard, use the word's button and the player.
    strip.addEventListener("click", (event) => {
      const box = strip.getBoundingClientRect();
      play(((event.clientX - box.left) / box.width) * alignment.seconds, null);
    });
    const head = document.createElement("div");
    head.className = "head";
    head.hidden = true;
    heads.push(head);
    strip.append(head);
    row.append(button, strip);
    rows.append(row);
  });
  player.follow((time) => {
    const share = Math.min(1, Math.max(0, time / alignment.seconds));
    for (const head of heads) {
      head.hidden = false;
      head.style.left = `${100 * share}%`;
    }
  });
  const axis = element.querySelector(".axis");
  for (const share of [0, 0.5, 1]) {
    const mark = document.createElement("span");
    mark.textContent = seconds(alignment.seconds * share);
    axis.append(mark);
  }
  return element;
}

function drawing(weights, edges, maxWeight, end, moment, word) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${end} 1`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  const best = weights.indexOf(Math.max(...weights));
  svg.setAttribute(
    "aria-label",
    moment
      ? `${word}: strongest at ${((edges[best] + edges[best + 1]) / 2).toFixed(1)} seconds, with ${Math.round(100 * weights[best])} percent of its weight`
      : `${word}: skipped, the sentence is too long for the model`,
  );
  weights.forEach((weight, v) => {
    const cell = rectangle(edges[v], edges[v + 1]);
    cell.setAttribute("fill-opacity", (weight / maxWeight).toFixed(3));
    svg.append(cell);
  });
  if (moment) {
    const mark = rectangle(...moment);
    mark.setAttribute("class", "moment");
    svg.append(mark);
  }
  return svg;
}

function rectangle(from, to) {
  const cell = document.createElementNS(SVG, "rect");
  cell.setAttribute("x", from);
  cell.setAttribute("width", Math.max(0, to - from));
  cell.setAttribute("height", 1);
  return cell;
}
