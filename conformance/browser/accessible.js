// What a program can find out about a page's accessibility (WCAG 2.1 A and AA in part): a list of complaints.
(() => {
  const found = [];
  const say = (what, e) => found.push(what + ": " + (e ? e.outerHTML.slice(0, 120) : ""));
  const one = (selector, what) => document.querySelectorAll(selector).length === 1 || say(what);
  if (document.documentElement.lang !== "zh-Hant") say("3.1.1 language");
  if (!document.title.trim()) say("2.4.2 title");
  one("main", "1.3.1 one main"); one("header", "1.3.1 one header"); one("footer", "1.3.1 one footer"); one("h1", "1.3.1 one h1");
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  ids.filter((id, n) => ids.indexOf(id) !== n).forEach(id => say("4.1.1 id twice " + id));
  document.querySelectorAll("[aria-labelledby],[aria-describedby]").forEach(e =>
    (e.getAttribute("aria-labelledby") || e.getAttribute("aria-describedby")).split(" ").forEach(id => document.getElementById(id) || say("1.3.1 no such id", e)));
  document.querySelectorAll("label[for]").forEach(e => document.getElementById(e.htmlFor) || say("1.3.1 label of nothing", e));
  document.querySelectorAll("input:not([type=hidden]),select,textarea").forEach(e => e.labels.length || say("3.3.2 no label", e));
  document.querySelectorAll("a[href],button,summary").forEach(e => (e.textContent.trim() || e.title || e.getAttribute("aria-label")) || say("2.4.4 no words", e));
  document.querySelectorAll("img").forEach(e => e.hasAttribute("alt") || say("1.1.1 no alternative", e));
  document.querySelectorAll("th").forEach(e => e.scope || say("1.3.1 th without scope", e));
  document.querySelectorAll("[tabindex]").forEach(e => e.tabIndex > 0 && say("2.4.3 order of focus", e));
  let level = 0;
  document.querySelectorAll("h1,h2,h3,h4").forEach(e => { const n = +e.tagName[1]; if (n > level + 1) say("1.3.1 heading left out", e); level = n; });
  const parse = text => { const n = text.match(/[\d.]+/g).map(Number); return [n[0], n[1], n[2], n.length > 3 ? n[3] : 1]; };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = e => { const layers = []; for (let p = e; p; p = p.parentElement) layers.push(parse(getComputedStyle(p).backgroundColor)); return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]); };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    const box = e.getBoundingClientRect();
    if (!walk.currentNode.nodeValue.trim() || !box.width || box.right < 0) continue;
    let alpha = 1;
    for (let p = e; p; p = p.parentElement) alpha *= +getComputedStyle(p).opacity;
    const under = behind(e), style = getComputedStyle(e), ink = parse(style.color);
    const shown = over([ink[0], ink[1], ink[2], ink[3] * alpha], under);
    const [a, b] = [light(shown), light(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) say("1.4.3 contrast " + ratio.toFixed(2), e);
  }
  if (document.scrollingElement.scrollWidth > innerWidth) say("1.4.10 wider than the window by " + (document.scrollingElement.scrollWidth - innerWidth));
  return found;
})()
