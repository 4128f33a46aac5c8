// The few things that every part of the page does with it.

export const $ = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Tells screen readers; what is said must also be seen somewhere. */
export function say(text) {
  $("status").textContent = text;
}

/** Runs `draw` with the next picture of the screen, once however often it was asked for. */
export function everyFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}
