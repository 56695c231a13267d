// How one piece of news spread: nodes in order of hearing, time to the right, a line from who told to who was told.
class Spread {
  constructor(run) {
    this.run = run;
    this.canvas = element("spread");
    this.list = element("spread-message");
    this.late = element("spread-late");
    this.clock = new Clock("spread", (time) => this.draw(time), (time) => this.words(time), 8000);
    run.messages.forEach((message, index) => {
      const first = totals(message.rows)[0];
      const option = new Option(`${seconds(run.at[first])}  ${message.title}, ${message.rows.length} nodes`, index);
      let group = [...this.list.children].find((it) => it.label === message.kind);
      if (!group) {
        group = document.createElement("optgroup");
        group.label = message.kind;
        this.list.append(group);
      }
      group.append(option);
    });
    this.list.addEventListener("change", () => this.choose());
    this.late.addEventListener("change", () => this.choose());
    hover(this.canvas, (x, y) => this.at(x, y));
    this.choose();
  }

  choose() {
    const { run } = this;
    const message = run.messages[Number(this.list.value)];
    const heard = new Map();
    this.points = [];
    for (const row of totals(message.rows)) {
      const node = run.rows.node[row];
      if (heard.has(node)) continue;
      const teller = run.rows.teller[row] - 1;
      const from = teller >= 0 ? heard.get(teller) : undefined;
      const point = {
        row, node, at: run.at[row], sent: run.at[row] - run.rows.delay[row],
        from: from ?? null, hop: from ? from.hop + 1 : 0, line: this.points.length, gossip: run.rows.serial[row] > 0,
      };
      heard.set(node, point);
      this.points.push(point);
    }
    const times = this.points.map((it) => it.at);
    this.from = times[0];
    const last = times.at(-1);
    const most = times[Math.floor((times.length - 1) * 0.97)];
    const spread = Math.max(most - this.from, 1000);
    const hasLate = last - this.from > 2.5 * spread;
    this.late.disabled = !hasLate;
    this.until = hasLate && !this.late.checked ? most + spread * 0.15 : last + (last - this.from) * 0.03 + 1000;
    this.beyond = this.points.filter((it) => it.at > this.until).length;
    this.marked = null;
    const deepest = Math.max(...this.points.map((it) => it.hop));
    const streams = this.points.filter((it) => it.from && !it.gossip).length;
    element("spread-about").textContent =
      `${times.length} nodes, the first at ${seconds(this.from)}, half of them after ${seconds(times[Math.floor((times.length - 1) / 2)] - this.from)}, ` +
      `the last after ${seconds(last - this.from)}; at most ${deepest} hops; ${streams} by push/pull` +
      `${this.beyond ? `. ${this.beyond} came later than the picture shows: tick “latecomers”` : ""}.`;
    this.clock.span(this.from, this.until, this.until);
  }

  words(time) {
    const heard = this.points.filter((it) => it.at <= time).length;
    return `${seconds(time - this.from)} after the first – ${heard} of ${this.points.length} nodes have it`;
  }

  path() {
    const path = new Set();
    for (let it = this.marked; it; it = it.from) path.add(it);
    return path;
  }

  draw(time) {
    const { points, from, until } = this;
    const shown = points.length - this.beyond;
    const step = shown <= 60 ? Math.max(12, Math.min(18, 520 / shown)) : 600 / shown;
    const labels = step >= 9;
    const [left, top] = [labels ? 100 : 24, 12];
    const { pen, width } = ready(this.canvas, top + Math.max(60, shown * step) + 48);
    const colours = palette();
    const right = width - 16;
    const to = (at) => left + ((at - from) / (until - from)) * (right - left);
    const y = (point) => top + (point.line + 0.5) * step;
    Object.assign(this, { to, y });
    timeAxis(pen, colours, { from, until, y: top + Math.max(60, shown * step) + 4, left, right, to, origin: from, label: "seconds after the first" });
    const path = this.path();
    const draw = (point) => this.drawPoint(pen, colours, point, time, { to, y, left, labels, path, step });
    const all = points.slice(0, shown);
    // Many lines together must stay lines.
    this.faint = step >= 9 ? 0.55 : Math.max(0.04, Math.min(0.3, 250 / shown));
    all.filter((it) => !path.has(it)).forEach(draw);
    all.filter((it) => path.has(it)).forEach(draw);
  }

  drawPoint(pen, colours, point, time, { to, y, left, labels, path, step }) {
    const marked = path.has(point);
    const there = point.at <= time;
    if (labels) {
      pen.textAlign = "right";
      pen.fillStyle = marked ? colours.ink : there ? colours.soft : colours.line;
      pen.fillText(fitted(pen, this.run.name(point.node), left - 12), left - 8, y(point));
    }
    const dim = path.size > 0 && !marked;
    // The life of the node from when it has the news: what it tells starts on this line.
    if (labels && there) {
      pen.strokeStyle = colours.line;
      pen.globalAlpha = 0.7;
      pen.beginPath();
      pen.moveTo(to(point.at), Math.round(y(point)) + 0.5);
      pen.lineTo(to(time), Math.round(y(point)) + 0.5);
      pen.stroke();
    }
    if (point.from && point.sent <= time) {
      const way = there ? 1 : (time - point.sent) / Math.max(1, point.at - point.sent);
      const [x0, y0, x1, y1] = [to(point.sent), y(point.from), to(point.at), y(point)];
      pen.strokeStyle = marked ? colours.accent : colours.soft;
      pen.globalAlpha = marked ? 1 : dim ? this.faint / 4 : this.faint;
      pen.lineWidth = marked ? 2.2 : 1;
      pen.setLineDash(point.gossip ? [] : [5, 4]);
      pen.beginPath();
      pen.moveTo(x0, y0);
      pen.lineTo(x0 + (x1 - x0) * way, y0 + (y1 - y0) * way);
      pen.stroke();
      // What a node holds between hearing and telling.
      if (marked && there) {
        pen.beginPath();
        pen.moveTo(to(point.from.at), y0);
        pen.lineTo(x0, y0);
        pen.stroke();
      }
      pen.setLineDash([]);
      pen.lineWidth = 1;
    }
    pen.globalAlpha = 1;
    if (there) {
      const size = Math.max(1.2, Math.min(4.5, step / 3));
      pen.globalAlpha = dim ? 0.35 : 1;
      pen.fillStyle = point.from ? colours.views[VIEW.left] : colours.accent;
      pen.beginPath();
      if (point.from) pen.arc(to(point.at), y(point), size, 0, 7);
      else pen.rect(to(point.at) - size, y(point) - size, 2 * size, 2 * size);
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  at(x, y) {
    if (!this.to) return "";
    let best = null;
    let nearest = 18 ** 2;
    if (x >= 0) {
      for (const point of this.points) {
        if (point.at > this.clock.time) continue;
        const distance = (this.to(point.at) - x) ** 2 + (this.y(point) - y) ** 2;
        if (distance < nearest) [best, nearest] = [point, distance];
      }
    }
    if (best !== this.marked) {
      this.marked = best;
      this.draw(this.clock.time);
    }
    if (!best) return "";
    const hops = best.hop === 0 ? "it begins here" : `hop ${best.hop}`;
    return `${seconds(best.at)}, ${seconds(best.at - this.from)} after the first, ${hops}:\n${this.run.sentence(best.row)}`;
  }
}
