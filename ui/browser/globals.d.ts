// What the page's own scripts put on the window, for the type check.
interface Window {
  /** Ids of the tab that an address names, outermost first. */
  placeOf(params: URLSearchParams): string[];
  /** Whether letters and digits are heard; an argument changes it. */
  singleKeys(wanted?: boolean): boolean;
  /** Whether `fetch` puts answers and news in order already. */
  fetchIsInOrder?: boolean;
}
