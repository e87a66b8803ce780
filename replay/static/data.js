// Unpacks what page.py packed: arrays out of one gzipped block, recordings ready to play.

const element = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");
const shade = (colour) => colour[dark.matches ? 1 : 0];
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

async function unpack(id) {
  const coded = Uint8Array.from(atob(element(id).textContent), (c) => c.charCodeAt(0));
  return new Response(new Blob([coded]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

const ARRAYS = { float32: Float32Array, uint16: Uint16Array, int16: Int16Array, uint32: Uint32Array, uint8: Uint8Array };

function viewOf(buffer, { at, type, shape }) {
  return new ARRAYS[type](buffer, at, shape.reduce((a, b) => a * b, 1));
}

// uint16 between each column's lowest and highest value -> float32.
function dequantise(buffer, reference) {
  const coded = viewOf(buffer, reference), { low, span } = reference;
  return Float32Array.from(coded, (v, i) => low[i % low.length] + (v / 65535) * span[i % low.length]);
}

async function loadThree() {
  const url = (text) => URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const [core, module] = (await Promise.all([unpack("three-core"), unpack("three-module")])).map((b) => new TextDecoder().decode(b));
  return import(url(module.replaceAll("./three.core.min.js", url(core))));
}

// A recording with its arrays, and what follows from them.
function openRecording(raw, buffer) {
  const get = (reference) => viewOf(buffer, reference);
  const recording = {
    ...raw,
    times: get(raw.times), done: get(raw.done),
    position: dequantise(buffer, raw.position), quaternion: get(raw.quaternion),
    series: new Map(raw.series.map((s) => [s.name, get(s.values)])),
    command: get(raw.command), actual: get(raw.actual), contact: get(raw.contact),
  };
  recording.duration = recording.times.at(-1);
  recording.falls = [...recording.times].filter((_, k) => recording.done[k] === 1);
  recording.cuts = [...recording.times].filter((_, k) => recording.done[k] === 2);
  recording.column = (name, c, count) => recording[name].filter((_, i) => i % count === c);
  recording.baseColumn = raw.bodies.findIndex((b) => b.id === raw.base);
  recording.path = smoothPath(recording);
  return recording;
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
