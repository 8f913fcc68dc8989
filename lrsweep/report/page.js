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
    for (const { name, glyph, tags } of renderers) {
      if (name === "median") glyph.line_color = ink;
      if (name === "quartiles") glyph.line_color = faint;
      // The marks of a status are outlined in a shade that stands out from what they lie on.
      const edge = tags[0] === "shown" ? "" : style.getPropertyValue(`--edge-${tags[0]}`).trim();
      if (edge) glyph.line_color = edge;
    }
    for (const mark of of("Span", "BoxAnnotation")) {
      if (mark.name === "best") mark.setv(mark.type === "Span" ? { line_color: ink } : { fill_color: ink, line_color: faint });
    }
    const dark = style.getPropertyValue("--dark").trim() === "1";
    for (const mapper of of("LinearColorMapper", "LogColorMapper")) {
      const [kind, forLight, forDark] = mapper.tags;
      if (kind === "shades") mapper.palette = dark ? forDark : forLight;
    }
  };
  const recolour = () => colour(document.documentElement);
  recolour();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);

  // Says what a chart is and what it shows, in the words that stand around it.
  const describe = (element) => {
    const figure = document.getElementById(element).closest("figure");
    const [heading, ...texts] = figure.querySelectorAll("h3, .finding:not([hidden]), figcaption");
    return `${heading.textContent}: ${texts.map((part) => part.textContent).join(" ")}`;
  };

  // Moves the ends of an axis by shares of its length.
  const move = (range, { type }, first, last) => {
    const [to, from] = type === "LogScale" ? [Math.log, Math.exp] : [Number, Number];
    const start = to(range.start), length = to(range.end) - start;
    range.setv({ start: from(start + first * length), end: from(start + (1 + last) * length) });
  };
  const keys = {
    ArrowLeft: [-0.1, -0.1, 0, 0], ArrowRight: [0.1, 0.1, 0, 0], ArrowDown: [0, 0, -0.1, -0.1], ArrowUp: [0, 0, 0.1, 0.1],
    "+": [0.1, -0.1, 0.1, -0.1], "-": [-0.125, 0.125, -0.125, 0.125],
  };

  // Bokeh gives what is named as a map, or, where it has no such part, as an empty object.
  const named = (parts) => (parts instanceof Map ? [...parts] : Object.entries(parts));

  // Everything within an element, what lies in shadow trees included.
  const within = (root) => [...root.querySelectorAll("*")].flatMap((part) =>
    part.shadowRoot ? [part, ...within(part.shadowRoot)] : [part]);

  // The page's style does not reach into shadow trees.
  const ring = new CSSStyleSheet();
  ring.replaceSync(`:host(:focus-visible), :focus-visible {
    outline: 2px solid var(--accent) !important; outline-offset: -2px !important;
  }`);

  // The charts, and the buttons above them, for the keyboard and for those who hear the page.
  for (const { root, element } of charts) {
    const view = Bokeh.index.get_by_id(root), { model } = view, place = view.canvas_view.events_el;
    const scales = new Map(named(model.extra_y_scales)), more = named(model.extra_y_ranges);
    const axes = [[model.x_range, model.x_scale], [model.y_range, model.y_scale],
      ...more.map(([name, range]) => [range, scales.get(name)])];
    const whole = axes.map(([range]) => ({ start: range.start, end: range.end }));
    const label = () => place.setAttribute("aria-label", describe(element));
    place.setAttribute("role", "group");
    place.setAttribute("aria-roledescription", "chart");
    place.setAttribute("aria-keyshortcuts", [...Object.keys(keys).map((key) => key === "+" ? "Plus" : key), "0"].join(" "));
    place.addEventListener("focus", label);
    label();
    place.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const by = keys[event.key === "=" ? "+" : event.key];
      if (by) axes.forEach(([range, scale], at) => move(range, scale, ...(at === 0 ? by.slice(0, 2) : by.slice(2))));
      else if (event.key === "0") axes.forEach(([range], at) => range.setv(whole[at]));
      else return;
      event.preventDefault();
    });
    for (const button of within(document.getElementById(element))) {
      button.shadowRoot?.adoptedStyleSheets.push(ring);
      if (button !== place && button.tabIndex === 0 && button.title) {
        button.setAttribute("role", "button");
        button.setAttribute("aria-label", button.title);
      }
    }
  }

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
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", describe(charts[at].element));
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
      for (const renderer of renderers) if (renderer.tags[0] === box.dataset.status) renderer.visible = box.checked;
    };
    box.addEventListener("change", show);
  }
  for (const select of document.querySelectorAll("[data-shown]")) {
    select.addEventListener("change", () => {
      for (const part of [...renderers, ...of("ColorBar", "LinearAxis", "LogAxis", "Grid")]) {
        const [kind, chart, layer] = part.tags;
        if (kind === "shown" && chart === select.dataset.shown) part.visible = layer === select.value;
      }
      for (const finding of document.querySelectorAll("[data-layer]")) {
        if (finding.dataset.of === select.dataset.shown) finding.hidden = finding.dataset.layer !== select.value;
      }
    });
  }

  // The numbers that a chart shows now. The tags of their sources are their kind, the heads of what is saved and of what
  // is read in the page, each with its column.
  const numbers = (element, kind) => {
    const { model } = Bokeh.index.get_by_id(charts.find((one) => one.element === element).root);
    const own = model.renderers.filter(({ data_source }) => data_source.tags[0] === kind);
    const visible = own.filter((renderer) => renderer.visible);
    const seen = new Map(visible.map(({ data_source, view }) => [data_source, view.filter.booleans]));
    const rows = [...seen].flatMap(([{ data }, booleans]) =>
      [...booleans.keys()].filter((row) => booleans[row]).map((row) => (column) => data[column][row]));
    const { tags: [, saved, told], data } = (visible[0] ?? own[0]).data_source;
    // What the reader has chosen, where no column says it.
    const chosen = selects.filter((select, at) => select.value !== "-1" && `f${at}` in data)
      .map((select) => [select.labels[0].textContent, select.selectedOptions[0].textContent])
      .filter(([name]) => saved.every(([head]) => head !== name));
    return { saved, told, rows, chosen };
  };

  const isList = (value) => Array.isArray(value) || ArrayBuffer.isView(value);
  const cell = (value) => {
    const word = { NaN: "", Infinity: "inf", "-Infinity": "-inf" };
    const text = typeof value === "number" ? (word[value] ?? String(value)) : value;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  // Writes the numbers of a chart as CSV; of a line each point is a row.
  const csv = (element, kind) => {
    const { saved, rows, chosen } = numbers(element, kind);
    const lines = rows.flatMap((value) => {
      const cells = saved.map(([, column]) => value(column)), points = cells.find(isList);
      if (points === undefined) return [cells];
      const each = Array.from(points, (_, at) => cells.map((one) => (isList(one) ? one[at] : one)));
      return each.filter((line) => !Number.isNaN(line.at(-1)));
    });
    if (kind === "trials") lines.sort(([one], [other]) => one - other);
    const heads = [...chosen.map(([name]) => name), ...saved.map(([head]) => head)];
    const settings = chosen.map(([, value]) => value);
    return [heads, ...lines.map((line) => [...settings, ...line])].map((line) => `${line.map(cell).join(",")}\n`).join("");
  };
  for (const button of document.querySelectorAll("[data-save]")) {
    button.addEventListener("click", () => {
      const { save, kind, file } = button.dataset, link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([csv(save, kind)], { type: "text/csv" }));
      link.download = file;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    });
  }

  // The table of a chart's numbers is made while it is open; of very many rows it has the first ones.
  const mostRows = 200;
  const fill = (details) => {
    const { table: element, kind } = details.dataset, { told, rows, chosen } = numbers(element, kind);
    const table = document.createElement("table"), caption = table.createCaption();
    const all = rows.length > mostRows ? `The first ${mostRows} of ${rows.length.toLocaleString("en")} rows; CSV has them all.` : "All rows.";
    caption.append(document.createElement("span"));
    caption.firstChild.textContent = [...chosen.map(([name, value]) => `${name} ${value}.`), all].join(" ");
    const line = (part, texts, headOf) => {
      const row = part.insertRow();
      texts.forEach((text, at) => {
        const scope = headOf(at), one = document.createElement(scope ? "th" : "td");
        if (scope) one.scope = scope;
        one.textContent = text;
        row.append(one);
      });
    };
    line(table.createTHead(), told.map(([head]) => head), () => "col");
    const body = table.createTBody();
    for (const value of rows.slice(0, mostRows)) {
      line(body, told.map(([, column]) => value(column)), (at) => (at === 0 ? "row" : ""));
    }
    details.querySelector(".grid").replaceChildren(table);
  };
  const tables = [...document.querySelectorAll("[data-table]")];
  const refill = () => tables.filter(({ open }) => open).forEach(fill);
  for (const details of tables) details.addEventListener("toggle", refill);
  for (const choice of document.querySelectorAll("select, [data-status]")) choice.addEventListener("change", refill);
  document.documentElement.dataset.ready = "";
})();
