// The gait diagram: which feet touch the ground, and when.

// Which feet touch the ground, in the seconds around the cursor: a bar while a foot stands.
function gaitPlot(recordings, onSeek) {
  const walking = recordings.filter((r) => r.footNames.length), window_ = 4, row = 11, gap = 8;
  const height = MARGIN.top + MARGIN.bottom + walking.reduce((sum, r) => sum + r.footNames.length * row + gap, -gap);
  const end = Math.max(...walking.map((r) => r.duration));
  let now = 0, xs = [0, window_];
  const plot = frame("Feet on the ground", height, (context, width) => {
    const start = Math.max(0, Math.min(now - window_ / 2, end - window_));
    xs = [start, start + window_];
    const { left, right, bottom } = MARGIN, x = (t) => left + ((t - xs[0]) / window_) * (width - left - right);
    let y = MARGIN.top;
    context.textBaseline = "middle";
    for (const r of walking) {
      const feet = r.footNames.length, first = rowAt(r, xs[0]), last = rowAt(r, xs[1]);
      r.footNames.forEach((name, f) => {
        context.textAlign = "right"; context.fillStyle = style("--quiet");
        context.font = "10px system-ui, sans-serif";
        context.fillText(abbreviate(name), left - 6, y + row / 2);
        context.fillStyle = style("--grid"); context.fillRect(left, y + row / 2, width - left - right, 1);
        context.fillStyle = shade(r.colour);
        for (let k = first, stop; k < last; k = stop) { // one bar for each stance
          for (stop = k + 1; stop < last && r.contact[stop * feet + f] === r.contact[k * feet + f]; ) stop++;
          const a = Math.max(left, x(r.times[k])), b = Math.min(width - right, x(r.times[stop]));
          if (r.contact[k * feet + f] && b > a) context.fillRect(a, y + 1, b - a, row - 3);
        }
        y += row;
      });
      y += gap;
    }
    context.font = "11.5px system-ui, sans-serif"; context.fillStyle = style("--quiet"); context.textBaseline = "alphabetic";
    for (const t of ticks(xs[0], xs[1], 4)) { context.textAlign = x(t) < left + 8 ? "left" : "center"; if (x(t) < width - 90) context.fillText(short(t), x(t), height - 5); }
    context.textAlign = "right"; context.fillText("time (s)", width - right, height - 5);
    cursor.style.left = x(now) + "px";
  });
  const cursor = make("div", { class: "cursor" });
  seekable(plot, cursor, () => ({ xs }), onSeek);
  const keys = walking.map((r) => key(r.label, r.colour));
  plot.legend.append(...keys);
  return { ...plot, at(t) { now = t; plot.again(); }, draw() { keys.forEach((k) => k.recolour()); plot.draw(); } };
}

// front_left_foot -> FL: initials of what is left when the word foot is taken away.
const abbreviate = (name) => {
  const words = name.split(/[_\s.]+/).filter((w) => w && !/^(foot|geom)$/i.test(w));
  return words.length > 1 ? words.map((w) => w[0].toUpperCase()).join("") : (words[0] || name).slice(0, 6);
};
