export function mount({ element }) {
  return (names) => (element.closest(".controls").dataset.applies = names);
}
