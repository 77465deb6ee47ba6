const form = document.getElementById("filter"), count = document.getElementById("count");
const articles = [...document.querySelectorAll("article")];
const texts = new Map(articles.map((a) => [a, a.textContent.toLowerCase()]));
const shown = () => articles.filter((a) => !a.hidden && a.querySelector("img"));
form.hidden = false;

function filter() {
  const { family, paper, text } = form.elements, words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
  let number = 0;
  for (const a of articles) {
    a.hidden = (family.value && a.dataset.family !== family.value)
      || (paper.value && !a.dataset.papers.split(" ").includes(paper.value))
      || !words.every((word) => texts.get(a).includes(word));
    number += !a.hidden;
  }
  count.value = `${number} of ${articles.length}`;
  const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value)).toString();
  history.replaceState(null, "", (query ? `?${query}` : location.pathname) + location.hash);
}
for (const [key, value] of new URLSearchParams(location.search)) if (form.elements[key]) form.elements[key].value = value;
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(filter));
filter();

const large = document.getElementById("large");
let at = null;
function open(article) {
  at = article;
  const from = article.querySelector("img"), to = large.querySelector("img");
  to.src = from.getAttribute("src");
  to.alt = from.alt;
  large.querySelector("h2").innerHTML = article.querySelector("h2").innerHTML;
  large.querySelector(".caption").innerHTML = article.querySelector(".caption").innerHTML;
  if (!large.open) large.showModal();
}
function move(step) {
  const all = shown(), next = all[(all.indexOf(at) + step + all.length) % all.length];
  if (next) open(next);
}
for (const link of document.querySelectorAll(".drawing"))
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(link.closest("article"));
  });
for (const button of large.querySelectorAll("button"))
  button.addEventListener("click", () => (Number(button.value) ? move(Number(button.value)) : large.close()));
large.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    event.preventDefault();
    move(event.key === "ArrowRight" ? 1 : -1);
  }
});
large.addEventListener("click", (event) => event.target === large && large.close());
large.addEventListener("close", () => at?.querySelector(".drawing").focus());
