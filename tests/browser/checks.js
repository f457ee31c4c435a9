// What a person would stumble over, found by looking: texts that touch, what does not fit, what cannot be told apart.
// An expression; it gives a list of sentences, empty if all is well.
(() => {
  const found = [];
  const about = (text) => JSON.stringify(text.trim().slice(0, 60));
  const shown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });

  // The lines of every text that is shown, without the air above and below their letters.
  const lines = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest("svg, style") || !shown(parent)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      const air = box.height * 0.18;
      if (box.width > 1) lines.push({ node, left: box.left, right: box.right, top: box.top + air, bottom: box.bottom - air });
    }
  }
  lines.sort((one, other) => one.top - other.top);
  for (let i = 0; i < lines.length; i++) {
    for (let j = i + 1; j < lines.length && lines[j].top < lines[i].bottom - 0.5; j++) {
      const one = lines[i], other = lines[j];
      const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      if (one.node !== other.node && wide > 0.5) found.push(`${about(one.node.data)} and ${about(other.node.data)} overlap`);
    }
  }

  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) found.push(`it is ${document.documentElement.scrollWidth} pixels wide`);
  for (const line of lines) {
    if (line.left < -0.5 || line.right > width + 0.5) found.push(`${about(line.node.data)} stands outside of the screen`);
  }
  for (const element of document.querySelectorAll("main *:not(svg, svg *)")) {
    const style = getComputedStyle(element);
    if (style.overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1 && element.textContent.trim()) {
      found.push(`${about(element.textContent)} is cut off`);
    }
  }

  // Pictures need a contrast of 3 against what they stand on. Source: WCAG 2.2, 1.4.11.
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (color) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = color;
    paint.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...paint.getImageData(0, 0, 1, 1).data].map((n) => n / 255)
      .map((n) => (n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (lighter + 0.05) / (darker + 0.05);
  };
  const colors = (element) => {
    const style = getComputedStyle(element);
    if (element instanceof SVGElement) return [style.stroke !== "none" ? style.stroke : style.fill];
    const stripes = style.backgroundImage.match(/rgba?\([^)]*\)/g) ?? [];
    return stripes.length ? stripes.slice(0, 1) : [style.backgroundColor, style.borderTopColor, style.borderLeftColor].slice(0, 1);
  };
  const ground = getComputedStyle(document.querySelector("section")).backgroundColor;
  const pictures = ".bar span, .key, svg rect:not(.band, .hit, .none), svg path:not(.hits *, .move, .tick)";
  const seen = new Set();
  for (const element of document.querySelectorAll(pictures)) {
    for (const color of colors(element)) {
      const kind = `${element.tagName}.${element.getAttribute("class")}`;
      if (color === "rgba(0, 0, 0, 0)" || seen.has(kind)) continue;
      seen.add(kind);
      const stands = contrast(color, ground);
      if (stands < 3) found.push(`${kind} has a contrast of ${stands.toFixed(2)}`);
    }
  }
  return [...new Set(found)];
})();
