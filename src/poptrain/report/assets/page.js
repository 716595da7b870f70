"use strict";
(() => {
  const root = document.documentElement;
  // A report holds its figures; a dashboard asks for them.
  const held = document.getElementById("figures");
  const figures = held ? JSON.parse(held.textContent) : null;
  const source = async (name) => figures ? figures[name] : (await fetch(document.body.dataset.base + "plots/" + name)).json();
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("(max-width: 600px)");
  const drawn = new Set();
  let chosen = null;

  const dark = () => (chosen ?? (system.matches ? "dark" : "light")) === "dark";
  const look = () => {
    const style = getComputedStyle(root);
    const ink = style.getPropertyValue("--ink").trim(), card = style.getPropertyValue("--card").trim();
    return { "font.color": ink, "hoverlabel.bgcolor": card, "hoverlabel.font.color": ink, "hoverlabel.bordercolor": "rgba(128,128,128,.6)" };
  };
  const button = document.getElementById("theme");
  const paint = () => {
    root.dataset.theme = dark() ? "dark" : "light";
    button.textContent = dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", dark() ? "Use light colours" : "Use dark colours");
    for (const box of drawn) Plotly.relayout(box, look());
  };
  button.addEventListener("click", () => { chosen = dark() ? "light" : "dark"; paint(); });
  system.addEventListener("change", paint);

  // Plotly's hover texts hold escaped names and line breaks; here they become plain text.
  const words = (text) => text.replaceAll("<br>", "\n").replace(/<\/?b>/g, "").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  const fit = (layout) => {
    const made = { ...layout, autosize: true, margin: { ...layout.margin, t: 74 } };
    delete made.title;
    if (narrow.matches) {
      made.margin = { l: 44, r: 6, t: 78, b: 44 };
      made.font = { ...layout.font, size: 11 };
    }
    return made;
  };
  const config = () => ({ responsive: true, displaylogo: false, displayModeBar: narrow.matches ? false : "hover", modeBarButtonsToRemove: ["select2d", "lasso2d"] });
  const draw = async (box) => {
    if (drawn.has(box)) return;
    drawn.add(box);
    const figure = await source(box.dataset.plot);
    await Plotly.newPlot(box, figure.data, fit(figure.layout), config());
    Plotly.relayout(box, look());
    const detail = document.getElementById("detail-" + box.dataset.plot);
    box.on("plotly_click", (event) => {
      const text = event.points[0].hovertext;
      if (typeof text === "string") detail.textContent = words(text);
    });
  };
  const redraw = async (box) => {
    const figure = await source(box.dataset.plot);
    await Plotly.react(box, figure.data, { ...fit(figure.layout), uirevision: "same" }, config());
    Plotly.relayout(box, look());
  };
  paint();
  const seen = new IntersectionObserver((entries) => entries.forEach((e) => { if (e.isIntersecting) draw(e.target); }), { rootMargin: "600px" });
  document.querySelectorAll(".plot").forEach((box) => seen.observe(box));
  window.addEventListener("beforeprint", () => document.querySelectorAll(".plot").forEach(draw));

  const prepare = (table) => {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells], original = [...body.rows];
    const key = (row, column) => row.cells[column].dataset.sort ?? row.cells[column].textContent;
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const numeric = head.classList.contains("number");
      const value = (row) => { const n = Number(key(row, column)); return key(row, column) === "" || Number.isNaN(n) ? null : n; };
      const order = (a, b) => {
        if (!numeric) return (down ? -1 : 1) * key(a, column).localeCompare(key(b, column), undefined, { numeric: true });
        const x = value(a), y = value(b);
        if (x === null || y === null) return (x === null) - (y === null);
        return down ? y - x : x - y;
      };
      body.append(...[...original].sort(order));
    }));
    const input = document.getElementById(table.dataset.filter), count = document.getElementById(table.dataset.count);
    const filter = () => {
      const asked = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      original.forEach((row) => {
        const text = row.textContent.toLowerCase();
        row.hidden = !asked.every((word) => text.includes(word));
        left += !row.hidden;
      });
      count.textContent = left + " of " + original.length + " rows";
    };
    input.addEventListener("input", filter);
    filter();
  };
  document.querySelectorAll("table[data-filter]").forEach(prepare);
  window.poptrain = { drawn, redraw, prepare };
})();
