// What all pictures share: a canvas that keeps its sharpness, colours of the page, a tooltip, a clock to play with.
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const palette = () => ({
  views: WORDS.map((word) => colour(`--view-${word}`)),
  ink: colour("--ink"), soft: colour("--soft"), line: colour("--line"), paper: colour("--paper"),
  down: colour("--down"), paused: colour("--paused"), accent: colour("--accent"),
});

// Clears a canvas to `height` CSS pixels at its present width, and hands out its context and width.
function ready(canvas, height) {
  const width = Math.max(280, Math.floor(canvas.parentElement.clientWidth));
  const ratio = window.devicePixelRatio || 1;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
  pen.textBaseline = "middle";
  return { pen, width };
}

// Text that ends with an ellipsis where it would be wider than `room`.
function fitted(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  let kept = text;
  while (kept.length > 1 && pen.measureText(`${kept}…`).width > room) kept = kept.slice(0, -1);
  return `${kept}…`;
}

// A round step that divides `span` into at most `most` parts.
function roundStep(span, most) {
  const raw = span / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(Math.max(raw, 1e-9)));
  return power * [1, 2, 5, 10].find((it) => it * power >= raw);
}

// A time axis in seconds at height `y`; `to` maps microseconds to pixels.
function timeAxis(pen, colours, { from, until, y, left, right, to, origin = 0, label }) {
  const step = roundStep((until - from) / 1e6, Math.max(2, Math.floor((right - left) / 90)));
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  pen.strokeStyle = colours.line;
  pen.fillStyle = colours.soft;
  pen.textAlign = "center";
  for (let mark = Math.ceil((from - origin) / 1e6 / step); mark * step * 1e6 + origin <= until; mark++) {
    const x = Math.round(to(mark * step * 1e6 + origin)) + 0.5;
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(x, y + 4);
    pen.stroke();
    pen.fillText(`${(mark * step).toFixed(digits)}`, x, y + 12);
  }
  pen.textAlign = "right";
  pen.fillText(label, right, y + 28);
}

const tip = {
  show(event, text) {
    const box = element("tip");
    box.textContent = text;
    box.hidden = false;
    const { clientWidth: wide } = document.documentElement;
    const { width, height } = box.getBoundingClientRect();
    const above = event.clientY - height - 14;
    box.style.left = `${Math.max(6, Math.min(event.clientX + 14, wide - width - 6))}px`;
    box.style.top = `${above > 4 ? above : event.clientY + 18}px`;
  },
  hide() { element("tip").hidden = true; },
};

function hover(canvas, at) {
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const text = at(event.clientX - box.left, event.clientY - box.top);
    if (text) tip.show(event, text);
    else tip.hide();
  });
  canvas.addEventListener("pointerleave", () => { at(-1, -1); tip.hide(); });
}

// A slider with a play button. `paint(time)` draws; `words(time)` says the moment.
class Clock {
  constructor(prefix, paint, words, playFor = 15000) {
    this.slider = element(`${prefix}-time`);
    this.button = element(`${prefix}-play`);
    this.output = element(`${prefix}-now`);
    Object.assign(this, { paint, words, playFor, frame: null, from: 0, until: 1, time: 0 });
    this.slider.addEventListener("input", () => { this.stop(); this.set(this.sliderTime(), false); });
    this.button.addEventListener("click", () => (this.frame === null ? this.play() : this.stop()));
  }

  span(from, until, time) {
    this.stop();
    Object.assign(this, { from, until: Math.max(until, from + 1) });
    this.slider.min = 0;
    this.slider.max = 1000;
    this.slider.step = 1;
    this.set(time);
  }

  sliderTime() { return this.from + (Number(this.slider.value) / 1000) * (this.until - this.from); }

  set(time, move = true) {
    this.time = Math.min(this.until, Math.max(this.from, time));
    if (move) this.slider.value = Math.round(((this.time - this.from) / (this.until - this.from)) * 1000);
    const words = this.words(this.time);
    this.output.textContent = words;
    this.slider.setAttribute("aria-valuetext", words);
    this.paint(this.time);
  }

  play() {
    if (this.time >= this.until) this.set(this.from);
    this.button.textContent = "❚❚ Pause";
    let before = null;
    const tick = (now) => {
      const passed = before === null ? 0 : now - before;
      before = now;
      this.set(this.time + (passed / this.playFor) * (this.until - this.from));
      if (this.time >= this.until) this.stop();
      else this.frame = requestAnimationFrame(tick);
    };
    this.frame = requestAnimationFrame(tick);
  }

  stop() {
    if (this.frame !== null) cancelAnimationFrame(this.frame);
    this.frame = null;
    this.button.textContent = "▶ Play";
  }
}
