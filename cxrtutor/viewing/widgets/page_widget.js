// A page has no kernel: this stands in for it. It holds the widget's values, tells the widget when one changes, and
// hands both to the widget's own module, which JupyterLab renders in just the same way.
async (element, source, values) => {
  const listeners = {};
  const model = {
    get: (name) => values[name],
    set: (name, value) => {
      if (values[name] === value) return;
      values[name] = value;
      listeners[`change:${name}`]?.forEach((listener) => listener());
    },
    save_changes: () => {},
    on: (event, listener) => (listeners[event] ??= new Set()).add(listener),
    off: (event, listener) => listeners[event]?.delete(listener),
  };
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  try {
    const module = await import(url);
    await module.default.render({ el: element, model });
  } finally {
    URL.revokeObjectURL(url);
  }
}
