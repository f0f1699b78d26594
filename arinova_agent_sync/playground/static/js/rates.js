// Chunks a second, running, waiting and the time to the first chunk over the last minute, drawn as lines.

import {h, milliseconds, number} from "./dom.js";

const KEPT = 60; // points, one a second
const WIDTH = 120;
const HEIGHT = 28;
const SVG = "http://www.w3.org/2000/svg";
const ROWS = [
  ["chunks", "chunks/s", number],
  ["running", "running", number],
  ["waiting", "waiting", number],
  ["first", "first chunk", milliseconds],
];

export class Rates {
  constructor() {
    this.points = new Map(); // agent id: points, oldest first
  }

  take(told) {
    for (const {agent, pace} of told) {
      if (!pace) continue;
      const points = this.points.get(agent) ?? [];
      const before = points.at(-1);
      const seconds = before ? (pace.at - before.at) / 1000 : 0;
      const chunks = seconds > 0 ? Math.max(0, Math.round((pace.chunks - before.total) / seconds)) : 0;
      points.push({at: pace.at, total: pace.chunks, chunks, running: pace.running, waiting: pace.waiting, first: pace.first});
      this.points.set(agent, points.slice(-KEPT));
    }
  }

  drawn(agent) {
    const points = this.points.get(agent);
    if (!points) return null;
    return h("dl.rates", {}, ...ROWS.map(([key, label, format]) => {
      const values = points.map((point) => point[key]);
      return h("div", {}, h("dt", {}, label), h("dd", {}, line(values.map((value) => value ?? 0)), h("span", {}, format(values.at(-1)))));
    }));
  }
}

function line(values) {
  const top = Math.max(1, ...values);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const drawn = document.createElementNS(SVG, "polyline");
  const step = WIDTH / (KEPT - 1);
  const start = KEPT - values.length;
  drawn.setAttribute("points", values.map((value, place) => `${((start + place) * step).toFixed(1)},${(HEIGHT - 2 - (value / top) * (HEIGHT - 4)).toFixed(1)}`).join(" "));
  svg.append(drawn);
  return svg;
}
