"use strict";
// Adds to the page what paper cannot do: the values under pointer, finger or keyboard, lines and
// scales that are switched on and off. Everything that is shown stands in the page already.
(() => {
  // As the page itself writes numbers.
  const number = (value) => {
    if (value === 0) return "0";
    const exponent = Number(value.toExponential(3).split("e")[1]);
    if (exponent < -3 || exponent > 4) return value.toExponential(2).replace("e+", "e");
    return value.toFixed(Math.max(0, 3 - exponent));
  };
  const write = { number, percent: (value) => `${value.toFixed(2)}\u00a0%` };

  // The index in `xs`, which rise, of the value nearest to x.
  const nearest = (xs, x) => {
    let low = 0, high = xs.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] < x) low = middle; else high = middle;
    }
    return x - xs[low] <= xs[high] - x ? low : high;
  };

  const element = (tag, className) => {
    const made = document.createElement(tag);
    made.className = className;
    return made;
  };

  // A shape of an SVG.
  const shape = (tag, attributes) => {
    const made = document.createElementNS(document.querySelector(".plot").namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };

  const enliven = (chart) => {
    const { from, to, lines } = JSON.parse(chart.querySelector("script").textContent);
    const drawings = [...chart.querySelectorAll(".drawing")];
    const entries = [...chart.querySelectorAll(".legend li")];
    const values = entries.map((entry) => entry.querySelector(".value"));
    const last = values.map((value) => value.textContent);
    const inks = entries.map((entry) => entry.querySelector("path").getAttribute("stroke"));
    const at = chart.querySelector(".at");
    const shown = lines.map((line) => line.x.length > 0);
    const text = write[chart.dataset.unit];
    let x = null;

    for (const drawing of drawings) {
      const plot = drawing.querySelector(".area");
      drawing.plot = Object.fromEntries(
        ["x", "y", "width", "height"].map((name) => [name, Number(plot.getAttribute(name))]));
      const { y, height } = drawing.plot;
      drawing.cross = shape("line", { class: "cross", y1: y, y2: y + height });
      drawing.dots = inks.map((ink) => shape("circle", { class: "dot", r: 5, fill: ink }));
      plot.after(drawing.cross, ...drawing.dots);
    }

    // Shows the values at `wanted`, or with none the last ones again.
    const show = (wanted) => {
      x = wanted;
      const some = x !== null && shown.includes(true);
      const found = lines.map((line, i) => some && shown[i] ? nearest(line.x, x) : null);
      let mark = null;
      if (some) {
        // The line stands on the nearest point of all.
        const xs = found.flatMap((j, i) => j === null ? [] : [lines[i].x[j]]);
        mark = xs.reduce((a, b) => Math.abs(b - x) < Math.abs(a - x) ? b : a);
      }
      at.textContent = some ? `${chart.dataset.x} ${mark.toLocaleString("en")}` : "";
      values.forEach((value, i) => {
        value.textContent = found[i] === null ? last[i] : text(lines[i].y[found[i]]);
      });
      for (const drawing of drawings) {
        const [low, high] = [Number(drawing.dataset.from), Number(drawing.dataset.to)];
        const height = drawing.dataset.scale === "log"
          ? (y) => Math.log(y / low) / Math.log(high / low)
          : (y) => (y - low) / (high - low);
        const { plot, cross } = drawing;
        const across = (x) => plot.x + plot.width * (x - from) / (to - from);
        cross.toggleAttribute("hidden", !some);
        if (some) {
          cross.setAttribute("x1", across(mark));
          cross.setAttribute("x2", across(mark));
        }
        drawing.dots.forEach((dot, i) => {
          const j = found[i];
          const y = j === null ? NaN : height(lines[i].y[j]);
          dot.toggleAttribute("hidden", !Number.isFinite(y));
          if (!Number.isFinite(y)) return;
          dot.setAttribute("cx", across(lines[i].x[j]));
          dot.setAttribute("cy", plot.y + plot.height * (1 - y));
        });
        const svg = drawing.querySelector(".plot");
        const texts = values.map((value, i) => shown[i] ? `${names[i]} ${value.textContent}` : "");
        svg.setAttribute("aria-valuenow", some ? mark : to);
        svg.setAttribute("aria-valuetext", [at.textContent, ...texts].filter(Boolean).join(", "));
      }
    };
    const names = entries.map((entry) => entry.querySelector(".name").textContent);

    // Steps of the keyboard: from point to point of the line with the fewest.
    const step = (by) => {
      const candidates = lines.filter((line, i) => shown[i] && line.x.length > 1);
      if (candidates.length === 0) return;
      const xs = candidates.reduce((a, b) => b.x.length < a.x.length ? b : a).x;
      const stride = Math.ceil(xs.length / 100);
      if (by === -Infinity || by === Infinity) return show(by < 0 ? xs[0] : xs[xs.length - 1]);
      const now = x === null ? (by > 0 ? -1 : xs.length) : nearest(xs, x);
      show(xs[Math.min(Math.max(now + by * (x === null ? 1 : stride), 0), xs.length - 1)]);
    };
    const keys = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

    for (const drawing of drawings) {
      const [svg, area] = [drawing.querySelector(".plot"), drawing.querySelector(".area")];
      svg.tabIndex = 0;
      svg.setAttribute("role", "slider");
      svg.setAttribute("aria-valuemin", from);
      svg.setAttribute("aria-valuemax", to);
      const point = (event) => {
        const box = area.getBoundingClientRect();
        show(from + (to - from) * (event.clientX - box.left) / box.width);
      };
      area.addEventListener("pointermove", point);
      area.addEventListener("pointerdown", point);
      area.addEventListener("pointerleave", (event) => {
        // A finger that was lifted leaves its values to be read.
        if (event.pointerType === "mouse") show(null);
      });
      svg.addEventListener("blur", () => show(null));
      svg.addEventListener("keydown", (event) => {
        if (event.altKey || event.ctrlKey || event.metaKey) return;
        if (event.key === "Escape") return show(null);
        if (!(event.key in keys)) return;
        event.preventDefault();
        step(keys[event.key]);
      });
    }

    // Each entry of the legend becomes a button that hides its line.
    if (lines.length > 1) {
      entries.forEach((entry, i) => {
        const button = element("button", "");
        button.type = "button";
        button.setAttribute("aria-pressed", "true");
        button.append(...entry.childNodes);
        entry.append(button);
        button.addEventListener("click", () => {
          shown[i] = !shown[i] && lines[i].x.length > 0;
          button.setAttribute("aria-pressed", shown[i]);
          for (const drawing of drawings) {
            drawing.querySelectorAll(".line")[i].toggleAttribute("hidden", !shown[i]);
          }
          show(x);
        });
      });
    }

    const scale = chart.querySelector(".scale");
    if (scale) {
      scale.hidden = false;
      scale.addEventListener("click", () => {
        const pressed = scale.getAttribute("aria-pressed") !== "true";
        scale.setAttribute("aria-pressed", pressed);
        for (const drawing of drawings) {
          drawing.hidden = (drawing.dataset.scale === "log") !== pressed;
        }
      });
    }
    show(null);
  };

  // What a cell of the confusion matrix says, in words.
  const describeCells = (table) => {
    const words = table.closest("section").querySelector(".cell");
    const rows = [...table.tBodies[0].rows].map((row) => [...row.querySelectorAll("td")]);
    let [row, column] = [0, 0], chosen = null;
    const choose = (cell) => {
      chosen?.classList.remove("chosen");
      chosen = cell;
      chosen?.classList.add("chosen");
      words.textContent = chosen ? chosen.dataset.text : "";
    };
    table.tabIndex = 0;
    table.addEventListener("pointerover", (event) => choose(event.target.closest("td[data-text]")));
    table.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") choose(null);
    });
    table.addEventListener("focus", () => choose(rows[row][column]));
    table.addEventListener("blur", () => choose(null));
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    table.addEventListener("keydown", (event) => {
      const move = moves[event.key];
      if (!move || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      row = Math.min(Math.max(row + move[0], 0), rows.length - 1);
      column = Math.min(Math.max(column + move[1], 0), rows.length - 1);
      choose(rows[row][column]);
    });
  };

  const begin = () => {
    document.querySelectorAll(".chart").forEach(enliven);
    document.querySelectorAll(".confusion").forEach(describeCells);
  };
  begin();
  // A page that is watched while its run goes on says so when it has changed.
  document.addEventListener("change-of-page", begin);

  // Paper shows what is folded away.
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
})();
