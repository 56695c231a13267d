// Who sees whom: observers down, subjects across, one moment of the run.
const ROWS_MAX = 200;
const COLUMNS_MAX = 400;
// Most pairs that are kept in memory and counted for one picture.
const PAIRS_MAX = 16e6;

class Heat {
  constructor(run, ask) {
    this.run = run;
    this.ask = ask;
    this.canvas = element("heat");
    this.marked = null;
    this.clock = new Clock("heat", (time) => this.draw(time), (time) => this.words(time));
    element("heat-all").addEventListener("change", () => this.choose());
    element("heat-before").addEventListener("click", () => this.jump(-1));
    element("heat-after").addEventListener("click", () => this.jump(1));
    hover(this.canvas, (x, y) => this.at(x, y)?.words ?? "");
    this.canvas.addEventListener("click", (event) => {
      const box = this.canvas.getBoundingClientRect();
      const spot = this.at(event.clientX - box.left, event.clientY - box.top);
      if (spot && spot.subject !== null) this.ask(spot.observer, spot.subject, this.clock.time);
    });
    const few = run.hosts <= ROWS_MAX;
    element("heat-all").checked = few;
    // All pairs of a very large run are more than a page should hold.
    element("heat-all").disabled = run.hosts ** 2 > PAIRS_MAX;
    this.choose();
  }

  choose() {
    const { run } = this;
    const all = element("heat-all").checked;
    const hosts = Array.from({ length: run.hosts }, (_, host) => host);
    const most = Math.max(1, Math.floor(PAIRS_MAX / run.hosts));
    const subjects = (all || run.doubted.length === 0 ? hosts : run.doubted).slice(0, most);
    this.views = new Views(run, subjects);
    this.columns = this.blocks(subjects, COLUMNS_MAX);
    this.lines = this.blocks(hosts, ROWS_MAX);
    const per = this.lines[0].length;
    const grouped = [];
    if (per > 1) grouped.push(`each row stands for ${per} observers`);
    if (this.columns[0].length > 1) grouped.push(`each column for ${this.columns[0].length} subjects`);
    const part = `${subjects.length} of ${run.hosts} nodes across`;
    let which = `all ${run.hosts} nodes across`;
    if (run.doubted.length === 0 && subjects.length < run.hosts) which = `the first ${part}: nobody was ever doubted`;
    else if (!all && subjects.length < run.doubted.length) which = `the first ${part}, of ${run.doubted.length} that somebody doubted`;
    else if (!all && subjects.length < run.hosts) which = `only the ${part} that anybody ever doubted`;
    element("heat-about").textContent =
      `${run.hosts} observers down, ${which}${grouped.length ? `; ${grouped.join(", ")}, coloured by the worst view in it, over the view that most have where few share it` : ""}.`;
    this.clock.span(0, run.duration, this.clock.until > 1 ? this.clock.time : this.opening());
  }

  // A moment at which there is something to see: shortly after the first verdict against somebody.
  opening() {
    const { run } = this;
    for (const wanted of [VIEW.failed, VIEW.left, VIEW.suspect]) {
      const row = run.viewRows.find((it) => run.rows.view[it] === wanted);
      if (row !== undefined) return Math.min(run.duration, run.at[row] + 30000);
    }
    return run.duration;
  }

  blocks(hosts, most) {
    const size = Math.ceil(hosts.length / most);
    return Array.from({ length: Math.ceil(hosts.length / size) }, (_, index) => hosts.slice(index * size, (index + 1) * size));
  }

  jump(way) {
    const { run, clock } = this;
    const times = run.viewRows.map((row) => run.at[row]);
    const found = way > 0 ? times.find((it) => it > clock.time + 1) : times.findLast((it) => it < clock.time - 1);
    clock.stop();
    clock.set(found ?? (way > 0 ? run.duration : 0));
  }

  words(time) {
    const doing = this.run.happenings.findLast((it) => it[0] <= time);
    return `${seconds(time)}${doing ? ` – last act of the scenario: ${doing[1]} at ${seconds(doing[0])}` : ""}`;
  }

  layout(width) {
    const rowHeight = Math.max(this.lines.length <= 60 ? 12 : 3, Math.min(26, Math.floor(600 / this.lines.length)));
    const columnWidth = Math.max(2, Math.min(this.columns.length <= 12 ? 64 : 26, Math.floor((width - 104) / this.columns.length)));
    const fits = this.columns.length * columnWidth + 104 <= width;
    return { left: 100, top: 86, rowHeight, columnWidth: fits ? columnWidth : (width - 104) / this.columns.length };
  }

  draw(time) {
    const { run, views, lines, columns } = this;
    views.goTo(time);
    const colours = palette();
    const box = this.layout(Math.max(280, this.canvas.parentElement.clientWidth));
    const { left, top, rowHeight, columnWidth } = box;
    const { pen } = ready(this.canvas, top + lines.length * rowHeight + 8);
    this.box = box;
    const gap = Math.min(rowHeight, columnWidth) >= 7 ? 1 : 0;
    const up = Array.from({ length: run.hosts }, (_, host) => run.truth(host, time));
    this.drawNames(pen, colours, box);
    this.drawTruth(pen, colours, box, up);
    lines.forEach((observers, line) => {
      const y = top + line * rowHeight;
      const running = observers.filter((it) => up[it] !== "down");
      columns.forEach((_, index) => {
        const x = left + index * columnWidth;
        const cell = running.length === 0 ? null : this.worst(running, index);
        const size = [x, y, Math.max(columnWidth - gap, 1), rowHeight - gap];
        if (cell === null) {
          pen.fillStyle = colours.down;
        } else if (cell.self) {
          pen.fillStyle = colours.line;
        } else {
          // The worst view over the one that most have.
          pen.fillStyle = colours.views[cell.counts.indexOf(Math.max(...cell.counts))];
          if (cell.share < 1) pen.fillRect(...size);
          pen.globalAlpha = 0.45 + 0.55 * cell.share;
          pen.fillStyle = colours.views[cell.view];
        }
        pen.fillRect(...size);
        pen.globalAlpha = 1;
      });
    });
  }

