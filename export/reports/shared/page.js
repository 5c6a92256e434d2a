// The page is whole without this: it adds the filter, and a cursor in the chart for hand, finger and keys.
document.documentElement.classList.add("js");

for (const box of document.querySelectorAll(".operators")) {
  const rows = [...box.querySelectorAll("tbody tr")];
  const controls = box.previousElementSibling;
  const text = controls.querySelector(".filter");
  const only = controls.querySelector(".only");
  const found = controls.querySelector(".found");
  const names = rows.map((row) => row.textContent.toLowerCase());
  const apply = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, index) => {
      const right = row.classList.contains("right");
      row.hidden = (only.checked && right) || !words.every((word) => names[index].includes(word));
      shown += row.hidden ? 0 : 1;
    });
    found.textContent = shown + " of " + rows.length;
  };
  text.addEventListener("input", apply);
  only.addEventListener("change", apply);
  apply();
}

for (const figure of document.querySelectorAll(".scan")) {
  const plot = figure.querySelector(".plot");
  const cursor = figure.querySelector(".cursor");
  const readout = figure.querySelector(".readout");
  const hits = [...figure.querySelectorAll(".hit")];
  const names = hits.map((hit) => hit.querySelector("title").textContent);
  let place = -1;
  const show = (index) => {
    place = Math.min(Math.max(index, 0), hits.length - 1);
    const hit = hits[place];
    const middle = parseFloat(hit.getAttribute("x")) + parseFloat(hit.getAttribute("width")) / 2 + "%";
    cursor.setAttribute("x1", middle);
    cursor.setAttribute("x2", middle);
    cursor.classList.add("on");
    readout.replaceChildren(place + 1 + " of " + hits.length + ": " + names[place] + " ");
    if (hit.dataset.row) {
      const link = document.createElement("a");
      link.href = "#" + hit.dataset.row;
      link.textContent = "show in the list";
      readout.append(link);
    }
    plot.setAttribute("aria-valuenow", place + 1);
    plot.setAttribute("aria-valuetext", names[place]);
  };
  plot.setAttribute("tabindex", "0");
  plot.setAttribute("role", "slider");
  plot.setAttribute("aria-valuemin", "1");
  plot.setAttribute("aria-valuemax", hits.length);
  plot.setAttribute("aria-valuenow", "1");
  const point = (event) => {
    const area = plot.getBoundingClientRect();
    const share = (event.clientX - area.left) / area.width;
    const first = parseFloat(hits[0].getAttribute("x")) / 100;
    show(Math.floor(((share - first) / (1 - 2 * first)) * hits.length));
  };
  plot.addEventListener("pointermove", point);
  plot.addEventListener("pointerdown", point);
  plot.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -1e9, End: 1e9 };
    if (event.key in steps) {
      event.preventDefault();
      show(place + steps[event.key]);
    }
  });
}

// A link to an operator opens the list that it is in, and shows it whatever the filter says.
const open = () => {
  const row = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  const list = row && row.closest("details");
  if (list) {
    list.open = true;
    row.hidden = false;
    row.scrollIntoView({ block: "center" });
  }
};
addEventListener("hashchange", open);
document.addEventListener("click", (event) => {
  const link = event.target.closest && event.target.closest("a[href^='#']");
  if (link && link.getAttribute("href") === location.hash) open();
});
open();
