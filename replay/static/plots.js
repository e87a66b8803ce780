// Small plots on canvas: lines over time in step with the timeline, and curves of their own axes.

const MARGIN = { left: 46, right: 10, top: 6, bottom: 20 };

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) key === "class" ? (node.className = value) : node.setAttribute(key, value);
  node.append(...children); // strings become text, never HTML
  return node;
}

function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * power >= rough) * power;
  const first = Math.ceil(low / step - 1e-9), found = [];
  for (let i = first; i * step <= high + step * 1e-6; i++) found.push(i * step);
  return found;
}

const short = (v) => {
  const size = Math.abs(v);
  if (size >= 1e6) return +(v / 1e6).toPrecision(3) + " M";
  if (size >= 1e4) return +(v / 1e3).toPrecision(3) + " k";
  return String(size >= 100 ? +v.toFixed(0) : +v.toPrecision(3));
};

const said = ({ y, band }, k) => (Number.isNaN(y[k]) ? "–" : short(y[k]) + (band ? " ± " + short(band[k]) : ""));

// Frame, title, legend and canvas; `paint(context, width, height)` draws. Returns { node, draw, again, area, legend }; `again` draws
// at the width of the last time: to ask for it in each frame would make the browser lay the page out twice.
function frame(title, height, paint) {
  const canvas = make("canvas"), area = make("div", { class: "area" }, canvas), legend = make("ul", { class: "legend" });
  const header = make("header", {}, make("h2", {}, title), legend), node = make("div", { class: "plot" }, header, area);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", title);
  let width = 0;
  function draw() { width = area.clientWidth; again(); }
  function again() {
    const ratio = devicePixelRatio || 1;
    if (!width) return;
    const context = canvas.getContext("2d"), pixels = [Math.floor(width * ratio), Math.floor(height * ratio)];
    if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) { // which is dear, and some plots are drawn in each frame
      [canvas.width, canvas.height] = pixels;
      canvas.style.height = height + "px";
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setLineDash([]);
    context.font = "11.5px system-ui, sans-serif";
    paint(context, width, height);
  }
  return { node, draw, again, area, legend };
}

// The key of a line, with room for its value at the cursor.
function key(label, colour, dashed) {
  const value = make("span"), item = make("li", dashed ? { class: "dashed" } : {}, make("i"), label + " ", value);
  item.recolour = () => item.style.setProperty("--colour", colour ? shade(colour) : style("--ink"));
  item.recolour();
  item.readout = value;
  return item;
}

function axes(context, width, height, [x0, x1], [y0, y1], xlabel) {
  const { left, right, top, bottom } = MARGIN;
  const x = (v) => left + ((v - x0) / (x1 - x0)) * (width - left - right);
  const y = (v) => height - bottom - ((v - y0) / (y1 - y0)) * (height - top - bottom);
  context.lineWidth = 1;
  context.strokeStyle = style("--grid"); context.fillStyle = style("--quiet");
  context.textAlign = "right"; context.textBaseline = "middle";
  for (const v of ticks(y0, y1, 4)) {
    context.beginPath(); context.moveTo(left, y(v)); context.lineTo(width - right, y(v)); context.stroke();
    context.fillText(short(v), left - 6, y(v));
  }
  context.textBaseline = "alphabetic";
  const room = width - right - context.measureText(xlabel).width - 24;
  for (const v of ticks(x0, x1, Math.max(2, Math.floor(width / 90)))) {
    context.textAlign = x(v) < left + 8 ? "left" : "center";
    if (x(v) < room) context.fillText(short(v), x(v), height - 5);
  }
  context.textAlign = "right";
  context.fillText(xlabel, width - right, height - 5);
  context.strokeStyle = style("--line");
  context.strokeRect(left, top, width - left - right, height - top - bottom);
  return { x, y };
}