  // The worst view in a block, and the share of its pairs that have it.
  worst(observers, index) {
    const { cells, subjects } = this.views;
    const gravity = [1, 0, 4, 5, 2, 3];
    const counts = [0, 0, 0, 0, 0, 0];
    const from = index * this.columns[0].length;
    const until = from + this.columns[index].length;
    let pairs = 0;
    for (const observer of observers) {
      const start = observer * subjects.length;
      for (let column = from; column < until; column++) {
        if (subjects[column] === observer) continue;
        pairs += 1;
        counts[cells[start + column]] += 1;
      }
    }
    if (this.run.assumed) {
      counts[VIEW.alive] += counts[VIEW.none];
      counts[VIEW.none] = 0;
    }
    if (pairs === 0) return { self: true };
    let view = VIEW.alive;
    counts.forEach((count, it) => { if (count > 0 && gravity[it] > gravity[view]) view = it; });
    return { view, share: counts[view] / pairs, counts, pairs };
  }

  drawNames(pen, colours, { left, top, rowHeight, columnWidth }) {
    pen.fillStyle = colours.soft;
    pen.textAlign = "right";
    const every = Math.ceil(12 / rowHeight);
    this.lines.forEach((observers, line) => {
      if (line % every === 0) {
        pen.fillText(fitted(pen, this.run.name(observers[0]), left - 12), left - 6, top + (line + 0.5) * rowHeight);
      }
    });
    pen.textAlign = "left";
    const step = Math.ceil(12 / columnWidth);
    this.columns.forEach((subjects, index) => {
      if (index % step !== 0) return;
      pen.save();
      pen.translate(left + (index + 0.5) * columnWidth, top - 22);
      pen.rotate(-Math.PI / 3);
      pen.fillText(fitted(pen, this.run.name(subjects[0]), 66), 0, 0);
      pen.restore();
    });
    pen.textAlign = "right";
    pen.fillStyle = colours.ink;
    pen.fillText("in truth", left - 6, top - 12);
  }

  // The strip above the map: what is so, whatever anybody thinks.
  drawTruth(pen, colours, { left, top, columnWidth }, up) {
    this.columns.forEach((subjects, index) => {
      const down = subjects.filter((it) => up[it] === "down").length;
      const paused = subjects.filter((it) => up[it] === "paused").length;
      pen.fillStyle = down > 0 ? colours.down : paused > 0 ? colours.paused : colours.views[VIEW.alive];
      pen.fillRect(left + index * columnWidth, top - 17, Math.max(columnWidth - (columnWidth >= 7 ? 1 : 0), 1), 10);
    });
  }

  at(x, y) {
    const { run, box, lines, columns, views } = this;
    if (!box) return null;
    const line = Math.floor((y - box.top) / box.rowHeight);
    const index = Math.floor((x - box.left) / box.columnWidth);
    const subjects = columns[index];
    if (!subjects || line >= lines.length || y < box.top - 20) return null;
    const time = this.clock.time;
    if (line < 0) {
      return { observer: null, subject: null, words: `In truth ${run.name(subjects[0])} ${run.truthWords(subjects[0], time)}${subjects.length > 1 ? ` (and ${subjects.length - 1} more in this column)` : ""}.` };
    }
    const observers = lines[line];
    const [observer, subject] = [observers[0], subjects[0]];
    if (observers.length * subjects.length > 1) return this.blockWords(observers, subjects, index);
    if (run.truth(observer, time) === "down") {
      return { observer, subject: null, words: `${run.name(observer)} ${run.truthWords(observer, time)}.` };
    }
    if (observer === subject) return { observer, subject: null, words: `${run.name(observer)} itself.` };
    const view = views.of(observer, views.column.get(subject));
    return { observer, subject, words: `${run.name(observer)} sees ${run.name(subject)} as ${WORDS[view]}. In truth it ${run.truthWords(subject, time)}. Click: why?` };
  }

  blockWords(observers, subjects, index) {
    const { run } = this;
    const span = (all) => (all.length === 1 ? run.name(all[0]) : `${run.name(all[0])} … ${run.name(all.at(-1))}`);
    const running = observers.filter((it) => run.truth(it, this.clock.time) !== "down");
    const cell = this.worst(running, index);
    if (cell.self) return { observer: observers[0], subject: null, words: `${span(observers)}: not running.` };
    const parts = WORDS.map((word, view) => (cell.counts[view] ? `${word} ${cell.counts[view]}` : "")).filter(Boolean);
    // A click asks about one pair that has the worst view.
    let pair = null;
    for (const observer of running) {
      const subject = subjects.find((it) => it !== observer && this.views.of(observer, this.views.column.get(it)) === cell.view);
      if (subject !== undefined) { pair = [observer, subject]; break; }
    }
    return {
      observer: pair?.[0] ?? observers[0],
      subject: pair?.[1] ?? null,
      words: `${span(observers)} about ${span(subjects)}: ${parts.join(", ")} of ${cell.pairs} pairs. Click: why?`,
    };
  }
}
