// Unpacks what page.py packed: arrays out of one gzipped block, recordings ready to play.

const element = (id) => document.getElementById(id);
const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (element("theme").value === "system" ? system.matches : element("theme").value === "dark");
const onTheme = (redraw) => { system.addEventListener("change", redraw); element("theme").addEventListener("change", redraw); };
const shade = (colour) => colour[isDark() ? 1 : 0];
// The colour that a name of the style sheet stands for: a pair of light-dark() is looked up.
function style(name) {
  const value = getComputedStyle(document.documentElement).getPropertyValue(name).trim(), pair = value.match(/^light-dark\((.*),(.*)\)$/);
  return pair ? shade(pair.slice(1)).trim() : value;
}

async function unpack(id) {
  const text = atob(element(id).textContent), coded = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) coded[i] = text.charCodeAt(i); // Uint8Array.from takes seconds for some megabytes
  return new Response(new Blob([coded]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

const ARRAYS = { float32: Float32Array, uint16: Uint16Array, int16: Int16Array, uint32: Uint32Array, uint8: Uint8Array };

function viewOf(buffer, { at, type, shape }) {
  return new ARRAYS[type](buffer, at, shape.reduce((a, b) => a * b, 1));
}

// uint16 between each column's lowest and highest value -> float32.
function dequantise(buffer, reference) {
  const coded = viewOf(buffer, reference), { low, span } = reference, values = new Float32Array(coded.length);
  for (let i = 0, c = 0; i < coded.length; i++, c = c + 1 === low.length ? 0 : c + 1) values[i] = low[c] + (coded[i] / 65535) * span[c];
  return values;
}

async function loadThree() {
  const url = (text) => URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const [core, module] = (await Promise.all([unpack("three-core"), unpack("three-module")])).map((b) => new TextDecoder().decode(b));
  return import(url(module.replaceAll("./three.core.min.js", url(core))));
}

// A recording with its arrays, and what follows from them.
function openRecording(raw, buffer) {
  const get = (reference) => viewOf(buffer, reference), unquantise = (reference) => dequantise(buffer, reference);
  const recording = {
    ...raw,
    times: get(raw.times), done: get(raw.done),
    position: worldPositions(get(raw.origin), unquantise(raw.position), raw.bodies.length), quaternion: get(raw.quaternion),
    series: new Map(raw.series.map((s) => [s.name, get(s.values)])),
    command: get(raw.command), actual: get(raw.actual), contact: get(raw.contact), force: unquantise(raw.force),
    inferred: get(raw.inferred), inferredStd: get(raw.inferredStd),
    load: raw.load && unquantise(raw.load), centreOfMass: worldPositions(get(raw.origin), unquantise(raw.centreOfMass), 1),
  };
  recording.duration = recording.times.at(-1);
  recording.falls = [...recording.times].filter((_, k) => recording.done[k] === 1);
  recording.cuts = [...recording.times].filter((_, k) => recording.done[k] === 2);
  recording.becomes = recording.robots.slice(1).map((robot) => robot.time); // another robot
  recording.column = (name, c, count) => {
    const values = recording[name].slice(0, recording.times.length);
    for (let k = 0; k < values.length; k++) values[k] = recording[name][k * count + c];
    return values;
  };
  recording.baseColumn = raw.bodies.findIndex((b) => b.id === raw.base);
  recording.path = smoothPath(recording);
  return recording;
}

// (T, n, 3) positions relative to an origin (T, 3) -> in the world.
function worldPositions(origin, relative, n) {
  return relative.map((v, i) => v + origin[Math.floor(i / (3 * n)) * 3 + (i % 3)]);
}

// The robot (its parameters) that a recording shows at time t.
const robotAt = ({ robots }, t) => robots.findLast((robot) => robot.time <= t + 1e-6) || robots[0];

// A value for each row from one that is constant over each span of robots; null (not known) becomes NaN.
function overRows({ robots, times }, of) {
  const values = new Float32Array(times.length);
  let i = 0;
  for (let k = 0; k < times.length; k++) {
    while (i + 1 < robots.length && robots[i + 1].time <= times[k] + 1e-6) i++;
    values[k] = of(robots[i]) ?? NaN;
  }
  return values;
}

// Last row shown at or before time t.
function rowAt({ times }, t) {
  let low = 0, high = times.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (times[middle] <= t + 1e-6) low = middle; else high = middle - 1;
  }
  return low;
}

// Row and the share of the way to the next one; no way across an episode's end.
function moment(recording, t) {
  const k = rowAt(recording, t), { times, done } = recording;
  const last = k === times.length - 1 || done[k] !== 0;
  return [k, last ? 0 : Math.min(1, Math.max(0, (t - times[k]) / (times[k + 1] - times[k])))];
}

// Position [x, y, z] and unit quaternion [w, x, y, z] of moving body b at time t.
function poseAt(recording, b, t) {
  const [k, share] = moment(recording, t), n = recording.bodies.length;
  const mix = (array, width) => Array.from({ length: width }, (_, i) => {
    const here = array[(k * n + b) * width + i];
    return share ? here + share * (array[((k + 1) * n + b) * width + i] - here) : here;
  });
  const quaternion = mix(recording.quaternion, 4), size = Math.hypot(...quaternion);
  return { position: mix(recording.position, 3), quaternion: quaternion.map((v) => v / size) };
}

// Where the camera looks: the base's path, averaged over the second around each row of the same episode.
function smoothPath({ position, times, done, bodies, baseColumn }) {
  const n = bodies.length, path = new Float32Array(times.length * 3);
  if (baseColumn < 0) return path; // a base that never moves
  let begin = 0;
  for (let k = 0; k < times.length; k++) {
    if (k && done[k - 1]) begin = k;
    let count = 0;
    const add = (j) => { for (let i = 0; i < 3; i++) path[k * 3 + i] += position[(j * n + baseColumn) * 3 + i]; count++; };
    for (let j = k; j >= begin && times[k] - times[j] <= 0.5; j--) add(j);
    for (let j = k + 1; j < times.length && !done[j - 1] && times[j] - times[k] <= 0.5; j++) add(j);
    for (let i = 0; i < 3; i++) path[k * 3 + i] /= count;
  }
  return path;
}

function targetAt(recording, t) {
  const [k, share] = moment(recording, t), p = recording.path;
  return [0, 1, 2].map((i) => p[k * 3 + i] + (share ? share * (p[k * 3 + 3 + i] - p[k * 3 + i]) : 0));
}

// v turned by the unit quaternion [w, x, y, z].
function turn([w, x, y, z], [a, b, c]) {
  const p = 2 * (y * c - z * b), q = 2 * (z * a - x * c), r = 2 * (x * b - y * a);
  return [a + w * p + y * r - z * q, b + w * q + z * p - x * r, c + w * r + x * q - y * p];
}

// Where the point of a foot that touches the ground is at time t.
function footAt(recording, foot, t) {
  const { position, quaternion } = poseAt(recording, foot.body, t), turned = turn(quaternion, foot.point);
  return position.map((v, i) => v + turned[i]);
}

// Corners of the convex hull of points [x, y], anticlockwise (Andrew's monotone chain).
function hull(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  if (sorted.length < 3) return sorted;
  const half = (list) => {
    const chain = [];
    for (const p of list) {
      while (chain.length > 1) {
        const [a, b] = chain.slice(-2);
        if ((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) > 0) break;
        chain.pop();
      }
      chain.push(p);
    }
    return chain.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

// What the page remembers of how it was looked at last, where the browser lets it.
const memory = {
  get(name, otherwise) { try { return JSON.parse(localStorage.getItem("surefoot." + name)) ?? otherwise; } catch { return otherwise; } },
  set(name, value) { try { localStorage.setItem("surefoot." + name, JSON.stringify(value)); } catch { /* private window, or full */ } },
};
