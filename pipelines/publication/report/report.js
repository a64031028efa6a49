"use strict";
// The page works without this: it adds the order of the studies and the language of the address.
(() => {
  const root = document.documentElement;
  const languages = document.querySelectorAll("input[name=language]");
  const follow = () => {
    root.lang = document.querySelector("input[name=language]:checked").value;
  };
  const fromAddress = () => {
    const asked = document.getElementById("lang-" + location.hash.slice(1));
    if (asked) asked.checked = true;
    follow();
  };
  languages.forEach((one) => one.addEventListener("change", follow));
  addEventListener("hashchange", fromAddress);
  fromAddress();

  const sheet = document.querySelector(".sheet");
  const sorting = document.getElementById("sorting");
  if (!sheet || !sorting) return;
  sorting.hidden = false;
  const selects = sorting.querySelectorAll("select");
  const value = (card, key) => (card.dataset[key] === "" ? Infinity : Number(card.dataset[key]));
  const sort = (key) => {
    const cards = [...sheet.children];
    cards.sort((a, b) => value(a, key) - value(b, key) || value(a, "number") - value(b, "number"));
    sheet.append(...cards);
  };
  selects.forEach((select) =>
    select.addEventListener("change", () => {
      selects.forEach((other) => (other.value = select.value));
      sort(select.value);
    })
  );
})();