// lines: [{ label, colour ([light, dark] or null for ink), dashed, x, y, breaks (optional, truthy where a line ends), band
// (optional, half the width of an interval around y), quiet (no key of its own) }]; NaN is a gap.
function extent(arrays, pad) {
  let low = Infinity, high = -Infinity;
  for (const array of arrays) for (const v of array) { if (v < low) low = v; if (v > high) high = v; }
  if (low > high) return [0, 1];
  const span = high - low || Math.abs(high) || 1;
  return high === low || pad ? [low - (pad || 0.05) * span, high + (pad || 0.05) * span] : [low, high];
}

// What a line takes of the plot's height: with its interval.
const reach = ({ y, band }) => (band ? [y.map((v, i) => v - band[i]), y.map((v, i) => v + band[i])] : [y]);

function shadeBand(context, scale, x, y, band) {
  context.save();
  context.globalAlpha = 0.22;
  context.beginPath();
  for (let i = 0; i < x.length; i++) context[i ? "lineTo" : "moveTo"](scale.x(x[i]), scale.y(y[i] + band[i]));
  for (let i = x.length - 1; i >= 0; i--) context.lineTo(scale.x(x[i]), scale.y(y[i] - band[i]));
  context.closePath();
  context.fill();
  context.restore();
}

function linePlot({ title, lines, xlabel, height = 108, xrange, onSeek }) {
  let scale = null, xs = null;
  const plot = frame(title, height, (context, width) => {
    xs = xrange || extent(lines.map((l) => l.x), 0);
    scale = axes(context, width, height, xs, extent(lines.flatMap(reach), 0.06), xlabel);
    context.save();
    context.beginPath();
    context.rect(MARGIN.left, MARGIN.top, width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom);
    context.clip();
    for (const { colour, dashed, x, y, breaks, band } of lines) {
      context.strokeStyle = context.fillStyle = colour ? shade(colour) : style("--ink");
      context.lineWidth = dashed ? 1.5 : 1.75; context.lineJoin = "round";
      context.setLineDash(dashed ? [5, 4] : []);
      if (band) shadeBand(context, scale, x, y, band);
      context.beginPath();
      for (let i = 0; i < x.length; i++) {
        if (Number.isNaN(y[i])) continue;
        context[i && !breaks?.[i - 1] && !Number.isNaN(y[i - 1]) ? "lineTo" : "moveTo"](scale.x(x[i]), scale.y(y[i]));
      }
      context.stroke();
      if (x.length < 30 && !xrange) for (let i = 0; i < x.length; i++) { context.beginPath(); context.arc(scale.x(x[i]), scale.y(y[i]), 2.5, 0, 7); context.fill(); }
    }
    context.restore();
  });
  let keys = [];
  function setLines(next, label = xlabel) {
    lines = next;
    xlabel = label;
    keys = lines.map((l) => key(l.label, l.colour, l.dashed));
    plot.legend.replaceChildren(...keys.filter((_, i) => !lines[i].quiet));
  }
  setLines(lines);
  const cursor = make("div", { class: "cursor" });
  if (onSeek) seekable(plot, cursor, () => scale && { scale, xs }, onSeek);
  function at(t) { // cursor and values at time t
    if (!scale) return;
    cursor.style.left = scale.x(Math.min(t, xs[1])) + "px";
    lines.forEach((l, i) => { if (l.x.length) keys[i].readout.textContent = said(l, rowAt({ times: l.x }, t)); });
  }
  return { ...plot, setLines, at: onSeek ? at : () => {}, draw() { keys.forEach((k) => k.recolour()); plot.draw(); } };
}

function seekable({ area }, cursor, state, onSeek) {
  area.append(cursor);
  area.classList.add("seekable");
  const seek = (event) => {
    const now = state();
    if (!now) return;
    const inside = (event.clientX - area.getBoundingClientRect().left - MARGIN.left) / (area.clientWidth - MARGIN.left - MARGIN.right);
    onSeek(now.xs[0] + inside * (now.xs[1] - now.xs[0]));
  };
  area.addEventListener("pointerdown", (event) => { area.setPointerCapture(event.pointerId); seek(event); });
  area.addEventListener("pointermove", (event) => { if (event.buttons) seek(event); });
}
