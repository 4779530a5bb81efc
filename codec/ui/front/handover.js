// A file from the first screen to the page of the codec, through the browser's own storage; no server sees it on the way.
(() => {
  const open = () => new Promise((done, failed) => {
    const asked = indexedDB.open("codec", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("files");
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => failed(asked.error);
  });
  const within = async (work) => {
    const base = await open();
    try {
      return await new Promise((done, failed) => {
        const step = base.transaction("files", "readwrite"), asked = work(step.objectStore("files"));
        step.oncomplete = () => done(asked.result);
        step.onerror = step.onabort = () => failed(step.error);
      });
    } finally { base.close(); }
  };
  window.handOver = (file) => within((files) => files.put(file, "photo"));
  window.takeOver = async () => {
    const file = await within((files) => files.get("photo"));
    await within((files) => files.delete("photo"));
    return file;
  };
})();
