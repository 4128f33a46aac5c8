// Draws peaks as bars around a middle line; the part up to `share` in the strong colour.

const BAR = 3;
const GAP = 1;

/** How many bars a canvas of this width takes. */
export function bars(width) {
  return Math.max(1, Math.floor(width / (BAR + GAP)));
}

/** `low` and `high` are fitted to the width. */
export function draw(canvas, { low, high }, share = 0) {
  const { width, height } = fitted(canvas);
  if (width === 0) return;
  const context = canvas.getContext("2d");
  context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  context.clearRect(0, 0, width, height);
  const style = getComputedStyle(canvas);
  const [strong, weak] = [style.getPropertyValue("--wave-strong"), style.getPropertyValue("--wave-weak")];
  const count = bars(width);
  const middle = height / 2;
  for (let bar = 0; bar < count; bar += 1) {
    const from = Math.floor((bar * low.length) / count);
    const to = Math.max(from + 1, Math.floor(((bar + 1) * low.length) / count));
    let [least, most] = [0, 0];
    for (let i = from; i < to && i < low.length; i += 1) {
      least = Math.min(least, low[i]);
      most = Math.max(most, high[i]);
    }
    context.fillStyle = bar < share * count ? strong : weak;
    const top = middle - Math.max(most * middle, 1);
    const bottom = middle + Math.max(-least * middle, 1);
    context.beginPath();
    context.roundRect(bar * (BAR + GAP), top, BAR, bottom - top, BAR / 2);
    context.fill();
  }
}

/** Gives the canvas as many points as the screen shows. */
function fitted(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const [w, h] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  return { width, height };
}
