// The recorded run: unpacked from the page, and the questions it answers. No network, no storage, no clock but the
// one that paints.
const VIEW = { none: 0, alive: 1, suspect: 2, failed: 3, leaving: 4, left: 5, same: 6, reset: 7 };
const WORDS = ["unknown", "alive", "suspect", "failed", "leaving", "left"];
const element = (id) => document.getElementById(id);

const seconds = (micros) => {
  const millis = Math.floor(micros / 1000);
  return `${Math.floor(millis / 1000)}.${String(millis % 1000).padStart(3, "0")} s`;
};
const milliseconds = (micros) => `${Math.floor(micros / 1000)}.${String(micros % 1000).padStart(3, "0")} ms`;

async function unpack() {
  const text = element("history").textContent.trim();
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// Running totals of a column of distances.
function totals(steps) {
  let sum = 0;
  return Float64Array.from(steps, (step) => (sum += step));
}

class Run {
  constructor(data) {
    Object.assign(this, data);
    this.at = totals(data.rows.at);
    this.hostNames = data.names.slice(0, data.hosts);
    this.index = new Map(data.names.map((name, index) => [name, index]));
    this.livesOf = Array.from({ length: data.hosts }, () => []);
    for (const life of data.lives) this.livesOf[life[0]].push(life);
    this.pausesOf = new Map();
    for (const pause of data.pauses) {
      if (!this.pausesOf.has(pause[0])) this.pausesOf.set(pause[0], []);
      this.pausesOf.get(pause[0]).push(pause);
    }
    // Rows that change a view, and the subjects that anybody ever doubted.
    this.viewRows = [];
    const doubted = new Set();
    data.rows.view.forEach((view, row) => {
      if (view === VIEW.same) return;
      this.viewRows.push(row);
      if (view >= VIEW.suspect && view <= VIEW.left) doubted.add(data.rows.subject[row] - 1);
    });
    this.doubted = [...doubted].filter((it) => it < data.hosts).sort((a, b) => a - b);
  }

  name(index) { return this.names[index] ?? ""; }

  // "up", "paused" or "down".
  truth(host, at) {
    const life = this.livesOf[host].findLast((it) => it[1] <= at);
    if (!life || (at >= life[2] && life[3] !== "")) return "down";
    const paused = this.pausesOf.get(host)?.some((it) => it[1] <= at && at < it[2]);
    return paused ? "paused" : "up";
  }

  truthWords(host, at) {
    const life = this.livesOf[host].findLast((it) => it[1] <= at);
    if (!life) return "was not started yet";
    if (at >= life[2] && life[3] !== "") return `${life[3]} at ${seconds(life[2])}`;
    return this.truth(host, at) === "paused" ? "is paused or blocked" : "runs";
  }

  startView(observer, subject) {
    return this.warm && observer < this.members && subject < this.members ? VIEW.alive : VIEW.none;
  }

  changes(observer, subject) {
    const { rows } = this;
    const found = [{ at: 0, view: this.startView(observer, subject), row: null }];
    for (const row of this.viewRows) {
      if (rows.node[row] !== observer) continue;
      const reset = rows.view[row] === VIEW.reset;
      if (!reset && rows.subject[row] !== subject + 1) continue;
      const view = reset ? VIEW.none : rows.view[row];
      if (found.at(-1).view !== view) found.push({ at: this.at[row], view, row });
    }
    return found;
  }

  sentence(row) {
    const { rows } = this;
    const parts = {
      node: () => this.name(rows.node[row]),
      subject: () => this.name(rows.subject[row] - 1),
      teller: () => this.name(rows.teller[row] - 1),
      serial: () => String(rows.serial[row]),
      delay: () => milliseconds(rows.delay[row]),
      text: () => this.texts[rows.text[row]],
    };
    return this.forms[rows.form[row]].replace(/\{(\w+)\}/g, (_, key) => parts[key]?.() ?? "");
  }

  chain(row) {
    const rows = new Set();
    for (let next = row; ; ) {
      rows.add(next);
      for (const note of this.notes[next] ?? []) rows.add(note);
      const back = this.rows.cause[next];
      if (back === 0) break;
      next -= back;
    }
    const lines = [];
    for (const it of [...rows].sort((a, b) => a - b)) {
      for (const [at, text] of this.details[it] ?? []) lines.push([at, this.texts[text]]);
      lines.push([this.at[it], this.sentence(it)]);
    }
    return lines.sort((a, b) => a[0] - b[0]);
  }

  // The same text as `sim why` prints.
  why(observer, subject, at) {
    const changes = this.changes(observer, subject);
    const against = (it) => it.view >= VIEW.suspect && it.view <= VIEW.left;
    let explained = at === null ? changes.findLastIndex(against) : changes.findLastIndex((it) => it.at <= at);
    if (explained < 0) explained = changes.length - 1;
    const line = (time, text) => `  ${seconds(time).padStart(10)}  ${text}\n`;
    let text = `What ${this.name(observer)} thought of ${this.name(subject)}:\n`;
    changes.forEach((it, index) => {
      text += line(it.at, WORDS[it.view] + (index === explained ? "   <- why?" : ""));
    });
    text += "\n";
    const { row, view } = changes[explained];
    if (row !== null) for (const [time, words] of this.chain(row)) text += line(time, words);
    else if (view === VIEW.none) text += "Nothing to tell: it had not heard of it.\n";
    else text += "Nothing to tell: in this scenario everybody knew everybody from the start.\n";
    return this.omitted ? `${text}\n${this.omitted}\n` : text;
  }
}

// Views of all pairs at one moment; moving on is cheap, moving back starts again.
class Views {
  constructor(run, subjects) {
    this.run = run;
    this.subjects = subjects;
    this.column = new Map(subjects.map((subject, index) => [subject, index]));
    this.cells = new Uint8Array(run.hosts * subjects.length);
    this.restart();
  }

  restart() {
    const { run, subjects } = this;
    this.next = 0;
    this.now = 0;
    for (let observer = 0; observer < run.hosts; observer++) {
      subjects.forEach((subject, column) => {
        this.cells[observer * subjects.length + column] = run.startView(observer, subject);
      });
    }
  }

  goTo(time) {
    if (time < this.now) this.restart();
    const { rows, viewRows, at } = this.run;
    const width = this.subjects.length;
    for (; this.next < viewRows.length && at[viewRows[this.next]] <= time; this.next++) {
      const row = viewRows[this.next];
      const start = rows.node[row] * width;
      if (rows.view[row] === VIEW.reset) {
        this.cells.fill(VIEW.none, start, start + width);
      } else {
        const column = this.column.get(rows.subject[row] - 1);
        if (column !== undefined) this.cells[start + column] = rows.view[row];
      }
    }
    this.now = time;
  }

  of(observer, column) {
    const view = this.cells[observer * this.subjects.length + column];
    // Where first contacts were left out, a running process counts as acquainted with everybody.
    return view === VIEW.none && this.run.assumed ? VIEW.alive : view;
  }
}
