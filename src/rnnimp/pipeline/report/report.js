// Draws the charts of a report, and connects them with the filters of the page.
"use strict";
(() => {
  const content = JSON.parse(document.getElementById("report-data").textContent);
  const state = { ...content.filters };
  const views = [];

  // columns and rows, as they are stored, to one object per row
  const records = (table) =>
    table.rows.map((row) => Object.fromEntries(table.columns.map((name, index) => [name, row[index]])));
  const datasets = Object.fromEntries(Object.entries(content.data).map(([name, table]) => [name, records(table)]));

  const byId = (id) => document.getElementById(id);
  const number = (text, otherwise) => (text === "" || Number.isNaN(Number(text)) ? otherwise : Number(text));

  function declared(chart) {
    return (chart.params ?? []).map((param) => param.name).filter((name) => name in state);
  }

  async function draw(box) {
    const chart = structuredClone(content.charts[box.dataset.chart]);
    const used = content.uses[box.dataset.chart];
    chart.datasets = Object.fromEntries(Object.entries(used).map(([name, table]) => [name, datasets[table]]));
    for (const param of chart.params ?? []) {
      if (param.name in state) param.value = state[param.name];
    }
    const { view } = await vegaEmbed(box, chart, { renderer: "svg", ast: true, actions: false });
    views.push({ view, names: declared(chart) });
    if (box.dataset.zoom) zoomByDragging(box, view);
  }

  // a selection along the chromosome becomes the part that all charts show
  function zoomByDragging(box, view) {
    let chosen = null;
    view.addSignalListener("brush", (_, value) => {
      const range = Object.values(value ?? {})[0];
      chosen = range && range[1] > range[0] ? range : null;
    });
    window.addEventListener("pointerup", () => {
      if (chosen === null) return;
      [state.from_mb, state.to_mb] = chosen.map((place) => Math.round(place * 1000) / 1000);
      chosen = null;
      view.signal("brush_x", [0, 0]);
      show();
    });
  }

  function read() {
    if (byId("filter-least")) {
      state.least_class = Number(byId("filter-least").value);
      state.most_class = Math.max(state.least_class, Number(byId("filter-most").value));
    }
    if (byId("filter-kind")) state.kind = byId("filter-kind").value;
    if (byId("filter-from")) {
      const { from_mb: first, to_mb: last } = content.filters;
      state.from_mb = Math.max(first, number(byId("filter-from").value, first));
      state.to_mb = Math.min(last, number(byId("filter-to").value, last));
      if (state.to_mb <= state.from_mb) [state.from_mb, state.to_mb] = [first, last];
    }
    return show();
  }

  function write() {
    const values = {
      least: state.least_class, most: state.most_class, kind: state.kind, from: state.from_mb, to: state.to_mb,
    };
    for (const [name, value] of Object.entries(values)) {
      if (byId(`filter-${name}`)) byId(`filter-${name}`).value = value;
    }
    const status = byId("filter-status");
    if (status) status.textContent = summary();
  }

  // counts of the sites that the filters let through; place goes by the middle of a window
  function summary() {
    const sites = datasets.cube;
    if (!sites) return "";
    const count = (rows) => rows.reduce((sum, row) => sum + row.n, 0);
    const chosen = sites.filter(
      (row) =>
        row.class >= state.least_class && row.class <= state.most_class &&
        (state.kind === "all" || row.kind === state.kind) && row.mb >= state.from_mb && row.mb <= state.to_mb,
    );
    return `${count(chosen).toLocaleString("en")} of ${count(sites).toLocaleString("en")} sites chosen`;
  }

  function show() {
    write();
    return Promise.all(
      views.map(({ view, names }) => {
        for (const name of names) view.signal(name, state[name]);
        return view.runAsync();
      }),
    );
  }

  function reset() {
    Object.assign(state, content.filters);
    return show();
  }

  // closed tables are printed too
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const element of closed) element.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const element of closed) element.open = false;
  });

  document.documentElement.classList.add("drawn");
  byId("filters")?.addEventListener("change", read);
  byId("filter-reset")?.addEventListener("click", reset);
  const failed = (box) => (error) => {
    console.error(error);
    box.textContent = "This picture could not be drawn. The table below has its numbers.";
  };
  const boxes = [...document.querySelectorAll("[data-chart]")];
  Promise.all(boxes.map((box) => draw(box).catch(failed(box)))).then(() => {
    write();
    document.documentElement.dataset.ready = "yes";
  });
})();
