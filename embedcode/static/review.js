// Keys for reviewing: j and k move, digits give codes, p and c choose, Enter saves.
"use strict";

const form = document.querySelector("form.review");
if (form) {
  const pieces = [...form.querySelectorAll("fieldset.piece")];
  const next = (name) => {
    const all = [...form.querySelectorAll(`input[name=${name}]`)];
    const at = all.findIndex((one) => one.checked);
    all[(at + 1) % all.length].checked = true;
  };
  const move = (step) => {
    const at = pieces.findIndex((piece) => piece.contains(document.activeElement));
    const to = Math.min(Math.max(at + step, 0), pieces.length - 1);
    pieces[to].focus();
  };
  const toggle = (group, number) => {
    const piece = document.activeElement.closest("fieldset.piece");
    if (!piece) return;
    for (const box of piece.querySelectorAll("input")) {
      if (box.value.endsWith(":" + group + number)) box.checked = !box.checked;
    }
  };
  document.addEventListener("keydown", (event) => {
    const writing = event.target.matches("input:not([type=radio]):not([type=checkbox])");
    if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
    const digit = /^Digit([0-9])$/.exec(event.code);
    if (digit) toggle(event.shiftKey ? "SKILL" : "TASK", digit[1]);
    else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "p") next("profile");
    else if (event.key === "c") next("confidence");
    else if (event.key === "Enter") form.requestSubmit();
    else return;
    event.preventDefault();
  });
  if (pieces.length) pieces[0].focus();
}
