// One node over time: its process, its health, its probes, how others see it, how it sees others.
const LANES_MAX = 24;

class NodeTimeline {
  constructor(run) {
    this.run = run;
    this.canvas = element("node");
    this.input = element("node-name");
    this.input.addEventListener("change", () => this.choose());
    hover(this.canvas, (x, y) => this.at(x, y));
    // The most talked about node, or else the first.
    const row = run.viewRows.find((it) => [VIEW.failed, VIEW.suspect, VIEW.left].includes(run.rows.view[it]));
    this.input.value = run.name(row === undefined ? 0 : run.rows.subject[row] - 1);
    this.choose();
  }

  choose() {
    const { run } = this;
    const node = run.index.get(this.input.value.trim());
    const known = node !== undefined && node < run.hosts;
    element("node-about").textContent = known ? "" : `No node is called “${this.input.value}”.`;
    if (!known) return;
    this.node = node;
    this.health = run.health.filter((it) => it[0] === node);
    const failed = Object.keys(run.details).map(Number);
    this.ownProbes = failed.filter((row) => run.rows.node[row] === node);
    this.probesOf = failed.filter((row) => run.rows.subject[row] === node + 1);
    this.collectViews();
    this.draw();
  }

  collectViews() {
    const { run, node } = this;
    const doubts = new Map();
    const opinions = new Map();
    const counts = [0, 0, 0, 0, 0, 0];
    for (let other = 0; other < run.hosts; other++) {
      if (other === node) continue;
      const view = run.livesOf[other].some((it) => it[1] === 0) || !run.warm ? run.startView(other, node) : VIEW.none;
      opinions.set(other, view);
      counts[view] += 1;
    }
    this.opinion = [[0, counts.slice()]];
    for (const row of run.viewRows) {
      const [observer, subject, view] = [run.rows.node[row], run.rows.subject[row] - 1, run.rows.view[row]];
      if (observer === node && view >= VIEW.suspect && view <= VIEW.left) doubts.set(subject, true);
      if (observer !== node && (subject === node || view === VIEW.reset) && opinions.has(observer)) {
        const now = view === VIEW.reset ? VIEW.none : view;
        counts[opinions.get(observer)] -= 1;
        counts[now] += 1;
        opinions.set(observer, now);
        this.opinion.push([run.at[row], counts.slice()]);
      }
    }
    this.doubts = [...doubts.keys()].sort((a, b) => a - b);
    this.lanes = this.doubts.slice(0, LANES_MAX).map((subject) => [subject, run.changes(node, subject)]);
  }

  draw() {
    const { run, canvas } = this;
    const lanes = [];
    let y = 42;
    const lane = (name, height, paint) => { lanes.push({ name, y, height, paint }); y += height + 8; };
    lane("process", 14, (it) => this.drawLives(it));
    lane("health score", 34, (it) => this.drawHealth(it));
    lane("its probes fail", 14, (it) => this.drawTicks(it, this.ownProbes));
    lane("probes of it fail", 14, (it) => this.drawTicks(it, this.probesOf));
    lane("others see it", 60, (it) => this.drawOpinion(it));
    for (const [subject, changes] of this.lanes) {
      lane(`it sees ${run.name(subject)}`, 12, (it) => this.drawChanges(it, changes));
    }
    const { pen, width } = ready(canvas, y + 42);
    const colours = palette();
    const [left, right] = [136, width - 16];
    const to = (at) => left + (at / run.duration) * (right - left);
    Object.assign(this, { lanesDrawn: lanes, to, left, right, pen, colours });
    for (const it of lanes) {
      pen.fillStyle = colours.soft;
      pen.textAlign = "right";
      pen.fillText(fitted(pen, it.name, left - 16), left - 8, it.y + it.height / 2);
      it.paint(it);
    }
    this.drawHappenings(y);
    timeAxis(pen, colours, { from: 0, until: run.duration, y: y + 2, left, right, to, label: "seconds of the run" });
    const more = this.doubts.length - this.lanes.length;
    element("node-about").textContent =
      `${run.name(this.node)}: ${this.ownProbes.length} of its probes failed, ${this.probesOf.length} probes of it failed` +
      `${more > 0 ? `; it doubted ${more} more nodes than are drawn` : ""}. Point at a lane for details.`;
  }

  bar(it, from, until, fill) {
    this.pen.fillStyle = fill;
    this.pen.fillRect(this.to(from), it.y, Math.max(1.5, this.to(until) - this.to(from)), it.height);
  }

  drawLives(it) {
    const { run, colours, node } = this;
    this.bar(it, 0, run.duration, colours.down);
    for (const [, from, until] of run.livesOf[node]) this.bar(it, from, until, colours.views[VIEW.alive]);
    for (const [, from, until] of run.pausesOf.get(node) ?? []) this.bar(it, from, until, colours.paused);
  }

