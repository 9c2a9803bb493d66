// Mounts the interactive figures of a static page: state from the page, front end from the package.
{
  const { src, dataset } = document.currentScript;
  const mount = async (el) => {
    const state = JSON.parse(el.querySelector("script").textContent);
    const model = {
      get: (name) => state[name],
      set: (name, value) => { state[name] = value; },
      on: () => {},
      save_changes: () => {},
    };
    const { default: front } = await import(new URL(dataset.module, src).href);
    front.render({ model, el });
  };
  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-explore]").forEach(mount));
}
