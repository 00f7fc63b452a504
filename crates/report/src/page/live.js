"use strict";
// The page of a running run asks for itself again and shows what has changed.
(() => {
  const PAUSE = 2000; // milliseconds
  const notice = document.createElement("p");
  notice.className = "live";
  notice.setAttribute("role", "status");
  notice.textContent = "live";
  document.body.append(notice);

  // Switches by their charts, and whether each is on.
  const switches = () => {
    const all = [...document.querySelectorAll(".chart")].flatMap((chart) =>
      [...chart.querySelectorAll("button")].map((button, i) => [`${chart.id} ${i}`, button]));
    return new Map(all);
  };
  const isOn = (button) => button.getAttribute("aria-pressed");

  let tag = "";
  const look = async () => {
    let answer;
    try {
      answer = await fetch(location.href, { headers: { "If-None-Match": tag }, cache: "no-store" });
    } catch {
      notice.textContent = "the run has ended, or was stopped; its folder has report.html";
      return;
    }
    if (answer.ok) {
      tag = answer.headers.get("ETag");
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const before = new Map([...switches()].map(([name, button]) => [name, isOn(button)]));
      for (const part of ["header", "main"]) {
        document.querySelector(part).replaceWith(page.querySelector(part));
      }
      document.title = page.title;
      document.dispatchEvent(new Event("change-of-page"));
      for (const [name, button] of switches()) {
        if (before.has(name) && before.get(name) !== isOn(button)) button.click();
      }
      // The page of a run that has ended has no need to be asked for again.
      if (![...page.scripts].some((script) => script.text.includes("If-None-Match"))) {
        notice.textContent = "the run has ended";
        return;
      }
    }
    setTimeout(look, PAUSE);
  };
  setTimeout(look, PAUSE);
})();
