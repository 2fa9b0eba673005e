// Keeps the page of an open run up to date. Without JavaScript the page is the same, and has a button.
"use strict";

(() => {
  const LOOK_MS = 1000;
  let main = document.getElementById("main");
  const address = main.querySelector("[data-live]")?.dataset.live;
  if (!address || !window.EventSource) return;

  const texts = new Map();
  let renewing = null;

  const show = (path) => {
    for (const place of main.querySelectorAll("pre[data-step]")) {
      if (place.dataset.step !== path) continue;
      const atEnd = place.scrollTop + place.clientHeight >= place.scrollHeight - 4;
      place.textContent = texts.get(path);
      place.hidden = !place.textContent;
      if (atEnd) place.scrollTop = place.scrollHeight;
    }
  };

  // What somebody has opened stays open, and nobody is interrupted in typing.
  const renew = async () => {
    renewing = null;
    if (main.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) return;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("main");
    if (!fresh) return;
    const key = (details) => (details.closest("tr")?.id ?? "") + details.querySelector("summary").textContent;
    const open = new Set([...main.querySelectorAll("details[open]")].map(key));
    for (const details of fresh.querySelectorAll("details")) details.open = open.has(key(details));
    main.replaceWith(document.adoptNode(fresh));
    main = fresh;
    document.title = page.title;
    for (const path of texts.keys()) show(path);
  };

  const later = () => { renewing ??= setTimeout(renew, LOOK_MS); };

  const source = new EventSource(address);
  source.addEventListener("history", later);
  source.addEventListener("text", (event) => {
    const news = JSON.parse(event.data);
    texts.set(news.path, (news.appended ? texts.get(news.path) ?? "" : "") + news.text);
    show(news.path);
  });
  source.addEventListener("end", () => {
    source.close();
    clearTimeout(renewing);
    renew();
  });
})();
