// "Use this frame": the one that the player shows. Without this file a field asks for its second.

const find = (selector) => document.querySelector(selector);

function tell({ target }) {
  const field = find("#frame-at");
  if (target.id !== "player" || !field) return;
  field.value = target.currentTime.toFixed(3);
  find("#frame-moment").textContent = `${target.currentTime.toFixed(1)} s`;
}

// None of these bubbles.
for (const name of ["timeupdate", "seeking", "seeked", "pause"]) {
  document.addEventListener(name, tell, true);
}
document.addEventListener("submit", ({ target }) => {
  if (target.matches(".this-frame") && find("#player")) tell({ target: find("#player") });
});
