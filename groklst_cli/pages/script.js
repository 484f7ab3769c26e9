for (const slider of document.querySelectorAll(".slider")) {
  const input = slider.querySelector("input"), views = slider.querySelector(".views");
  const show = () => slider.style.setProperty("--cut", input.value + "%");
  const follow = event => {
    const box = views.getBoundingClientRect();
    input.value = 100 * (event.clientX - box.left) / box.width;
    show();
  };
  input.addEventListener("input", show);
  views.addEventListener("pointerdown", event => { views.setPointerCapture(event.pointerId); follow(event); });
  views.addEventListener("pointermove", event => { if (event.buttons) follow(event); });
  show();
}
