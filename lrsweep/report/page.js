"use strict";
(async () => {
  const { document: json, charts } = JSON.parse(document.getElementById("data").textContent);
  const roots = Object.fromEntries(charts.map(({ root, element }) => [root, element]));
  await Bokeh.embed.embed_items({ charts: json }, [{ docid: "charts", roots, root_ids: Object.keys(roots) }]);
  const drawn = Bokeh.documents[0];
  const models = new Set(drawn.roots().flatMap((root) => [...root.references()]));
  const of = (...types) => [...models].filter((model) => types.includes(model.type));
  const renderers = of("GlyphRenderer");

  // Gives the charts the colours of the page, or those of paper.
  const colour = (palette) => {
    const style = getComputedStyle(palette);
    const [ink, faint, line, grid] = ["ink", "faint", "line", "grid"].map((name) => style.getPropertyValue(`--${name}`).trim());
    for (const axis of of("LinearAxis", "LogAxis")) {
      axis.setv({
        axis_label_text_color: ink, major_label_text_color: faint,
        axis_line_color: faint, major_tick_line_color: faint, minor_tick_line_color: line,
      });
    }
    for (const lines of of("Grid")) lines.setv({ grid_line_color: grid });
    for (const bar of of("ColorBar")) bar.setv({ major_label_text_color: faint, major_tick_line_color: faint });
    for (const chart of drawn.roots()) chart.setv({ outline_line_color: line });
    for (const { name, glyph } of renderers) if (name === "median") glyph.line_color = ink;
    for (const mark of of("Span", "BoxAnnotation")) {
      if (mark.name === "best") mark.setv(mark.type === "Span" ? { line_color: ink } : { fill_color: ink });
    }
  };
  const recolour = () => colour(document.documentElement);
  recolour();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);

  // While a dot shows its tooltip, the quartiles behind it show none.
  for (const chart of drawn.roots()) {
    const { tool_views } = Bokeh.index.get_by_id(chart.id);
    const dots = chart.renderers.filter(({ tags }) => tags.length > 0);
    for (const box of chart.renderers.filter(({ tags, glyph }) => tags.length === 0 && glyph.type === "Quad")) {
      box.data_source.inspect.connect(() => {
        if (dots.every(({ data_source }) => data_source.inspected.is_empty())) return;
        for (const view of tool_views.values()) view.ttmodels?.get(box)?.clear();
      });
    }
  }

  // A browser lays out what it prints at once and does not draw the charts again: it prints images of them.
  const printed = [...document.querySelectorAll(".printed")];
  addEventListener("beforeprint", () => {
    colour(printed[0]);
    printed.forEach((place, at) => {
      const { canvas } = Bokeh.index.get_by_id(drawn.roots()[at].id).export("png", true);
      canvas.removeAttribute("style");
      place.replaceChildren(canvas);
    });
    recolour();
  });

  // A finger that moves across a chart scrolls the page.
  if (matchMedia("(pointer: coarse)").matches) {
    for (const tool of of("BoxZoomTool")) tool.active = false;
    // Not every version of Bokeh tells the chart of the change.
    for (const chart of drawn.roots()) chart.toolbar.active_changed?.emit();
  }

  // Which rows are shown: one code per filter, -1 for all values. Aggregated trials have a row for every combination of
  // codes, -1 included; a heatmap has no column of codes for its own axes.
  const selects = [...document.querySelectorAll("[data-choice]")];
  const count = document.querySelector(".chosen");
  const filter = () => {
    const codes = selects.map((select) => Number(select.value));
    let trials = 0;
    for (const renderer of renderers) {
      const data = renderer.data_source.data, aggregated = "total" in data;
      const rows = Array.from({ length: renderer.data_source.get_length() }, (_, row) => codes.every((code, at) => {
        const own = data[`f${at}`];
        return own === undefined || own[row] === code || (!aggregated && code === -1);
      }));
      renderer.view.filter.booleans = rows;
      if (renderer.tags.includes("counted")) trials = rows.reduce((sum, row, at) => sum + (row ? data.total[at] : 0), 0);
    }
    count.textContent = trials === 0 ? "No trial has these settings." : selects.length === 0 ? "" :
      `${trials.toLocaleString("en")} of ${Number(count.dataset.of).toLocaleString("en")} trials have these settings.`;
  };
  for (const select of selects) select.addEventListener("change", filter);
  filter();

  for (const box of document.querySelectorAll("[data-status]")) {
    const show = () => {
      for (const renderer of renderers) if (renderer.tags.includes(box.dataset.status)) renderer.visible = box.checked;
    };
    box.addEventListener("change", show);
  }
  for (const select of document.querySelectorAll("[data-shown]")) {
    select.addEventListener("change", () => {
      for (const part of [...renderers, ...of("ColorBar", "LinearAxis", "LogAxis", "Grid")]) {
        const [kind, chart, layer] = part.tags;
        if (kind === "shown" && chart === select.dataset.shown) part.visible = layer === select.value;
      }
    });
  }
  document.documentElement.dataset.ready = "";
})();
