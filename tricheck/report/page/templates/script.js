"use strict";
for (const heat of document.querySelectorAll(".heat")) {
  const columns = Number(heat.dataset.columns), rows = Number(heat.dataset.rows);
  const details = heat.closest("details");
  const cursor = heat.querySelector(".cursor"), readout = details.querySelector(".readout");
  const table = details.querySelector("table");
  const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  let at = -1;
  const show = (cell) => {
    at = cell;
    const texts = [...table.tBodies[0].rows[cell].cells].map((one) => one.textContent);
    const [name, ratio, ...rest] = texts;
    const values = rest.slice(0, -1).map((value, k) => `${heads[k + 2]} ${value}`);
    const blamed = rest.at(-1) ? `, ${rest.at(-1)}` : "";
    readout.textContent = `${name}: ${ratio} × bound${blamed}; ${values.join(", ")}`;
    cursor.hidden = false;
    cursor.style.cssText = `left:${(cell % columns) / columns * 100}%;top:${Math.floor(cell / columns) / rows * 100}%;width:${100 / columns}%;height:${100 / rows}%`;
  };
  const inside = (share, count) => Math.min(Math.max(Math.floor(share * count), 0), count - 1);
  heat.addEventListener("pointermove", (event) => {
    const box = heat.getBoundingClientRect();
    const column = inside((event.clientX - box.left) / box.width, columns);
    const row = inside((event.clientY - box.top) / box.height, rows);
    if (row * columns + column !== at) show(row * columns + column);
  });
  heat.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    if (at < 0) return show(0);
    const row = Math.min(Math.max(Math.floor(at / columns) + move[0], 0), rows - 1);
    const column = Math.min(Math.max((at % columns) + move[1], 0), columns - 1);
    show(row * columns + column);
  });
}
// A link to a folded parameter unfolds it; on paper everything is unfolded.
const unfold = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") target.open = true;
};
addEventListener("hashchange", unfold);
unfold();
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    details.dataset.folded = "";
  }
});
addEventListener("afterprint", () => {
  for (const details of document.querySelectorAll("details[data-folded]")) {
    details.open = false;
    delete details.dataset.folded;
  }
});
