// Everything together.
async function see() {
  const state = element("see-state");
  if (typeof DecompressionStream === "undefined") {
    state.textContent = "This browser is too old to unpack the recorded run: any of 2023 or later can.";
    return;
  }
  const run = new Run(await unpack());
  const names = element("names");
  for (const name of run.hostNames) names.append(new Option(name));
  element("see-body").hidden = false;
  const why = () => {
    const [observer, subject] = ["why-observer", "why-subject"].map((id) => run.index.get(element(id).value.trim()));
    const wanted = element("why-at").value.trim();
    const at = wanted === "" ? null : Math.round(Number(wanted.replace(",", ".")) * 1e6);
    const unknown = ["why-observer", "why-subject"].filter((id) => !run.index.has(element(id).value.trim()));
    let text;
    if (unknown.length > 0) text = `No node is called “${element(unknown[0]).value}”.\n`;
    else if (observer === subject) text = "Observer and subject are the same node: name two.\n";
    else if (Number.isNaN(at) || (at !== null && (at < 0 || at > run.duration))) text = `The moment must be between 0 and ${run.duration / 1e6} seconds.\n`;
    else text = run.why(observer, subject, at);
    element("why-answer").textContent = text;
  };
  const ask = (observer, subject, at) => {
    element("why-observer").value = run.name(observer);
    element("why-subject").value = run.name(subject);
    element("why-at").value = (at / 1e6).toFixed(6).replace(/\.?0+$/, "");
    why();
    element("why").scrollIntoView({ block: "start", behavior: "auto" });
  };
  element("why-form").addEventListener("submit", (event) => { event.preventDefault(); why(); });
  const heat = new Heat(run, ask);
  const spread = run.messages.length > 0 ? new Spread(run) : null;
  element("spread-part").hidden = spread === null;
  const timeline = new NodeTimeline(run);
  // The beginning or end of a process changes all its views, but is about no pair.
  const pairs = run.viewRows.filter((row) => run.rows.view[row] !== VIEW.reset && run.rows.subject[row] > 0);
  const first = pairs.findLast((row) => [VIEW.failed, VIEW.left].includes(run.rows.view[row])) ?? pairs.at(-1);
  if (first !== undefined) {
    element("why-observer").value = run.name(run.rows.node[first]);
    element("why-subject").value = run.name(run.rows.subject[first] - 1);
  } else {
    element("why-observer").value = run.name(0);
    element("why-subject").value = run.name(Math.min(1, run.hosts - 1));
  }
  why();
  const redraw = () => { heat.draw(heat.clock.time); spread?.draw(spread.clock.time); timeline.draw(); };
  new ResizeObserver(redraw).observe(element("see-body"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  state.textContent = "";
  document.documentElement.dataset.see = "ready";
}
see().catch((error) => {
  element("see-state").textContent = `The recorded run could not be shown: ${error.message}`;
  console.error(error);
});
