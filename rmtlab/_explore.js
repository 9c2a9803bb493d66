// Sliders under a picture. In Jupyter the kernel draws; on a static page the model carries every frame.

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  element.append(...children);
  return element;
};

const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);

function render({ model, el }) {
  const controls = model.get("controls");
  const frames = model.get("frames") ?? [];
  const caption = model.get("caption");
  const unique = `explore-${Math.random().toString(36).slice(2)}`;
  let wanted = [...model.get("indices")];
  let asked = [...wanted];

  const picture = make("img", {
    class: "explore-picture",
    style: "display:block;max-width:100%;height:auto;margin:0 auto",
  });
  const news = make("p", {
    class: "explore-news",
    role: "status",
    style: "position:absolute;width:1px;height:1px;margin:-1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap",
  });
  const problem = make("p", { class: "explore-problem", role: "alert", hidden: "" });
  const panel = make("div", { class: "explore-controls", role: "group", "aria-label": "Parameters of the figure" });

  const reading = (indices) => controls.map((c, i) => `${c.label} = ${c.texts[indices[i]]}`).join(", ");

  const show = (svg, indices) => {
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
    picture.alt = `${model.get("alt")} Shown: ${reading(indices)}.`;
  };

  // The frames are listed with the last slider running fastest.
  const frame = (indices) => frames[indices.reduce((at, index, i) => at * controls[i].texts.length + index, 0)];

  const announce = (() => {
    let timer;
    return (text) => {
      clearTimeout(timer);
      timer = setTimeout(() => (news.textContent = text), 500);
    };
  })();

  // One question to the kernel at a time: what the sliders did meanwhile is asked when the answer is there.
  const ask = () => {
    if (frames.length) {
      show(frame(wanted), wanted);
      announce(`Figure redrawn: ${reading(wanted)}.`);
    } else if (same(asked, model.get("drawn")) && !same(asked, wanted)) {
      asked = [...wanted];
      model.set("indices", asked);
      model.save_changes();
    }
  };

  const rows = controls.map((control, i) => {
    const id = `${unique}-${i}`;
    const input = make("input", {
      id,
      "data-lm-suppress-shortcuts": "true", // or JupyterLab takes the arrow keys to move between cells
      type: "range",
      min: 0,
      max: control.texts.length - 1,
      step: 1,
      value: wanted[i],
      style: "flex:1 1 8rem;min-width:6rem",
    });
    const output = make("output", {
      for: id,
      "aria-live": "off",
      style: "flex:0 0 6.5rem;font-variant-numeric:tabular-nums",
    });
    const label = make("label", { for: id, style: "flex:0 1 12rem" }, control.label);
    const read = () => {
      output.textContent = control.texts[wanted[i]];
      input.setAttribute("aria-valuetext", control.texts[wanted[i]]);
    };
    input.addEventListener("input", () => {
      wanted[i] = Number(input.value);
      read();
      ask();
    });
    read();
    const style = "display:flex;flex-wrap:wrap;align-items:center;gap:.25rem 1rem";
    panel.append(make("div", { class: "explore-control", style }, label, input, output));
    return { input, read };
  });

  const drawn = () => {
    show(model.get("svg"), model.get("drawn"));
    problem.textContent = model.get("message");
    problem.hidden = !problem.textContent;
    announce(`Figure redrawn: ${reading(model.get("drawn"))}.`);
    ask();
  };
  const moved = () => {
    const indices = model.get("indices");
    if (same(indices, asked)) return;
    asked = [...indices];
    wanted = [...indices];
    rows.forEach(({ input, read }, i) => ((input.value = wanted[i]), read()));
  };
  model.on("change:drawn", drawn);
  model.on("change:indices", moved);

  show(frames.length ? frame(wanted) : model.get("svg"), wanted);
  el.replaceChildren(picture, problem, panel, news);
  if (caption) {
    const style = "max-width:40rem;margin:.5rem auto 0;font-size:.9em";
    el.append(make("p", { class: "explore-caption", style }, caption));
  }
}

export default { render };
