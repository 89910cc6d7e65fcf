// Shows the details of the segment that is pointed at or in focus; without it, all are listed below each other.
"use strict";

const details = document.querySelector(".details");
if (details) {
  details.classList.add("one");
  let held = null;
  const show = (number) => {
    for (const shown of details.querySelectorAll(".shown")) shown.classList.remove("shown");
    const detail = document.getElementById("d" + number);
    if (detail) detail.classList.add("shown");
  };
  const numberOf = (event) => {
    const segment = event.target.closest && event.target.closest("a.segment");
    return segment ? segment.id.slice(1) : null;
  };
  for (const kind of ["mouseover", "focusin"]) {
    document.addEventListener(kind, (event) => {
      const number = numberOf(event);
      if (number !== null && (held === null || kind === "focusin")) show(number);
    });
  }
  // A click holds a segment until another is clicked.
  document.addEventListener("click", (event) => {
    const number = numberOf(event);
    if (number === null) return;
    event.preventDefault();
    held = held === number ? null : number;
    show(number);
  });
  const first = document.querySelector("a.segment.task, a.segment.skill");
  if (first) show(first.id.slice(1));
}
