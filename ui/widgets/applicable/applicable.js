export function mount({ element, props, watch }) {
  const controls = element.closest(".controls");

  receive(props.value);
  watch("value", () => receive(props.value));

  function receive(names) {
    if (names) controls.dataset.applies = names;
  }
}