  drawHealth(it) {
    const { pen, colours, run, health } = this;
    const top = Math.max(2, ...health.map((entry) => entry[2]));
    const y = (score) => it.y + it.height - 1 - (score / top) * (it.height - 2);
    pen.strokeStyle = colours.line;
    pen.strokeRect(this.left + 0.5, it.y + 0.5, this.right - this.left - 1, it.height - 1);
    pen.strokeStyle = colours.accent;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(this.left, y(0));
    let score = 0;
    for (const [, at, next] of health) {
      pen.lineTo(this.to(at), y(score));
      pen.lineTo(this.to(at), y(next));
      score = next;
    }
    pen.lineTo(this.to(run.duration), y(score));
    pen.stroke();
    pen.lineWidth = 1;
    pen.fillStyle = colours.soft;
    pen.textAlign = "left";
    pen.fillText(`${top}`, this.left + 4, it.y + 7);
  }

  drawTicks(it, rows) {
    this.bar(it, 0, this.run.duration, this.colours.line);
    for (const row of rows) this.bar(it, this.run.at[row], this.run.at[row], this.colours.views[VIEW.failed]);
  }

  drawOpinion(it) {
    const { run, colours } = this;
    const whole = Math.max(1, run.hosts - 1);
    this.opinion.forEach(([at, counts], index) => {
      const until = this.opinion[index + 1]?.[0] ?? run.duration;
      let y = it.y + it.height;
      for (const view of [VIEW.alive, VIEW.leaving, VIEW.left, VIEW.suspect, VIEW.failed, VIEW.none]) {
        const height = (counts[view] / whole) * it.height;
        y -= height;
        this.pen.fillStyle = colours.views[view];
        if (height > 0) this.pen.fillRect(this.to(at), y, Math.max(0.8, this.to(until) - this.to(at)), height);
      }
    });
  }

  drawChanges(it, changes) {
    changes.forEach((change, index) => {
      this.bar(it, change.at, changes[index + 1]?.at ?? this.run.duration, this.colours.views[change.view]);
    });
  }

  drawHappenings(bottom) {
    const { pen, colours, run } = this;
    const free = [-1, -1];
    pen.textAlign = "left";
    for (const [at, what] of run.happenings) {
      const x = Math.round(this.to(at)) + 0.5;
      pen.strokeStyle = colours.ink;
      pen.globalAlpha = 0.45;
      pen.setLineDash([2, 3]);
      pen.beginPath();
      pen.moveTo(x, 32);
      pen.lineTo(x, bottom);
      pen.stroke();
      pen.setLineDash([]);
      pen.globalAlpha = 1;
      const room = this.right - x;
      const text = fitted(pen, what, Math.max(30, room));
      const wide = pen.measureText(text).width;
      const row = free.findIndex((it) => x > it);
      if (row >= 0) {
        pen.fillStyle = colours.soft;
        pen.fillText(text, x - 2, 10 + 14 * row);
        free[row] = x + wide + 10;
      }
    }
  }

  at(x, y) {
    const { run, lanesDrawn, left, right, node } = this;
    const lane = lanesDrawn?.find((it) => y >= it.y - 4 && y < it.y + it.height + 4);
    if (!lane || x < left || x > right) return "";
    const time = ((x - left) / (right - left)) * run.duration;
    const close = (rows) => {
      const near = rows.filter((row) => Math.abs(this.to(run.at[row]) - x) < 5);
      return near.slice(0, 3).map((row) => `${seconds(run.at[row])}: ${run.sentence(row)}`).join("\n");
    };
    const index = lanesDrawn.indexOf(lane);
    if (index === 0) return `${seconds(time)}: ${run.name(node)} ${run.truthWords(node, time)}`;
    if (index === 1) return `${seconds(time)}: health score ${this.health.findLast((it) => it[1] <= time)?.[2] ?? 0}; 0 is healthy`;
    if (index === 2) return close(this.ownProbes);
    if (index === 3) return close(this.probesOf);
    if (index === 4) {
      const counts = this.opinion.findLast((it) => it[0] <= time)[1];
      return `${seconds(time)}: ${WORDS.map((word, view) => (counts[view] ? `${counts[view]} ${word}` : "")).filter(Boolean).join(", ")}`;
    }
    const [subject, changes] = this.lanes[index - 5];
    const change = changes.findLast((it) => it.at <= time);
    const why = change.row === null ? "" : `\n${run.sentence(change.row)}`;
    return `${seconds(time)}: ${run.name(node)} sees ${run.name(subject)} as ${WORDS[change.view]} since ${seconds(change.at)}${why}`;
  }
}
